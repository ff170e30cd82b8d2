package memory

import (
	"fmt"
	"slices"

	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
)

// record is a run in the store. run is never changed in place; which task it is of, its entry says.
type record struct {
	run     *task.Run
	entry   *entry
	request uuid.UUID
	// nobodys says that it is in nobody's hands, and last in whose it was before.
	nobodys bool
	last    uuid.UUID
	// beside says that it does not count for who holds the task.
	beside bool
}

// named returns the run as one of t.
func named(r task.Run, t *task.Task) task.Run {
	r.TaskID, r.TaskName = t.ID, t.Declaration.Name
	return r
}

// whole returns a copy of the run.
func (rec *record) whole() task.Run { return named(cloneRun(rec.run), rec.entry.task) }

// brief returns a copy of the run without Input and Output.
func (rec *record) brief() task.Run {
	r := *rec.run
	r.Input, r.Output = nil, nil
	return named(cloneRun(&r), rec.entry.task)
}

// addRuns records runs of e in the hands of the node, counts them in t, which is what becomes of its task, and returns
// copies of them. They are beside what another node does if it is said, or if another holds the task.
func (s *data) addRuns(e *entry, t *task.Task, runs []task.Run, beside bool, request uuid.UUID) ([]task.Run, error) {
	var recorded []task.Run
	for i := range runs {
		if runs[i].TaskID != t.ID {
			return nil, fmt.Errorf("task %q: a run to record has the task id %s instead of %s", t.Declaration.Name, runs[i].TaskID, t.ID)
		}
		r := cloneRun(&runs[i])
		r.ID, r.Node, r.Change = s.nextRun, s.tx.by.node, s.number()
		s.nextRun++
		rec := &record{run: &r, entry: e, request: request, beside: beside || !e.hold.lets(r.Node)}
		s.list(rec)
		e.runs = append(e.runs, r.ID)
		s.undoing(func() {
			s.unlist(rec)
			e.runs = e.runs[:len(e.runs)-1]
			s.nextRun--
		})
		t.Counts = t.Counts.Add(t.Counts.Of(&r, true))
		s.tellRun(&r, t)
		recorded = append(recorded, named(cloneRun(&r), t))
	}
	return recorded, nil
}

// setRun replaces the value of a run.
func (s *data) setRun(rec *record, r *task.Run) {
	r.Change = s.number()
	old := rec.run
	swap := func(r *task.Run) {
		if !rec.run.State.Ended() {
			rec.entry.count(rec, -1)
		}
		rec.run = r
		if r.State.Ended() {
			s.open.Delete(r.ID)
		} else {
			s.open.Set(r.ID, rec)
			rec.entry.count(rec, 1)
		}
	}
	swap(r)
	s.undoing(func() { swap(old) })
	s.tellRun(r, rec.entry.task)
}

// takeBack deletes the run as if it had never been. Its id is not given again.
func (s *data) takeBack(rec *record) {
	e, id := rec.entry, rec.run.ID
	wasLast := e.last() == id
	s.unlist(rec)
	at, _ := slices.BinarySearch(e.runs, id)
	e.runs = slices.Delete(e.runs, at, at+1)
	s.undoing(func() {
		s.list(rec)
		e.runs = slices.Insert(e.runs, at, id)
	})
	s.mark(&s.takenBack)
	s.tellTakenBack(id)
	if counts := e.task.Counts.Sub(e.task.Counts.Of(rec.run, true)); wasLast || counts != e.task.Counts {
		t := *e.task
		t.Counts = counts
		s.put(e, &t)
	}
}

// list enters the run in all orders but that of its task, and unlist takes it out.
func (s *data) list(rec *record) {
	id := rec.run.ID
	s.runs.Set(id, rec)
	if !rec.run.State.Ended() {
		s.open.Set(id, rec)
		rec.entry.count(rec, 1)
		if rec.nobodys {
			s.nobodys.Set(id, rec)
		}
	}
	if rec.request != uuid.Nil {
		s.requests[rec.request] = id
	}
}

func (s *data) unlist(rec *record) {
	id := rec.run.ID
	s.runs.Delete(id)
	if !rec.run.State.Ended() {
		s.open.Delete(id)
		rec.entry.count(rec, -1)
		if rec.nobodys {
			s.nobodys.Delete(id)
		}
	}
	if rec.request != uuid.Nil {
		delete(s.requests, rec.request)
	}
}
