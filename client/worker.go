package client

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"time"
	"unicode/utf8"

	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
	"github.com/clockd/clockd/daemon/wire"
	clockdv1 "github.com/clockd/clockd/gen/clockd/v1"
	"github.com/google/uuid"
)

// DefaultWorkerGrace is how long the functions of a worker that stops may go on, unless it says otherwise.
const DefaultWorkerGrace = 10 * time.Second

// A Worker runs tasks of a daemon in this process: see [Client.Work]. Only Tasks is required.
type Worker struct {
	// Name is for people: 1 to 200 bytes, and it need not be unique. Defaults to the names of the host and of the
	// process.
	Name string
	// Namespace is that of the daemon. Empty: whichever the daemon has.
	Namespace string
	// Tasks are what the worker runs.
	Tasks []WorkerTask
	// Revision is the version of the worker: what it declares changes nothing that a higher revision has declared.
	// Defaults to 0: it takes part in no order.
	Revision int64
	// Places is how many functions are called at the same time: 1 to task.MaxPlaces. Defaults to GOMAXPROCS.
	Places int
	// Grace is how long functions may go on when the worker stops before their contexts end; they then have as long
	// again to return. Defaults to DefaultWorkerGrace, 10s.
	Grace time.Duration
	// Logger is told of connections that are made and break, of what the daemon warns of, and of panics. Defaults to
	// slog.Default().
	Logger *slog.Logger
}

// A WorkerTask is a task that a worker runs, and perhaps declares.
type WorkerTask struct {
	// Name is that of the task. Required.
	Name string
	// Do is called for each attempt, at the same time for several. What it returns is the output of the run, marshaled
	// by encoding/json (nil: none; hand in JSON that is ready as json.RawMessage), of at most 262144 bytes; its error,
	// or a panic, fails the attempt. Its context ends if the attempt is canceled or takes too long, if the worker has
	// lost its lease (the cause is then task.ErrWorkerLost, and what the function does counts for nothing any more), or
	// if the worker stops and its Grace is over. Required.
	Do func(ctx context.Context, a *Assignment) (any, error)

	// Trigger, if it is set, makes this a declaration: the daemon makes the task, or changes it if this worker or
	// another has declared it otherwise, as if a program had been deployed. A task that a program or a caller has made
	// is not touched. Not set: the task is declared elsewhere, and the fields below must be zero.
	Trigger schedule.Trigger
	// Description is a sentence for people.
	Description string
	// Group is a name under which tasks belong together.
	Group string
	// Labels are free words of the user.
	Labels map[string]string
	// Policy says how fires become runs, how long an attempt may take, and what is done about a lost worker.
	Policy task.Policy
}

// declares reports whether the worker declares the task.
func (t *WorkerTask) declares() bool { return !schedule.Equal(t.Trigger, schedule.Trigger{}) }

// declaration is the task as the daemon is told of it.
func (t *WorkerTask) declaration() task.Declaration {
	return task.Declaration{
		Name: t.Name, Description: t.Description, Group: t.Group, Labels: t.Labels, Trigger: t.Trigger, Policy: t.Policy,
	}
}

// complete fills in defaults and returns everything that is wrong.
func (w *Worker) complete() error {
	if w.Name == "" {
		host, err := os.Hostname()
		if err != nil {
			host = "worker"
		}
		w.Name = fmt.Sprintf("%s/%d", host, os.Getpid())
	}
	w.Places = cmp.Or(w.Places, runtime.GOMAXPROCS(0))
	w.Grace = cmp.Or(w.Grace, DefaultWorkerGrace)
	if w.Logger == nil {
		w.Logger = slog.Default()
	}

	var found []task.Violation
	add := func(field, format string, args ...any) {
		found = append(found, task.Violation{Field: field, Description: fmt.Sprintf(format, args...)})
	}
	if len(w.Name) > task.MaxName || !utf8.ValidString(w.Name) {
		add("name", "%q has %d bytes: it must be UTF-8 of at most %d", w.Name, len(w.Name), task.MaxName)
	}
	if w.Places < 1 || w.Places > task.MaxPlaces {
		add("places", "%d is not in 1 to %d", w.Places, task.MaxPlaces)
	}
	if w.Grace < 0 {
		add("grace", "%s is negative", w.Grace)
	}
	if w.Revision < 0 {
		add("revision", "%d is negative", w.Revision)
	}
	if len(w.Tasks) == 0 {
		add("tasks", "there are none: say what the worker runs")
	}
	first := map[string]int{}
	for i := range w.Tasks {
		t, at := &w.Tasks[i], fmt.Sprintf("tasks[%d]", i)
		if err := task.CheckName(t.Name); err != nil {
			add(at+".name", "%s", err)
		} else if j, ok := first[t.Name]; ok {
			add(at+".name", "%q is that of tasks[%d]", t.Name, j)
		} else {
			first[t.Name] = i
		}
		if t.Do == nil {
			add(at+".do", "a function is missing")
		}
		if !t.declares() && (t.Description != "" || t.Group != "" || len(t.Labels) > 0 || t.Policy != task.Policy{}) {
			add(at+".trigger", "missing: without one the task is declared elsewhere, and with it all that is said of it here")
		}
	}
	if found != nil {
		return &task.InvalidError{Violations: found}
	}
	return nil
}

// hello is the first message of a stream.
func (w *Worker) hello(id uuid.UUID) *clockdv1.WorkerHello {
	pb := &clockdv1.WorkerHello{
		WorkerId: id.String(), WorkerName: w.Name, Namespace: w.Namespace, Revision: w.Revision, Places: int32(w.Places),
	}
	for i := range w.Tasks {
		if t := &w.Tasks[i]; t.declares() {
			pb.Tasks = append(pb.Tasks, wire.SetSpecToProto(t.declaration()))
		} else {
			pb.TaskNames = append(pb.TaskNames, t.Name)
		}
	}
	return pb
}

// Work runs tasks of the daemon in this process until ctx ends. It connects as soon as the daemon can be reached, and
// again whenever the connection has broken, after waits of up to 5s; what it holds goes on meanwhile, and results are
// kept until the daemon has recorded them. If the daemon has not been heard for a whole lease, it has given out again
// what the worker holds: the contexts of those functions end, and their results are dropped.
//
// When ctx ends the worker takes nothing new, and goes on until all that it holds has ended and is recorded. After its
// Grace the contexts of functions end; an attempt whose function then fails is given back, to be made elsewhere. After
// as long again it stops waiting. Work returns nil when all is recorded, given back or lost, or an error that says what
// is not.
//
// It returns early with the error of a daemon that does not let the worker in, where waiting does not help:
// task.ErrInvalid with each violation, task.ErrOtherNamespace, and whatever a server in front of it says of rights.
// Functions get as long as Grace to return then. A Client may have several workers.
func (c *Client) Work(ctx context.Context, w Worker) error {
	if err := w.complete(); err != nil {
		return err
	}
	id, err := uuid.NewRandom()
	if err != nil {
		return err
	}
	return newWork(ctx, c, w, id).run(ctx)
}
