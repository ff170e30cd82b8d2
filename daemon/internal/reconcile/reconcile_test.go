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
			"what is excluded is recorded with the next fire", "0s declare every 10s exclude(window 00:00:15-00:01 UTC) | 70s claim",
			"declared every 10s exclude(window 00:00:15-00:01 UTC); active, next at 1m20s; excluded 50sx4; run 1m10sx3",
		},
		{
			"what is excluded is recorded before another trigger", "0s declare every 10s exclude(window 00:00:15-00:01 UTC) | 12s claim | 20s yield every 1m",
			"override every 1m over every 10s exclude(window 00:00:15-00:01 UTC); active, next at 1m32s; run 10s; excluded 30sx2",
		},
		{
			"what is excluded is not what a pause skips", "0s declare every 10s exclude(window 00:00:15-00:00:35 UTC) | 5s pause | 50s resume",
			"declared every 10s exclude(window 00:00:15-00:00:35 UTC); active, next at 1m0s; excluded 30sx2; skipped 50sx3",
		},
		{
			"what is excluded before a pause", "0s declare every 10s exclude(window 00:00:15-00:00:35 UTC) | 12s claim | 13s pause | 30s resume",
			"declared every 10s exclude(window 00:00:15-00:00:35 UTC); active, next at 1m0s; run 10s; excluded 20s; excluded 30s; skipped 50sx2",
		},
		{
			"what is excluded while orphaned", "0s declare every 10s exclude(window 00:00:15-00:00:35 UTC) | 5s orphan | 50s declare every 10s exclude(window 00:00:15-00:00:35 UTC)",
			"declared every 10s exclude(window 00:00:15-00:00:35 UTC); active, next at 1m0s; excluded 30sx2; skipped 50sx3",
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
		"0s yield every 1s expire=0s", "0s yield every 1s from=2026-03-02T00:00:00Z expire=1h", "0s pause resume=0s",
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
	for seed := range uint64(1000) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		s := &script{t: t, now: t0}
		declared := "every 7s"
		nights := fmt.Sprintf("exclude(window 00:00:%02d-00:04:%02d UTC; cron \"6/3 * * * *\" UTC)", rnd.IntN(60), rnd.IntN(60))
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
				"keep every 4s " + nights, "declare every 5s " + nights,
			}[rnd.IntN(14)]
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
		// What is excluded is recorded with the next fire, or when there will be none.
		for _, event := range []string{"0s declare " + declared, "0s resume", "0s claim", "0s pause"} {
			if err := s.do(event); err != nil {
				t.Fatal(err)
			}
		}
		var counted int64
		var last [2]time.Time // of what was excluded, and of all else
		for _, r := range s.records {
			counted += r.Fires
			of := &last[1]
			if r.Reason == task.ReasonExcluded {
				of = &last[0]
			}
			if !r.ScheduledTime.After(*of) {
				t.Fatalf("seed %d: %v: a record at %s comes after one at %s", seed, story, r.ScheduledTime.Sub(t0), of.Sub(t0))
			}
			*of = r.ScheduledTime
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

func TestJitterDelaysTheStartAndNotTheClock(t *testing.T) {
	s := &script{t: t, now: t0}
	for _, event := range []string{"0s declare every 10s jitter=1m", "12s claim"} {
		if err := s.do(event); err != nil {
			t.Fatal(err)
		}
	}
	run := s.records[0]
	delay := run.JitteredTime.Sub(run.ScheduledTime)
	if !run.ScheduledTime.Equal(t0.Add(10*time.Second)) || delay < 0 || delay >= 10*time.Second {
		t.Errorf("the fire at %s starts at %s; the following is 10s later", run.ScheduledTime.Sub(t0), run.JitteredTime.Sub(t0))
	}
	if got, want := s.task.Clock.NextFireTime, t0.Add(20*time.Second); !got.Equal(want) {
		t.Errorf("next at %s", got.Sub(t0))
	}
}

func TestAFireWhoseJitteredStartIsStillToComeIsNotMissed(t *testing.T) {
	for _, policy := range []task.CatchUp{task.CatchUpOne, task.CatchUpNone, task.CatchUpAll} {
		missed, ran := 0, 0
		for hour := range 24 {
			s := &script{t: t, now: t0}
			if err := s.do("0s declare every 1h jitter=59m"); err != nil {
				t.Fatal(err)
			}
			s.task.Declaration.Policy.CatchUp = policy
			if err := s.do(fmt.Sprintf("%dm claim", 60*(hour+1)+30)); err != nil {
				t.Fatal(err)
			}
			last := s.records[len(s.records)-1]
			switch {
			case last.State == task.Scheduled && last.JitteredTime.Before(s.now.Add(-reconcile.Grace)) && policy == task.CatchUpNone:
				t.Errorf("hour %d: a start at %s is missed at %s, but runs", hour, last.JitteredTime.Sub(t0), s.now.Sub(t0))
			case last.State == task.Missed && s.task.Clock.NextFireTime.Sub(s.now) > 30*time.Minute:
				t.Errorf("hour %d: the clock stands at %s", hour, s.task.Clock.NextFireTime.Sub(t0))
			case last.State == task.Missed:
				missed++
			default:
				ran++
			}
			var counted int64
			for _, r := range s.records {
				counted += r.Fires
			}
			if counted != int64(hour+1) {
				t.Errorf("hour %d: %d instants are recorded", hour, counted)
			}
		}
		if policy == task.CatchUpNone && (missed == 0 || ran == 0) || policy != task.CatchUpNone && missed > 0 {
			t.Errorf("policy %d: %d missed, %d ran", policy, missed, ran)
		}
	}
}

func holidays(t *testing.T, days ...string) *schedule.Extensions {
	t.Helper()
	var list []schedule.Exclusion
	for _, text := range days {
		day, err := schedule.ParseDate(text)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, schedule.Dates{First: day, TimeZone: "UTC"})
	}
	x, err := schedule.NewExtensions(map[string][]schedule.Exclusion{"holidays": list}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func TestAChangedCalendarMovesTheNextFireOfWhatNamesIt(t *testing.T) {
	trigger := schedule.MustParse("at 12:00 UTC exclude(calendar holidays)")
	d := task.Declaration{Name: "x", Trigger: trigger}
	next := func(o reconcile.Outcome) string { return o.Task.Clock.NextFireTime.Format(time.DateOnly) }

	o, err := reconcile.Rules{Namespace: "ns", Extensions: holidays(t, "2026-03-01")}.Declare(nil, d, t0)
	if err != nil || next(o) != "2026-03-02" {
		t.Fatalf("new: next %s, %v", next(o), err)
	}
	same, err := reconcile.Rules{Extensions: holidays(t, "2026-03-01")}.Declare(&o.Task, d, t0.Add(time.Hour))
	if err != nil || same.Changed {
		t.Errorf("the same calendar: changed %v, %v", same.Changed, err)
	}
	longer, err := reconcile.Rules{Extensions: holidays(t, "2026-03-01", "2026-03-02", "2026-03-03")}.Declare(&o.Task, d, t0.Add(time.Hour))
	if err != nil || next(longer) != "2026-03-04" || !longer.Changed || longer.Task.Version != o.Task.Version+1 {
		t.Errorf("a longer calendar: next %s, version %d, %v", next(longer), longer.Task.Version, err)
	}
	shorter, err := reconcile.Rules{Extensions: holidays(t)}.Declare(&longer.Task, d, t0.Add(2*time.Hour))
	if err != nil || next(shorter) != "2026-03-01" {
		t.Errorf("a shorter calendar: next %s, %v", next(shorter), err)
	}
}

func TestATriggerThatLostItsCalendarPausesItsTaskAndNothingElse(t *testing.T) {
	with, without := reconcile.Rules{Namespace: "ns", Extensions: holidays(t)}, reconcile.Rules{Namespace: "ns"}
	declared := task.Declaration{Name: "x", Trigger: schedule.MustParse("every 10s")}
	o, err := with.Declare(nil, declared, t0)
	if err != nil {
		t.Fatal(err)
	}
	o, err = with.Override(o.Task, task.TriggerChange{Trigger: schedule.MustParse("every 1m exclude(calendar holidays)")}, t0)
	if err != nil {
		t.Fatal(err)
	}
	o, err = without.Declare(&o.Task, declared, t0.Add(time.Second))
	if err != nil || o.Task.State != task.Paused || o.Task.Pause == nil || o.Task.Pause.Actor != reconcile.Self ||
		!strings.Contains(o.Task.Pause.Reason, `"holidays" is not declared`) {
		t.Fatalf("%v, state %d, pause %+v", err, o.Task.State, o.Task.Pause)
	}
	if _, err := without.Resume(o.Task, task.Edit{}, t0.Add(time.Minute)); !errors.Is(err, task.ErrTriggerFault) {
		t.Errorf("resumed all the same: %v", err)
	}
	reset, err := without.Reset(o.Task, task.Edit{}, t0.Add(time.Minute))
	if err != nil || reset.Task.State != task.Paused {
		t.Errorf("reset: %v, state %d", err, reset.Task.State)
	}
	resumed, err := with.Resume(o.Task, task.Edit{}, t0.Add(90*time.Second))
	if err != nil || resumed.Task.State != task.Active || !resumed.Task.Clock.NextFireTime.Equal(t0.Add(2*time.Minute)) {
		t.Errorf("resumed with the calendar: %v, %+v", err, resumed.Task.Clock)
	}
	if _, err := without.Override(o.Task, task.TriggerChange{Trigger: schedule.MustParse("forever exclude(calendar holidays)")}, t0); !errors.Is(err, task.ErrInvalid) ||
		err.Error() != `trigger.exclusions[0].calendar: "holidays" is not declared: there are no calendars` {
		t.Error(err)
	}
}
