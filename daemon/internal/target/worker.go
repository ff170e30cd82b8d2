package target

import (
	"context"

	"github.com/clockd/clockd/daemon/task"
)

// Worker stands for the Placed of the workers where there is no daemon to which they connect: in what a program
// declares. Whoever runs the program puts the real one in its place.
type Worker struct{}

// Describe says that somebody else does the work.
func (Worker) Describe() task.Target {
	return task.Target{Kind: "worker", Summary: "a worker that runs the task"}
}

// Do starts nothing: there are no workers.
func (Worker) Do(context.Context, Attempt) ([]byte, error) {
	return nil, &LostError{Why: "there is no daemon to which workers connect", NotStarted: true}
}
