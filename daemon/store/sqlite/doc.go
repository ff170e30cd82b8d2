// Package sqlite keeps tasks and runs in one SQLite file: the store of a daemon that stands alone. It
// needs no set-up and no C compiler. It is not for several daemons: one process owns the file, and a
// second is refused.
//
// # How it is built
//
//	Update, Call ─┐
//	Record ───────┤
//	Claim ────────┼─▶ queue ─▶ writer: BEGIN IMMEDIATE, savepoint per call ..., COMMIT ─▶ observer ─▶ answers
//	Prune, Sweep ─┤
//	Position ─────┘
//	Task, Tasks, Run, Runs, Unfinished, RunsChanged, AuditEvents ─▶ a reader of a few, each read on a snapshot
//
// One goroutine writes. It takes what waits, updates and calls first, then records, then one claim, one
// prune or sweep, and who asks for the position; carries it out in one transaction, and answers everybody
// after the commit: they share one flush to the disk. A call that fails is rolled back to its savepoint and
// takes nobody with it. As every group has room for each kind, none starves another.
//
// A group that changes something is one commit with one number. The observer is asked what it wants as the
// group begins; what it is to be told is read before the COMMIT and told after it, before the answers. If
// nothing is wanted, nothing is read.
//
// # What is on disk
//
// The schema is in migrations/. What a fire changes (clocks) is apart from what people change (tasks) and
// from what ends count (counts), and runs are appended and have no index over the history: together that makes
// claims several times faster than the obvious tables. The runs of a task are a chain from its newest to its oldest: to delete some
// of them mends it. A task that is deleted is gone at once and leaves its chain in the table remains, where
// Sweep finds it.
//
// # What can go wrong
//
//   - The process is killed: what was answered is there, what was not is there as a whole or not at
//     all. The next start needs no repair. The lock goes with the process.
//   - The process is killed while it brings an older file up to date: each migration is one transaction,
//     so the next start finds it done or does it.
//   - The machine loses power: the same, because each commit is flushed (synchronous=FULL), as far as
//     the disk tells the truth.
//   - The disk is full: calls return task.ErrUnavailable and change nothing, until there is room.
//   - A page is damaged: what needs it returns task.ErrUnavailable and says so; the rest goes on. A task
//     whose clock can not be read is rejected by the claim that finds it, and does not fire any more.
//   - The clock goes back: nothing is due for as long; no fire is recorded twice.
//   - The file lies on a network file system: SQLite's locks and shared memory do not work there. Do
//     not do it.
package sqlite
