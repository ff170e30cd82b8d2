package feed

import (
	"reflect"

	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/task"
)

// The sizes are rough: what can become large is counted, the rest by allowance. They are reckoned for each change, so
// they have to be cheap.
const (
	// few is for the short strings and small things that a task or run points to.
	few = 256
	// part is for a part of a trigger, or an exclusion.
	part = 128
)

var (
	sizeOfCommit   = size[store.Commit]()
	sizeOfChanged  = size[store.Changed]()
	sizeOfTask     = size[task.Task]()
	sizeOfOverride = size[task.Override]()
	sizeOfPause    = size[task.Pause]()
	sizeOfCommand  = size[task.CommandSpec]()
	sizeOfHTTP     = size[task.HTTPSpec]()
	sizeOfRun      = size[task.Run]()
	sizeOfAttempt  = size[task.Attempt]()
)

func size[T any]() int { return int(reflect.TypeFor[T]().Size()) }

func commitSize(c *store.Commit) Limits {
	l := Limits{Changes: len(c.Changes), Bytes: sizeOfCommit}
	for i := range c.Changes {
		l.Bytes += sizeOfChanged
		switch ch := &c.Changes[i]; {
		case ch.Task != nil:
			l.Bytes += taskSize(ch.Task)
		case ch.Run != nil:
			l.Bytes += runSize(ch.Run)
		}
	}
	return l
}

func taskSize(t *task.Task) int {
	d := &t.Declaration
	n := sizeOfTask + few + len(d.Description) + triggerSize(&d.Trigger)
	n += textsSize(d.Labels)
	if o := t.Override; o != nil {
		n += sizeOfOverride + len(o.Reason) + triggerSize(&o.Trigger)
	}
	if p := t.Pause; p != nil {
		n += sizeOfPause + len(p.Reason)
	}
	if d.Spec != nil {
		n += specSize(d.Spec)
	}
	if t.LastRun != nil {
		n += runSize(t.LastRun)
	}
	return n
}

func runSize(r *task.Run) int {
	n := sizeOfRun + few + len(r.Error) + len(r.Input) + len(r.Output)
	for i := range r.Earlier {
		n += sizeOfAttempt + len(r.Earlier[i].Error)
	}
	return n
}

func triggerSize(t *schedule.Trigger) int {
	n := part + part*len(t.Exclusions)
	switch k := t.Kind.(type) {
	case schedule.AnyOf:
		for i := range k.Triggers {
			n += triggerSize(&k.Triggers[i])
		}
	case schedule.Custom:
		n += len(k.Value)
	}
	return n
}

func specSize(s *task.TargetSpec) int {
	n := 0
	if c := s.Command; c != nil {
		n += sizeOfCommand + len(c.Stdin) + textsSize(c.Env)
		for _, arg := range c.Args {
			n += 16 + len(arg)
		}
	}
	if h := s.HTTP; h != nil {
		n += sizeOfHTTP + len(h.URL) + len(h.Body) + textsSize(h.Headers)
	}
	return n
}

func textsSize(texts map[string]string) int {
	n := 0
	for k, v := range texts {
		n += 64 + len(k) + len(v)
	}
	return n
}
