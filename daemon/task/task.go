package task

import (
	"fmt"
	"maps"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/clockd/clockd/daemon/schedule"
	"github.com/google/uuid"
)

// A Task is something that a daemon knows how to run, and when.
type Task struct {
	// ID is stable: see [IDOf]. It never changes.
	ID uuid.UUID
	// Namespace is that of the daemon. It never changes.
	Namespace string
	// Declaration is what code or configuration says of the task. Its Name never changes.
	Declaration Declaration
	// Override is the trigger that a caller put in force in place of the declared one. Nil: none.
	Override *Override
	// Pause says that the task does not fire, and why. Nil: it is not paused.
	Pause *Pause
	// OrphanTime is since when no live node can run the task. Zero: one can.
	OrphanTime time.Time
	// OrphanReason is why.
	OrphanReason string
	// Origin is where the task comes from.
	Origin Origin
	// Revision is that of the program that had the last word on the declaration. 0: it had none.
	Revision int64
	// State sums up the fields above and the Clock; it is set by whoever changes those.
	State State
	// Version grows by one whenever a caller or a declaration changes the task, and never when it
	// fires. It is the etag of the API. A new task has 1.
	Version int64
	// CreateTime is when the task was first declared.
	CreateTime time.Time
	// UpdateTime is when Version was last raised.
	UpdateTime time.Time

	// Clock is how far the trigger in force has come.
	Clock Clock
	// FailureCount is how many runs have failed in a row. Only Decisions, Updates and the store's count of ended
	// runs change it: see store.Report.
	FailureCount int64
	// Counts says what became of all fires and calls. It is the store's: what callers hand in is not written.
	Counts Counts
	// Change is the number of the commit that last changed the task, its clock, its counts or its last run. It is
	// the store's.
	Change int64
	// LastRun is the run that was recorded last, without Input and Output. Nil: there is none, or it
	// was not asked for.
	LastRun *Run
}

// Trigger returns the trigger in force: the override's if there is one, else the declared.
func (t *Task) Trigger() schedule.Trigger {
	if t.Override != nil {
		return t.Override.Trigger
	}
	return t.Declaration.Trigger
}

// A Declaration is what code or configuration says of a task.
type Declaration struct {
	// Name is unique in the namespace: see [CheckName].
	Name string
	// Description is a sentence for people.
	Description string
	// Group is a name under which tasks belong together. Empty: none.
	Group string
	// Labels are free words of the user.
	Labels map[string]string
	// Trigger says when it fires.
	Trigger schedule.Trigger
	// Policy says how fires become runs.
	Policy Policy
	// Target says what a run does.
	Target Target
	// Spec is all of what a run does, of a task that was made through the API. Nil: the program knows. It is
	// never changed in place.
	Spec *TargetSpec
}

// Origin is where a task comes from. Stores keep the numbers.
type Origin int

const (
	// Declared tasks come with a program: its code or its config file.
	Declared Origin = iota
	// Created tasks were made through the API and live in the store.
	Created
	// Announced tasks were declared by a worker and live in the store.
	Announced
)

// Lives reports whether tasks of this origin live in the store, with or without a program that declares them.
func (o Origin) Lives() bool { return o != Declared }

// Bounds of a declaration, in bytes.
const (
	// MaxDescription is the longest description.
	MaxDescription = 4096
	// MaxLabels is how long the names and values of all labels may be together.
	MaxLabels = 4096
)

// Check returns what is wrong with everything but the trigger, which schedule.Compile checks.
func (d Declaration) Check() []Violation {
	var found []Violation
	add := func(field, format string, args ...any) {
		found = append(found, Violation{Field: field, Description: fmt.Sprintf(format, args...)})
	}
	if err := CheckName(d.Name); err != nil {
		add("name", "%s", err)
	}
	if d.Group != "" {
		if err := CheckName(d.Group); err != nil {
			add("group", "%s", err)
		}
	}
	switch {
	case len(d.Description) > MaxDescription:
		add("description", "%d bytes are too long: at most %d", len(d.Description), MaxDescription)
	case !utf8.ValidString(d.Description):
		add("description", "%q is not valid UTF-8", d.Description)
	}
	size := 0
	for _, name := range slices.Sorted(maps.Keys(d.Labels)) {
		value := d.Labels[name]
		size += len(name) + len(value)
		if err := CheckName(name); err != nil {
			add("labels", "%s", err)
		}
		if !utf8.ValidString(value) {
			add("labels", "%q of %q is not valid UTF-8", value, name)
		}
	}
	if size > MaxLabels {
		add("labels", "%d bytes are too long: at most %d together", size, MaxLabels)
	}
	return append(found, d.Policy.check("policy.")...)
}

// Equal reports whether two declarations say the same.
func (d Declaration) Equal(o Declaration) bool {
	return d.Name == o.Name && d.Description == o.Description && d.Group == o.Group &&
		maps.Equal(d.Labels, o.Labels) && schedule.Equal(d.Trigger, o.Trigger) &&
		d.Policy == o.Policy && d.Target == o.Target && d.Spec.Equal(o.Spec)
}

// Target says, for people, what a run of a task does. What it takes to do it stays with the node.
type Target struct {
	// Kind is "function", "command" or "http".
	Kind string
	// Summary is the command line, or the method and URL, or the name of the function.
	Summary string
}

// An Override is a trigger that a caller put in force.
type Override struct {
	Trigger    schedule.Trigger
	Actor      string
	Reason     string
	CreateTime time.Time
	// OnDeclaredChange says what happens when the declared trigger changes.
	OnDeclaredChange OnDeclaredChange
	// DeclarationChanged says that it has, and that the override was kept.
	DeclarationChanged bool
	// ExpireTime is when the override ends by itself. Zero: never.
	ExpireTime time.Time
}

// OnDeclaredChange says what happens to an override when the declared trigger changes.
type OnDeclaredChange int

const (
	// Yield ends the override: the code has spoken since.
	Yield OnDeclaredChange = iota
	// Keep leaves the override in force and stores the new declaration beside it.
	Keep
)

// A Pause says that a task does not fire until it is resumed.
type Pause struct {
	Actor      string
	Reason     string
	CreateTime time.Time
	// ResumeTime is when it ends by itself. Zero: never.
	ResumeTime time.Time
}

// Clock is how far a task has come: the part of it that moves with each fire.
type Clock struct {
	// NextFireTime is the next fire that is not recorded yet. Zero: none is known.
	NextFireTime time.Time
	// RecordedTime is how far the trigger has come: every instant of it up to and including this one has its
	// record, whether it fired, passed or was excluded. While a fire at Progress.Anchor is still to come, it is
	// the microsecond before that. It goes back only when a claim is taken back. It lies ahead of now by up
	// to what fires are claimed ahead, and by more after the machine's clock was set back.
	RecordedTime time.Time
	// ExcludedTime is how far what exclusions took out is recorded, where that is not as far as RecordedTime. What has
	// ended is never taken back, so nothing is recorded as excluded before its instant: it is less far where a fire was
	// claimed ahead and what was excluded before it had not all come, and further where fires were taken back. Zero: as
	// far as RecordedTime.
	ExcludedTime time.Time
	// FireCount is how often the task has fired since it was created, under whatever trigger.
	FireCount int64
	// Progress is that of the trigger in force.
	Progress schedule.Progress
}

// State sums up what a task is doing.
type State int

const (
	// Active tasks fire by their trigger.
	Active State = iota + 1
	// Paused tasks do not fire until they are resumed.
	Paused
	// Exhausted tasks have a trigger that has no fire left.
	Exhausted
	// Orphaned tasks are declared by no live node.
	Orphaned
)
