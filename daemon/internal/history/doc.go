// Package history looks whether clockd keeps its promises: it records what callers asked for and were answered, what
// tasks saw of their attempts, what watches were told and what the store had in the end, and compares all of it with
// a small model. It is imported by tests only, and knows nothing of the engine or of stores.
//
//	Actor ──▶ client ──▶ daemon ──▶ tasks ──┐ starts
//	  │ operations         │ streams        ▼
//	  └──────────────▶ Recorder ◀── Watch, Finish ──▶ History ──▶ Check ──▶ faults, by promise
//
// The model reads the audit: from it follow which trigger was in force when, and what a task was at each moment. The
// audit itself is held against the operations, and the tasks in the end against the audit.
//
// # Promises
//
//	recorded once         no instant of a task is in two records
//	not lost              each planned instant of a trigger, while it was in force, is in a record, whether it fired,
//	                      was skipped, missed or excluded: over pauses, changes, resets, expiries, restarts, kills
//	on plan               each record of a fire is of instants that a trigger in force asked for, as many as it says;
//	                      no more fires than max
//	not while paused      between the answer of PauseTask and the next ResumeTask, or resume_time, no fire starts
//	not early             nothing starts before its instant, jitter included
//	goes on               a trigger that follows runs does not lose its thread
//	whole or not at all   what was refused left nothing; what was answered is there; an answer that was lost is either
//	in force              a change that was answered is what is read from then on, after a kill too, and what is
//	                      listed in the end is what the audit leads to
//	audit chains          before and after of the events of a task lead from one to the next
//	audit tells           one event for each change that was answered, none for what was refused, in their order
//	watch is complete     what a reader knows in the end is what is listed, however often it was resumed
//	watch is in order     no object is told of as it was before
//	counted               the counts of a task are what its runs say
//	within limits         no more attempts go at once than the process allows, of all tasks and of each group
//	overlap               no two runs of a task go side by side if its policy says so
//	attempts              no more attempts than the task allows, beside those whose process died; none after a death
//	                      at most once
//	witnessed             what is said to have run has run, and what has run is recorded; no attempt starts twice
//	settled               when nothing goes any more, no run is left unfinished
//	taken over            in a cluster, what a node had in hand when it came to grief is soon in other hands
//	fenced                in a cluster, a node starts nothing of what it has been given up with
//
// Three histories are lived: on fake time, with each store, restarts in order, stores that are lost and processes that
// die at a chosen write (TestRandomHistoriesKeepThePromises here), by real processes that are killed
// (TestHistoriesOfKilledProcessesKeepThePromises in daemon/cmd/clockd), and by several on one PostgreSQL that are killed,
// stopped, cut off and given wrong clocks (TestClustersThatAreTormentedKeepThePromises there). SEEDS=5000-9000 names the
// seeds, and CLOCKD_HISTORY=2h goes on for so long; CLOCKD_CLUSTER is told of at its test.
//
// What the model leaves open: an attempt of unknown fate at a crash may be started again or, where another run of the
// task goes on, be skipped with the attempt among its Earlier; and a fire that waited for another run or a place when
// its task was paused counts as a fire (FireCount, max) though its record is like that of an instant that passed.
//
// # Faults found
//
//	seed                what                                                            promise
//	3, 19, 26, 41, 58   a retry began before its attempt was recorded: while the        witnessed
//	                    store failed an attempt was made, and after a crash made
//	                    again under the same number
//	25, 35              a fire that waited for a place over a restart was taken for     not while paused
//	                    one that had begun: a pause left it where it was, and it
//	                    started after the answer
//	3122                a fire that waited for the run before, over two crashes within  overlap
//	                    moments, was taken for one that had gone, for its two attempts
//	                    of unknown fate: it went beside the other
//	51, with -race      sqlite: Observe wrote what the writer read: the observer of     watch is complete
//	                    the next daemon could be told of a commit for which the one
//	                    before had been asked
//	killed processes    a child of a daemon that was killed while it started a command  (the process did not start)
//	                    held the socket for a moment more, and the next start was told
//	                    that another daemon may be running
//	6119, 6295          a process that died after runs that failed in a row had paused    counted
//	                    their task, and before the fires that it had claimed were
//	                    skipped: the next one ran them, though they did not count
//	6433                a program with another trigger took back what was claimed ahead  not lost
//	                    before a crash, but not the record of what was excluded before
//	                    that: it told of up to ClaimAhead too much
//	3259                a record of excluded instants was taken back with its fire     watch is complete
//	                    while a reader was away: it had ended, so the Reset on resuming
//	                    did not make the reader forget it
//	422, 503, 552       a process that died after a call had paused a task, and before a   counted
//	                    fire that waited was recorded as skipped: if the pause was over
//	                    when the next one began, the fire started and did not count
//	killed processes    a watch that was cut off after the Reset on resuming, and before   watch is complete
//	                    it was synced, had lost its token: it began anew, and was not
//	                    told what had ended since
//	killed processes    a run that was let go before a pause began when its goroutine      not while paused
//	                    came to its turn, after the answer
//	cluster 1           a node that joined through connections which had to be made        not early
//	                    first took its time from that: it was half a second ahead
//	cluster 11          a pause got its time before its turn in the store came: a fire     on plan
//	                    that another node had recorded and ended meanwhile came after
package history
