// Package postgres keeps tasks and runs in PostgreSQL, 14 or newer, for any number of daemons at the same time: each opens a
// Store of its own on the same schema. It is also for one daemon that shall live elsewhere than its data.
//
// # A transaction that writes
//
//	lock and read the tasks ──▶ the functions decide ──▶ lock the row store, ──▶ write all, COMMIT ──▶ what is wanted is told
//	  (clocks, by their pks)      (nothing is written)     take the numbers
//
// A task is locked by its row in clocks, whoever changes whatever of it: claims pass over what is locked, all others wait. The
// row store is locked after all others, for as long as it takes to write and to commit. So commits have one order, that of
// their numbers; a node that was given up finds that out before it writes; and what a commit tells goes into the feed in the
// same order. While the row is locked there is no more than one round trip between client and server, or two if somebody
// watches. What was decided is written by a few statements, however many tasks and runs it is about.
//
// A transaction is made again, functions included, if others were in its way or its connection broke. If it breaks with
// the COMMIT, the server is asked what became of it, so that nothing is done twice.
//
// # What is where
//
// The schema, with a word on each table, is in migrations/. What fires and ends change (clocks) is apart from what people
// change (tasks). Runs that have not ended (open_runs) are few; those that have (runs) are only appended, a partition for each
// day. Who watches reads the table feed, which commits write only while somebody does.
//
// # What can go wrong
//
//   - A daemon is killed, or stops in the midst of a transaction: what was answered is there, what was not is there as a whole
//     or not at all. The server ends a transaction in which nothing has come for 5 seconds, so that it holds up nobody.
//   - The server is away, or starts, or is a replica: calls return task.ErrUnavailable within 10 seconds and have changed
//     nothing. The first call after it is back goes through.
//   - The server loses what it has committed, because fsync or synchronous_commit is off there, or because a replica takes over
//     that had not got it yet: then instants fire twice. Use synchronous_commit = on, or remote_apply with replicas.
//   - The connection breaks with the COMMIT, and for 10 seconds nobody can say what became of it: the call returns
//     task.ErrUnavailable though it may have been carried out.
//   - An old transaction of somebody else stays open, such as that of a dump: tables that are written often can not be
//     vacuumed meanwhile, and everything becomes slower.
//   - The clock of the server is set: leases and what is due go by it alone. Nothing fires twice.
//   - The database is out of reach for longer than the feed is kept: watches end, and begin anew where they were: see Loser.
//
// # What is between
//
// Sessions have no state but their parameters (search_path and those of sessionParams), and none holds a lock longer than a
// transaction, so that a pooler may give a connection to others after each transaction. PgBouncer with pool_mode = transaction
// works if the role has the search_path ("ALTER ROLE clockd SET search_path = clockd"), as it passes no such parameter on; and,
// before its version 1.21, with default_query_exec_mode=cache_describe in the URL. It can not LISTEN, which only makes that
// what became due earlier at another node starts up to a second later.
package postgres
