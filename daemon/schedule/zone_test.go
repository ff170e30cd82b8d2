package schedule

import (
	"math/rand"
	"os"
	"strings"
	"testing"
	"time"
)

// These tests are inside the package because the table and the calendar are what everything stands on.

func zoneNames(t testing.TB) []string {
	t.Helper()
	data, err := os.ReadFile("testdata/zones.txt")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(data))
}

func offsetOf(second int64, loc *time.Location) int64 {
	_, offset := time.Unix(second, 0).In(loc).Zone()
	return int64(offset)
}

// offsetAt is what the engine takes for the offset, the repetition after a cycle included.
func (z *zone) offsetAt(second int64) int64 {
	if second >= cycleEnd {
		second -= (second - cycleStart) / cycleSeconds * cycleSeconds
	}
	return int64(z.offset[z.segment(second)])
}

func TestTheTableOfEachZoneIsThatOfTheTimePackage(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	for _, name := range zoneNames(t) {
		z, err := loadZone(name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		loc, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		check := func(second int64) {
			if got, want := z.offsetAt(second), offsetOf(second, loc); got != want {
				t.Errorf("%s at %v: offset %d, want %d", name, time.Unix(second, 0).UTC(), got, want)
			}
		}
		for i := 1; i < len(z.start); i += 1 + r.Intn(8) {
			check(z.start[i] - 1)
			check(z.start[i])
			if i+1 < len(z.start) {
				check(z.start[i] + r.Int63n(z.start[i+1]-z.start[i]))
			}
		}
		for range 60 {
			check(minSecond + r.Int63n(maxSecond-minSecond))
			check(-3e9 + r.Int63n(9e9))
		}
		// 31 December of leap years, before, in and after the table: golang/go#81583.
		for _, year := range []int{1972, 2000, 2036, 2040, 2096, 2104, 2400, 2496, 2500, 2504, 2520, 9996} {
			eve := time.Date(year, 12, 31, r.Intn(24), 0, 0, 0, time.UTC).Unix()
			check(eve)
			check(eve + secondsPerDay)
		}
	}
}

func TestTheTableIsInOrderAndSmall(t *testing.T) {
	for _, name := range zoneNames(t) {
		z, err := loadZone(name)
		if err != nil {
			t.Fatal(err)
		}
		for i := 1; i < len(z.start); i++ {
			if z.start[i] <= z.start[i-1] || z.offset[i] == z.offset[i-1] {
				t.Errorf("%s: segment %d begins at %d with %d after %d with %d", name, i, z.start[i], z.offset[i], z.start[i-1], z.offset[i-1])
			}
			if shift := int(z.offset[i]) - int(z.offset[i-1]); shift >= maxShift || -shift >= maxShift {
				t.Errorf("%s: the offset changes by %d s, more than maxShift", name, shift)
			}
		}
		if len(z.start) > 2000 {
			t.Errorf("%s: %d segments", name, len(z.start))
		}
	}
}

func TestNamesThatAreNoZonesAreRefused(t *testing.T) {
	for _, name := range []string{
		"", "Local", "local", "LOCAL", "localtime", "posixrules", "right/UTC", "posix/UTC", "Factory",
		"utc", "europe/berlin", "Berlin", "CEST", "+02:00", "UTC+2", "../UTC", "/etc/localtime", "Europe//Berlin",
		"Europe/Berlin/", "Europe/Berlin ", "Europe", "zone.tab", "tzdata.zi", "Europe/Bérlin", "\x00", strings.Repeat("A", 5000),
	} {
		if _, err := loadZone(name); err == nil {
			t.Errorf("%q is taken for a zone", name)
		} else if !strings.HasSuffix(err.Error(), zoneAdvice) {
			t.Errorf("%q: %q does not say what would be right", name, err)
		}
	}
}

func TestDatesAreThoseOfTheTimePackage(t *testing.T) {
	check := func(day int64) {
		year, month, dom := date(day)
		want := time.Unix(day*secondsPerDay, 0).UTC()
		if y, m, d := want.Date(); y != year || int(m) != month || d != dom {
			t.Fatalf("day %d is %d-%d-%d, want %v", day, year, month, dom, want)
		}
		if int(want.Weekday()) != weekday(day) {
			t.Fatalf("day %d is weekday %d, want %v", day, weekday(day), want.Weekday())
		}
		if got := monthStart(year, month) + int64(dom) - 1; got != day {
			t.Fatalf("day %d is %d by its month", day, got)
		}
		if last := time.Date(year, time.Month(month)+1, 0, 0, 0, 0, 0, time.UTC).Day(); last != daysIn(year, month) {
			t.Fatalf("%d-%d has %d days, want %d", year, month, daysIn(year, month), last)
		}
	}
	for day := int64(-800); day < 1200; day++ {
		check(day)
		check(day + minSecond/secondsPerDay) // also the year 0, where walls west of Greenwich begin
		check(day + maxSecond/secondsPerDay)
	}
	for year := 1; year <= 10000; year++ {
		start := monthStart(year, 1)
		check(start - 1)
		check(start)
		check(start + 58)
		check(start + 59)
		check(start + 60)
	}
}

// BenchmarkNewZone is the cost of the first trigger in a zone.
func BenchmarkNewZone(b *testing.B) {
	loc, err := time.LoadLocation("America/New_York")
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		newZone(loc)
	}
}

func BenchmarkNeverComes(b *testing.B) {
	for b.Loop() {
		parseExpression("0 0 31 2 *")
	}
}
