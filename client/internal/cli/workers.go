package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/clockd/clockd/daemon/task"
	"github.com/clockd/clockd/daemon/wire"
	clockdv1 "github.com/clockd/clockd/gen/clockd/v1"
)

type workersCommand struct {
	Task string `complete:"task" placeholder:"NAME" help:"Only workers that run the task of this name."`
}

func (c *workersCommand) Run(s *session) error {
	workers, err := ask(s, s.client.Workers)
	if err != nil {
		return err
	}
	if c.Task != "" {
		workers = slices.DeleteFunc(workers, func(w task.Worker) bool { return !slices.Contains(w.Tasks, c.Task) })
	}
	if s.exact {
		resp := &clockdv1.ListWorkersResponse{}
		for _, w := range workers {
			resp.Workers = append(resp.Workers, workerToProto(w))
		}
		return s.printAnswer(resp)
	}
	rows := table{{"WORKER", "ID", "STATE", "PLACES", "CONNECTED", "LEASE-ENDS", "RUNS", "TASKS"}}
	for _, w := range workers {
		rows.row(text(w.Name), w.ID.String(), workerState(w), fmt.Sprintf("%d of %d free", max(0, w.Places-len(w.Held)), w.Places),
			s.distance(w.ConnectTime), s.distance(w.LeaseExpireTime), heldRuns(w.Held), short(strings.Join(w.Tasks, ", ")))
	}
	return rows.write(s.out)
}

// workerState is a word for how a worker is.
func workerState(w task.Worker) string {
	switch {
	case w.Disconnected:
		return "away" // and may come back before its lease ends
	case w.Draining:
		return "draining"
	}
	return "connected"
}

// heldRuns are the runs that a worker holds: the first few, and how many more.
func heldRuns(held []task.AttemptRef) string {
	const enough = 3
	if len(held) == 0 {
		return "-"
	}
	var parts []string
	for _, ref := range held[:min(enough, len(held))] {
		word := ref.Run.String()
		if ref.Attempt > 1 {
			word += fmt.Sprintf(" (attempt %d)", ref.Attempt)
		}
		parts = append(parts, word)
	}
	line := strings.Join(parts, ", ")
	if more := len(held) - enough; more > 0 {
		line += fmt.Sprintf(" and %d more", more)
	}
	return line
}

// workerToProto is the answer as the API gives it.
func workerToProto(w task.Worker) *clockdv1.Worker {
	pb := &clockdv1.Worker{
		WorkerId: w.ID.String(), WorkerName: w.Name, Peer: w.Peer, TaskNames: w.Tasks, Places: int32(w.Places),
		ConnectTime: wire.TimeToProto(w.ConnectTime), LeaseExpireTime: wire.TimeToProto(w.LeaseExpireTime),
		Draining: w.Draining, Disconnected: w.Disconnected, Revision: w.Revision,
	}
	for _, ref := range w.Held {
		pb.Held = append(pb.Held, &clockdv1.AttemptRef{RunId: ref.Run.String(), Attempt: int32(ref.Attempt)})
	}
	return pb
}
