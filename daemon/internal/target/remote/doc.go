// Package remote runs tasks at workers: processes elsewhere that connect, say which tasks they run and how many places
// they have, and are given attempts to make. It knows nothing of how they are connected.
//
//	engine ─▶ Reserve ─▶ Place.Do ─▶ outbox ─▶ Session.Next ─▶ worker
//	             ▲           ▲                                    │
//	           Freed         └── End, GiveBack ◀── result, …  ◀───┘
//
// A worker is known by the id of its process, and outlives its connections. What it holds it holds until
//
//   - it says how the attempt ended, or gives it back;
//   - its lease runs out: it has not answered a ping that was handed out less than a lease ago, be it that it died,
//     hangs, does not read or can not be reached;
//   - it leaves, or connects anew and does not name the attempt any more;
//   - the attempt is canceled or times out, and the worker has not said how it ended for one lease more. Then nobody
//     waits for it any more, but its place is taken until the worker says that it has ended: a worker that can not stop
//     what it does is not given more than it can do.
//
// What was never handed out to a worker was not started: as soon as it is clear that it will not be (the connection is
// gone, the worker or the daemon drains), the attempt ends so that the engine may make it elsewhere.
//
// Nothing here waits for a worker but Place.Do. All state is the Hub's and under its one lock, which is held for map
// look-ups and never while something is sent; what is to be said to a worker stands in the outbox of its session.
package remote
