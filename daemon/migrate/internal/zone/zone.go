// Package zone finds the IANA name of a time.Location: triggers name their zone, because they are stored and must
// mean the same on every machine.
package zone

import (
	"fmt"
	"time"
)

const advice = "hand in time.UTC, or what time.LoadLocation makes of an IANA name such as Europe/Berlin"

// Of returns the name of a location. time.Local has one if the variable TZ says so, or if the machine has no zone,
// which is UTC; if it comes from /etc/localtime it has none. What time.FixedZone makes has none either.
func Of(loc *time.Location) (string, error) {
	if loc == nil {
		return "", fmt.Errorf("location is nil: %s", advice)
	}
	name := loc.String()
	if name == "Local" {
		return "", fmt.Errorf("location is the machine's own, which has no name and is another one elsewhere: %s, or set TZ", advice)
	}
	named, err := time.LoadLocation(name)
	if err != nil || name == "" || !same(loc, named) {
		return "", fmt.Errorf("location %q is not the time zone of that name: %s", name, advice)
	}
	return name, nil
}

// same tells a zone of the database from one that only has its name, such as time.FixedZone("CET", 3600). Winter
// and summer of some years are enough for that.
func same(a, b *time.Location) bool {
	for year := 2000; year <= 2030; year += 5 {
		for _, month := range []time.Month{time.January, time.July} {
			t := time.Date(year, month, 1, 0, 0, 0, 0, time.UTC)
			_, offsetA := t.In(a).Zone()
			_, offsetB := t.In(b).Zone()
			if offsetA != offsetB {
				return false
			}
		}
	}
	return true
}
