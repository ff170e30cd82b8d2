package schedule

import (
	"fmt"
	"sync/atomic"
	"time"
)

// Bounds of a trigger's size.
const (
	maxDepth       = 4    // AnyOf inside AnyOf
	maxChildren    = 64   // triggers directly inside one AnyOf
	maxTriggers    = 1024 // in all: each is looked at for every next fire
	minInterval    = time.Millisecond
	maxJitter      = 366 * 24 * time.Hour
	maxCustomValue = 64 << 10 // bytes of a Custom's value
)

// Compiled is a checked trigger that can be asked when it fires. It does not read the clock, and is safe for
// concurrent use. What it keeps of what it answered changes no answer, but for a fault: see [Compiled.Err].
type Compiled struct {
	trigger Trigger
	root    node
	size    int   // triggers in all
	jitter  int64 // microseconds
	// excluding says that there are exclusions, in the trigger or in any inside.
	excluding bool
	custom    bool // it, or any inside, is a Custom
	fault     atomic.Pointer[FaultError]
}

// A node is one trigger of the tree. Instants are microseconds since 1970 UTC.
type node struct {
	kind  kind
	index int // in Progress.Fires
	size  int // of the tree under it, itself included

	maxFires   int64
	start, end int64
	hasStart   bool

	interval   int64 // everyRate, everyDelay
	immediate  bool  // everyRate, everyDelay
	at         int64 // onceAt
	clock      *clock
	event      Event
	source     Source // custom
	typeURL    string // custom
	children   []node
	followsRun bool // it or a part of it counts from the end of a run

	exclusions *exclusions // nil: none
	// skipped is the last long way over exclusions. Only of a wallClock, whose fires depend on nothing else.
	skipped atomic.Pointer[skipped]
}

type kind uint8

const (
	everyRate kind = iota
	everyDelay
	wallClock
	onceAt
	onceNow
	forever
	anyOf
	onEvent
	custom
)

// Compile checks a trigger and prepares it. The error is an [*InvalidError] with everything that is
// wrong. What the trigger holds is copied. Without [Extensions] it may name no [Calendar] and hold no
// [Custom].
func Compile(t Trigger) (*Compiled, error) { return (*Extensions)(nil).Compile(t) }

// Check checks a trigger as [Compile] does, but for what depends on [Extensions]: whether its calendars are
// declared, whether its custom kinds are known, and what they say of their values.
func Check(t Trigger) error {
	b := builder{unresolved: true}
	_, err := b.compile(t)
	return err
}

type builder struct {
	extensions *Extensions
	unresolved bool // leave out what depends on them
	problems   problems
	size       int
	excluded   int // exclusions in all
	hasCustom  bool
}

func (b *builder) compile(t Trigger) (*Compiled, error) {
	c := &Compiled{trigger: canonical(t, 0)}
	b.build(&c.root, c.trigger, t, "", 0)
	b.jitter(c)
	c.size, c.excluding, c.custom = b.size, b.excluded > 0, b.hasCustom
	if b.excluded > maxExclusionsInAll {
		b.problems.add("", "", "%d exclusions in all, at most %d are allowed", b.excluded, maxExclusionsInAll)
	}
	if b.size > maxTriggers {
		b.problems.add("", "", "%d triggers in all, at most %d are allowed", b.size, maxTriggers)
	}
	if len(b.problems.found) > 0 {
		return nil, &InvalidError{Violations: b.problems.found}
	}
	return c, nil
}

// Trigger returns the canonical form of what was compiled: see [Equal].
func (c *Compiled) Trigger() Trigger { return canonical(c.trigger, 0) }

// build fills n from a canonical trigger; given is the same trigger as it was given.
func (b *builder) build(n *node, t, given Trigger, path string, depth int) {
	n.index = b.size
	b.size++
	b.bounds(n, t, given, path)
	n.exclusions = b.exclusions(t.Exclusions, path, false)
	if t.Jitter != 0 && path != "" {
		b.problems.add(path, "jitter", "only the outermost trigger may have one: write it after the any( )")
	}
	switch k := t.Kind.(type) {
	case nil:
		b.problems.add(path, "", "kind missing: one of every, at, cron, once, forever, any_of, on_start_up, on_shut_down and custom is needed")
	case Every:
		b.every(n, k, path)
	case At:
		b.at(n, k, path)
	case Cron:
		b.cron(n, k, path)
	case Once:
		b.once(n, k, given.Kind.(Once), path)
	case Forever:
		n.kind, n.followsRun = forever, true
	case AnyOf:
		b.anyOf(n, k, given.Kind.(AnyOf), path, depth)
	case OnStartUp:
		n.kind, n.event = onEvent, StartUp
	case OnShutDown:
		n.kind, n.event = onEvent, ShutDown
	case Custom:
		b.custom(n, k, path)
	default:
		b.problems.add(path, "", "kind %T is unknown: a kind is a value of this package, not a pointer", t.Kind)
	}
	n.size = b.size - n.index
}

func (b *builder) bounds(n *node, t, given Trigger, path string) {
	n.maxFires, n.start, n.end = t.MaxFires, minMicro, maxMicro
	if t.MaxFires < 0 {
		b.problems.add(path, "max_fires", "%d is below 0 (0 means no limit)", t.MaxFires)
	}
	if !given.StartTime.IsZero() && b.inRange(t.StartTime, path, "start_time") {
		n.start, n.hasStart = t.StartTime.UnixMicro(), true
	}
	if !given.EndTime.IsZero() && b.inRange(t.EndTime, path, "end_time") {
		n.end = t.EndTime.UnixMicro()
	}
	if n.start > n.end {
		b.problems.add(path, "end_time", "%s is before start_time %s", rfc3339(t.EndTime), rfc3339(t.StartTime))
	}
}

// inRange refuses what RFC 3339 can not write. The zero time can not be told from "none".
func (b *builder) inRange(t time.Time, path, field string) bool {
	if y := t.Year(); y < 1 || y > 9999 || t.IsZero() {
		b.problems.add(path, field, "%s is outside the years 1 to 9999", t.Format("2006-01-02"))
		return false
	}
	return true
}

func (b *builder) every(n *node, k Every, path string) {
	n.kind = everyRate
	if k.Pacing == FixedDelay {
		n.kind, n.followsRun = everyDelay, true
	} else if k.Pacing != FixedRate {
		b.problems.add(path, "every.pacing", "%d is unknown: FIXED_RATE or FIXED_DELAY", k.Pacing)
	}
	n.immediate = k.FirstFire == Immediate
	if k.FirstFire != Wait && k.FirstFire != Immediate {
		b.problems.add(path, "every.first_fire", "%d is unknown: WAIT or IMMEDIATE", k.FirstFire)
	}
	n.interval = k.Interval.Microseconds()
	switch {
	case k.Interval < minInterval:
		b.problems.add(path, "every.interval", "%q is below %s", k.Interval, minInterval)
	case k.Interval%time.Microsecond != 0:
		b.problems.add(path, "every.interval", "%q is not a whole number of microseconds", k.Interval)
	}
}

func (b *builder) at(n *node, k At, path string) {
	n.kind = wallClock
	ok := true
	check := func(field string, value, limit int) {
		if value < 0 || value > limit {
			b.problems.add(path, "at."+field, "%d is outside 0-%d", value, limit)
			ok = false
		}
	}
	check("hour", k.Hour, 23)
	check("minute", k.Minute, 59)
	check("second", k.Second, 59)
	weekdays, valid := b.weekdays(k.DaysOfWeek, path, "at.days_of_week")
	ok = ok && valid
	z, err := loadZone(k.TimeZone)
	if err != nil {
		b.problems.add(path, "at.time_zone", "%s", err)
	}
	if ok && err == nil {
		n.clock = &clock{pattern: fixedTime(k.Hour, k.Minute, k.Second, weekdays), zone: z}
	}
}

func (b *builder) cron(n *node, k Cron, path string) {
	n.kind = wallClock
	p, found := parseExpression(k.Expression)
	for _, problem := range found {
		b.problems.add(path, "cron.expression", "%s", problem)
	}
	z, err := loadZone(k.TimeZone)
	if err != nil {
		b.problems.add(path, "cron.time_zone", "%s", err)
	}
	if len(found) == 0 && err == nil {
		n.clock = &clock{pattern: p, zone: z}
	}
}

func (b *builder) once(n *node, k, given Once, path string) {
	n.kind = onceNow
	if given.Time.IsZero() || !b.inRange(k.Time, path, "once.time") {
		return
	}
	n.kind, n.at = onceAt, k.Time.UnixMicro()
	if n.at < n.start {
		b.problems.add(path, "once.time", "%s is before start_time, so it never fires", rfc3339(k.Time))
	}
	if n.at > n.end {
		b.problems.add(path, "once.time", "%s is after end_time, so it never fires", rfc3339(k.Time))
	}
}

func (b *builder) custom(n *node, k Custom, path string) {
	n.kind, n.typeURL, b.hasCustom = custom, k.TypeURL, true
	if err := checkTypeURL(k.TypeURL); err != nil {
		b.problems.add(path, "custom.type_url", "%s", err)
		return
	}
	if len(k.Value) > maxCustomValue {
		b.problems.add(path, "custom.value", "%d bytes, at most %d are allowed", len(k.Value), maxCustomValue)
		return
	}
	if b.unresolved {
		return
	}
	var newSource NewSource
	if b.extensions != nil {
		newSource = b.extensions.kinds[k.TypeURL]
	}
	if newSource == nil {
		b.problems.add(path, "custom.type_url", "%q is not known: %s", k.TypeURL, b.extensions.kindAdvice())
		return
	}
	var err error
	if n.source, err = newSource(k.Value); err != nil {
		b.problems.add(path, "custom.value", "%s", err)
	}
}

// jitter checks that of the whole trigger.
func (b *builder) jitter(c *Compiled) {
	jitter := c.trigger.Jitter
	c.jitter = jitter.Microseconds()
	switch {
	case jitter == 0:
	case jitter < 0:
		b.problems.add("", "jitter", "%q is below 0 (0 means none)", jitter)
	case jitter > maxJitter:
		b.problems.add("", "jitter", "%q is above %s, a year", durationText(jitter), durationText(maxJitter))
	case jitter%time.Microsecond != 0:
		b.problems.add("", "jitter", "%q is not a whole number of microseconds", jitter)
	case c.root.kind == onEvent:
		b.problems.add("", "jitter", "a start or stop of a node does not wait: leave it out")
	}
}

func (b *builder) anyOf(n *node, k, given AnyOf, path string, depth int) {
	n.kind = anyOf
	field := "any_of.triggers"
	switch {
	case depth >= maxDepth:
		b.problems.add(path, "any_of", "nested more than %d deep", maxDepth)
		return
	case len(k.Triggers) == 0:
		b.problems.add(path, field, "empty: at least one trigger is needed")
		return
	case len(k.Triggers) > maxChildren:
		b.problems.add(path, field, "%d triggers, at most %d are allowed", len(k.Triggers), maxChildren)
		return
	}
	if path != "" {
		path += "."
	}
	n.children = make([]node, len(k.Triggers))
	for i := range k.Triggers {
		if b.size > maxTriggers {
			b.size++ // too many in all: count on, but look no deeper
			continue
		}
		b.build(&n.children[i], k.Triggers[i], given.Triggers[i], fmt.Sprintf("%s%s[%d]", path, field, i), depth+1)
		n.followsRun = n.followsRun || n.children[i].followsRun
	}
}
