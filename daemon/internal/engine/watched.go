package engine

import (
	"context"
	"errors"

	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
)

// watched is the store as the engine writes to it: what it answers says how this node stands.
type watched struct {
	store.Cluster
	e *Engine
}

func (w watched) saw(err error) {
	switch {
	case errors.Is(err, task.ErrGivenUp):
		w.e.fence(err)
	case unavailable(err):
		w.e.node.doubt.Store(true)
	}
}

func (w watched) Update(ctx context.Context, ids []uuid.UUID, fn store.UpdateFunc) ([]store.Updated, error) {
	updated, err := w.Cluster.Update(ctx, ids, fn)
	w.saw(err)
	return updated, err
}

func (w watched) Call(ctx context.Context, ref task.Ref, requestID uuid.UUID, fn store.CallFunc) (task.Run, bool, error) {
	run, repeated, err := w.Cluster.Call(ctx, ref, requestID, fn)
	w.saw(err)
	return run, repeated, err
}

func (w watched) Claim(ctx context.Context, req store.ClaimRequest, fn store.ClaimFunc) (store.Claimed, error) {
	claimed, err := w.Cluster.Claim(ctx, req, fn)
	w.saw(err)
	return claimed, err
}

func (w watched) Record(ctx context.Context, reports []store.Report, fn store.RecordFunc) ([]task.RunID, error) {
	late, err := w.Cluster.Record(ctx, reports, fn)
	w.saw(err)
	return late, err
}
