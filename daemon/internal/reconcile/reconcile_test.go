package reconcile_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/clockd/clockd/daemon/internal/reconcile"
	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
)

var t0 = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

// script is a task and the time, and what was decided so far.
type script struct {
	t       *testing.T
	now     time.Time
	task    *task.Task
	records []task.Run
	yielded int
}

// do reads an event such as "30s declare every 10s": how much later it comes, and what it is.
func (s *script) do(event string) error {
	s.t.Helper()
	after, rest, _ := strings.Cut(event, " ")
	d, err := time.ParseDuration(after)
	if err != nil {
		s.t.Fatal(err)
	}
	s.now = s.now.Add(d)
	verb, arg, _ := strings.Cut(rest, " ")
	var o reconcile.Outcome
	switch verb {
	case "declare":
		o, err = reconcile.Declare("ns", s.task, task.Declaration{Name: "x", Trigger: schedule.MustParse(arg)}, s.now)
	case "describe":
		decl := s.task.Declaration
		decl.Description = arg
		o, err = reconcile.Declare("ns", s.task, decl, s.now)
	case "yield", "keep":
		c := task.TriggerChange{Trigger: schedule.MustParse(arg)}
		if verb == "keep" {
			c.OnDeclaredChange = task.Keep
		}
		o, err = reconcile.Override(*s.task, c, s.now)
	case "reset":
		o, err = reconcile.Reset(*s.task, task.Edit{Etag: arg}, s.now)
	case "pause":
		o, err = reconcile.Pause(*s.task, task.Edit{Etag: arg}, s.now)
	case "resume":
		o, err = reconcile.Resume(*s.task, task.Edit{Etag: arg}, s.now)
	case "orphan":
		o, err = reconcile.Orphan(*s.task, s.now)
	case "claim":
		for s.task.State == task.Active && !s.task.Clock.NextFireTime.IsZero() && !s.task.Clock.NextFireTime.After(s.now) {
			c, err := schedule.Compile(s.task.Trigger())
			if err != nil {
				s.t.Fatal(err)
			}
			var r []task.Run
			r, s.task.Clock, s.task.State = reconcile.Fired(s.task.ID, c, s.task.Declaration.Policy, s.task.Clock, s.now)
			s.records = append(s.records, r...)
		}
		return nil
	default:
		s.t.Fatalf("no event %q", verb)
	}
	if err != nil {
		return err
	}
	if o.Yielded != nil {
		s.yielded++
	}
	s.records = append(s.records, o.Record...)
	s.task = &o.Task
	return nil
}

// String sums up the task: what is in force and by whose word, its state, its next fire.
func (s *script) String() string {
	t := s.task
	out := "declared " + t.Declaration.Trigger.String()
	if o := t.Override; o != nil {
		out = fmt.Sprintf("override %s over %s", o.Trigger, t.Declaration.Trigger)
		if o.DeclarationChanged {
			out += ", which has changed"
		}
	}
	out += "; " + map[task.State]string{task.Active: "active", task.Paused: "paused", task.Exhausted: "exhausted", task.Orphaned: "orphaned"}[t.State]
	if next := t.Clock.NextFireTime; !next.IsZero() {
		out += ", next at " + next.Sub(t0).String()
	}
	for _, r := range s.records {
		state := map[task.RunState]string{task.Scheduled: "run", task.Skipped: "skipped", task.Missed: "missed"}[r.State]
		out += fmt.Sprintf("; %s %s", state, r.ScheduledTime.Sub(t0))
		if r.Fires > 1 {
			out += fmt.Sprintf("x%d", r.Fires)
		}
	}
	return out
}

func TestWhoWins(t *testing.T) {
	for _, row := range []struct{ name, events, want string }{
		{"a new task", "0s declare every 10s", "declared every 10s; active, next at 10s"},
		{
			"an unchanged declaration changes nothing", "0s declare every 10s | 3s declare every 10s",
			"declared every 10s; active, next at 10s",
		},
		{
			"a changed declaration is in force at once", "0s declare every 10s | 3s declare every 1m",
			"declared every 1m; active, next at 1m3s",
		},
		{
			"another description leaves the clock alone", "0s declare every 10s | 3s describe better",
			"declared every 10s; active, next at 10s",
		},
		{
			"an override wins", "0s declare every 10s | 3s yield every 1m",
			"override every 1m over every 10s; active, next at 1m3s",
		},
		{
			"an override stays when the declaration is the same", "0s declare every 10s | 3s yield every 1m | 9s declare every 10s",
			"override every 1m over every 10s; active, next at 1m3s",
		},
		{
			"an override stays when something else of the declaration changes", "0s declare every 10s | 3s yield every 1m | 9s describe better",
			"override every 1m over every 10s; active, next at 1m3s",
		},
		{
			"YIELD ends with the next declared trigger", "0s declare every 10s | 3s yield every 1m | 7s declare every 20s",
			"declared every 20s; active, next at 30s",
		},
		{
			"KEEP stays and says so", "0s declare every 10s | 3s keep every 1m | 7s declare every 20s",
			"override every 1m over every 20s, which has changed; active, next at 1m3s",
		},
		{
			"reset puts the declared trigger in force", "0s declare every 10s | 3s keep every 1m | 7s declare every 20s | 1s reset",
			"declared every 20s; active, next at 31s",
		},
		{
			"reset without an override does nothing", "0s declare every 10s | 3s reset",
			"declared every 10s; active, next at 10s",
		},
		{
			"an override replaces an override", "0s declare every 10s | 3s yield every 1m | 1s keep every 5m",
			"override every 5m over every 10s; active, next at 5m4s",
		},
		{
			"no declaration ends a pause", "0s declare every 10s | 5s pause | 0s declare every 20s",
			"declared every 20s; paused",
		},
		{
			"no override ends a pause", "0s declare every 10s | 5s pause | 0s yield every 20s",
			"override every 20s over every 10s; paused",
		},
		{
			"resume goes on along the grid", "0s declare every 10s | 5s pause | 30s resume",
			"declared every 10s; active, next at 40s; skipped 30sx3",
		},
		{
			"resume of what is not paused does nothing", "0s declare every 10s | 5s resume",
			"declared every 10s; active, next at 10s",
		},
		{
			"what passes under one trigger and then another while paused is told apart",
			"0s declare every 10s | 5s pause | 20s yield every 4s | 10s resume",
			"override every 4s over every 10s; active, next at 37s; skipped 20sx2; skipped 33sx2",
		},
		{
			"pausing twice keeps since when", "0s declare every 10s | 5s pause | 20s pause | 10s resume",
			"declared every 10s; active, next at 40s; skipped 30sx3",
		},
		{
			"a fire that was due before a pause and not claimed is skipped", "0s declare every 10s | 12s pause | 10s resume",
			"declared every 10s; active, next at 30s; skipped 10s; skipped 20s",
		},
		{
			"a fire that was due before another trigger runs", "0s declare every 10s | 12s yield every 1m",
			"override every 1m over every 10s; active, next at 1m12s; run 10s",
		},
		{
			"a deploy after an outage catches up under the old trigger", "0s declare every 10s | 35s declare every 1m",
			"declared every 1m; active, next at 1m35s; run 30sx3",
		},
		{
			"an orphan does not fire", "0s declare every 10s | 5s orphan",
			"declared every 10s; orphaned",
		},
		{
			"a task that is declared again goes on", "0s declare every 10s | 5s orphan | 20s declare every 10s",
			"declared every 10s; active, next at 30s; skipped 20sx2",
		},
		{
			"a task that is declared again with another trigger takes it", "0s declare every 10s | 5s orphan | 20s declare every 1m",
			"declared every 1m; active, next at 1m25s; skipped 20sx2",
		},
		{
			"an orphan keeps its override", "0s declare every 10s | 5s yield every 4s | 0s orphan | 10s declare every 10s",
			"override every 4s over every 10s; active, next at 17s; skipped 13sx2",
		},
		{
			"a pause before and after an orphanage", "0s declare every 10s | 5s pause | 10s orphan | 10s declare every 10s | 10s resume",
			"declared every 10s; active, next at 40s; skipped 30sx3",
		},
		{
			"a pause within an orphanage", "0s declare every 10s | 5s orphan | 10s pause | 10s resume | 10s declare every 10s",
			"declared every 10s; active, next at 40s; skipped 30sx3",
		},
		{
			"an orphanage within a pause", "0s declare every 10s | 5s orphan | 10s pause | 10s declare every 10s | 10s resume",
			"declared every 10s; active, next at 40s; skipped 10s; skipped 30sx2",
		},
		{
			"a pause that ends in an orphanage", "0s declare every 10s | 5s pause | 10s orphan | 10s resume | 10s declare every 10s",
			"declared every 10s; active, next at 40s; skipped 10s; skipped 30sx2",
		},
		{
			"an exhausted task wakes up with another trigger", "0s declare once | 1s claim | 1s yield every 10s",
			"override every 10s over once; active, next at 12s; run 0s",
		},
		{
			"an exhausted task stays exhausted across restarts", "0s declare once | 1s claim | 1s declare once",
			"declared once; exhausted; run 0s",
		},
		{
			"a paused exhausted task is exhausted again", "0s declare once | 1s claim | 1s pause | 1s resume",
			"declared once; exhausted; run 0s",
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := &script{t: t, now: t0}
			for event := range strings.SplitSeq(row.events, " | ") {
				if err := s.do(event); err != nil {
					t.Fatalf("%s: %v", event, err)
				}
			}
			if got := s.String(); got != row.want {
				t.Errorf("after %s\ngot  %s\nwant %s", row.events, got, row.want)
			}
		})
	}
}

func TestARefusedEditLeavesTheTaskAsItWas(t *testing.T) {
	for _, event := range []string{
		"0s yield once 2020-01-01T00:00:00Z", "0s yield every 1s until=2020-01-01T00:00:00Z",
		"0s reset 7", "0s pause 7", "0s resume 7",
	} {
		s := &script{t: t, now: t0}
		if err := s.do("0s declare every 10s"); err != nil {
			t.Fatal(err)
		}
		before := s.String()
		err := s.do(event)
		if !errors.Is(err, task.ErrInvalid) && !errors.Is(err, task.ErrStale) {
			t.Errorf("%s: error %v", event, err)
		}
		if after := s.String(); after != before {
			t.Errorf("%s: %s, want %s", event, after, before)
		}
	}
}

// Whatever happens to a task, each instant at which one of its triggers was due while it was in force is in
// exactly one record.
func TestEveryDueInstantIsInExactlyOneRecordWhateverHappens(t *testing.T) {
	for seed := range uint64(300) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		s := &script{t: t, now: t0}
		declared := "every 7s"
		if err := s.do("0s declare " + declared); err != nil {
			t.Fatal(err)
		}
		due := map[time.Time]bool{}
		var story []string
		for range 60 {
			wait := time.Duration(rnd.IntN(30)) * time.Second
			event := []string{
				"claim", "claim", "claim", "pause", "resume", "orphan", "declare " + declared,
				"yield every 3s", "keep every 11s", "reset", "declare every 7s", "declare every 13s",
			}[rnd.IntN(12)]
			if s.task.State == task.Orphaned && !strings.HasPrefix(event, "declare") && event != "pause" && event != "resume" {
				continue
			}
			event = wait.String() + " " + event
			story = append(story, event)
			// What falls due until then, under the trigger in force. All triggers here are anchored grids.
			interval := s.task.Trigger().Kind.(schedule.Every).Interval
			for at := s.task.Clock.Progress.Anchor.Add(interval); !at.After(s.now.Add(wait)); at = at.Add(interval) {
				if at.After(s.now) {
					due[at] = true
				}
			}
			if err := s.do(event); err != nil {
				t.Fatalf("seed %d: %v: %v", seed, story, err)
			}
			declared = s.task.Declaration.Trigger.String()
		}
		for _, event := range []string{"0s declare " + declared, "0s resume", "0s claim"} {
			if err := s.do(event); err != nil {
				t.Fatal(err)
			}
		}
		var counted int64
		last := time.Time{}
		for _, r := range s.records {
			counted += r.Fires
			if !r.ScheduledTime.After(last) {
				t.Fatalf("seed %d: %v: a record at %s comes after one at %s", seed, story, r.ScheduledTime.Sub(t0), last.Sub(t0))
			}
			last = r.ScheduledTime
		}
		if counted != int64(len(due)) {
			t.Fatalf("seed %d: %v: %d instants were due, %d are recorded: %s", seed, story, len(due), counted, s)
		}
	}
}

func TestMissedFiresBeyondOneTransactionAreStillCounted(t *testing.T) {
	for _, policy := range []task.CatchUp{task.CatchUpOne, task.CatchUpNone} {
		s := &script{t: t, now: t0}
		if err := s.do(`0s declare cron "* * * * * *" UTC`); err != nil {
			t.Fatal(err)
		}
		s.task.Declaration.Policy.CatchUp = policy
		const down = 250_000
		if err := s.do(fmt.Sprintf("%ds claim", down)); err != nil {
			t.Fatal(err)
		}
		var counted int64
		for _, r := range s.records {
			counted += r.Fires
		}
		if counted != down {
			t.Errorf("policy %d: %d of %d instants are recorded", policy, counted, down)
		}
		runs := slices.DeleteFunc(slices.Clone(s.records), func(r task.Run) bool { return r.State != task.Scheduled })
		if policy == task.CatchUpOne && (len(runs) != 1 || !runs[0].ScheduledTime.Equal(t0.Add(down*time.Second))) {
			t.Errorf("catch-up ONE made %d runs", len(runs))
		}
	}
}

func TestALimitCountsRunsAndNotWhatPassed(t *testing.T) {
	s := &script{t: t, now: t0}
	for _, event := range []string{"0s declare every 10s max=3", "25s claim", "0s pause", "60s resume", "10s claim", "10m claim"} {
		if err := s.do(event); err != nil {
			t.Fatal(err)
		}
	}
	want := "declared every 10s max=3; exhausted; run 20sx2; skipped 1m20sx6; run 1m30s; run 11m30sx60"
	if got := s.String(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
