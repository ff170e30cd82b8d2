package gocron

import (
	"context"
	"errors"

	"github.com/clockd/clockd/daemon/internal/target"
	"github.com/google/uuid"
)

// EventListener is a function that is told of the runs of a job. Of each kind there is one: the last that is given.
type EventListener func(*job) error

// WithEventListeners has functions told of the runs. They get the id of the task, which is the same at every
// start, and its name. To follow the runs of all tasks, or from elsewhere, use WatchRuns.
func WithEventListeners(listeners ...EventListener) JobOption {
	return func(j *job) error {
		var problems []error
		for _, l := range listeners {
			problems = append(problems, l(j))
		}
		return errors.Join(problems...)
	}
}

// BeforeJobRuns is called before each attempt of a run.
func BeforeJobRuns(f func(jobID uuid.UUID, jobName string)) EventListener {
	return listener(f == nil, func(l *listeners) { l.before = f })
}

// BeforeJobRunsSkipIfBeforeFuncErrors is called after that, and if it returns an error, the attempt fails with it, and
// neither the function nor another listener is called. The original knows no failure here and waits for the next run.
func BeforeJobRunsSkipIfBeforeFuncErrors(f func(jobID uuid.UUID, jobName string) error) EventListener {
	return listener(f == nil, func(l *listeners) { l.skip = f })
}

// AfterJobRuns is called after each attempt that ended without an error.
func AfterJobRuns(f func(jobID uuid.UUID, jobName string)) EventListener {
	return listener(f == nil, func(l *listeners) { l.after = f })
}

// AfterJobRunsWithError is called after each attempt that ended with one. A panic is not one, unlike in the original:
// it has a listener of its own.
func AfterJobRunsWithError(f func(jobID uuid.UUID, jobName string, err error)) EventListener {
	return listener(f == nil, func(l *listeners) { l.failed = f })
}

// AfterJobRunsWithPanic is called after each attempt that panicked. The attempt fails in any case.
func AfterJobRunsWithPanic(f func(jobID uuid.UUID, jobName string, recoverData any)) EventListener {
	return listener(f == nil, func(l *listeners) { l.panicked = f })
}

// AfterLockError can not be carried over, and is an error: there are no locks, because the store gives each fire to
// one node.
func AfterLockError(func(jobID uuid.UUID, jobName string, err error)) EventListener {
	return func(*job) error {
		return errors.New("AfterLockError can not be carried over: there are no locks, because the store gives each fire to one node")
	}
}

// listeners are those of a job. Nil: nobody wants to know.
type listeners struct {
	before, after func(uuid.UUID, string)
	skip          func(uuid.UUID, string) error
	failed        func(uuid.UUID, string, error)
	panicked      func(uuid.UUID, string, any)
}

func listener(isNil bool, set func(*listeners)) EventListener {
	return func(j *job) error {
		if isNil {
			return errors.New("event listener is nil: leave it out")
		}
		set(&j.listeners)
		return nil
	}
}

// attempt calls the function of a job and tells the listeners.
func (l *listeners) attempt(ctx context.Context, a target.Attempt, run func(context.Context) error) error {
	if l.before != nil {
		l.before(a.TaskID, a.TaskName)
	}
	if l.skip != nil {
		if err := l.skip(a.TaskID, a.TaskName); err != nil {
			return err
		}
	}
	err := l.call(ctx, a, run)
	switch {
	case err != nil && l.failed != nil:
		l.failed(a.TaskID, a.TaskName, err)
	case err == nil && l.after != nil:
		l.after(a.TaskID, a.TaskName)
	}
	return err
}

func (l *listeners) call(ctx context.Context, a target.Attempt, run func(context.Context) error) error {
	if l.panicked != nil {
		defer func() {
			if v := recover(); v != nil {
				l.panicked(a.TaskID, a.TaskName, v)
				panic(v) // whoever started the attempt takes it from here
			}
		}()
	}
	return run(ctx)
}
