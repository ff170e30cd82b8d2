package cron

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"time"

	"github.com/clockd/clockd/daemon"
	"github.com/clockd/clockd/daemon/internal/target"
	"github.com/clockd/clockd/daemon/internal/target/function"
	"github.com/clockd/clockd/daemon/migrate/internal/symbol"
	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
)

// Job is what an entry runs. A type written for the original fits.
type Job interface{ Run() }

// FuncJob makes a Job of a function.
type FuncJob func()

// Run calls the function.
func (f FuncJob) Run() { f() }

// Schedule is a type that says when to fire. Only the one that [Every] returns can be carried over: any other is
// code, and so a kind of trigger of its own, see daemon.RegisterTrigger.
type Schedule interface {
	Next(time.Time) time.Time
}

// ConstantDelaySchedule is the schedule of an @every.
type ConstantDelaySchedule struct {
	// Delay is a whole number of seconds, at least one.
	Delay time.Duration
}

// Every returns a schedule that fires at this distance, cut off to whole seconds, and at least 1s.
func Every(d time.Duration) ConstantDelaySchedule {
	return ConstantDelaySchedule{Delay: max(d.Truncate(time.Second), time.Second)}
}

// Next returns the instant one delay after t, on a whole second.
func (s ConstantDelaySchedule) Next(t time.Time) time.Time {
	return t.Add(s.Delay - time.Duration(t.Nanosecond()))
}

// EntryID names an entry of a Cron.
type EntryID int

// Cron collects entries and makes tasks of them. It runs nothing. Make one with [New]; its methods may be called
// at the same time.
type Cron struct {
	*entries
	name string // of the next entry; empty: that of what it runs
}

// entries are what a Cron and those that Named returns share.
type entries struct {
	location *time.Location
	parser   Parser
	chain    Chain

	mu   sync.Mutex // guards what follows
	last EntryID
	list []entry
}

// entry is something that was added.
type entry struct {
	id   EntryID
	task daemon.Task
	err  error // what it could not be carried over for
}

// Option is a property of a Cron.
type Option func(*Cron)

// WithLocation sets the zone of specs that name none. The default is time.Local, as in the original, which works
// only where that has a name: if the variable TZ has one, or if the machine has no zone and so is in UTC.
func WithLocation(loc *time.Location) Option { return func(c *Cron) { c.location = loc } }

// WithSeconds makes specs have six fields, the seconds in front, and descriptors.
func WithSeconds() Option { return WithParser(NewParser(standard | Second)) }

// WithParser sets what reads specs. The default takes five fields and descriptors.
func WithParser(p Parser) Option { return func(c *Cron) { c.parser = p } }

// WithChain wraps every job: see [NewChain].
func WithChain(wrappers ...JobWrapper) Option {
	return func(c *Cron) { c.chain = NewChain(wrappers...) }
}

// New returns a Cron without entries.
func New(options ...Option) *Cron {
	c := &Cron{entries: &entries{location: time.Local, parser: NewParser(standard)}}
	for _, o := range options {
		o(c)
	}
	return c
}

// Location returns the zone of specs that name none.
func (c *Cron) Location() *time.Location { return c.location }

// Named returns c for adding one entry, whose task gets this name:
//
//	c.Named("cleanup").AddFunc("@hourly", func() { ... })
//
// Without it the name is that of the function or of the type, with its package: "main.cleanup". That changes when
// the function is renamed or moved to another package, and then the task is another one. Function literals have
// no name and need this, as do two entries of one function.
func (c *Cron) Named(name string) *Cron { return &Cron{entries: c.entries, name: name} }

// AddFunc adds a function. The error says why the entry can not be carried over, and [Cron.Tasks] says it again;
// the id is there in any case, for Remove.
func (c *Cron) AddFunc(spec string, cmd func()) (EntryID, error) { return c.AddJob(spec, FuncJob(cmd)) }

// AddJob adds a job, as AddFunc does. The job may be one that [Chain.Then] returned.
func (c *Cron) AddJob(spec string, cmd Job) (EntryID, error) {
	t, err := c.parser.Trigger(spec, c.location)
	return c.add(t, cmd, err)
}

// Schedule adds a job with the schedule that [Every] returns. That it can not be carried over, because of its
// schedule or of what it is, is said by [Cron.Tasks].
func (c *Cron) Schedule(s Schedule, cmd Job) EntryID {
	every, ok := s.(ConstantDelaySchedule)
	var err error
	if !ok {
		err = fmt.Errorf("schedule of type %T is code, which a trigger can not hold: make it a kind of its own with daemon.RegisterTrigger", s)
	}
	id, _ := c.add(schedule.Trigger{Kind: schedule.Every{Interval: Every(every.Delay).Delay}}, cmd, err)
	return id
}

// Remove takes out an entry, or what was wrong with it. It does not change what Tasks returned before: a task of a
// running daemon is paused instead, with PauseTask.
func (c *Cron) Remove(id EntryID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range c.list {
		if c.list[i].id == id {
			c.list = append(c.list[:i:i], c.list[i+1:]...)
			return
		}
	}
}

// Tasks returns a task for each entry, in the order in which they were added, for the Tasks of a daemon.Config. The
// error has everything that could not be carried over, and then there are no tasks. Change what you like in them:
// the caller owns them.
func (c *Cron) Tasks() ([]daemon.Task, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var (
		tasks    []daemon.Task
		problems []error
		first    = make(map[string]EntryID)
	)
	for _, e := range c.list {
		if e.err != nil {
			problems = append(problems, e.err)
			continue
		}
		if other, ok := first[e.task.Name]; ok {
			problems = append(problems, fmt.Errorf("entry %d: entry %d has the name %q already: give one of them another, as in c.Named(\"...\").AddFunc", e.id, other, e.task.Name))
			continue
		}
		first[e.task.Name] = e.id
		tasks = append(tasks, e.task)
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	return tasks, nil
}

// add adds an entry. problem is what is wrong with its trigger.
func (c *Cron) add(t schedule.Trigger, cmd Job, problem error) (EntryID, error) {
	e := entry{task: daemon.Task{Name: c.name, Trigger: t}}
	var problems []error
	if problem != nil {
		problems = append(problems, problem)
	}
	w := c.chain.wrap(cmd)
	e.task.Policy.Overlap = w.overlap
	summary, err := e.describe(w.source)
	if err != nil {
		problems = append(problems, err)
	} else if err := task.CheckName(e.task.Name); err != nil {
		problems = append(problems, fmt.Errorf("name: %w", err))
	}
	e.task.Do = function.New(summary, func(context.Context, target.Attempt) (any, error) {
		w.Run()
		return nil, nil
	})

	c.mu.Lock()
	defer c.mu.Unlock()
	c.last++
	e.id = c.last
	what := fmt.Sprintf("entry %d", e.id)
	if e.task.Name != "" {
		what += fmt.Sprintf(" (%q)", e.task.Name)
	}
	if err := errors.Join(problems...); err != nil {
		e.err = fmt.Errorf("%s: %w", what, err)
	}
	c.list = append(c.list, e)
	return e.id, e.err
}

// describe gives the task of an entry a name, unless it has one, and returns what people see of the job.
func (e *entry) describe(job Job) (summary string, err error) {
	v := reflect.ValueOf(job)
	if !v.IsValid() || (v.Kind() == reflect.Func || v.Kind() == reflect.Pointer) && v.IsNil() {
		return "nil", errors.New("job is nil: hand in something to run")
	}
	var name string
	if v.Kind() == reflect.Func {
		summary = symbol.Show(v)
		name, err = symbol.OfFunc(v)
	} else {
		summary = v.Type().String() + ".Run"
		name, err = symbol.OfType(v.Type())
	}
	if e.task.Name != "" {
		return summary, nil
	}
	if err != nil {
		return summary, fmt.Errorf("%w: give it one, as in c.Named(\"...\").AddFunc", err)
	}
	e.task.Name = name
	return summary, nil
}
