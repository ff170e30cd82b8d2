package wire_test

import (
	"testing"
	"time"

	"github.com/clockd/clockd/daemon/task"
	"github.com/clockd/clockd/daemon/wire"
	clockdv1 "github.com/clockd/clockd/gen/clockd/v1"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

func TestEveryOrderToAWorkerIsSaidWhole(t *testing.T) {
	planned := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	ref := task.AttemptRef{Run: 7, Attempt: 2}
	for name, c := range map[string]struct {
		order task.Order
		want  *clockdv1.WorkResponse
	}{
		"assignment": {
			task.Order{Assign: &task.Assignment{
				AttemptRef: ref, TaskID: uuid.UUID{1}, TaskName: "a\xff", ScheduledTime: planned, Input: []byte("1"), Timeout: time.Minute,
			}},
			&clockdv1.WorkResponse{Message: &clockdv1.WorkResponse_Assignment{Assignment: &clockdv1.Assignment{
				RunId: "7", Attempt: 2, TaskId: "01000000-0000-0000-0000-000000000000", TaskName: "a\uFFFD", ScheduledTime: timestamppb.New(planned),
				Input: structpb.NewNumberValue(1), Timeout: durationpb.New(time.Minute),
			}}},
		},
		"bare assignment": {
			task.Order{Assign: &task.Assignment{AttemptRef: ref, ScheduledTime: planned}},
			&clockdv1.WorkResponse{Message: &clockdv1.WorkResponse_Assignment{Assignment: &clockdv1.Assignment{
				RunId: "7", Attempt: 2, ScheduledTime: timestamppb.New(planned),
			}}},
		},
		"cancel": {
			task.Order{Cancel: &task.Cancel{AttemptRef: ref, Reason: "why"}},
			&clockdv1.WorkResponse{Message: &clockdv1.WorkResponse_Cancel{Cancel: &clockdv1.CancelAttempt{RunId: "7", Attempt: 2, Reason: "why"}}},
		},
		"recorded": {
			task.Order{Recorded: &task.Recorded{AttemptRef: ref, Late: true}},
			&clockdv1.WorkResponse{Message: &clockdv1.WorkResponse_Recorded{Recorded: &clockdv1.Recorded{RunId: "7", Attempt: 2, Late: true}}},
		},
		"ping":  {task.Order{Ping: 3}, &clockdv1.WorkResponse{Message: &clockdv1.WorkResponse_Ping{Ping: &clockdv1.Ping{Sequence: 3}}}},
		"drain": {task.Order{Drain: true}, &clockdv1.WorkResponse{Message: &clockdv1.WorkResponse_Drain{Drain: &clockdv1.DaemonDrain{}}}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, overTheWire(t, wire.OrderToProto(c.order)), protocmp.Transform()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAWorkerIsShownWhole(t *testing.T) {
	now := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	w := task.Worker{
		Hello: task.Hello{
			ID: uuid.UUID{1}, Name: "host\xff", Peer: "192.0.2.1:7", Tasks: []string{"a", "b"}, Revision: 3, Places: 4,
			Held: []task.AttemptRef{{Run: 7, Attempt: 2}},
		},
		ConnectTime: now, LeaseExpireTime: now.Add(time.Minute), Draining: true, Disconnected: true,
	}
	want := &clockdv1.Worker{
		WorkerId: "01000000-0000-0000-0000-000000000000", WorkerName: "host\uFFFD", Peer: "192.0.2.1:7", TaskNames: []string{"a", "b"},
		Places: 4, Held: []*clockdv1.AttemptRef{{RunId: "7", Attempt: 2}}, ConnectTime: timestamppb.New(now),
		LeaseExpireTime: timestamppb.New(now.Add(time.Minute)), Draining: true, Disconnected: true, Revision: 3,
	}
	if diff := cmp.Diff(want, overTheWire(t, wire.WorkerToProto(w)), protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
}
