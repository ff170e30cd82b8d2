package reconcile_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/clockd/clockd/daemon/internal/reconcile"
	"github.com/clockd/clockd/daemon/task"
)

// model is what a task should be: all in whole seconds since t0. -1 is never.
type model struct {
	at       int
	name     string
	declared grid
	revision int64
	override *modelOverride
	paused   bool
	resume   int
	orphan   bool
	removed  bool // an orphan by the word of a program
	anchor   int  // since when the trigger in force counts

	// due are the instants that were due, by when; atOnce is how many triggers came into force and fired at once.
	due    map[int]bool
	atOnce map[int]int
	// expired and resumed count what happened by itself, and lastExpired is when.
	expired, resumed, lastExpired int
}

// grid is a trigger: every so many seconds, from its anchor on if it is immediate.
type grid struct {
	interval  int
	immediate bool
}

func (g grid) String() string {
	text := fmt.Sprintf("every %ds", g.interval)
	if g.interval%60 == 0 {
		text = fmt.Sprintf("every %dm", g.interval/60)
	}
	if g.immediate {
		text += " immediate"
	}
	return text
}

type modelOverride struct {
	grid
	keep, changed bool
	expire        int
}

func (m *model) inForce() grid {
	if m.override != nil {
		return m.override.grid
	}
	return m.declared
}

// start puts the trigger in force.
func (m *model) start() {
	m.anchor = m.at
	if m.inForce().immediate {
		m.atOnce[m.at]++
	}
}

// advance lets time pass.
func (m *model) advance(seconds int) {
	for range seconds {
		m.at++
		if (m.at-m.anchor)%m.inForce().interval == 0 {
			m.due[m.at] = true
		}
		m.elapse()
	}
}

func (m *model) elapse() {
	if o := m.override; o != nil && o.expire == m.at {
		m.override = nil
		m.expired++
		m.lastExpired = m.at
		m.start()
	}
	if m.paused && m.resume == m.at {
		m.paused = false
		m.resumed++
	}
}

// older reports whether a program is too old to say anything.
func (m *model) older(revision int64) bool { return revision != 0 && revision < m.revision }

func (m *model) declare(revision int64, name string, declared grid) {
	if m.older(revision) {
		if m.orphan && !m.removed && name == m.name {
			m.orphan = false // it can run it
		}
		return
	}
	m.revision, m.name, m.orphan, m.removed = revision, name, false, false
	if declared == m.declared {
		return
	}
	m.declared = declared
	switch {
	case m.override == nil:
		m.start()
	case m.override.keep:
		m.override.changed = true
	default:
		m.override = nil
		m.start()
	}
}

func (m *model) remove(revision int64) {
	switch {
	case m.removed:
		m.revision = max(m.revision, revision)
	case m.older(revision):
		m.orphan = true // until somebody can run it
	default:
		m.orphan, m.removed, m.revision = true, true, revision
	}
}

// program is a version of a program: what it declares, if it does.
type program struct {
	revision int64
	name     string
	declared grid
	none     bool
}

// history is a random one.
type history struct {
	*script
	model
	rnd      *rand.Rand
	programs []program
	story    []string
	taken    map[int]bool // when an override expired whose last run the same decision took back
}

func (h *history) fail(format string, args ...any) {
	h.t.Helper()
	h.t.Fatalf("%s\nafter\n  %s\nthe task is %s", fmt.Sprintf(format, args...), strings.Join(h.story, "\n  "), h.script)
}

func (h *history) grid() grid {
	return grid{interval: []int{3, 4, 5, 7, 10, 11, 60}[h.rnd.IntN(7)], immediate: h.rnd.IntN(4) == 0}
}

// soon is an instant to come, or never.
func (h *history) soon(key string) (int, string) {
	if h.rnd.IntN(2) == 0 {
		return -1, ""
	}
	at := h.model.at + 1 + h.rnd.IntN(60)
	return at, fmt.Sprintf(" %s=%ds", key, at)
}

// release makes another version of the program, now and then without a revision, and sometimes an old one again.
func (h *history) release() {
	last := h.programs[len(h.programs)-1]
	p := program{revision: last.revision + int64(h.rnd.IntN(2)), name: last.name, declared: last.declared, none: h.rnd.IntN(8) == 0}
	if h.rnd.IntN(2) == 0 {
		p.declared = h.grid()
	}
	if h.rnd.IntN(8) == 0 {
		p.name = map[string]string{"x": "y", "y": "x"}[p.name]
	}
	h.programs = append(h.programs, p)
}

// step does something, in the model and for real, and compares.
func (h *history) step() {
	wait := h.rnd.IntN(20)
	if h.rnd.IntN(10) == 0 {
		wait = h.rnd.IntN(400) // the daemon is down
	}
	before, expired, resumed := *h.task, h.expired, h.resumed
	h.model.advance(wait)
	event, old := h.event(&before)
	event = fmt.Sprintf("%ds %s", wait, event)
	h.story = append(h.story, event)
	audited, recorded := len(h.audit), len(h.records)
	if err := h.do(event); err != nil {
		h.fail("%s: %v", event, err)
	}
	h.compare(event)
	if verb := strings.Fields(event)[1]; h.expired > expired && (verb == "pause" || strings.HasPrefix(verb, "orphan")) {
		h.taken[h.lastExpired] = true
	}
	events, records := h.audit[audited:], h.records[recorded:]
	checkStep(h, &before, h.task, events)
	for i := range records {
		if r := &records[i]; r.TaskID != h.task.ID {
			h.fail("%s is of %s, the task is %s", recordText(r), r.TaskID, h.task.ID)
		}
	}
	if strings.HasSuffix(event, "claim") || strings.HasSuffix(event, "vain") {
		h.checkCatchUp(records)
	}
	count := func(a task.Action) (n int) {
		for i := range events {
			if e := &events[i]; e.Action == a && e.Actor == reconcile.Self {
				n++
			}
		}
		return n
	}
	if count(task.OverrideExpired) != h.expired-expired || count(task.TaskResumed) != h.resumed-resumed {
		h.fail("%d overrides expired and %d pauses ended, told are %d and %d", h.expired-expired, h.resumed-resumed,
			count(task.OverrideExpired), count(task.TaskResumed))
	}
	if old && len(events) > 0 {
		for i := range events {
			if e := &events[i]; e.Action != task.DeclarationRefused && e.Actor != reconcile.Self {
				if e.Action != task.DeclarationChanged || before.State != task.Orphaned {
					h.fail("a program that is too old did %s", eventText(e))
				}
			}
		}
	}
}

// event chooses what happens, does it to the model, and says whether it is a program that is too old.
func (h *history) event(before *task.Task) (text string, old bool) {
	m := &h.model
	deadline := reconcile.Deadline(h.task)
	elapsed := !deadline.IsZero() && !deadline.After(t0.Add(time.Duration(m.at)*time.Second))
	switch h.rnd.IntN(13) {
	case 0, 1, 2:
		// A deploy, or an old program that starts once more.
		if h.rnd.IntN(2) == 0 {
			h.release()
		}
		p := h.programs[max(len(h.programs)-1-h.rnd.IntN(3), 0)]
		if h.rnd.IntN(12) == 0 {
			p.revision = 0
		}
		old = m.older(p.revision)
		switch {
		case p.none && old && elapsed:
			return "elapse", false // a refusal leaves that to others
		case p.none:
			m.remove(p.revision)
			return fmt.Sprintf("orphan@%d removed", p.revision), old
		case p.name != before.Declaration.Name:
			m.declare(p.revision, p.name, p.declared)
			return fmt.Sprintf("rename@%d %s name=%s", p.revision, p.declared, p.name), old
		}
		m.declare(p.revision, p.name, p.declared)
		return fmt.Sprintf("declare@%d %s name=%s", p.revision, p.declared, p.name), old
	case 3:
		g, keep := h.grid(), h.rnd.IntN(2) == 0
		at, expire := h.soon("expire")
		m.override = &modelOverride{grid: g, keep: keep, expire: at}
		m.start()
		return map[bool]string{true: "keep ", false: "yield "}[keep] + g.String() + expire, false
	case 4:
		if m.override != nil {
			m.override = nil
			m.start()
		}
		return "reset", false
	case 5:
		at, resume := h.soon("resume")
		m.paused, m.resume = true, at
		return "pause" + resume, false
	case 6:
		m.paused = false
		return "resume", false
	case 7:
		return "elapse", false
	case 8:
		if h.task.State == task.Active && h.rnd.IntN(3) == 0 && deadline.IsZero() {
			m.orphan = true
			return "vain", false
		}
	}
	// A claim comes after what has elapsed.
	if elapsed {
		return "elapse", false
	}
	return "claim", false
}

// compare compares the task with the model.
func (h *history) compare(event string) {
	m, t := &h.model, h.task
	state := task.Active
	switch {
	case m.orphan:
		state = task.Orphaned
	case m.paused:
		state = task.Paused
	}
	got := fmt.Sprintf("%s declared %s by %d", t.Declaration.Name, t.Declaration.Trigger, t.Revision)
	want := fmt.Sprintf("%s declared %s by %d", m.name, m.declared, m.revision)
	if o := t.Override; o != nil {
		got += fmt.Sprintf(", override %s, keep %v, changed %v", o.Trigger, o.OnDeclaredChange == task.Keep, o.DeclarationChanged)
	}
	if o := m.override; o != nil {
		want += fmt.Sprintf(", override %s, keep %v, changed %v", o.grid, o.keep, o.changed)
	}
	got += fmt.Sprintf(", paused %v, state %d, since %s", t.Pause != nil, t.State, t.Clock.Progress.Anchor.Sub(t0))
	want += fmt.Sprintf(", paused %v, state %d, since %s", m.paused, state, time.Duration(m.anchor)*time.Second)
	if got != want {
		h.fail("%s: got\n  %s\nwant\n  %s", event, got, want)
	}
}

// checkCatchUp checks that what a claim recorded is what the policy says of instants that old.
func (h *history) checkCatchUp(records []task.Run) {
	p := h.task.Declaration.Policy
	limit := time.Time{}
	if p.CatchUpWindow > 0 {
		limit = h.now.Add(-max(p.CatchUpWindow, reconcile.Grace))
	}
	if p.CatchUp == task.CatchUpNone {
		limit = h.now.Add(-reconcile.Grace)
	}
	late := 0
	for i := range records {
		r := &records[i]
		first := r.ScheduledTime
		if !r.FirstScheduledTime.IsZero() {
			first = r.FirstScheduledTime
		}
		switch {
		case r.State == task.Missed && !r.ScheduledTime.Before(limit), r.State == task.Scheduled && first.Before(limit):
			h.fail("%s at %s, the limit is %s", recordText(r), h.now.Sub(t0), limit.Sub(t0))
		case r.State == task.Scheduled && r.Fires > 1 && p.CatchUp != task.CatchUpOne:
			h.fail("%s is merged", recordText(r))
		case r.State == task.Scheduled && first.Before(h.now.Add(-reconcile.Grace)):
			late++
		case r.State == task.Missed && i > 0:
			h.fail("%s: a second record of a gap", recordText(r))
		}
	}
	if late > 1 && p.CatchUp == task.CatchUpOne {
		h.fail("%d late runs of one gap", late)
	}
}

// checkRecords checks that each instant that was due is in exactly one record. Where triggers came into force and
// fired at once, each has an instant of its own, unless the one before it made a run at that very instant.
func (h *history) checkRecords() {
	ran := make(map[int]bool)
	for i := range h.records {
		r := &h.records[i]
		if r.State == task.Scheduled {
			ran[int(r.ScheduledTime.Sub(t0)/time.Second)] = true
		}
	}
	least, most := make(map[int]int), make(map[int]int)
	for at := range h.due {
		most[at]++
	}
	for at, n := range h.atOnce {
		most[at] += n
	}
	for at, n := range most {
		if least[at] = n; ran[at] || h.taken[at] {
			least[at] = 1
		}
	}
	if d := h.instants(least, most); d != "" {
		h.fail("%s", d)
	}
}

// instants takes the instants of all records out of those that were due.
func (h *history) instants(least, most map[int]int) string {
	order := slices.SortedFunc(slices.Values(h.records), func(a, b task.Run) int { return a.ScheduledTime.Compare(b.ScheduledTime) })
	left := make(map[int]int)
	for at, n := range most {
		left[at] = n
	}
	for i := range order {
		r := &order[i]
		first := r.ScheduledTime
		if r.Fires > 1 {
			first = r.FirstScheduledTime
		}
		from, to := int(first.Sub(t0)/time.Second), int(r.ScheduledTime.Sub(t0)/time.Second)
		var in int64
		for at := from; at <= to; at++ {
			if left[at] > 0 && in < r.Fires {
				left[at]--
				in++
			}
		}
		if in != r.Fires {
			return fmt.Sprintf("%s stands for %d instants from %ds, due were %d", recordText(r), r.Fires, from, in)
		}
	}
	for at, n := range least {
		if gone := most[at] - left[at]; gone < n {
			return fmt.Sprintf("%d instants were due at %ds, recorded are %d", n, at, gone)
		}
	}
	return ""
}

// Helper and Fatalf make a history a fataler.
func (h *history) Helper()                           {}
func (h *history) Fatalf(format string, args ...any) { h.fail(format, args...) }

func TestLongHistoriesGoAsASmallModelSays(t *testing.T) {
	histories := uint64(200)
	if testing.Short() {
		histories = 50
	}
	for seed := range histories {
		rnd := rand.New(rand.NewPCG(seed, 4))
		h := &history{script: &script{t: t, now: t0}, rnd: rnd, taken: map[int]bool{}}
		h.model = model{name: "x", declared: h.grid(), revision: 1, resume: -1, due: map[int]bool{}, atOnce: map[int]int{}}
		h.policy = task.Policy{
			CatchUp:       []task.CatchUp{task.CatchUpOne, task.CatchUpAll, task.CatchUpNone}[rnd.IntN(3)],
			CatchUpWindow: []time.Duration{0, 0, time.Second, 20 * time.Second, time.Minute}[rnd.IntN(5)],
		}
		h.programs = []program{{revision: 1, name: "x", declared: h.declared}}
		h.story = append(h.story, fmt.Sprintf("seed %d, policy %+v, declare@1 %s", seed, h.policy, h.declared))
		h.play("0s declare@1 " + h.declared.String())
		h.model.start()
		for range 120 {
			h.step()
		}
		// All that is due is recorded now.
		for _, event := range []string{"0s elapse", "0s declare@99999 " + h.declared.String() + " name=" + h.task.Declaration.Name, "0s resume", "0s claim", "0s pause"} {
			h.story = append(h.story, event)
			h.play(event)
		}
		h.checkRecords()
	}
}
