package history

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/clockd/clockd/client"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
)

// Outcome is what a caller knows of an operation.
type Outcome int

const (
	// Unknown: nobody answered, or what answered may have died between the deed and the word.
	Unknown Outcome = iota
	// Acknowledged: it was done.
	Acknowledged
	// Refused: it was not done.
	Refused
)

// An Op is one operation as its caller saw it. Reads are operations too: their Action is 0.
type Op struct {
	Action task.Action
	Task   string
	// Mark is the reason that was given, which no other operation has. Empty: a read, or a run.
	Mark          string
	Begin, Answer time.Time
	Outcome       Outcome
	// Err is what was answered, for people.
	Err string
	// ResumeTime is that of a pause.
	ResumeTime time.Time
	// Call is what makes a run the same if it is asked for twice.
	Call uuid.UUID
	// Allow says of a run that it may go beside others.
	Allow bool
	// Got is the task that was answered or read, Run the run. Nil: none was.
	Got *task.Task
	Run *task.Run
}

// A Life is the time of one process.
type Life struct {
	Begin time.Time
	// Limits are those of all tasks, Groups those of each group.
	Limits task.Limits
	Groups map[string]task.Limits
}

// A Start is an attempt as the task itself saw it.
type Start struct {
	Run        task.RunID
	Task       string
	Attempt    int
	Begin, End time.Time
	// Process is who made it, Answered that its end was told to that, which may not have listened any more. Only in a
	// Cluster.
	Process  string
	Answered bool
	// BeginPlace and EndPlace are in the order in which attempts began and ended.
	BeginPlace, EndPlace int
}

// A Step is one piece of a watch, as it was read.
type Step struct {
	// Tasks and Deleted are those of a watch of tasks, Runs and TakenBack those of a watch of runs.
	Tasks     []task.Task
	Deleted   []uuid.UUID
	Runs      []task.Run
	TakenBack []task.RunID
	Reset     bool
	Synced    bool
	// Time is when it was read.
	Time time.Time
}

// History is all that was done and seen.
type History struct {
	// Exact says that no two things happened at the same moment unless they belong together: on fake time.
	Exact bool
	Ops   []Op
	Lives []Life
	// Starts are in no order. Witnessed says that the tasks told of every attempt.
	Starts    []Start
	Witnessed bool
	// Watches are by their names. Of runs that had ended before it was first told all that is, a watch need not know.
	Watches map[string][]Step
	// Cluster is what was done to those who shared the store. Nil: it was of one process at a time.
	Cluster *Cluster

	// Tasks, Runs and Events are what the store had in the end, when each task had been resumed, had gone on for
	// a while, and was paused, and nothing went any more. Runs and Events have the oldest first.
	Tasks  []task.Task
	Runs   []task.Run
	Events []task.Event
	// Alive is how long each task had fired undisturbed before it was paused in the end.
	Alive time.Duration
}

// Recorder writes a History. Its methods may be called at the same time.
type Recorder struct {
	mu     sync.Mutex // guards what follows
	h      History
	places int
}

// NewRecorder returns one for a history that is exact or not, see [History].
func NewRecorder(exact bool) *Recorder {
	return &Recorder{h: History{Exact: exact, Watches: map[string][]Step{}}}
}

// Live says that a process begins.
func (r *Recorder) Live(l Life) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.h.Lives = append(r.h.Lives, l)
}

// Start says that an attempt begins. The function that it returns says that it has ended.
func (r *Recorder) Start(s Start) (end func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.h.Witnessed = true
	i := len(r.h.Starts)
	r.places++
	s.BeginPlace = r.places
	r.h.Starts = append(r.h.Starts, s)
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.places++
		r.h.Starts[i].End, r.h.Starts[i].EndPlace = time.Now(), r.places
	}
}

// op begins an operation. The function that it returns says how it ended.
func (r *Recorder) op(o Op) func(got *task.Task, run *task.Run, err error) {
	o.Begin = time.Now()
	return func(got *task.Task, run *task.Run, err error) {
		o.Answer = time.Now()
		switch {
		case err == nil:
			o.Outcome, o.Got, o.Run = Acknowledged, got, run
		case refusal(err):
			o.Outcome = Refused
		}
		if err != nil {
			o.Err = err.Error()
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.h.Ops = append(r.h.Ops, o)
	}
}

// refusal reports whether an error says that nothing was done. ErrUnavailable says so too, but a process whose
// death is simulated says it with its last breath.
func refusal(err error) bool {
	for _, class := range []error{
		task.ErrTaskNotFound, task.ErrRunNotFound, task.ErrInvalid, task.ErrStale, task.ErrExists, task.ErrDeclared,
		task.ErrNotAllowed, task.ErrOrphaned, task.ErrTriggerFault, task.ErrStarting,
	} {
		if errors.Is(err, class) {
			return true
		}
	}
	return false
}

// saw adds a step to a watch.
func (r *Recorder) saw(watch string, s Step) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s.Time = time.Now()
	r.h.Watches[watch] = append(r.h.Watches[watch], s)
}

// Finish reads what the store has in the end, and returns the history up to then. Watches may still be told of it: see
// [History.CaughtUp].
func (r *Recorder) Finish(ctx context.Context, c *client.Client, alive time.Duration) (History, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	h := &r.h
	h.Alive = alive
	for {
		// What ends by itself may do so between two lists: then they are read again.
		last, err := newest(ctx, c)
		if err != nil {
			return *h, err
		}
		if err := h.read(ctx, c); err != nil {
			return *h, err
		}
		if n := len(h.Events); n == 0 || h.Events[n-1].ID == last {
			break
		}
	}
	slices.SortStableFunc(h.Ops, func(a, b Op) int { return a.Begin.Compare(b.Begin) })
	out := *h
	out.Ops, out.Starts, out.Watches = slices.Clone(h.Ops), slices.Clone(h.Starts), make(map[string][]Step)
	for name, steps := range h.Watches {
		out.Watches[name] = slices.Clone(steps)
	}
	return out, nil
}

// newest returns the id of the last event.
func newest(ctx context.Context, c *client.Client) (int64, error) {
	for e, err := range c.AuditEvents(ctx, client.AuditFilter{}) {
		return e.ID, err
	}
	return 0, nil
}

// read reads Tasks, Runs and Events, in this order.
func (h *History) read(ctx context.Context, c *client.Client) error {
	h.Tasks, h.Runs, h.Events = nil, nil, nil
	for t, err := range c.Tasks(ctx, client.TaskFilter{}) {
		if err != nil {
			return err
		}
		h.Tasks = append(h.Tasks, t)
	}
	for run, err := range c.Runs(ctx, client.RunFilter{}) {
		if err != nil {
			return err
		}
		h.Runs = append(h.Runs, run)
	}
	for e, err := range c.AuditEvents(ctx, client.AuditFilter{}) {
		if err != nil {
			return err
		}
		h.Events = append(h.Events, e)
	}
	slices.Reverse(h.Runs)
	slices.Reverse(h.Events)
	return nil
}
