package postgres

import (
	"slices"
	"sort"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgtype"
)

// day is one on which runs were recorded.
type day struct {
	date  time.Time // midnight in UTC
	first int64     // its first run
}

// calendar says on which day each run was recorded: the last whose first run is not greater. It is never changed in place.
type calendar []day

// of returns the day of a run, as the column day has it. Of a run that is older than all that is known, there is nothing
// to be found; it counts as one of the first day.
func (c calendar) of(run int64) pgtype.Date {
	if len(c) == 0 {
		return pgtype.Date{Valid: true}
	}
	return c[c.place(run)].value()
}

// place is where in c the day of a run is. c must not be empty.
func (c calendar) place(run int64) int {
	return max(0, sort.Search(len(c), func(i int) bool { return c[i].first > run })-1)
}

// last is the newest day. Zero: there is none.
func (c calendar) last() time.Time {
	if len(c) == 0 {
		return time.Time{}
	}
	return c[len(c)-1].date
}

// newest is the newest day as a parameter; if there is none, it is before all.
func (c calendar) newest() pgtype.Date {
	if len(c) == 0 {
		return pgtype.Date{InfinityModifier: pgtype.NegativeInfinity, Valid: true}
	}
	return c[len(c)-1].value()
}

// runsOfDay are runs that were recorded on one day.
type runsOfDay struct {
	day  pgtype.Date
	runs []int64
}

// group sorts runs by their days.
func (c calendar) group(runs []int64) []runsOfDay {
	if len(c) == 0 {
		return nil
	}
	slices.Sort(runs)
	var groups []runsOfDay
	for from := 0; from < len(runs); {
		at, to := c.place(runs[from]), len(runs)
		if at+1 < len(c) {
			to, _ = slices.BinarySearch(runs, c[at+1].first)
		}
		groups = append(groups, runsOfDay{c[at].value(), runs[from:to]})
		from = to
	}
	return groups
}

func (d day) value() pgtype.Date { return pgtype.Date{Time: d.date, Valid: true} }

// dayRow is a row of the table days.
type dayRow struct {
	date  pgtype.Date
	first int64
}

func (d *dayRow) dest() []any { return []any{&d.date, &d.first} }
func (d *dayRow) value() day  { return day{date: d.date.Time.UTC(), first: d.first} }

// days is what a Store remembers of the table days. It may lack the newest, which another node has begun, and have more
// than there are; whoever reads finds out, and so does whoever writes: see reader.askDays and Store.turn.
type days struct {
	mu      sync.Mutex
	all     calendar        // replaced, never changed
	warned  map[string]bool // partitions that could not be made
	dropped time.Time       // when partitions were dropped last, by the clock of the store

	// shift is added to the clock of the store to know what day it is: tests set it.
	shift atomic.Int64
}

func (d *days) known() calendar {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.all
}

// learn adds days.
func (d *days) learn(news calendar) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, n := range news {
		if n.date.After(d.all.last()) {
			d.all = append(d.all[:len(d.all):len(d.all)], n)
		}
	}
}

// forget drops a day.
func (d *days) forget(date time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.all = slices.DeleteFunc(slices.Clone(d.all), func(o day) bool { return o.date.Equal(date) })
}

// warn reports whether nobody was warned of this partition yet.
func (d *days) warn(partition string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.warned[partition] {
		return false
	}
	if d.warned == nil {
		d.warned = make(map[string]bool)
	}
	d.warned[partition] = true
	return true
}

// dropDue reports whether it is time to drop partitions again.
func (d *days) dropDue(now time.Time) bool {
	now = now.Add(time.Duration(d.shift.Load()))
	d.mu.Lock()
	defer d.mu.Unlock()
	if now.Before(d.dropped.Add(dropEvery)) {
		return false
	}
	d.dropped = now
	return true
}

// today is the day by the clock of the store.
func (d *days) today(now time.Time) time.Time {
	return now.Add(time.Duration(d.shift.Load())).UTC().Truncate(24 * time.Hour)
}
