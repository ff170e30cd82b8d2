package cli

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/clockd/clockd/client"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
)

// A board is what a live watch knows, and what it shows of that: everything but the size of the window and the time
// of day. One goroutine has it.
type board struct {
	address string
	ofRuns  bool   // runs are shown, rather than tasks
	only    string // the one task that is watched; empty: all

	tasks               map[uuid.UUID]task.Task
	open                map[task.RunID]task.Run // that have not ended
	ended               []task.Run              // the newest last, at most keptRuns
	away                time.Time               // since when the daemon does not answer; zero: it does
	widths              []int                   // of the columns, as they were widest since the window has its width
	width               int
	toldTasks, toldRuns bool // all that is has been told
}

// keptRuns is how many ended runs a board remembers: more than a window has lines.
const keptRuns = 200

func newBoard(address string, ofRuns bool) *board {
	return &board{address: address, ofRuns: ofRuns, tasks: map[uuid.UUID]task.Task{}, open: map[task.RunID]task.Run{}}
}

// told returns whether all that is has been told, once.
func (b *board) told() bool { return b.toldRuns && (b.ofRuns || b.toldTasks) }

func (b *board) takeTasks(c client.TaskChanges) {
	if c.Reset {
		clear(b.tasks)
	}
	for _, t := range c.Tasks {
		if b.only == "" || t.Declaration.Name == b.only {
			b.tasks[t.ID] = t
		}
	}
	for _, id := range c.Deleted {
		delete(b.tasks, id)
	}
	b.toldTasks = b.toldTasks || c.Synced
}

func (b *board) takeRuns(c client.RunChanges) {
	if c.Reset {
		clear(b.open)
	}
	for _, run := range c.Runs {
		b.ended = slices.DeleteFunc(b.ended, func(old task.Run) bool { return old.ID == run.ID }) // told twice
		if !run.State.Ended() {
			b.open[run.ID] = run
			continue
		}
		delete(b.open, run.ID)
		if b.ended = append(b.ended, run); len(b.ended) > keptRuns {
			b.ended = slices.Delete(b.ended, 0, 1)
		}
	}
	for _, id := range c.TakenBack {
		delete(b.open, id)
	}
	b.toldRuns = b.toldRuns || c.Synced
}

// frame is what a window of so many columns and lines shows at a time: never more than fits. Columns of the table
// never become narrower than they were, or they would jump to and fro under the eyes of the reader.
func (b *board) frame(width, height int, now time.Time) []string {
	s := &session{now: now}
	var head, left string
	var rows table
	if b.ofRuns {
		head = counts(len(b.open), "run has not ended", "runs have not ended")
		rows, left = b.runRows(s, height-3)
	} else {
		head = b.summary()
		rows, left = b.taskRows(s, height-3)
	}
	switch {
	case !b.away.IsZero():
		head = fmt.Sprintf("The daemon at %s has not answered for %s; what follows is how it was.", b.address, span(now.Sub(b.away)))
	case !b.told():
		head = fmt.Sprintf("Asking the daemon at %s ...", b.address)
	default:
		head = fmt.Sprintf("%s  %s  (%s)", now.UTC().Format("15:04:05Z"), head, b.address)
	}
	if b.width != width {
		b.widths, b.width = nil, width
	}
	b.widen(rows)
	lines := append([]string{head, ""}, rows.columns()...)
	if left != "" {
		lines = append(lines, left)
	}
	lines = lines[:min(len(lines), max(height, 0))]
	for i, line := range lines {
		lines[i] = cut(line, width)
	}
	return lines
}

// widen makes the cells of a row as wide as those of earlier frames; all cells but the last, which has no end.
func (b *board) widen(rows table) {
	for _, cells := range rows {
		for i, cell := range cells[:len(cells)-1] {
			if i == len(b.widths) {
				b.widths = append(b.widths, 0)
			}
			b.widths[i] = max(b.widths[i], utf8.RuneCountInString(cell))
		}
	}
	if len(rows) > 0 { // the widest makes the column
		for i, n := range b.widths {
			rows[0][i] += strings.Repeat(" ", n-utf8.RuneCountInString(rows[0][i]))
		}
	}
}

// counts is "1 task" or "2 tasks".
func counts(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// summary says how many tasks there are in which state, and how many runs go.
func (b *board) summary() string {
	states := map[task.State]int{}
	for _, t := range b.tasks {
		states[t.State]++
	}
	var parts []string
	for _, w := range taskStates {
		if n := states[w.value]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, w.text))
		}
	}
	line := counts(len(b.tasks), "task", "tasks")
	if len(parts) > 0 {
		line += ": " + strings.Join(parts, ", ")
	}
	going := 0
	for _, run := range b.open {
		if _, ok := b.tasks[run.TaskID]; ok && run.State == task.Running {
			going++
		}
	}
	return line + "; " + counts(going, "run goes", "runs go")
}

// taskRows are the tasks by name, in so many lines. If they do not fit, those are left out that have the least to
// tell: first come those with a run that goes, then those that fire next.
func (b *board) taskRows(s *session, lines int) (rows table, left string) {
	going := map[uuid.UUID][]task.Run{}
	for _, id := range slices.Sorted(maps.Keys(b.open)) {
		if run := b.open[id]; run.State == task.Running {
			going[run.TaskID] = append(going[run.TaskID], run)
		}
	}
	byName := func(x, y task.Task) int { return cmp.Compare(x.Declaration.Name, y.Declaration.Name) }
	list := slices.SortedFunc(maps.Values(b.tasks), byName)
	if n := len(list); n > lines {
		const never = 1 << 62
		next := func(t task.Task) int64 {
			switch {
			case len(going[t.ID]) > 0:
				return 0
			case t.Clock.NextFireTime.IsZero():
				return never
			}
			return t.Clock.NextFireTime.Unix()
		}
		slices.SortStableFunc(list, func(x, y task.Task) int { return cmp.Compare(next(x), next(y)) })
		list = list[:max(lines-1, 0)]
		slices.SortFunc(list, byName)
		left = fmt.Sprintf("... and %d more, which fire later or not at all", n-len(list))
	}
	rows.row("NAME", "STATE", "NEXT", "GOING", "LAST-RUN", "TRIGGER")
	for _, t := range list {
		next := "-"
		if !t.Clock.NextFireTime.IsZero() {
			next = s.distance(t.Clock.NextFireTime)
		}
		last := t.LastRun
		if last != nil && last.State == task.Running { // which the column before tells
			last = b.before(t.ID)
		}
		rows.row(narrow(t.Declaration.Name), taskStates.of(t.State), next, s.going(going[t.ID]), s.lastRun(last), text(t.Trigger().String()))
	}
	return rows, left
}

// before is the newest run of a task that has ended while the watch went on, or nil.
func (b *board) before(id uuid.UUID) *task.Run {
	for _, run := range slices.Backward(b.ended) {
		if run.TaskID == id {
			return &run
		}
	}
	return nil
}

// going says of runs that go which they are and for how long they do, the oldest first.
func (s *session) going(runs []task.Run) string {
	if len(runs) == 0 {
		return "-"
	}
	since := runs[0].StartTime
	if since.IsZero() {
		since = runs[0].DueTime()
	}
	line := fmt.Sprintf("%s for %s", runs[0].ID, span(max(0, s.now.Sub(since))))
	if more := len(runs) - 1; more > 0 {
		line += fmt.Sprintf(" and %d more", more)
	}
	return line
}

// runRows are the runs that have not ended, those that go first, and then the last that have, in so many lines.
func (b *board) runRows(s *session, lines int) (rows table, left string) {
	list := slices.SortedFunc(maps.Values(b.open), func(x, y task.Run) int {
		return cmp.Or(cmp.Compare(waitsLast(x), waitsLast(y)), cmp.Compare(x.ID, y.ID))
	})
	if n := len(list); n > lines {
		list = list[:max(lines-1, 0)]
		left = fmt.Sprintf("... and %d more", n-len(list))
	}
	for i := len(b.ended) - 1; i >= 0 && len(list) < lines && left == ""; i-- {
		list = append(list, b.ended[i])
	}
	rows.row("RUN", "TASK", "STATE", "CAUSE", "SCHEDULED", "TOOK", "NOTE")
	for _, run := range list {
		long := runTook(run)
		if run.State == task.Running && !run.StartTime.IsZero() {
			long = span(max(0, s.now.Sub(run.StartTime))) + " so far"
		}
		rows.row(run.ID.String(), narrow(run.TaskName), runStates.of(run.State), causes.of(run.Cause), s.distance(run.ScheduledTime), long, s.noteCell(run))
	}
	return rows, left
}

func waitsLast(run task.Run) int {
	if run.State == task.Running {
		return 0
	}
	return 1
}

// narrow is a name cut to what leaves place for other columns.
func narrow(name string) string { return cut(text(name), widestCell) }

// cut leaves so many characters of a line. The window may show some of them wider, and cuts them off itself.
func cut(line string, width int) string {
	if utf8.RuneCountInString(line) <= width {
		return line
	}
	if width < 1 {
		return ""
	}
	return string([]rune(line)[:width-1]) + "…"
}
