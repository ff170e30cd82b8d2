// Package engine turns fires and calls into runs: it claims what is due, starts it at its instant,
// records how it ended, and carries out what callers ask for while it does so. It decides nothing about
// time or precedence itself (schedule and internal/reconcile do, as pure functions), knows no gRPC and
// no SQL, and keeps nothing that matters across restarts: that is in the store.
//
//	           ┌──────── claim ◀── store.Claim: due tasks; run recorded, next fire set, one transaction
//	           ▼
//	edit ──▶ queue ──▶ overlap ──▶ place ──▶ worker ──▶ attempt (one goroutine each) ──▶ recorder ──▶ store.Record
//	           ▲        (lane)   (places)    (hall)       │                                        │
//	RunTask ───┤                                          │ failed or lost, and to be made again   │
//	           └──────────────────────────────────────────┘          waiters, next fire ◀──────────┘
//
// What has left the queue and may not start yet waits in the lane of its task, for the runs before it, in a line for a
// place or, if workers do its work, in the hall for one that has a place; it is recorded as Scheduled with the reason,
// and its start is on disk before it happens, so that what the store says has not started has not. Places of both kinds
// are taken in one step, so that who waits for one keeps none of the other from others.
//
// Beside that, each in a goroutine that Run waits for: elapse ends overrides and pauses whose time has come; tidy
// deletes history that no task wants to keep. What this daemon can run is in the registry: what the program declares,
// which Reload changes, and what was made through the API. The store tells the hub (internal/feed) what it
// commits, and the hub tells those who watch.
//
// Locks, in the order in which they are taken: members or reloading, gate, entry.editing, mu. Only mu and gate are
// taken on the way of a fire; no lock but gate is held across a call of the store by what starts runs.
//
// With jitter a fire waits in the queue from its instant until its start. It was due by its instant: an edit
// of the trigger leaves it there, a pause takes it back, and after a stop or a kill the next process reads from
// its record when to start it.
//
// # Several nodes
//
// If the store is a store.Cluster, this engine is one of its nodes: see node. All that is in memory for a task is at the
// node that holds it; an edit or a call of what another holds ends in a task.HeldError, and the API passes it on. Then
// the clock is the store's; tasks get their entries when they are first needed (know), and those that can not be run here
// are left to others (ours); what the program declares is offered, and is orphaned once nobody that lives offers it; a
// keeper gives up nodes whose leases have ended and takes over what is in nobody's hands, with the same decisions as a
// start; places in groups are granted by the store (grants). Nothing of that is there for a store of one daemon.
//
// # What can go wrong, and what then
//
//   - The process dies. Runs that were recorded and had not ended are found at the next start, and are
//     started again or end as Lost, as their task says; those whose instants have not come wait for them.
//     Instants that passed are caught up as it says.
//   - A change arrives between a claim and the instant. The fire is taken back: it leaves the queue
//     before the transaction and its record goes with it. Claims and edits exclude each other (gate), so
//     none slips through between its record and the queue. Where the clock can not go back (a later fire was
//     canceled and keeps its record, or another process claimed it), a pause records the instant as skipped.
//     The price: a store never sees a claim and an edit at the same time, so these two do not share a flush.
//   - The store fails. Claims and records are tried again with growing pauses, nothing that ended is
//     forgotten, and Health says so. Fires that pass meanwhile are caught up.
//   - A trigger can not be used: a calendar or a custom kind that the program no longer has, or code of a
//     custom kind that fails. The task is paused by "clockd" with the reason; what was due before runs, and
//     all other tasks go on.
//   - The node can not renew its lease, or learns that it was given up. Before others take over it drops all that it had:
//     contexts end, nothing starts, nothing is recorded. It joins again under a new id, and takes over like the others.
//   - A write fails and was carried through all the same, which a network can do. The runs that the store says are in
//     hand are compared with those that are known: see resolve.
//   - The machine's clock is set, or the machine sleeps. Every loop looks at the wall clock at least once a
//     second: see wallWatch.
//   - No worker has a place. The run waits in the hall, in its turn, across restarts too. As many wait as may for a
//     place among the limits; what comes beyond that is skipped.
//   - A worker is lost with an attempt, or gives it back. The next attempt of the run is made at once, where there is a
//     place, at most ten times over, or the run ends as Lost, as its task says. One that was not begun is given out
//     again in any case, and counts for nothing; if nobody begins it, less and less often. What the worker tells of an
//     attempt after that is dropped. If the context of the attempt has ended before, the run ends as that says.
//   - A task is taken from the workers, or left to them, while runs of it wait. They are started here, or wait in the hall.
//   - A task panics, or calls runtime.Goexit. Its run fails; the node goes on.
//   - A task ignores its context at the stop. After the grace period the engine leaves it, and its run
//     is found at the next start like that of a node that died.
package engine
