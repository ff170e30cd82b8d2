package gocron

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/clockd/clockd/daemon"
	"github.com/clockd/clockd/daemon/internal/target"
	"github.com/clockd/clockd/daemon/internal/target/function"
	"github.com/clockd/clockd/daemon/migrate/internal/symbol"
	"github.com/clockd/clockd/daemon/task"
)

// Scheduler collects jobs and makes tasks of them. It runs nothing. Make one with [NewScheduler]; its methods may be
// called at the same time.
type Scheduler struct {
	location *time.Location
	global   []JobOption

	mu   sync.Mutex // guards what follows
	jobs []*job
}

// job is something that was handed to NewJob.
type job struct {
	task daemon.Task
	err  error // what it could not be carried over for

	// What the options say of the trigger.
	maxFires       int64
	start, end     time.Time // zero: none
	immediate      bool
	fromCompletion bool
	listeners      listeners
}

// Job is a job of a [Scheduler].
type Job struct{ name string }

// Name returns the name of the task. Ask the API for everything else that there is to know of it, with GetTask.
func (j Job) Name() string { return j.name }

// SchedulerOption is a property of a Scheduler.
type SchedulerOption func(*Scheduler) error

// WithLocation sets the zone of all wall clocks. The default is time.Local, as in the original, which works only
// where that has a name: if the variable TZ has one, or if the machine has no zone and so is in UTC.
func WithLocation(loc *time.Location) SchedulerOption {
	return func(s *Scheduler) error {
		if loc == nil {
			return errors.New("WithLocation: location is nil")
		}
		s.location = loc
		return nil
	}
}

// WithGlobalJobOptions gives all jobs these options, before their own.
func WithGlobalJobOptions(options ...JobOption) SchedulerOption {
	return func(s *Scheduler) error {
		s.global = append(s.global, options...)
		return nil
	}
}

// NewScheduler returns a Scheduler without jobs. The error has everything that is wrong with the options.
func NewScheduler(options ...SchedulerOption) (*Scheduler, error) {
	s := &Scheduler{location: time.Local}
	var problems []error
	for _, o := range options {
		problems = append(problems, o(s))
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	return s, nil
}

// NewJob adds a job. The error has everything for which it can not be carried over, and [Scheduler.Tasks] says it
// again.
func (s *Scheduler) NewJob(definition JobDefinition, t Task, options ...JobOption) (Job, error) {
	j := &job{task: daemon.Task{Policy: task.Policy{Overlap: task.OverlapAllow}}}
	var problems []error
	add := func(err error) {
		if err != nil {
			problems = append(problems, err)
		}
	}
	for _, o := range slices.Concat(s.global, options) {
		add(o(j))
	}
	run, err := t.bind()
	add(err)
	if err == nil {
		add(j.describe(t, run))
	}
	if definition == nil {
		add(errors.New("definition is nil: hand in a DurationJob, a CronJob or another one"))
	} else if trigger, err := definition(s.location); err != nil {
		add(err)
	} else {
		j.task.Trigger, err = j.trigger(trigger)
		add(err)
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	what := fmt.Sprintf("job %d", len(s.jobs)+1)
	if j.task.Name != "" {
		what += fmt.Sprintf(" (%q)", j.task.Name)
	}
	if len(problems) > 0 {
		j.err = fmt.Errorf("%s: %w", what, errors.Join(problems...))
	}
	s.jobs = append(s.jobs, j)
	return Job{j.task.Name}, j.err
}

// Tasks returns a task for each job, in the order in which they were added, for the Tasks of a daemon.Config. The
// error has everything that could not be carried over, and then there are no tasks. Change what you like in them: the
// caller owns them.
func (s *Scheduler) Tasks() ([]daemon.Task, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var (
		tasks    []daemon.Task
		problems []error
		first    = make(map[string]int)
	)
	for i, j := range s.jobs {
		if j.err != nil {
			problems = append(problems, j.err)
			continue
		}
		if other, ok := first[j.task.Name]; ok {
			problems = append(problems, fmt.Errorf("job %d: job %d has the name %q already: give one of them another with WithName", i+1, other, j.task.Name))
			continue
		}
		first[j.task.Name] = i + 1
		tasks = append(tasks, j.task)
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	return tasks, nil
}

// describe gives the task of a job a name, unless it has one, and what it does.
func (j *job) describe(t Task, run func(context.Context) error) error {
	f := reflect.ValueOf(t.function)
	j.task.Do = function.New(symbol.Show(f), func(ctx context.Context, a target.Attempt) (any, error) {
		return nil, j.listeners.attempt(ctx, a, run)
	})
	if j.task.Name != "" {
		return nil
	}
	name, err := symbol.OfFunc(f)
	if err != nil {
		return fmt.Errorf("%w: give it one with WithName", err)
	}
	j.task.Name = name
	return nil
}
