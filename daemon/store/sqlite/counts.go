package sqlite

import (
	"strconv"
	"strings"

	"github.com/clockd/clockd/daemon/task"
)

// countColumns are the columns of task.Counts, in the order of counters.
const countColumns = `n.succeeded, n.failed, n.timed_out, n.canceled, n.lost,
		n.skipped_overlap, n.skipped_paused, n.skipped_orphaned, n.skipped_excluded, n.skipped_limit, n.missed, n.merged`

// counters are the fields of c, each with its column.
func counters(c *task.Counts) [12]struct {
	column string
	value  *int64
} {
	return [...]struct {
		column string
		value  *int64
	}{
		{"succeeded", &c.Succeeded},
		{"failed", &c.Failed},
		{"timed_out", &c.TimedOut},
		{"canceled", &c.Canceled},
		{"lost", &c.Lost},
		{"skipped_overlap", &c.SkippedOverlap},
		{"skipped_paused", &c.SkippedPaused},
		{"skipped_orphaned", &c.SkippedOrphaned},
		{"skipped_excluded", &c.SkippedExcluded},
		{"skipped_limit", &c.SkippedLimit},
		{"missed", &c.Missed},
		{"merged", &c.Merged},
	}
}

// addCounts returns a statement that adds c to the counts of the tasks that where names by their pks, and its values but
// those of where. It names only the columns that change: there are about as many statements as ways in which runs end.
func addCounts(change int64, c task.Counts, where string) (query string, values []any) {
	var b strings.Builder
	b.WriteString("UPDATE counts SET change = ?")
	values = append(make([]any, 0, 4), change)
	few := 0
	for _, n := range counters(&c) {
		if *n.value != 0 {
			few++
		}
	}
	for _, n := range counters(&c) {
		if *n.value != 0 || few > 2 { // or there would be a statement for each set of columns
			b.WriteString(", " + n.column + " = " + n.column + " + ?")
			values = append(values, *n.value)
		}
	}
	b.WriteString(" WHERE pk ")
	b.WriteString(where)
	return b.String(), values
}

// count adds c to the counts of a task whose hot columns were read.
func (w *writer) count(h *hotRow, c task.Counts) error {
	if c == (task.Counts{}) {
		return nil
	}
	if h.edits != nil {
		h.edits.counted = h.edits.counted.Add(c)
	}
	query, values := addCounts(w.stamp(h), c, "= ?")
	_, err := w.session.exec(query, append(values, h.pk)...)
	return err
}

// tally is what the ends of runs change in a task.
type tally struct {
	pk               int64
	counts           task.Counts
	stored, failures int64 // the failure count: as it was, and as it becomes
}

// countEnds adds runs that have just ended, in the order of their ends, to the counts of their tasks, and returns those
// whose tasks are gone. Each task is written once, and those to which the same is added by one statement.
func (w *writer) countEnds(ended []*task.Run) (gone []task.RunID, err error) {
	if len(ended) == 0 {
		return nil, nil
	}
	tallies, gone, err := w.session.tallies(ended)
	if err != nil || len(tallies) == 0 {
		return gone, err
	}
	change := w.number()
	alike := make(map[task.Counts][]int64)
	for i := range tallies {
		t := &tallies[i]
		w.told.task(t.pk)
		alike[t.counts] = append(alike[t.counts], t.pk)
		if t.failures != t.stored {
			if _, err := w.session.exec(sqlSetFailures, t.failures, t.pk); err != nil {
				return nil, err
			}
		}
	}
	for c, pks := range alike {
		where, which := "= ?", any(pks[0])
		if len(pks) > 1 {
			where, which = "IN (SELECT value FROM json_each(?))", numberList(pks)
		}
		query, values := addCounts(change, c, where)
		if _, err := w.session.exec(query, append(values, which)...); err != nil {
			return nil, err
		}
	}
	return gone, nil
}

// tallies sums up runs that have just ended, by task.
func (c *session) tallies(ended []*task.Run) (out []tally, gone []task.RunID, err error) {
	query, which := sqlTaskOf, any(int64(ended[0].ID))
	if len(ended) > 1 {
		ids := make([]int64, len(ended))
		for i, r := range ended {
			ids[i] = int64(r.ID)
		}
		query, which = sqlTasksOf, numberList(ids)
	}
	out = make([]tally, 0, len(ended))
	place := make(map[int64]int, len(ended)) // in out, by pk
	there := 0                               // how many of ended are dealt with
	var at, pk, fires, failures int64
	dest := []any{&at, &pk, &fires, &failures}
	err = c.each(query, []any{which}, func(scan func(...any) error) error {
		if err := scan(dest...); err != nil {
			return c.store.fault(err)
		}
		for ; there < int(at); there++ {
			gone = append(gone, ended[there].ID)
		}
		there++
		i, ok := place[pk]
		if !ok {
			i, place[pk] = len(out), len(out)
			out = append(out, tally{pk: pk, stored: failures, failures: failures})
		}
		t, r := &out[i], ended[at]
		// The report does not say how many instants the run stands for.
		t.counts = t.counts.Add(t.counts.Of(&task.Run{State: r.State, Reason: r.Reason, Fires: fires}, false))
		switch r.State {
		case task.Failed, task.TimedOut, task.Lost:
			t.failures++
		case task.Succeeded:
			t.failures = 0
		}
		return nil
	})
	for ; there < len(ended); there++ {
		gone = append(gone, ended[there].ID)
	}
	return out, gone, err
}

// numberList is a JSON array.
func numberList(numbers []int64) string {
	b := make([]byte, 0, 12*len(numbers))
	for i, n := range numbers {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, n, 10)
	}
	return "[" + string(b) + "]"
}
