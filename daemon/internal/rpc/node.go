package rpc

import (
	"context"

	"github.com/clockd/clockd/daemon/task"
	"github.com/clockd/clockd/daemon/wire"
	clockdv1 "github.com/clockd/clockd/gen/clockd/v1"
)

// nodes is the NodeService.
type nodes struct {
	clockdv1.UnimplementedNodeServiceServer
	api *API
}

func (s nodes) ListNodes(ctx context.Context, q *clockdv1.ListNodesRequest) (*clockdv1.ListNodesResponse, error) {
	return serve(ctx, s.api, q, func(ctx context.Context, _ *clockdv1.ListNodesRequest) (*clockdv1.ListNodesResponse, error) {
		found, err := s.api.engine.Nodes(ctx)
		if err != nil {
			return nil, err
		}
		answer, self := &clockdv1.ListNodesResponse{}, s.api.engine.Self()
		for _, n := range found {
			pb := wire.NodeToProto(n)
			pb.Self = n.ID == self
			answer.Nodes = append(answer.Nodes, pb)
		}
		return answer, nil
	})
}

func (s nodes) DeclareTask(ctx context.Context, q *clockdv1.DeclareTaskRequest) (*clockdv1.DeclareTaskResponse, error) {
	return serve(ctx, s.api, q, s.declareTask)
}

func (s nodes) declareTask(ctx context.Context, q *clockdv1.DeclareTaskRequest) (*clockdv1.DeclareTaskResponse, error) {
	var c check
	d, found := wire.DeclarationFromProto("task", q.GetTask())
	c.all(found)
	if q.GetRevision() < 0 {
		c.add("revision", "%d is negative", q.GetRevision())
	}
	worker := q.GetWorkerName()
	if worker != "" {
		if err := task.CheckName(worker); err != nil {
			c.add("worker_name", "%s", err)
		}
		if found == nil && (d.Spec == nil || d.Spec.Worker == nil) {
			c.add("task.spec", "a task that a worker declares is run by a worker: its target has to be worker")
		}
	}
	if err := c.err(); err != nil {
		return nil, err
	}
	var t task.Task
	var err error
	if worker != "" {
		t, err = s.api.engine.AnnounceTask(ctx, task.Announcement{Declaration: d, Revision: q.GetRevision(), Worker: worker, Peer: address(ctx)})
	} else {
		t, err = s.api.engine.DeclareTask(ctx, d, q.GetRevision())
	}
	if err != nil {
		return nil, err
	}
	return &clockdv1.DeclareTaskResponse{Task: wire.TaskToProto(t)}, nil
}

// announce makes a task that a worker declares, or declares it anew, here or at the node that holds it.
func (a *API) announce(ctx context.Context, said task.Announcement) (task.Task, error) {
	request := &clockdv1.DeclareTaskRequest{Task: wire.DeclarationToProto(said.Declaration), Revision: said.Revision, WorkerName: said.Worker}
	var t task.Task
	answer, err := somewhere(ctx, a, request, call[clockdv1.DeclareTaskRequest, clockdv1.DeclareTaskResponse]{
		here: func(ctx context.Context, _ *clockdv1.DeclareTaskRequest) (_ *clockdv1.DeclareTaskResponse, err error) {
			t, err = a.engine.AnnounceTask(ctx, said)
			return nil, err
		},
		there: invoking[clockdv1.DeclareTaskRequest, clockdv1.DeclareTaskResponse](a),
	})
	if answer != nil {
		t, _ = wire.TaskFromProto(answer.GetTask()) // of what a newer node says beyond our words, nothing is needed
	}
	return t, err
}
