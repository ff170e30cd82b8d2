package bench

import (
	"testing"
	"time"
)

const compared = 50 // fires from each start

// A difference is a set of our fires after which a library finds none, and why.
type difference struct {
	library, expression string
	after               func(year int) bool
	reason              string
}

var differences = []difference{
	{
		"robfig", "LeapDay", func(year int) bool { return year == 2096 || year == 2196 },
		"it looks five years ahead, and over 2100 and 2200, which are no leap years, the next one is eight years away",
	},
	{
		"cronexpr", "LeapDay", func(year int) bool { return year >= 2096 },
		"its list of years ends with 2099",
	},
}

func TestFiresOfEachLibraryInUTCAreOursOrTheDifferenceIsExplained(t *testing.T) {
	seen := make([]bool, len(differences))
	explained := func(library, expression string, after, theirs time.Time) bool {
		for i, d := range differences {
			if d.library == library && d.expression == expression && d.after(after.Year()) && theirs.IsZero() {
				seen[i] = true
				return true
			}
		}
		return false
	}
	for _, lib := range others {
		for _, e := range expressions {
			// Asked after each fire of ours, so that one difference does not hide what comes after it.
			our, their := ours.parse(t, e.text, "UTC"), lib.parse(t, e.text, "UTC")
			for _, after := range starts(time.UTC) {
				for range compared {
					want, got := our(after), their(after)
					if !want.After(after) {
						t.Fatalf("clockd: %s: %v comes after %v", e.text, want, after)
					}
					if !got.Equal(want) && !explained(lib.name, e.name, after, got) {
						t.Errorf("%s: %s: after %v comes %v, ours is %v", lib.name, e.text, after, got, want)
					}
					after = want
				}
			}
		}
	}
	for i, d := range differences {
		if !seen[i] {
			t.Errorf("%s agrees with ours about %s: take out the difference (%s)", d.library, d.expression, d.reason)
		}
	}
}
