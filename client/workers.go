package client

import (
	"context"
	"fmt"

	"github.com/clockd/clockd/daemon/task"
	"github.com/clockd/clockd/daemon/wire"
	clockdv1 "github.com/clockd/clockd/gen/clockd/v1"
	"github.com/google/uuid"
)

// Workers returns the workers that are connected to the daemon, or were less than a lease ago, in the order of their
// names.
func (c *Client) Workers(ctx context.Context) ([]task.Worker, error) {
	resp, err := invoke(ctx, c, c.workers.ListWorkers, &clockdv1.ListWorkersRequest{})
	if err != nil {
		return nil, err
	}
	workers, err := each(resp.GetWorkers(), workerOf)
	return workers, unreadable(err)
}

func workerOf(pb *clockdv1.Worker) (task.Worker, error) {
	w := task.Worker{
		Hello: task.Hello{
			Name: pb.GetWorkerName(), Peer: pb.GetPeer(), Tasks: pb.GetTaskNames(), Revision: pb.GetRevision(), Places: int(pb.GetPlaces()),
		},
		Draining: pb.GetDraining(), Disconnected: pb.GetDisconnected(),
	}
	var err error
	if w.ID, err = uuid.Parse(pb.GetWorkerId()); err != nil {
		return task.Worker{}, fmt.Errorf("worker_id %q: %w", pb.GetWorkerId(), err)
	}
	for _, held := range pb.GetHeld() {
		ref, err := attemptRef(held)
		if err != nil {
			return task.Worker{}, err
		}
		w.Held = append(w.Held, ref)
	}
	var found []task.Violation
	if w.ConnectTime, found = wire.TimeFromProto("connect_time", pb.GetConnectTime()); found == nil {
		w.LeaseExpireTime, found = wire.TimeFromProto("lease_expire_time", pb.GetLeaseExpireTime())
	}
	if found != nil {
		return task.Worker{}, &task.InvalidError{Violations: found}
	}
	return w, nil
}

// attemptRef reads the name of an attempt, which several messages have.
func attemptRef(pb interface {
	GetRunId() string
	GetAttempt() int32
},
) (task.AttemptRef, error) {
	run, err := task.ParseRunID(pb.GetRunId())
	return task.AttemptRef{Run: run, Attempt: int(pb.GetAttempt())}, err
}
