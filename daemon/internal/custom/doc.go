// Package custom stands between the daemon and the custom kinds of triggers that a program adds, so that no
// fault of theirs becomes one of the daemon. It knows nothing of messages: what makes a schedule.Source of
// bytes is handed in.
//
//	decision ──▶ call ──▶ goroutine: the user's code
//	   ▲          │             │
//	   └──────────┴─────────────┘ answer, error, panic; or given up after limit
//
// Sources are asked while decisions are made, which is inside transactions of the store. Whatever goes wrong is
// an error of that one question, and the engine pauses the task that asked it:
//
//   - It panics or calls runtime.Goexit. The error has the value, the log has the stack.
//   - It returns an error. Only its text goes on, so that no method of it is called later.
//   - It does not answer in time. The limit is counted in waits (see wait), not by the clock: a process that was
//     suspended or got no processor for a while sees one long wait, not ten.
//   - It never returns. Its goroutine can not be ended from outside; it is left behind, as at most one for each
//     caller at that moment, because further calls of the same value fail at once until all that were given up
//     have returned. A hundred tasks with one value that hangs cost one limit. If it does return, that is logged
//     and the value works again. At the end of the daemon nobody waits for it.
//   - It answers just in time, always. What calls take beyond a wait adds up, and falls by a tenth of the time
//     that goes by. Beyond maxDebt calls of the value fail at once, so that it can not keep the store to itself.
//
// Faults are those of a value, that is of the bytes of a trigger, whether a source is made of it or asked: a
// task, a preview or an update with one value that hangs does nothing to tasks with another. Tasks that share a
// value share its fate, also in a preview. But if it is not a value that is ill but the kind, each of a hundred
// values would cost its own limit, one after the other. So there is a breaker for the kind. It is open, and
// all calls of the kind fail at once, also those of values that are well,
//
//   - while breakAt different values have calls out that were given up: a hundred that hang cost breakAt limits,
//     a second, and not 25;
//   - while different values together took more than breakAt times maxDebt, less breakAt tenths of the time that
//     goes by. Fewer than breakAt values can not get there, however slow they are. This is for values that are
//     slow but return, so that only a few of them are out at any time.
//
// It closes by itself, when enough of them have returned, or the time has gone by. What is known of a value is
// dropped when it has no calls out and no debt, at the next call of the kind that has to look; until then there
// are as many as can have a debt, a few hundred at most, and one for each caller at that moment.
//
// What can not be caught is what Go can not recover from: a fatal error of the runtime (two goroutines in one
// map, a stack or memory without end), os.Exit, and a data race.
//
// A call that returns within a wait is not counted, because from outside a slow one can not be told from a
// process that is starved for a moment. How often a decision may ask is for whoever decides.
//
// A call that returns in time leaves nothing behind: its goroutine has ended but for its last instructions. The
// guard adds one to two microseconds to it, for the goroutine and the timer. What a Source answered is kept until
// the instant that it named, so each fire costs one call although several decisions ask for it.
package custom
