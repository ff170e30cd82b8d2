package gocron

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
)

// JobOption is a property of a job. Those of the original that are missing here, such as WithDistributedJobLocker,
// have no meaning here: the package comment says why, line by line.
type JobOption func(*job) error

// WithName names the job, and so its task. Without it the name is that of the function, with its package:
// "main.cleanup". That changes when the function is renamed or moved to another package, and then the task is another
// one. Function literals have no name and need this, as do two jobs of one function.
func WithName(name string) JobOption {
	return func(j *job) error {
		j.task.Name = name
		if err := task.CheckName(name); err != nil {
			return fmt.Errorf("name: %w", err)
		}
		return nil
	}
}

// WithTags gives the task a label of each tag, with the value "true".
func WithTags(tags ...string) JobOption {
	return func(j *job) error {
		j.task.Labels = make(map[string]string, len(tags))
		for _, t := range tags {
			j.task.Labels[t] = "true"
		}
		return nil
	}
}

// LimitMode says what a run does that comes while the one before it is still going.
type LimitMode int

const (
	// LimitModeReschedule leaves it out: the overlap policy SKIP.
	LimitModeReschedule LimitMode = 1
	// LimitModeWait lets it wait: the overlap policy QUEUE, by which one run waits, and those that come meanwhile are
	// skipped; in the original they pile up.
	LimitModeWait LimitMode = 2
)

// WithSingletonMode lets only one run of the job go at a time. Without it, runs may overlap.
func WithSingletonMode(mode LimitMode) JobOption {
	return func(j *job) error {
		switch mode {
		case LimitModeReschedule:
			j.task.Policy.Overlap = task.OverlapSkip
		case LimitModeWait:
			j.task.Policy.Overlap = task.OverlapQueue
		default:
			return fmt.Errorf("singleton mode %d is unknown: LimitModeReschedule or LimitModeWait", mode)
		}
		return nil
	}
}

// WithLimitedRuns ends the job after that many fires: the MaxFires of the trigger. They are counted by the store, so
// one that outlives the process counts on after a restart; and a fire that is skipped counts.
func WithLimitedRuns(limit uint) JobOption {
	return func(j *job) error {
		if limit == 0 {
			return errors.New("limit of 0 runs: at least 1")
		}
		j.maxFires = int64(limit)
		return nil
	}
}

// WithIntervalFromCompletion counts the interval from the end of a run: the pacing FIXED_DELAY of a [DurationJob], and
// of a [DurationRandomJob], which then has its shorter duration as the interval and the rest as jitter. A job whose runs
// are due at given instants leaves out those that come while it runs: the overlap policy SKIP.
func WithIntervalFromCompletion() JobOption {
	return func(j *job) error {
		j.fromCompletion = true
		return nil
	}
}

// WithStartAt says when the job begins.
func WithStartAt(option StartAtOption) JobOption { return JobOption(option) }

// StartAtOption is when a job begins.
type StartAtOption JobOption

// WithStartImmediately runs the job as soon as the task exists, and from then on as it is defined. With a store that
// outlives the process that is once, and not once for each start as in the original.
func WithStartImmediately() StartAtOption {
	return func(j *job) error {
		j.immediate = true
		return nil
	}
}

// WithStartDateTime runs the job at that instant, and from then on as it is defined. It may have passed, because the
// program says the same at its next start: a [DurationJob] then keeps the beat that began there.
func WithStartDateTime(start time.Time) StartAtOption {
	return func(j *job) error {
		if start.IsZero() {
			return errors.New("start time is the zero time, which means none: leave it out")
		}
		j.start = start
		return nil
	}
}

// WithStartDateTimePast is [WithStartDateTime].
func WithStartDateTimePast(start time.Time) StartAtOption { return WithStartDateTime(start) }

// WithStopAt says when the job ends.
func WithStopAt(option StopAtOption) JobOption { return JobOption(option) }

// StopAtOption is when a job ends.
type StopAtOption JobOption

// WithStopDateTime is the last instant at which it may run: the EndTime of the trigger.
func WithStopDateTime(end time.Time) StopAtOption {
	return func(j *job) error {
		if end.IsZero() {
			return errors.New("stop time is the zero time, which means none: leave it out")
		}
		j.end = end
		return nil
	}
}

// WithContext can not be carried over, and is an error: a run has a context of its own, which a function gets that
// takes one. What ends a job from outside is PauseTask, and what ends a run is CancelRun.
func WithContext(context.Context) JobOption {
	return func(*job) error {
		return errors.New("WithContext can not be carried over: let the function take the context of the run, and pause the task to end the job")
	}
}

// WithIdentifier can not be carried over, and is an error: the id of a task is made of the namespace and its name.
func WithIdentifier(id uuid.UUID) JobOption {
	return func(*job) error {
		return fmt.Errorf("WithIdentifier(%s) can not be carried over: the id of a task is made of the namespace and its name, the same at every start", id)
	}
}

// trigger puts the bounds of a job on the trigger of its definition.
func (j *job) trigger(t schedule.Trigger) (schedule.Trigger, error) {
	every, paced := t.Kind.(schedule.Every)
	begins := j.immediate || !j.start.IsZero()
	switch {
	case paced:
		if j.fromCompletion {
			// After the end of a run there is no beat to spread around: the least distance, and jitter up to the most.
			every.Pacing, every.Interval, t.Jitter = schedule.FixedDelay, every.Interval-t.Jitter, 2*t.Jitter
		}
		if begins {
			every.FirstFire = schedule.Immediate
		}
		t.Kind = every
	case begins:
		// The first run comes whatever the definition says.
		all := []schedule.Trigger{{Kind: schedule.Once{Time: j.start}}}
		if several, ok := t.Kind.(schedule.AnyOf); ok {
			t.Kind = schedule.AnyOf{Triggers: append(all, several.Triggers...)}
		} else {
			t = anyOf(append(all, t))
		}
	}
	if j.fromCompletion && !paced {
		j.task.Policy.Overlap = task.OverlapSkip
	}
	t.MaxFires, t.StartTime, t.EndTime = j.maxFires, j.start, j.end
	return checked(t)
}
