package postgres

import (
	"context"
	"math"

	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
)

// maxLook is how many runs are looked at for a page of runs, so that a filter that matches nothing in a long history does
// not hold a connection for seconds.
const maxLook = 10_000

// stateMask has a bit for each state of a run, so that one statement serves every filter.
type stateMask int64

// all is no filter.
const all stateMask = -1

// unfinished are the states that the table open_runs holds.
const unfinished = stateMask(1<<task.Scheduled | 1<<task.Running)

func maskOf(states []task.RunState) stateMask {
	if len(states) == 0 {
		return all
	}
	var m stateMask
	for _, s := range states {
		if s > 0 && s < 63 {
			m |= 1 << s
		}
	}
	return m
}

// Runs implements store.Store. It looks at no more than 10,000 runs of each of a few spans of days for a page.
func (s *Store) Runs(ctx context.Context, q task.RunQuery) (page task.RunPage, err error) {
	mask := maskOf(q.States)
	from := int64(q.From)
	if from == 0 {
		from = math.MaxInt64
	}
	err = s.read(ctx, func(r *reader) (err error) {
		page = task.RunPage{}
		h := history{reader: r, mask: mask, open: mask&unfinished != 0, ended: mask&^unfinished != 0, descending: true}
		if found, err := h.of(q.TaskID); err != nil || !found {
			return err
		}
		page, err = h.page(from, min(q.Limit, maxLook))
		return err
	})
	if err != nil {
		return task.RunPage{}, err
	}
	return page, nil
}

// RunsChanged implements store.Store. It looks at no more than 10,000 runs of each of a few spans of days for a page. There
// is no index over the changes: claims would pay for it, and who has followed so far asks for little.
func (s *Store) RunsChanged(ctx context.Context, q task.ChangedQuery) (page task.RunPage, err error) {
	err = s.read(ctx, func(r *reader) (err error) {
		page = task.RunPage{}
		h := history{reader: r, mask: all, changedAfter: q.After, open: true, ended: true}
		if found, err := h.of(q.TaskID); err != nil || !found {
			return err
		}
		page, err = h.page(int64(q.From), min(q.Limit, maxLook))
		return err
	})
	if err != nil {
		return task.RunPage{}, err
	}
	return page, nil
}

// history is a look along runs by their ids, at those of one task or of all.
type history struct {
	reader *reader
	// task is the task's pk; 0: of all tasks.
	task     int64
	taskID   uuid.UUID
	taskName string // as it is stored
	// open and ended say which to look at.
	open, ended bool
	descending  bool
	// mask and changedAfter say which of them to return.
	mask         stateMask
	changedAfter int64
}

// of restricts the history to a task, unless id is zero, and reports whether there is one.
func (h *history) of(id uuid.UUID) (found bool, err error) {
	if id == uuid.Nil {
		return true, nil
	}
	h.taskID = id
	err = h.reader.ask(false, question{sqlPKByID, []any{uuidValue(id)}, []any{&h.task, &h.taskName}, func() error {
		found = true
		return nil
	}})
	return found, err
}

// page returns up to limit runs from a run on, which need not be there.
func (h *history) page(from int64, limit int) (page task.RunPage, err error) {
	look := maxLook + 1 // the last says where to go on
	if h.mask == all && h.changedAfter == 0 {
		look = limit + 1 // all match: no need to go further
	}
	var found task.RunPage
	err = h.spans(from, func(span span) (question, func() bool) {
		found = task.RunPage{} // of this span
		row := new(runRow)
		var looked int64
		room := limit - len(page.Runs)
		take := func() error {
			if found.Next != 0 {
				return nil
			}
			// One more row than there is room for says where to go on.
			if room == 0 || looked == int64(look) {
				found.Next = task.RunID(row.run)
				return nil
			}
			room-- // also for a run whose task was deleted
			run, there, err := h.run(row)
			if err == nil && there {
				found.Runs = append(found.Runs, run)
			}
			return err
		}
		q := question{h.sql(), append(h.args(span), int64(h.mask), h.changedAfter, look, room+1), append(h.dest(row), &looked), take}
		return q, func() (more bool) {
			page.Runs = append(page.Runs, found.Runs...)
			page.Next = found.Next
			return page.Next == 0
		}
	})
	return page, err
}

// dest is where a row of sql is read to, but for how many have been looked at.
func (h *history) dest(row *runRow) []any {
	if h.task != 0 {
		return row.dest()
	}
	row.taskID.Valid = false
	return append(row.dest(), &row.taskID, &row.optionalName)
}

// run returns the run of a row, and false if its task was deleted.
func (h *history) run(row *runRow) (run task.Run, there bool, err error) {
	if h.task != 0 {
		row.taskID, row.taskName = uuidValue(h.taskID), h.taskName
	} else {
		row.taskName = row.optionalName.String
	}
	if !row.taskID.Valid {
		return task.Run{}, false, nil
	}
	run, err = h.reader.run(row)
	return run, true, err
}

// span is a span of days, and of the ids of the runs that were recorded on them: both ends belong to it.
type span struct {
	days    calendar
	low, up int64
}

// spans asks about spans of days one after the other, from a run on, until done says that there is no more to ask. Most
// histories end within a day or two; the spans grow, so that one with years of gaps takes few questions.
func (h *history) spans(from int64, ask func(span) (q question, more func() bool)) error {
	for size := 2; ; size *= 2 {
		var more func() bool
		var next int64
		end := false
		err := h.reader.askDays(func(c calendar) []question {
			var s span
			s, next, end = c.span(from, size, h.descending)
			var q question
			q, more = ask(s)
			return []question{q}
		})
		if err != nil || !more() || end {
			return err
		}
		from = next
	}
}

// span is that of so many days from a run on, and where the next one begins, if it is not the end.
func (c calendar) span(from int64, size int, descending bool) (s span, next int64, end bool) {
	if len(c) == 0 {
		c = calendar{{}} // no run was recorded yet
	}
	at := c.place(from)
	if descending {
		first := max(0, at-size+1)
		s = span{days: c[first : at+1], low: 0, up: from}
		if first > 0 {
			s.low = c[first].first
		}
		return s, s.low - 1, first == 0
	}
	after := min(len(c), at+size)
	s = span{days: c[at:after], low: from, up: math.MaxInt64}
	if after < len(c) {
		s.up = c[after].first - 1
	}
	return s, s.up + 1, after == len(c)
}

// values are the first parameters of statements that read a span.
func (s span) values() []any {
	return append(make([]any, 0, 9), s.days[0].value(), s.days[len(s.days)-1].value(), s.low, s.up)
}

// args are the first parameters of sql.
func (h *history) args(s span) []any {
	args := s.values()
	if h.task != 0 {
		args = append(args, h.task)
	}
	return args
}

// endedOfTask are the runs of the task $5 in r that have ended, within a span of days and ids, in the words of the index runs_task.
const endedOfTask = `r.day BETWEEN $1 AND $2 AND (r.task, r.run) >= ($5, $3) AND (r.task, r.run) <= ($5, $4)`

// sql is a page of a history within a span of days and ids, $1 to $4. Of the first $look of its runs, those are returned that
// match, and the last in any case, to say where to go on. Tasks are looked up one by one: the planner would rather read all
// of them where many runs are looked at.
func (h *history) sql() string {
	order, mask, after, look, limit := "", "$5", "$6", "$7", "$8"
	if h.descending {
		order = " DESC"
	}
	if h.task != 0 {
		mask, after, look, limit = "$6", "$7", "$8", "$9"
	}
	part := func(from, by string) string {
		return `(SELECT ` + runColumns + ` FROM ` + from + ` ORDER BY ` + by + ` LIMIT ` + look + `)`
	}
	// The days are named even where nothing has them, or their types are not known.
	open := part(`open_runs r WHERE $1::date <= $2::date AND r.run BETWEEN $3 AND $4`, `r.run`+order)
	ended := part(`runs r WHERE r.day BETWEEN $1 AND $2 AND r.run BETWEEN $3 AND $4`, `r.run`+order)
	if h.task != 0 {
		// Orders that only an index has which begins with the task: the planner must not look through the runs of all.
		open = part(`open_runs r WHERE $1::date <= $2::date AND r.run BETWEEN $3 AND $4 AND r.task = $5`, `r.run + 0`+order)
		ended = part(`runs r WHERE `+endedOfTask, `r.task`+order+`, r.run`+order)
	}
	from := open
	switch {
	case h.open && h.ended:
		from += ` UNION ALL ` + ended + ` ORDER BY run` + order + ` LIMIT ` + look
	case h.ended:
		from = ended
	}
	columns, names := runColumns, ""
	if h.task == 0 {
		columns += `, t.id, t.name`
		names = ` LEFT JOIN LATERAL (SELECT t.id, t.name FROM tasks t WHERE t.pk = r.task OFFSET 0) t ON true`
	}
	return `SELECT ` + columns + `, r.looked FROM (
		SELECT r.*, row_number() OVER (ORDER BY r.run` + order + `) AS looked FROM (` + from + `) r) r` + names + `
		WHERE ((` + mask + `::bigint >> r.state::integer) & 1 = 1 AND r.change > ` + after + `) OR r.looked = ` + look + `
		ORDER BY r.run` + order + ` LIMIT ` + limit
}
