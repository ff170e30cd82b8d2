// Package bench compares the time engine of clockd, daemon/schedule, with three cron libraries in
// one run:
//
//	cd .bench && go test -bench . -benchmem
//
// BenchmarkNext is the cost of one next fire, for each expression and zone the libraries one below
// the other; BenchmarkWorst is that of the slowest questions found for ours alone. For a figure to
// quote, add -count 6 and read the result with benchstat, on a machine that does nothing else.
//
// All of them walk: a few fires from each of the same starts, spread over nine years, each question
// asked at the answer before it. So none is measured on one instant that it has cached, nor on a
// lucky one. Expressions are parsed before the clock starts where the library allows it. gronx does
// not: its only way to ask takes the text, so what is shown for it includes reading it.
//
// A figure means little if the answer is wrong, so go test, without -bench, holds the fires of each
// library in UTC against ours. Where they differ there is a line in the table of differences that says
// why; a difference without one fails, and so does a line whose difference is gone. In Berlin the rules
// of the libraries for daylight saving differ from ours and from each other, so there a benchmark
// demands only that each fire is after the one before.
//
// Package cluster, in the folder below, measures clockd on PostgreSQL beside River.
//
// It is a module of its own, in a hidden folder, so that nobody who imports clockd inherits the
// libraries it is compared with, not even as lines in go.sum. The go command in the main module
// passes it over: ./... there neither builds nor tests it.
package bench
