// Package rpc is the door: the services of clockd.v1 in front of an [Engine] and of [Workers]. It checks what a request says,
// hands it on in the words of package task, and gives the answer its form on the wire. What a task or run
// becomes is decided behind it.
//
// A user may mount the services on a gRPC server of their own, with none of our interceptors. So everything
// that the API promises is kept by the services themselves, in one helper (serve, and serveStream on top of
// it): each error leaves with the status that package wire has for it, a panic costs its call and nothing more,
// and nothing of an unexpected error leaves but an id that stands beside all of it in the log. [ServerOptions]
// is what our own server adds.
//
//	request ─▶ serve ─▶ check: all violations at once ─▶ Engine ─▶ wire.XToProto ─▶ answer
//	             │                                          └─ of a stream: cut, with a resume token ─▶ send
//	             └── error or panic ─▶ log, if its text stays here ─▶ wire.ToStatus ─▶ status
//
// What another node of a cluster holds is passed on to that one: see somewhere.
//
// The stream of a worker goes both ways, and one that does not read must cost nobody else anything: see work.
//
//	worker ─▶ hear ─▶ work: check each message ─▶ Session      Session.Next ─▶ tell ─▶ worker
package rpc
