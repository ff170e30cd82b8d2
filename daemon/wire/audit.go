package wire

import (
	"strconv"

	"github.com/clockd/clockd/daemon/task"
	clockdv1 "github.com/clockd/clockd/gen/clockd/v1"
	"google.golang.org/protobuf/types/known/structpb"
)

// EventToProto returns the API's form of an event. What is in Before or After and is no JSON object becomes an
// object whose one field, "value", is that.
func EventToProto(e task.Event) *clockdv1.AuditEvent {
	pb := &clockdv1.AuditEvent{
		Time:     TimeToProto(e.Time),
		Action:   actions.to(e.Action),
		TaskId:   uuidToProto(e.TaskID),
		TaskName: clean(e.TaskName),
		RunId:    runIDToProto(e.RunID),
		Actor:    clean(e.Actor),
		Peer:     clean(e.Peer),
		Reason:   clean(e.Reason),
		Before:   objectToProto(e.Before),
		After:    objectToProto(e.After),
	}
	if e.ID != 0 {
		pb.Id = strconv.FormatInt(e.ID, 10)
	}
	return pb
}

// EventFromProto returns an event of an answer. If something in it cannot be read, which a newer daemon may
// bring about, the error is a task.InvalidError and the rest of the event is there.
func EventFromProto(pb *clockdv1.AuditEvent) (task.Event, error) {
	var r reader
	p := &path{name: "event"}
	e := task.Event{
		ID:       r.number(p.field("id"), pb.GetId()),
		Time:     r.time(p.field("time"), pb.GetTime()),
		Action:   actions.from(&r, p.field("action"), pb.GetAction()),
		TaskID:   r.uuid(p.field("task_id"), pb.GetTaskId()),
		TaskName: pb.GetTaskName(),
		RunID:    r.runID(p.field("run_id"), pb.GetRunId()),
		Actor:    pb.GetActor(),
		Peer:     pb.GetPeer(),
		Reason:   pb.GetReason(),
		Before:   r.object(p.field("before"), pb.GetBefore()),
		After:    r.object(p.field("after"), pb.GetAfter()),
	}
	return e, r.err()
}

// DiffToProto returns the API's form of what a config file would change in a task.
func DiffToProto(d task.TaskDiff) *clockdv1.TaskDiff {
	return &clockdv1.TaskDiff{
		TaskName: clean(d.TaskName),
		Action:   actions.to(d.Action),
		Reason:   clean(d.Reason),
		Before:   objectToProto(d.Before),
		After:    objectToProto(d.After),
	}
}

// DiffFromProto returns what a config file would change in a task. The error is a task.InvalidError.
func DiffFromProto(pb *clockdv1.TaskDiff) (task.TaskDiff, error) {
	var r reader
	p := &path{name: "diff"}
	d := task.TaskDiff{
		TaskName: pb.GetTaskName(),
		Action:   actions.from(&r, p.field("action"), pb.GetAction()),
		Reason:   pb.GetReason(),
		Before:   r.object(p.field("before"), pb.GetBefore()),
		After:    r.object(p.field("after"), pb.GetAfter()),
	}
	return d, r.err()
}

// number reads the decimal digits of a number that is not negative. Empty is 0.
func (r *reader) number(p *path, s string) int64 {
	if s == "" {
		return 0
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 {
		r.add(p, "%q is not of this version: a decimal number is needed", truncate(s, maxField))
		return 0
	}
	return n
}

func objectToProto(text []byte) *structpb.Struct {
	value := JSONToProto(text)
	if value == nil {
		return nil
	}
	if object := value.GetStructValue(); object != nil {
		return object
	}
	return &structpb.Struct{Fields: map[string]*structpb.Value{"value": value}}
}

func (r *reader) object(p *path, pb *structpb.Struct) []byte {
	if pb == nil {
		return nil
	}
	return r.json(p, structpb.NewStructValue(pb))
}
