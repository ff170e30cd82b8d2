package memory

import (
	"bytes"
	"context"
	"slices"

	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
)

// Offer implements store.Cluster.
func (n *Node) Offer(ctx context.Context, by store.Offerer, add, remove []uuid.UUID) error {
	return n.act(ctx, func(m *member) {
		if m.offers[by] == nil {
			m.offers[by] = make(map[uuid.UUID]bool)
		}
		for _, id := range remove {
			delete(m.offers[by], id)
		}
		for _, id := range add {
			m.offers[by][id] = true
		}
	})
}

// OfferedElsewhere implements store.Cluster.
func (n *Node) OfferedElsewhere(ctx context.Context, by store.Offerer) (ids []uuid.UUID, err error) {
	err = n.view(ctx, func() error {
		for _, m := range n.members {
			if m.ID == n.node {
				continue
			}
			for id := range m.offers[by] {
				ids = append(ids, id)
			}
		}
		slices.SortFunc(ids, func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) })
		ids = slices.Compact(ids)
		return nil
	})
	return ids, err
}

// Unoffered implements store.Cluster.
func (n *Node) Unoffered(ctx context.Context, limit int) (ids []uuid.UUID, err error) {
	err = n.view(ctx, func() error {
		n.names.Scan(func(_ string, e *entry) bool {
			t := e.task
			offered := func(m *member) bool { return m.offers[store.ByProgram][t.ID] }
			if t.Origin == task.Declared && t.OrphanTime.IsZero() && !slices.ContainsFunc(n.members, offered) {
				ids = append(ids, t.ID)
			}
			return len(ids) < limit
		})
		return nil
	})
	return ids, err
}

// Elapsed implements store.Cluster.
func (n *Node) Elapsed(ctx context.Context, limit int) (ids []uuid.UUID, err error) {
	err = n.view(ctx, func() error {
		now := n.now()
		n.deadlines.Scan(func(k timeKey) bool {
			if len(ids) >= limit || k.time.After(now) {
				return false
			}
			if k.entry.hold.lets(n.node) {
				ids = append(ids, k.entry.task.ID)
			}
			return true
		})
		return nil
	})
	return ids, err
}

// Places implements store.Cluster.
func (n *Node) Places(ctx context.Context, demands []store.Demand) (places []store.Places, err error) {
	err = n.act(ctx, func(m *member) {
		for _, d := range demands {
			var others []store.Share
			for _, o := range n.members {
				if share, has := o.shares[d.Group]; has && o != m {
					others = append(others, share)
				}
			}
			mine := m.shares[d.Group]
			mine.Node = m.ID
			share, contended := store.Grant(d, mine, others)
			m.shares[d.Group] = share
			if share.Granted == 0 && share.Wanted == 0 {
				delete(m.shares, d.Group)
			}
			places = append(places, store.Places{Granted: share.Granted, Contended: contended})
		}
	})
	if err != nil {
		return nil, err
	}
	return places, nil
}
