package wire

import (
	"math"
	"time"

	"github.com/clockd/clockd/daemon/task"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// TimeToProto returns the API's form of an instant. The zero time is unset.
func TimeToProto(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

// TimeFromProto returns an instant as task.Instant makes it: in UTC, cut off to the microsecond. Unset is the
// zero time. field is the path for violations.
func TimeFromProto(field string, pb *timestamppb.Timestamp) (time.Time, []task.Violation) {
	var r reader
	t := r.time(&path{name: field}, pb)
	return t, r.found
}

func (r *reader) time(p *path, pb *timestamppb.Timestamp) time.Time {
	if pb == nil {
		return time.Time{}
	}
	r.unknown(p, pb)
	if pb.CheckValid() != nil {
		r.guess(p, "%d seconds and %d nanos are no instant of the years 1 to 9999", pb.GetSeconds(), pb.GetNanos())
		return time.Time{}
	}
	t := task.Instant(pb.AsTime())
	if t.IsZero() {
		// As a time.Time it would mean that there is none, and a bound would vanish.
		r.guess(p, `"0001-01-01T00:00:00Z" stands for no time at all: leave it unset, or give a later one`)
	}
	return t
}

// maxSeconds is the longest span a time.Duration holds, in whole seconds: 292 years.
const maxSeconds = math.MaxInt64/int64(time.Second) - 1

// spanToProto returns the API's form of a span whose zero means that there is none.
func spanToProto(d time.Duration) *durationpb.Duration {
	if d == 0 {
		return nil
	}
	return durationpb.New(d)
}

// SpanFromProto returns a span; unset is 0. field is the path for violations.
func SpanFromProto(field string, pb *durationpb.Duration) (time.Duration, []task.Violation) {
	var r reader
	d := r.duration(&path{name: field}, pb)
	return d, r.found
}

func (r *reader) duration(p *path, pb *durationpb.Duration) time.Duration {
	if pb == nil {
		return 0
	}
	r.unknown(p, pb)
	switch s := pb.GetSeconds(); {
	case pb.CheckValid() != nil:
		r.guess(p, "%d seconds and %d nanos are no duration: nanos are within ±999999999 and have the sign of the seconds", s, pb.GetNanos())
		return 0
	case s > maxSeconds || s < -maxSeconds:
		r.guess(p, "%d seconds are too long: at most %d, which is 292 years", s, maxSeconds)
		return 0
	}
	return pb.AsDuration()
}
