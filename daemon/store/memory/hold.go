package memory

import (
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
)

// hold says who holds a task: see store.Cluster.
type hold struct {
	node    uuid.UUID // who does, if inHand is more than 0
	inHand  int       // how many runs of it are in the hands of node, but for those beside
	nobodys int       // how many are in nobody's hands
}

// lets reports whether a node may claim the task, change it and call it.
func (h *hold) lets(node uuid.UUID) bool {
	if h.inHand > 0 {
		return h.node == node
	}
	return h.nobodys == 0
}

// count counts a run of e that has not ended, or does not any more.
func (e *entry) count(rec *record, n int) {
	switch h := &e.hold; {
	case rec.nobodys:
		h.nobodys += n
	case !rec.beside:
		if h.inHand += n; h.inHand > 0 {
			h.node = rec.run.Node
		} else {
			h.node = uuid.Nil
		}
	}
}

// inHandOf reports whether a run that has not ended is in the hands of a node.
func (rec *record) inHandOf(node uuid.UUID) bool { return !rec.nobodys && rec.run.Node == node }

// hand puts a run that has not ended into the hands of a node; zero: into nobody's.
func (s *data) hand(rec *record, node uuid.UUID) {
	was, r := *rec, *rec.run
	r.Node = node
	is := *rec
	is.run, is.last, is.nobodys, is.beside = &r, was.run.Node, node == uuid.Nil, false
	swap := func(to record) {
		rec.entry.count(rec, -1)
		*rec = to
		rec.entry.count(rec, 1)
		if rec.nobodys {
			s.nobodys.Set(r.ID, rec)
		} else {
			s.nobodys.Delete(r.ID)
		}
	}
	swap(is)
	s.undoing(func() { swap(was) })
}

// heldTask tells who holds a task that a node may not change.
func (s *data) heldTask(e *entry) task.HeldTask {
	held := task.HeldTask{TaskID: e.task.ID}
	if e.hold.inHand > 0 {
		held.Node = e.hold.node
		if m := s.member(held.Node); m != nil {
			held.Address = m.Address
		}
	}
	return held
}
