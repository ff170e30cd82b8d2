package sqlite

import (
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

// addCounts returns a statement that adds c to the counts of the task that where names by its pk, and its values but
// those of where. It names only the columns that change: there are as many statements as ways in which runs end.
func addCounts(change int64, c task.Counts, where string) (query string, values []any) {
	var b strings.Builder
	b.WriteString("UPDATE counts SET change = ?")
	values = append(make([]any, 0, 4), change)
	for _, n := range counters(&c) {
		if *n.value != 0 {
			b.WriteString(", " + n.column + " = " + n.column + " + ?")
			values = append(values, *n.value)
		}
	}
	b.WriteString(" WHERE pk = ")
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
	query, values := addCounts(w.stamp(h), c, "?")
	_, err := w.session.exec(query, append(values, h.pk)...)
	return err
}
