// Package feed tells those who watch: tasks and runs by a [Hub], what going runs write by [Outputs].
//
// # Hub
//
// A store tells its Hub what it commits. The Hub keeps the newest commits once, for all watches; each watch has a
// place among them and goes on from there, in the goroutine of its caller, with its own filter and at the pace of
// its own reader.
//
//	store ── Committed ──▶ c7 ─ c8 ─ c9 ─ (next)
//	                       ▲              ▲
//	           a slow watch┘              └ all that wait
//
// Committed neither blocks nor does it cost more with more watches: it appends, and wakes one of those that wait,
// which wakes others. What is kept is bounded (see [Limits]), and what no watch has yet to read is not kept. A watch
// whose place falls off the end is ended with task.ErrTooSlow the next time its reader returns; until then it holds
// the response that its reader has in hand and nothing else.
//
// A watch begins with what is. It takes its place first; then it asks the store for its position P, which is a barrier:
// each commit after P is told of behind that place. Then it reads pages, and between two pages it tells the commits
// that have come in, so that a long snapshot needs no long buffer. All commits after P are told, and the pages show
// what no commit after P has changed. What goes wrong if this is done carelessly, and why it does not here:
//
//   - A commit is told of that a page has already shown. Every task and run has the number of its last commit: the
//     watch remembers those that a page showed ahead of the commits, and drops what is not newer.
//   - A page shows what a commit was already told of. If the number lies between P and the last commit told, it is
//     left out.
//   - A commit at or before P is told of. It is dropped: the pages are read after it.
//   - A task is renamed or made again between two pages, so that it is on both or on none. Its commit comes after P, and is
//     told, unless a page has shown something newer of the same id.
//   - The watch breaks off in the middle. Until it is synced each response carries the position it was started
//     with, from which all is told again.
//   - The store was replaced by another, or by an older copy of itself: the position is of another store, or newer than
//     P. The watch starts anew, with Reset. An older copy that has gone on past the position by then is not told
//     from the store that was: who restores a backup should start watches without a token.
//   - Tasks were deleted, or runs taken back, after the position from which a watch resumes: that is not kept, so
//     it starts anew, with Reset; a watch of runs is still told each run that has changed since, ended ones too.
//
// What repeats: after a resume, what had been told since the position; and a task or run may be told to be gone
// that the watch was never told of.
//
// # Outputs
//
// A run that goes has a [Tail]: the end of what it has written, and whoever follows it. See [Outputs].
package feed
