package wire

import (
	"github.com/clockd/clockd/daemon/task"
	clockdv1 "github.com/clockd/clockd/gen/clockd/v1"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// OrderToProto returns the API's form of what the daemon says to a worker.
func OrderToProto(o task.Order) *clockdv1.WorkResponse {
	switch {
	case o.Assign != nil:
		a := o.Assign
		return &clockdv1.WorkResponse{Message: &clockdv1.WorkResponse_Assignment{Assignment: &clockdv1.Assignment{
			RunId:         runIDToProto(a.Run),
			Attempt:       int32Of(a.Attempt),
			TaskId:        uuidToProto(a.TaskID),
			TaskName:      clean(a.TaskName),
			ScheduledTime: TimeToProto(a.ScheduledTime),
			Input:         JSONToProto(a.Input),
			Timeout:       spanToProto(a.Timeout),
		}}}
	case o.Cancel != nil:
		return &clockdv1.WorkResponse{Message: &clockdv1.WorkResponse_Cancel{Cancel: &clockdv1.CancelAttempt{
			RunId: runIDToProto(o.Cancel.Run), Attempt: int32Of(o.Cancel.Attempt), Reason: clean(o.Cancel.Reason),
		}}}
	case o.Recorded != nil:
		return &clockdv1.WorkResponse{Message: &clockdv1.WorkResponse_Recorded{Recorded: &clockdv1.Recorded{
			RunId: runIDToProto(o.Recorded.Run), Attempt: int32Of(o.Recorded.Attempt), Late: o.Recorded.Late,
		}}}
	case o.Drain:
		return &clockdv1.WorkResponse{Message: &clockdv1.WorkResponse_Drain{Drain: &clockdv1.DaemonDrain{}}}
	default:
		return &clockdv1.WorkResponse{Message: &clockdv1.WorkResponse_Ping{Ping: &clockdv1.Ping{Sequence: o.Ping}}}
	}
}

// WorkerToProto returns the API's form of a worker.
func WorkerToProto(w task.Worker) *clockdv1.Worker {
	pb := &clockdv1.Worker{
		WorkerId:        uuidToProto(w.ID),
		WorkerName:      clean(w.Name),
		Peer:            clean(w.Peer),
		TaskNames:       cleanAll(w.Tasks),
		Places:          int32Of(w.Places),
		ConnectTime:     timestamppb.New(w.ConnectTime),
		LeaseExpireTime: timestamppb.New(w.LeaseExpireTime),
		Draining:        w.Draining,
		Disconnected:    w.Disconnected,
		Revision:        w.Revision,
	}
	for _, ref := range w.Held {
		pb.Held = append(pb.Held, &clockdv1.AttemptRef{RunId: runIDToProto(ref.Run), Attempt: int32Of(ref.Attempt)})
	}
	return pb
}

// ProgressToProto returns the API's form of how far an attempt has come.
func ProgressToProto(p task.Progress) *clockdv1.RunProgress {
	return &clockdv1.RunProgress{Attempt: int32Of(p.Attempt), Fraction: p.Fraction, Message: clean(p.Message)}
}

// ProgressFromProto returns how far an attempt has come.
func ProgressFromProto(pb *clockdv1.RunProgress) task.Progress {
	return task.Progress{Attempt: int(pb.GetAttempt()), Fraction: pb.GetFraction(), Message: pb.GetMessage()}
}
