package engine

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/clockd/clockd/daemon/store"
)

const (
	// placesGap is how long after a node was not granted all that it wants it asks again: nobody tells it when others
	// give places up.
	placesGap = 50 * time.Millisecond
	// placesIdle is how long after the last need of a group its places are given back.
	placesIdle = 2 * time.Second
)

// grants are the groups of which places are to be asked for: the limits of groups are those of the cluster.
type grants struct {
	mu     sync.Mutex
	wanted map[string]bool
	wake   chan struct{} // size one
}

// want asks for the places of a group soon.
func (g *grants) want(group string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.wanted[group] = true
	poke(g.wake)
}

func (g *grants) take() map[string]bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	all := g.wanted
	g.wanted = make(map[string]bool)
	return all
}

// wantPlaces says that a run waits for a place of its group. It needs mu, as sparePlaces does.
func (e *Engine) wantPlaces(group string) {
	if e.node == nil || e.places.groups[group].MaxRunning == 0 || len(e.places.lines[group]) == 0 {
		return
	}
	e.node.grants.want(group)
}

// sparePlaces says that a place of a group is free. If another node wants it, it is not used again here before that one
// has had the chance to get it.
func (e *Engine) sparePlaces(group string) {
	if e.node == nil {
		return
	}
	if has := e.places.granted[group]; has.Contended {
		has.Granted = max(0, has.Granted-1)
		e.places.granted[group] = has
		e.node.grants.want(group)
	}
}

// askPlaces asks for places of groups, and gives them back, until ctx ends.
func (e *Engine) askPlaces(ctx context.Context) {
	g := &e.node.grants
	needed := make(map[string]time.Time) // when a group that has places, or wants some, was last in need
	for ctx.Err() == nil {
		asked := g.take()
		now := time.Now()
		e.mu.Lock()
		demands := e.demands(asked, needed, now)
		e.mu.Unlock()
		sleep := maxSleep
		if len(demands) > 0 {
			got, err := e.node.store.Places(ctx, demands)
			if err != nil {
				e.failedWrite(err)
				wait(ctx, placesGap)
				for _, d := range demands {
					g.want(d.Group)
				}
				continue
			}
			if e.granted(demands, got) {
				sleep = placesGap
			}
		}
		timer := time.NewTimer(sleep)
		select {
		case <-ctx.Done():
		case <-g.wake:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// demands returns what this node needs now of the groups that were asked for, and of those that have other places than
// they need. It needs mu.
func (e *Engine) demands(asked map[string]bool, needed map[string]time.Time, now time.Time) []store.Demand {
	s := &e.places
	groups := maps.Clone(asked)
	for group := range s.granted {
		groups[group] = true
	}
	for group := range s.lines {
		groups[group] = true
	}
	var demands []store.Demand
	for _, group := range slices.Sorted(maps.Keys(groups)) {
		limit := s.groups[group].MaxRunning
		has := s.granted[group]
		if limit == 0 {
			if has.Granted > 0 {
				demands = append(demands, store.Demand{Group: group, Limit: 1})
			}
			delete(s.granted, group)
			continue
		}
		d := store.Demand{Group: group, Limit: limit, Used: e.used(group)}
		d.Wanted = d.Used + len(s.lines[group])
		if d.Wanted > 0 {
			needed[group] = now
		}
		idle := now.Sub(needed[group]) >= placesIdle
		if !has.Contended && !idle {
			d.Wanted = max(d.Wanted, has.Granted) // the next run finds it
		}
		d.Wanted = min(d.Wanted, max(limit, d.Used))
		if asked[group] || d.Wanted != has.Granted || has.Contended {
			demands = append(demands, d)
		}
	}
	return demands
}

// granted takes note of what was granted, lets those go who waited for it, and reports whether somebody waits on.
func (e *Engine) granted(demands []store.Demand, got []store.Places) (short bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.fenced {
		return false
	}
	s := &e.places
	if s.granted == nil {
		s.granted = make(map[string]store.Places)
	}
	for i, d := range demands {
		if got[i].Granted == 0 && d.Wanted == 0 {
			delete(s.granted, d.Group)
			continue
		}
		s.granted[d.Group] = got[i]
		short = short || got[i].Granted < d.Wanted || got[i].Contended
	}
	e.admit()
	return short
}
