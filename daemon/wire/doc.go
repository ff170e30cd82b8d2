// Package wire translates between the words of clockd and its API: values of packages task and schedule
// to and from the messages of clockd.v1, errors to and from gRPC statuses. It is the only place that knows
// both, and both ends of the wire use it, so what a daemon says is what its client hears.
//
// Two directions, two tempers. What goes out always goes out: XToProto cannot fail, and what the API has no
// form for (text that is not UTF-8, an output that is not JSON) is made to fit. What comes in is looked at
// whole: XFromProto reports everything that is wrong, each violation with the whole path of its field, and
// its cost is bounded by fixed limits however the message was built.
//
// It holds no connection, no service and no rule of its own about what a task may be: whether a trigger
// makes sense is for schedule.Check, whether the calendars and custom kinds it names exist is for the daemon
// that has them, and which fields a request must have is for internal/rpc.
package wire

// Keys of the request metadata. What is no printable ASCII stands under the same key with "-bin" at its end.
const (
	// ActorMetadata is that in which callers say who they are. Its value is at most [MaxActor] bytes; the rest is cut
	// off.
	ActorMetadata = "clockd-actor"
	// ForwardedMetadata is that under which a node that passes a call on to another says its id. Such a call is not
	// passed on again.
	ForwardedMetadata = "clockd-forwarded"
	// PeerMetadata is that in which such a node says from where the call came to it.
	PeerMetadata = "clockd-peer"
)

// MaxActor is the longest actor, in bytes.
const MaxActor = 256
