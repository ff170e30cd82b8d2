package daemon_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/clockd/clockd/client"
	"github.com/clockd/clockd/daemon"
	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// steps fire at the multiples of themselves, counted from midnight.
type steps time.Duration

func (g steps) Next(after time.Time) (time.Time, error) {
	return after.Truncate(time.Duration(g)).Add(time.Duration(g)), nil
}

// registerSteps registers steps as google.protobuf.Duration.
func registerSteps(cfg *daemon.Config) {
	daemon.RegisterTrigger(cfg, func(m *durationpb.Duration) (schedule.Source, error) {
		if d := m.AsDuration(); d < time.Second {
			return nil, fmt.Errorf("%s is below 1s: say how far apart the fires are", d)
		}
		return steps(m.AsDuration()), nil
	})
}

// every is a trigger of such steps.
func every(d time.Duration) schedule.Trigger { return daemon.CustomTrigger(durationpb.New(d)) }

// ills are custom kinds with faults, as google.protobuf.StringValue: they fire each minute and go wrong from
// a moment on.
type ills struct {
	from   time.Duration // after midnight
	healed atomic.Bool
	// free lets a call return that hangs.
	free chan struct{}
}

func (x *ills) register(cfg *daemon.Config) {
	daemon.RegisterTrigger(cfg, func(m *wrapperspb.StringValue) (schedule.Source, error) {
		return ill{x, m.GetValue()}, nil
	})
	registerSteps(cfg)
}

type ill struct {
	*ills
	with string
}

func (x ill) Next(after time.Time) (time.Time, error) {
	next, _ := steps(time.Minute).Next(after)
	if after.Before(midnight.Add(x.from)) || x.healed.Load() {
		return next, nil
	}
	if strings.HasPrefix(x.with, "hangs as ") {
		<-x.free
	}
	switch x.with {
	case "stands still":
		return after, nil
	case "fails":
		return next, errors.New("the harbour is closed")
	case "panics":
		panic("low water")
	case "hangs":
		<-x.free
	case "sleeps":
		time.Sleep(900 * time.Millisecond)
	case "is slow":
		time.Sleep(time.Second)
	}
	return next, nil
}

// wantFires says that a task ran so often, each time with success, and how late at most.
func (w *world) wantFires(name string, n int, late time.Duration) {
	w.t.Helper()
	runs := w.runs(name)
	if len(runs) != n {
		w.t.Errorf("%s: %d runs, want %d", name, len(runs), n)
	}
	for _, run := range runs {
		if run.State != task.Succeeded || run.Lateness() > late {
			w.t.Errorf("%s: the run of %s %v, %s late", name, run.ScheduledTime, run.State, run.Lateness())
		}
	}
}

func sick(with string) schedule.Trigger { return daemon.CustomTrigger(wrapperspb.String(with)) }

func TestACustomKindFiresAtItsInstants(t *testing.T) {
	inWorld(t, func(_ *testing.T, w *world) {
		w.register = registerSteps
		limited, inside, bounded := every(90*time.Second), every(2*time.Minute), every(time.Minute)
		limited.MaxFires, inside.MaxFires = 2, 1
		bounded.StartTime, bounded.EndTime = midnight.Add(2*time.Minute), midnight.Add(3*time.Minute)
		excluding := every(time.Minute)
		excluding.Exclusions = []schedule.Exclusion{schedule.Cron{Expression: "2-3 * * * *", TimeZone: "UTC"}}
		w.start(
			does("plain", every(90*time.Second), 0),
			does("limited", limited, 0),
			does("bounded", bounded, 0),
			does("excluding", excluding, 0),
			does("any", schedule.Trigger{Kind: schedule.AnyOf{Triggers: []schedule.Trigger{schedule.MustParse("every 3m"), inside}}}, 0),
		)
		w.sleep(6 * time.Minute)
		w.wantRuns("plain", "00:01:30 succeeded", "00:03:00 succeeded", "00:04:30 succeeded", "00:06:00 succeeded")
		w.wantRuns("limited", "00:01:30 succeeded", "00:03:00 succeeded")
		w.wantRuns("bounded", "00:02:00 succeeded", "00:03:00 succeeded")
		w.wantRuns("excluding", "00:01:00 succeeded", "00:03:00 skipped excluded, 2 fires from 00:02:00", "00:04:00 succeeded", "00:05:00 succeeded", "00:06:00 succeeded")
		w.wantRuns("any", "00:02:00 succeeded", "00:03:00 succeeded", "00:06:00 succeeded")
		for name, want := range map[string]task.State{"plain": task.Active, "limited": task.Exhausted, "bounded": task.Exhausted} {
			if got := w.task(name).State; got != want {
				t.Errorf("%s is %v, want %v", name, got, want)
			}
		}
	})
}

func TestJitterDelaysTheStartsOfACustomKindAndNotItsInstants(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.register = registerSteps
		jittered := every(time.Minute)
		jittered.Jitter = 30 * time.Second
		w.start(does("job", jittered, 0))
		w.sleep(10*time.Minute + jittered.Jitter)
		runs := w.runs("job")
		if len(runs) != 10 {
			t.Fatalf("%d runs, want 10", len(runs))
		}
		apart := map[time.Duration]bool{}
		for i, run := range runs {
			if want := midnight.Add(time.Duration(i+1) * time.Minute); !run.ScheduledTime.Equal(want) {
				t.Errorf("run %d is of %s, want %s", i, run.ScheduledTime, want)
			}
			delay := run.StartTime.Sub(run.ScheduledTime)
			if delay < 0 || delay >= jittered.Jitter || run.Lateness() != 0 {
				t.Errorf("run %d starts %s after its instant, %s late", i, delay, run.Lateness())
			}
			apart[delay] = true
		}
		if len(apart) < 5 {
			t.Errorf("delays are %v: they do not spread", apart)
		}
	})
}

func TestACustomKindGoesOnAfterARestart(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.register = registerSteps
		declared := every(time.Minute)
		declared.MaxFires = 4
		job := does("job", declared, 0)
		c := w.start(job, at("other", "every 1h", 0))
		if _, err := c.UpdateTrigger(t.Context(), ref("other"), every(90*time.Second), client.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
		w.sleep(2 * time.Minute)
		before := w.task("job")
		w.start(job, at("other", "every 1h", 0))
		if after := w.task("job"); after.Version != before.Version {
			t.Errorf("version %d after a restart with the same declaration, want %d", after.Version, before.Version)
		}
		w.sleep(4 * time.Minute)
		w.wantRuns("job", "00:01:00 succeeded", "00:02:00 succeeded", "00:03:00 succeeded", "00:04:00 succeeded")
		w.wantRuns("other", "00:01:30 succeeded", "00:03:00 succeeded", "00:04:30 succeeded", "00:06:00 succeeded")
		if got := w.task("other"); !schedule.Equal(got.Trigger(), every(90*time.Second)) {
			t.Errorf("trigger %v after a restart", got.Trigger())
		}
	})
}

func TestAFaultyCustomKindParksItsTaskAndNothingElse(t *testing.T) {
	// A call that hangs takes longer than a fire is claimed ahead, once.
	const late = ", 100ms late"
	for with, row := range map[string]struct{ want, late string }{
		"stands still": {"after 2000-01-01T00:02:00Z it says 2000-01-01T00:02:00Z, which is not after it", ""},
		"fails":        {"after 2000-01-01T00:02:00Z: the harbour is closed", ""},
		"panics":       {"after 2000-01-01T00:02:00Z: panic: low water", ""},
		"hangs":        {"no answer within 250ms", late},
		"is slow":      {"no answer within 250ms", late},
	} {
		t.Run(with, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				x := &ills{from: 2 * time.Minute, free: make(chan struct{})}
				w.register = x.register
				c := w.start(does("sick", sick(with), 0), does("other", every(50*time.Second), 0), at("plain", "every 45s", 0))
				w.sleep(2*time.Minute + 50*time.Second)
				if got := w.task("sick"); got.State != task.Paused || got.Pause.Actor != "clockd" || !strings.Contains(got.Pause.Reason, row.want) ||
					!strings.Contains(got.Pause.Reason, "type.googleapis.com/google.protobuf.StringValue") {
					t.Errorf("state %v, pause %+v, want %q", got.State, got.Pause, row.want)
				}
				w.wantRuns("sick", "00:01:00 succeeded", "00:02:00 succeeded"+row.late)
				w.wantRuns("other", "00:00:50 succeeded", "00:01:40 succeeded", "00:02:30 succeeded")
				w.wantRuns("plain", "00:00:45 succeeded", "00:01:30 succeeded", "00:02:15 succeeded")

				// To resume is to try again, and to be told why it can not be.
				if _, err := c.ResumeTask(t.Context(), ref("sick"), client.EditOptions{}); !errors.Is(err, task.ErrTriggerFault) {
					t.Errorf("resumed while it is sick: %v", err)
				}
				w.sleep(10 * time.Second)
				if got := w.task("sick").State; got != task.Paused {
					t.Errorf("state %v after it was resumed in vain", got)
				}
				x.healed.Store(true)
				close(x.free)
				w.sleep(time.Second)
				if _, err := c.ResumeTask(t.Context(), ref("sick"), client.EditOptions{}); err != nil {
					t.Errorf("resumed when it was well: %v", err)
				}
				w.sleep(time.Minute)
				w.wantRuns("sick", "00:01:00 succeeded", "00:02:00 succeeded"+row.late, "00:03:00 skipped paused", "00:04:00 succeeded")
			})
		})
	}
}

func TestAHundredTasksOfACustomTriggerThatHangsHoldUpTheOthersOnce(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		x := &ills{from: time.Minute, free: make(chan struct{})}
		w.register = x.register
		tasks := []daemon.Task{at("other", "every 1m", 0)}
		for i := range 100 {
			tasks = append(tasks, does(fmt.Sprintf("sick %d", i), sick("hangs"), 0))
		}
		w.start(tasks...)
		w.sleep(3 * time.Minute)
		w.wantFires("other", 3, 300*time.Millisecond)
		for i := range 100 {
			if got := w.task(fmt.Sprintf("sick %d", i)); got.State != task.Paused {
				t.Errorf("task %d: state %v", i, got.State)
			}
		}
		close(x.free)
	})
}

func TestAHundredCustomTriggersThatHangHoldUpTheOthersForASecond(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		x := &ills{from: time.Minute, free: make(chan struct{})}
		w.register = x.register
		tasks := []daemon.Task{at("other", "every 1m", 0)}
		for i := range 100 {
			tasks = append(tasks, does(fmt.Sprintf("sick %d", i), sick(fmt.Sprintf("hangs as %d", i)), 0))
		}
		w.start(tasks...)
		w.sleep(3 * time.Minute)
		w.wantFires("other", 3, 1100*time.Millisecond)
		for i := range 100 {
			if got := w.task(fmt.Sprintf("sick %d", i)); got.State != task.Paused {
				t.Errorf("task %d: state %v", i, got.State)
			}
		}
		close(x.free)
	})
}

func TestACustomTriggerThatIsPreviewedOrRefusedDoesNothingToTasksOfItsKind(t *testing.T) {
	for _, with := range []string{"sleeps", "hangs"} {
		t.Run(with, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				x := &ills{free: make(chan struct{})}
				w.register = x.register
				names := []string{"well 1", "well 2", "well 3"}
				c := w.start(does(names[0], sick(names[0]), 0), does(names[1], sick(names[1]), 0), does(names[2], sick(names[2]), 0))
				// Just before they fire, so that it is still out when they do.
				w.sleep(time.Minute - 400*time.Millisecond)
				if _, err := c.PreviewTrigger(t.Context(), sick(with), midnight, 3); !errors.Is(err, task.ErrInvalid) || !strings.Contains(err.Error(), "no answer") {
					t.Errorf("preview: %v", err)
				}
				// Not while they fire: the bubble's time stands still while one waits for the lock of the store.
				w.sleep(30 * time.Second)
				if _, err := c.UpdateTrigger(t.Context(), ref(names[0]), sick(with), client.UpdateOptions{}); !errors.Is(err, task.ErrInvalid) {
					t.Errorf("update: %v", err)
				}
				w.sleep(2 * time.Minute)
				for _, name := range names {
					if got := w.task(name); got.State != task.Active {
						t.Errorf("%s: state %v, pause %+v", name, got.State, got.Pause)
					}
					w.wantFires(name, 3, 300*time.Millisecond)
				}
				close(x.free)
			})
		})
	}
}

func TestACustomKindThatIsIllFromTheStartDoesNotKeepTheDaemonFromIt(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		x := &ills{}
		w.register = x.register
		w.start(does("sick", sick("panics"), 0), at("plain", "every 45s", 0))
		w.sleep(time.Minute)
		if got := w.task("sick"); got.State != task.Paused || !strings.Contains(got.Pause.Reason, "low water") {
			t.Errorf("state %v, pause %+v", got.State, got.Pause)
		}
		w.wantRuns("plain", "00:00:45 succeeded")
	})
}

func TestAnUpdateWithACustomKindThatCanNotBeUsedIsRefusedAndSaysWhatThereIs(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		x := &ills{}
		w.register = x.register
		c := w.start(at("job", "every 1m", 0))
		broken := every(time.Hour)
		broken.Kind = schedule.Custom{TypeURL: broken.Kind.(schedule.Custom).TypeURL, Value: "\x0a"}
		alien := every(time.Hour)
		alien.Kind = schedule.Custom{TypeURL: alien.Kind.(schedule.Custom).TypeURL, Value: alien.Kind.(schedule.Custom).Value + "\x78\x01"}
		inside := schedule.Trigger{Kind: schedule.AnyOf{Triggers: []schedule.Trigger{schedule.MustParse("once"), daemon.CustomTrigger(wrapperspb.Int64(1))}}}
		illInside := schedule.Trigger{Kind: schedule.AnyOf{Triggers: []schedule.Trigger{schedule.MustParse("every 1m"), sick("panics")}}}
		calendar := schedule.MustParse("every 1h")
		calendar.Exclusions = []schedule.Exclusion{schedule.Calendar{Name: "holidays"}}
		for name, row := range map[string]struct {
			trigger schedule.Trigger
			want    []string
		}{
			"unknown": {daemon.CustomTrigger(wrapperspb.Int64(1)), []string{
				`trigger.custom.type_url: "type.googleapis.com/google.protobuf.Int64Value" is not known`,
				"there are type.googleapis.com/google.protobuf.Duration, type.googleapis.com/google.protobuf.StringValue",
			}},
			"unknown, inside":  {inside, []string{`trigger.any_of.triggers[1].custom.type_url: "type.googleapis.com/google.protobuf.Int64Value" is not known`}},
			"refused by code":  {every(time.Millisecond), []string{"trigger.custom.value: 1ms is below 1s"}},
			"no message":       {broken, []string{"trigger.custom.value: the bytes are no google.protobuf.Duration: "}},
			"unknown field":    {alien, []string{"trigger.custom.value: the bytes have a field that google.protobuf.Duration does not know here"}},
			"without calendar": {calendar, []string{"trigger.exclusions[0].calendar", `"holidays"`, "there are no calendars"}},
			"ill at once":      {sick("panics"), []string{"trigger: ", "low water"}},
			"ill, inside":      {illInside, []string{"trigger: ", "low water"}},
		} {
			for _, o := range []client.UpdateOptions{{}, {ValidateOnly: true}} {
				_, err := c.UpdateTrigger(t.Context(), ref("job"), row.trigger, o)
				if !errors.Is(err, task.ErrInvalid) {
					t.Errorf("%s: error %v", name, err)
					continue
				}
				for _, want := range row.want {
					if !strings.Contains(err.Error(), want) {
						t.Errorf("%s: %q is not in %q", name, want, err)
					}
				}
			}
			if _, err := c.PreviewTrigger(t.Context(), row.trigger, midnight, 3); !errors.Is(err, task.ErrInvalid) || !strings.Contains(err.Error(), row.want[0]) {
				t.Errorf("%s: preview: %v, want %q", name, err, row.want[0])
			}
		}
		if got := w.task("job"); got.Version != 1 || got.State != task.Active {
			t.Errorf("version %d, state %v after edits that were refused", got.Version, got.State)
		}
	})
}

func TestAPreviewOfAFaultyKindIsAnErrorAndChangesNothing(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		x := &ills{from: 2 * time.Minute}
		w.register = x.register
		c := w.start(does("sick", sick("fails"), 0))
		if p, err := c.PreviewTask(t.Context(), ref("sick"), midnight, 1); err != nil || len(p.Fires) != 1 {
			t.Errorf("preview up to the fault: %v, %v", p, err)
		}
		if _, err := c.PreviewTask(t.Context(), ref("sick"), midnight, 9); !errors.Is(err, task.ErrTriggerFault) || !strings.Contains(err.Error(), "the harbour is closed") {
			t.Errorf("preview of the task: %v", err)
		}
		if _, err := c.PreviewTrigger(t.Context(), sick("fails"), midnight, 9); !errors.Is(err, task.ErrInvalid) || !strings.Contains(err.Error(), "the harbour is closed") {
			t.Errorf("preview of the trigger: %v", err)
		}
		if got := w.task("sick").State; got != task.Active {
			t.Errorf("state %v after a preview", got)
		}
	})
}

func TestATaskWhoseCustomKindIsGoneIsParkedAndTheDaemonStarts(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.register = registerSteps
		tasks := []daemon.Task{at("job", "every 1h", 0), at("other", "every 1m", 0)}
		c := w.start(tasks...)
		if _, err := c.UpdateTrigger(t.Context(), ref("job"), every(time.Minute), client.UpdateOptions{OnDeclaredChange: task.Keep}); err != nil {
			t.Fatal(err)
		}
		w.sleep(90 * time.Second)
		w.register = nil
		c = w.start(tasks...)
		w.sleep(90 * time.Second)
		got := w.task("job")
		if got.State != task.Paused || got.Pause.Actor != "clockd" || got.Override == nil ||
			!strings.Contains(got.Pause.Reason, `"type.googleapis.com/google.protobuf.Duration" is not known: there are no custom kinds`) {
			t.Errorf("state %v, pause %+v, override %+v", got.State, got.Pause, got.Override)
		}
		w.wantRuns("job", "00:01:00 succeeded")
		w.wantRuns("other", "00:01:00 succeeded", "00:02:00 succeeded", "00:03:00 succeeded")
		if _, err := c.ResumeTask(t.Context(), ref("job"), client.EditOptions{}); err == nil || !strings.Contains(err.Error(), "is not known") {
			t.Errorf("resumed without its kind: %v", err)
		}

		// The kind is back: nobody lost anything.
		w.register = registerSteps
		c = w.start(tasks...)
		if _, err := c.ResumeTask(t.Context(), ref("job"), client.EditOptions{}); err != nil {
			t.Fatal(err)
		}
		w.sleep(time.Minute)
		w.wantRuns("job", "00:01:00 succeeded", "00:03:00 skipped paused, 2 fires from 00:02:00", "00:04:00 succeeded")
	})
}

func TestAnOrphanThatComesBackWithoutItsKindIsSetRightByAnotherTrigger(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.register = registerSteps
		c := w.start(at("job", "every 1h", 0))
		if _, err := c.UpdateTrigger(t.Context(), ref("job"), every(time.Minute), client.UpdateOptions{OnDeclaredChange: task.Keep}); err != nil {
			t.Fatal(err)
		}
		w.start(at("other", "every 1h", 0))
		w.sleep(time.Minute)
		w.register = nil
		c = w.start(at("job", "every 1h", 0))
		if got := w.task("job"); got.State != task.Paused {
			t.Errorf("state %v, pause %+v", got.State, got.Pause)
		}
		if _, err := c.UpdateTrigger(t.Context(), ref("job"), schedule.MustParse("every 30s"), client.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
		if _, err := c.ResumeTask(t.Context(), ref("job"), client.EditOptions{}); err != nil {
			t.Fatal(err)
		}
		w.sleep(time.Minute)
		runs := w.runs("job")
		if got := w.task("job"); got.State != task.Active || len(runs) < 2 || story(runs[len(runs)-1]) != "00:02:00 succeeded" {
			t.Errorf("state %v, runs %v", got.State, runs)
		}
	})
}

func TestOneRecordTellsOfAllInstantsOfACustomKindThatANightTookOut(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.register = registerSteps
		job := every(time.Minute)
		job.Exclusions = []schedule.Exclusion{schedule.Window{From: schedule.TimeOfDay{Hour: 1}, Until: schedule.TimeOfDay{Hour: 7}, TimeZone: "UTC"}}
		w.start(does("job", job, 0))
		w.sleep(7*time.Hour + time.Minute)
		var excluded []string
		for _, run := range w.runs("job") {
			if run.Reason == task.ReasonExcluded {
				excluded = append(excluded, story(run))
			}
		}
		if want := []string{"06:59:00 skipped excluded, 360 fires from 01:00:00"}; !slices.Equal(excluded, want) {
			t.Errorf("what was taken out: %q, want %q", excluded, want)
		}
	})
}

func TestEachInstantOfACustomKindThatPassesInALongPauseIsRecorded(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.register = registerSteps
		job := does("job", every(time.Minute), 0)
		c := w.start(job)
		w.sleep(time.Second / 2)
		if _, err := c.PauseTask(t.Context(), ref("job"), client.PauseOptions{}); err != nil {
			t.Fatal(err)
		}
		w.stop() // it would only look at the clock each second
		w.sleep(48 * time.Hour)
		c = w.start(job)
		if _, err := c.ResumeTask(t.Context(), ref("job"), client.EditOptions{}); err != nil {
			t.Fatal(err)
		}
		var passed int64
		for _, run := range w.runs("job") { // a record tells of a bounded number of them
			if run.Reason != task.ReasonPaused {
				t.Errorf("a record of something else: %s", story(run))
			}
			passed += run.Fires
		}
		if passed != 48*60 {
			t.Errorf("the records tell of %d instants, want %d", passed, 48*60)
		}
	})
}
