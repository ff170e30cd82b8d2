package rpc

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/clockd/clockd/daemon/task"
	"github.com/clockd/clockd/daemon/wire"
	clockdv1 "github.com/clockd/clockd/gen/clockd/v1"
)

// Bounds of what a worker may say.
const (
	maxTasks    = 10_000
	maxHeld     = 2 * task.MaxPlaces // what it makes, and what ended and was not recorded
	maxWritten  = 64 << 10           // bytes of output in one message
	maxProgress = 1024               // bytes
	maxOutput   = 256 << 10          // bytes of JSON of a result, as of every target
	maxWarnings = 100
)

// A greeting is a hello, and the namespace for which it is meant.
type greeting struct {
	task.Hello
	namespace string
}

// hello reads who a worker is, and the tasks that it declares. All of these are among its Tasks.
func (c *check) hello(q *clockdv1.WorkerHello) (greeting, []task.Declaration) {
	g := greeting{namespace: q.GetNamespace()}
	g.ID = c.uuid("hello.worker_id", q.GetWorkerId())
	g.Name = q.GetWorkerName()
	if err := task.CheckName(g.Name); err != nil {
		c.add("hello.worker_name", "%s", err)
	}
	if n := len(q.GetTaskNames()) + len(q.GetTasks()); n > maxTasks {
		// Each is looked up, and is in the way of all runs that wait for a worker.
		c.add("hello.task_names", "%d tasks with those in hello.tasks, at most %d are allowed", n, maxTasks)
		return g, nil
	}
	for i, name := range q.GetTaskNames() {
		if err := task.CheckName(name); err != nil {
			c.add(fmt.Sprintf("hello.task_names[%d]", i), "%s", err)
		}
	}
	g.Tasks = slices.Clone(q.GetTaskNames())
	var declared []task.Declaration
	seen := map[string]bool{}
	for i, spec := range q.GetTasks() {
		field := declares(i)
		d, found := wire.AnnouncedFromProto(field, spec)
		if c.all(found); len(c.found) >= maxFound {
			break
		}
		if seen[d.Name] && len(found) == 0 {
			c.add(field+".task_name", "%q is declared twice", d.Name)
		}
		seen[d.Name] = true
		declared = append(declared, d)
		g.Tasks = append(g.Tasks, d.Name)
	}
	slices.Sort(g.Tasks)
	g.Tasks = slices.Compact(g.Tasks)
	if g.Revision = q.GetRevision(); g.Revision < 0 {
		c.add("hello.revision", "%d is negative", g.Revision)
	}
	g.Places = c.places("hello.places", q.GetPlaces(), 1)
	if n := len(q.GetHeld()); n > maxHeld {
		c.add("hello.held", "%d attempts, at most %d are allowed", n, maxHeld)
	} else {
		for i, held := range q.GetHeld() {
			g.Held = append(g.Held, c.attempt(fmt.Sprintf("hello.held[%d]", i), held))
		}
	}
	return g, declared
}

// declares is the field of a task that a worker declares.
func declares(i int) string { return fmt.Sprintf("hello.tasks[%d]", i) }

func (c *check) places(field string, n int32, least int) int {
	if int(n) < least || n > task.MaxPlaces {
		c.add(field, "%d is outside %d-%d", n, least, task.MaxPlaces)
	}
	return int(n)
}

// attempt reads of which attempt a message speaks.
func (c *check) attempt(field string, q interface {
	GetRunId() string
	GetAttempt() int32
},
) task.AttemptRef {
	id, err := task.ParseRunID(q.GetRunId())
	if err != nil {
		c.add(field+".run_id", "%s", err)
	}
	if q.GetAttempt() < 1 {
		c.add(field+".attempt", "%d is no attempt: they are counted from 1", q.GetAttempt())
	}
	return task.AttemptRef{Run: id, Attempt: int(q.GetAttempt())}
}

// text reads what people are to read.
func (c *check) text(field, s string, limit int) string {
	if len(s) > limit {
		c.add(field, "%d bytes are too long: at most %d", len(s), limit)
	}
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD") // which not every store can keep
}

func (c *check) written(q *clockdv1.WorkerOutput) (task.AttemptRef, task.OutputStream, []byte) {
	ref := c.attempt("output", q)
	if n := len(q.GetData()); n > maxWritten {
		c.add("output.data", "%d bytes, at most %d are allowed in one message", n, maxWritten)
	}
	if q.GetStderr() {
		return ref, task.Stderr, q.GetData()
	}
	return ref, task.Stdout, q.GetData()
}

func (c *check) progress(q *clockdv1.WorkerProgress) (task.AttemptRef, task.Progress) {
	ref := c.attempt("progress", q)
	p := task.Progress{Attempt: ref.Attempt, Fraction: q.GetFraction(), Message: c.text("progress.message", q.GetMessage(), maxProgress)}
	if math.IsNaN(p.Fraction) || math.IsInf(p.Fraction, 0) || p.Fraction > 1 {
		c.add("progress.fraction", "%v is outside 0-1, and not negative, which is unknown", p.Fraction)
	}
	return ref, p
}

// result reads how an attempt has ended. An output that can not be kept fails the attempt and not the stream: the
// worker would come back with it for ever.
func (c *check) result(q *clockdv1.WorkerResult) task.Result {
	r := task.Result{AttemptRef: c.attempt("result", q)}
	r.Error = c.text("result.error", q.GetError(), math.MaxInt) // the engine cuts it to what a run shows
	output, found := wire.JSONFromProto("output", q.GetOutput())
	refused := ""
	switch {
	case len(found) > 0:
		refused = (&task.InvalidError{Violations: found}).Error()
	case len(output) > maxOutput:
		refused = fmt.Sprintf("output: %d bytes of JSON, at most %d are kept: put it elsewhere, and return where", len(output), maxOutput)
	default:
		r.Output = output
	}
	if refused != "" && r.Error != "" {
		refused = r.Error + "; and its " + refused
	}
	r.Error = cmp.Or(refused, r.Error)
	return r
}

func (c *check) giveBack(q *clockdv1.GiveBack) task.GiveBack {
	return task.GiveBack{
		AttemptRef: c.attempt("give_back", q), Reason: c.text("give_back.reason", q.GetReason(), maxReason), Started: q.GetStarted(),
	}
}

// announce declares the tasks of a worker, and says what does not fit.
func (s workers) announce(ctx context.Context, hello task.Hello, declared []task.Declaration) (warnings []string, err error) {
	more := 0
	warn := func(format string, args ...any) {
		if len(warnings) < maxWarnings {
			warnings = append(warnings, fmt.Sprintf(format, args...))
		} else {
			more++
		}
	}
	announced := map[string]bool{}
	for i, d := range declared {
		t, err := s.api.announce(ctx, task.Announcement{
			Declaration: d, Revision: hello.Revision, Worker: hello.Name, Peer: hello.Peer,
		})
		switch invalid := (*task.InvalidError)(nil); {
		case errors.Is(err, task.ErrDeclared):
			warn("%s: %s", declares(i), err)
			continue // whether the worker may run it is looked at below
		case errors.As(err, &invalid):
			return nil, below(declares(i), invalid)
		case err != nil:
			return nil, fmt.Errorf("%s: %w", declares(i), err)
		case t.Revision > hello.Revision:
			warn("%s: revision %d has declared task %q, and the worker has %d: what it says of it does not count", declares(i), t.Revision, d.Name, hello.Revision)
		}
		announced[d.Name] = true
	}
	for _, name := range hello.Tasks {
		if announced[name] {
			continue
		}
		t, err := s.api.engine.Task(ctx, task.ByName(name))
		switch {
		case errors.Is(err, task.ErrTaskNotFound):
			warn("there is no task %q, yet", name)
		case err != nil:
			return nil, err
		case t.Declaration.Target.Kind != kindWorker:
			warn("task %q is not for workers: its target is a %s", name, t.Declaration.Target.Kind)
		}
	}
	if more > 0 {
		warnings = append(warnings, fmt.Sprintf("… and %d more", more))
	}
	return warnings, nil
}

// kindWorker is the kind of the target of tasks that workers run.
const kindWorker = "worker"

// below says of what is wrong with "task" where that is in a hello.
func below(field string, e *task.InvalidError) error {
	found := slices.Clone(e.Violations)
	for i := range found {
		if rest, ok := strings.CutPrefix(found[i].Field, "task"); ok && (rest == "" || strings.ContainsAny(rest[:1], ".[")) {
			found[i].Field = field + rest
		}
	}
	return &task.InvalidError{Violations: found}
}
