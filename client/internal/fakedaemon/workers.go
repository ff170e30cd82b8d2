package fakedaemon

import (
	"context"
	"strings"
	"time"

	"github.com/clockd/clockd/daemon/task"
	"github.com/clockd/clockd/daemon/wire"
	clockdv1 "github.com/clockd/clockd/gen/clockd/v1"
)

// AddWorkers makes the server know these workers, in the order of their names. It makes no use of them.
func (s *Server) AddWorkers(workers ...*clockdv1.Worker) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.workers = append(s.workers, workers...)
}

// ListWorkers lists.
func (s *Server) ListWorkers(context.Context, *clockdv1.ListWorkersRequest) (*clockdv1.ListWorkersResponse, error) {
	return &clockdv1.ListWorkersResponse{Workers: s.workers}, nil
}

// SampleWorkers returns workers, for [Server.AddWorkers], of every kind: one that holds runs, one that takes nothing
// new, and one that is away.
func SampleWorkers() []*clockdv1.Worker {
	worker := func(name string, places int32, tasks ...string) *clockdv1.Worker {
		return &clockdv1.Worker{
			WorkerId: task.IDOf("worker", name).String(), WorkerName: name, Peer: "10.0.0.7:50123", TaskNames: tasks, Places: places,
			ConnectTime: wire.TimeToProto(Now.Add(-3 * time.Hour)), LeaseExpireTime: wire.TimeToProto(Now.Add(8 * time.Second)), Revision: 7,
		}
	}
	busy := worker("lathe-1", 8, "backup", "report")
	for i, run := range []string{"4", "9", "10", "11", "12"} {
		busy.Held = append(busy.Held, &clockdv1.AttemptRef{RunId: run, Attempt: int32(1 + i%2)})
	}
	draining := worker("lathe-2", 2, "report")
	draining.Draining = true
	away := worker("node\tfour", 1, strings.Fields("a b c d e f g h i j k l m n o p q r s t u v w x y z")...)
	away.Disconnected, away.LeaseExpireTime = true, wire.TimeToProto(Now.Add(2*time.Second))
	away.Held = []*clockdv1.AttemptRef{{RunId: "7", Attempt: 2}}
	return []*clockdv1.Worker{busy, draining, away}
}
