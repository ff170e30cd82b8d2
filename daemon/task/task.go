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
	// OrphanTime is since when no live node declares the task. Zero: one does.
	OrphanTime time.Time
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
}

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
	if p := d.Policy; p.Overlap < OverlapSkip || p.Overlap > OverlapAllow {
		add("policy.overlap", "%d is unknown", p.Overlap)
	}
	if p := d.Policy; p.CatchUp < CatchUpOne || p.CatchUp > CatchUpNone {
		add("policy.catch_up", "%d is unknown", p.CatchUp)
	}
	if p := d.Policy; p.Delivery < AtLeastOnce || p.Delivery > AtMostOnce {
		add("policy.delivery", "%d is unknown", p.Delivery)
	}
	if d.Policy.Timeout < 0 {
		add("policy.timeout", "%s is negative", d.Policy.Timeout)
	}
	return found
}

// Equal reports whether two declarations say the same.
func (d Declaration) Equal(o Declaration) bool {
	return d.Name == o.Name && d.Description == o.Description && d.Group == o.Group &&
		maps.Equal(d.Labels, o.Labels) && schedule.Equal(d.Trigger, o.Trigger) &&
		d.Policy == o.Policy && d.Target == o.Target
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
}

// OnDeclaredChange says what happens to an override when the declared trigger changes.
type OnDeclaredChange int

const (
	// Yield ends the override: the code has spoken since.
	Yield OnDeclaredChange = iota
	// Keep leaves the override in force and stores the new declaration beside it.
	Keep
)

// A Pause says that a task does not fire until it is resumed by hand.
type Pause struct {
	Actor      string
	Reason     string
	CreateTime time.Time
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

// Policy says how the fires of a task become runs. The zero Policy is the default.
type Policy struct {
	// Overlap says what a run does when one before it is still going. Defaults to OverlapSkip.
	Overlap Overlap
	// CatchUp says what becomes of missed fires. Defaults to CatchUpOne.
	CatchUp CatchUp
	// Delivery says what becomes of a run whose node died. Defaults to AtLeastOnce.
	Delivery Delivery
	// Timeout is how long an attempt may take. Zero: as long as it likes.
	Timeout time.Duration
}

// Overlap says what a run does when a run of the same task is still going at its start.
type Overlap int

const (
	// OverlapSkip records the run as Skipped.
	OverlapSkip Overlap = iota
	// OverlapAllow starts it beside the other.
	OverlapAllow
)

// CatchUp says what becomes of fires that nobody was there for.
type CatchUp int

const (
	// CatchUpOne makes one run of all that are due, at the instant of the last.
	CatchUpOne CatchUp = iota
	// CatchUpAll makes each a run.
	CatchUpAll
	// CatchUpNone records them as Missed.
	CatchUpNone
)

// Delivery says what becomes of a run that was recorded and whose node died before it ended.
type Delivery int

const (
	// AtLeastOnce starts it again, as the next attempt of the same run.
	AtLeastOnce Delivery = iota
	// AtMostOnce ends it as Lost.
	AtMostOnce
)
