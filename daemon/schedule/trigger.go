package schedule

import "time"

// A Trigger says when a task fires. Its Kind is the rule; the other fields bound it.
// A Trigger is a plain value: copy it freely, do not share the slices inside and then change them.
// Whether it makes sense is found out by [Compile]; its text form is [Trigger.String] and [Parse].
// Times are truncated to microseconds and lie in the years 1 to 9999.
type Trigger struct {
	// Kind is the rule. It must not be nil.
	Kind Kind
	// MaxFires ends the trigger after that many fires. Zero means no limit.
	MaxFires int64
	// StartTime is the first instant at which it may fire, inclusive. Zero means no bound.
	// It is also the anchor of an Every: see [Progress].
	StartTime time.Time
	// EndTime is the last instant at which it may fire, inclusive. Zero means no bound.
	EndTime time.Time
	// Jitter spreads the starts of what fires at the same instant: a run starts up to this much after its
	// fire, by an amount that depends on the task and the instant only and stays below the following fire.
	// It is a whole number of microseconds from 0, which means none, to 366 days. It does not move the fire
	// itself, which [Compiled.Next] answers. Only the outermost trigger may have one, and not if it is an
	// OnStartUp or OnShutDown.
	Jitter time.Duration
	// Exclusions are the instants at which it does not fire, at most 64 of them and
	// 1,024 with those of all triggers inside. What has no instants of its
	// own but follows a run (Forever, an Every with FixedDelay) fires where they end; of everything else
	// the instants inside are lost, and do not count for MaxFires.
	Exclusions []Exclusion
}

// Kind is one of [Every], [At], [Cron], [Once], [Forever], [AnyOf], [OnStartUp], [OnShutDown] and [Custom].
type Kind interface{ isKind() }

// Every fires at a fixed distance.
type Every struct {
	// Interval is the distance, at least 1ms and a whole number of microseconds.
	Interval time.Duration
	// FirstFire says whether the anchor itself is a fire. Defaults to Wait.
	FirstFire FirstFire
	// Pacing says what the interval is counted from. Defaults to FixedRate.
	Pacing Pacing
}

// FirstFire says when an [Every] fires for the first time.
type FirstFire int

const (
	// Wait fires first one interval after the anchor.
	Wait FirstFire = iota
	// Immediate fires first at the anchor: as soon as the trigger is in force, or at its StartTime.
	Immediate
)

// Pacing says what the interval of an [Every] is counted from.
type Pacing int

const (
	// FixedRate counts from the anchor: fire n is anchor + n*interval, so it never drifts.
	FixedRate Pacing = iota
	// FixedDelay counts from the end of the last run.
	FixedDelay
)

// At fires at a wall-clock time of a day.
type At struct {
	Hour, Minute, Second int
	// DaysOfWeek restricts the days. Empty means every day. Order and doubles do not matter: see [Equal].
	DaysOfWeek []time.Weekday
	// TimeZone is an IANA name such as "Europe/Berlin" or "UTC". It must not be empty or "Local".
	TimeZone string
}

// Cron fires when the wall clock matches an expression of five fields (minute, hour, day of month,
// month, day of week), or six with the second in front. The package comment has the grammar.
type Cron struct {
	Expression string
	// TimeZone is an IANA name such as "Europe/Berlin" or "UTC". It must not be empty or "Local".
	TimeZone string
}

// Once fires one time.
type Once struct {
	// Time is the instant. Zero means as soon as the trigger is in force.
	Time time.Time
}

// Forever fires as soon as the trigger is in force, and again whenever its last run has ended.
type Forever struct{}

// AnyOf fires when any of its triggers does; triggers that fire at the same instant make one fire.
// Each trigger inside keeps its own bounds and its own MaxFires. It holds 1 to 64 triggers, may be
// nested four deep, and a whole trigger has at most 1,024 parts.
type AnyOf struct{ Triggers []Trigger }

// OnStartUp fires on every node when it starts, before anything else fires there.
type OnStartUp struct{}

// OnShutDown fires on every node when it stops.
type OnShutDown struct{}

// Custom is a kind that a program adds: see [Extensions] and [Source].
type Custom struct {
	// TypeURL names the kind, as in google.protobuf.Any: "type.googleapis.com/acme.v1.Tide".
	TypeURL string
	// Value is the serialized message of that type. It may be empty.
	Value string
}

func (Every) isKind()      {}
func (At) isKind()         {}
func (Cron) isKind()       {}
func (Once) isKind()       {}
func (Forever) isKind()    {}
func (AnyOf) isKind()      {}
func (OnStartUp) isKind()  {}
func (OnShutDown) isKind() {}
func (Custom) isKind()     {}
