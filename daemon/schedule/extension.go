package schedule

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// A Source is a custom kind of trigger at work: it says when to fire. It must be a pure function, safe for
// concurrent use, and quick: microseconds rather than milliseconds, because it is asked while decisions
// wait for it.
type Source interface {
	// Next returns the first fire strictly after an instant, which is in UTC and in whole microseconds.
	// What is finer in the answer is rounded up. The zero time means that there is none. An error, and an
	// instant that is not after the one given, are faults: see [Compiled.Err].
	Next(after time.Time) (time.Time, error)
}

// NewSource makes the Source of a [Custom] from its Value, a serialized message. The error says what is
// wrong with the value and what would be right. It is called once for each trigger that is compiled.
type NewSource func(value string) (Source, error)

// Extensions are what a program adds to the triggers of this package: calendars that exclusions may name,
// and custom kinds. They are immutable and safe for concurrent use. Nil has none of either.
type Extensions struct {
	calendars map[string]*exclusions
	kinds     map[string]NewSource
}

// NewExtensions checks calendars, by name, and custom kinds, by type URL. The error is an [*InvalidError]
// with everything that is wrong, in fields such as "calendars.holidays[2].dates.first". A calendar can
// not name another one.
func NewExtensions(calendars map[string][]Exclusion, kinds map[string]NewSource) (*Extensions, error) {
	x := &Extensions{calendars: make(map[string]*exclusions, len(calendars)), kinds: maps.Clone(kinds)}
	b := builder{extensions: x}
	if len(calendars) > maxCalendars {
		b.problems.add("calendars", "", "%d calendars, at most %d are allowed", len(calendars), maxCalendars)
	}
	for _, name := range slices.Sorted(maps.Keys(calendars)) {
		if err := checkCalendarName(name); err != nil {
			b.problems.add("calendars", "", "%s", err)
			continue
		}
		c := b.exclusions(calendars[name], "calendars."+name, true)
		if c == nil {
			c = &exclusions{} // an empty calendar excludes nothing
		}
		x.calendars[name] = c
	}
	for _, url := range slices.Sorted(maps.Keys(kinds)) {
		if err := checkTypeURL(url); err != nil {
			b.problems.add("kinds", "", "%s", err)
		}
		if kinds[url] == nil {
			b.problems.add("kinds", "", "%q has no function that makes its source", url)
		}
	}
	if len(b.problems.found) > 0 {
		return nil, &InvalidError{Violations: b.problems.found}
	}
	return x, nil
}

// Compile checks a trigger and prepares it, as the function [Compile] does, with these extensions.
func (x *Extensions) Compile(t Trigger) (*Compiled, error) {
	b := builder{extensions: x}
	return b.compile(t)
}

// UsesExtensions returns whether what the trigger means depends on [Extensions]: it, or any trigger inside, names
// a calendar or is of a custom kind.
func (t Trigger) UsesExtensions() bool {
	for _, e := range t.Exclusions {
		if _, ok := e.(Calendar); ok {
			return true
		}
	}
	switch k := t.Kind.(type) {
	case Custom:
		return true
	case AnyOf:
		return slices.ContainsFunc(k.Triggers, Trigger.UsesExtensions)
	}
	return false
}

// HasCustom returns whether the trigger, or any inside, is of a custom kind: then its answers cost what the code of
// a program takes.
func (c *Compiled) HasCustom() bool { return c.custom }

// calendarAdvice says which calendars there are.
func (x *Extensions) calendarAdvice() string {
	if x == nil || len(x.calendars) == 0 {
		return "there are no calendars"
	}
	return "there are " + few(slices.Sorted(maps.Keys(x.calendars)))
}

// kindAdvice says which custom kinds there are.
func (x *Extensions) kindAdvice() string {
	if x == nil || len(x.kinds) == 0 {
		return "there are no custom kinds"
	}
	return "there are " + few(slices.Sorted(maps.Keys(x.kinds)))
}

// few writes a few names.
func few(names []string) string {
	const most = 10
	if more := len(names) - most; more > 0 {
		names = append(slices.Clip(names[:most]), fmt.Sprintf("%d more", more))
	}
	return strings.Join(names, ", ")
}

// checkTypeURL says what is wrong with the type URL of a [Custom]: it must be the name of a message, behind
// a host or path that ends in a slash.
func checkTypeURL(url string) error {
	switch {
	case url == "":
		return errors.New("missing: write one such as type.googleapis.com/acme.v1.Tide")
	case len(url) > 512:
		return fmt.Errorf("%d bytes are too long for a type URL: at most 512", len(url))
	}
	i := strings.LastIndexByte(url, '/')
	ok := i >= 0
	for _, part := range strings.Split(url[i+1:], ".") {
		ok = ok && identifier(part)
	}
	for j := 0; ok && j < i; j++ {
		c := url[j]
		ok = alphanumeric(c) || strings.IndexByte("-_.~/:", c) >= 0
	}
	if !ok {
		return fmt.Errorf("%q is no type URL such as type.googleapis.com/acme.v1.Tide", url)
	}
	return nil
}

func identifier(s string) bool {
	for i := range len(s) {
		if !alphanumeric(s[i]) && s[i] != '_' || i == 0 && s[0] >= '0' && s[0] <= '9' {
			return false
		}
	}
	return s != ""
}

func alphanumeric(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}
