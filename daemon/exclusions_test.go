package daemon_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/clockd/clockd/client"
	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/go-cmp/cmp"
)

// tens is every ten seconds, but for the second minute after midnight.
const tens = "every 10s exclude(window 00:01-00:02 UTC)"

// clock is an instant of the first day, written as 00:01:50.
func clock(t *testing.T, text string) time.Time {
	t.Helper()
	at, err := time.Parse("15:04:05", text)
	if err != nil {
		t.Fatal(err)
	}
	return midnight.Add(time.Duration(at.Hour())*time.Hour + time.Duration(at.Minute())*time.Minute + time.Duration(at.Second())*time.Second)
}

// wantFires compares fires with lines such as "00:02:00 after 6 from 00:01:00 to 00:01:50".
func wantFires(t *testing.T, what string, got []task.Fire, want ...string) {
	t.Helper()
	var lines []string
	for _, f := range got {
		line := f.Time.Format("15:04:05")
		if x := f.Excluded; x.Count > 0 {
			line += fmt.Sprintf(" after %d from %s to %s", x.Count, x.First.Format("15:04:05"), x.Last.Format("15:04:05"))
		}
		lines = append(lines, line)
	}
	if diff := cmp.Diff(want, lines); diff != "" {
		t.Errorf("%s, -want +got\n%s", what, diff)
	}
}

func TestExcludedInstantsAreSkippedInOneRecordAndTheNextFireIsAfterThem(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.start(at("job", tens, 0))
		w.sleep(55 * time.Second)
		before := w.task("job").Clock
		if want := clock(t, "00:02:00"); !before.NextFireTime.Equal(want) || before.FireCount != 5 {
			t.Errorf("next fire %s after %d fires, want %s after 5", before.NextFireTime, before.FireCount, want)
		}
		w.sleep(80 * time.Second)
		w.wantRuns("job", "00:00:10 succeeded", "00:00:20 succeeded", "00:00:30 succeeded", "00:00:40 succeeded", "00:00:50 succeeded",
			"00:01:50 skipped excluded, 6 fires from 00:01:00", "00:02:00 succeeded", "00:02:10 succeeded")
		r := w.runs("job")[5]
		if r.Attempt != 0 || !r.StartTime.IsZero() || r.EndTime.IsZero() || r.Cause != task.ByFire || r.Fires != 6 ||
			!r.FirstScheduledTime.Equal(clock(t, "00:01:00")) || r.Lateness() != 0 {
			t.Errorf("the record is %+v", r)
		}
		if got := w.task("job").Clock.FireCount; got != 7 {
			t.Errorf("%d fires are counted, want 7", got)
		}
	})
}

func TestExclusionsOfEveryKindTakeOutWhatTheySay(t *testing.T) {
	for trigger, want := range map[string][]string{
		"every 10m exclude(dates 1999-12-31 America/New_York) max=1":                      {"04:50:00 skipped excluded, 29 fires from 00:10:00", "05:00:00 succeeded"},
		"every 10m exclude(dates 1999-12-30..1999-12-31 UTC; dates 2000-01-02 UTC) max=1": {"00:10:00 succeeded"},
		`every 10m exclude(cron "10,20 * * * *" UTC) max=3`: {
			"00:20:00 skipped excluded, 2 fires from 00:10:00", "00:30:00 succeeded", "00:40:00 succeeded", "00:50:00 succeeded",
		},
		"any(every 15m exclude(window 00:20-00:50 UTC); every 20m) max=5": {
			"00:15:00 succeeded", "00:20:00 succeeded", "00:30:00 skipped excluded", "00:40:00 succeeded", "00:45:00 skipped excluded", "01:00:00 succeeded", "01:15:00 succeeded",
		},
		"any(every 15m; every 20m) exclude(window 00:20-00:50 sat UTC) max=3": {
			"00:15:00 succeeded", "00:45:00 skipped excluded, 4 fires from 00:20:00", "01:00:00 succeeded", "01:15:00 succeeded",
		},
		"every 15m exclude(window 00:00-01:00 sun UTC) max=2":                             {"00:15:00 succeeded", "00:30:00 succeeded"},
		"every 20m immediate exclude(window 23:00-00:30 UTC) max=1":                       {"00:20:00 skipped excluded, 2 fires from 00:00:00", "00:40:00 succeeded"},
		"any(once; every 20m) exclude(window 23:00-00:30 UTC) max=1":                      {"00:20:00 skipped excluded, 2 fires from 00:00:00", "00:40:00 succeeded"},
		"any(once 2000-01-01T00:10:00Z; every 20m) exclude(window 00:05-00:15 UTC) max=1": {"00:10:00 skipped excluded", "00:20:00 succeeded"},
	} {
		t.Run(trigger, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				w.start(at("job", trigger, 0))
				last, _, _ := strings.Cut(want[len(want)-1], " ")
				w.until(clock(t, last).Add(time.Second))
				w.wantRuns("job", want...)
				if got := w.task("job").State; got != task.Exhausted {
					t.Errorf("state %v after all fires", got)
				}
			})
		})
	}
}

func TestALimitOfFiresDoesNotCountExcludedInstants(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.start(at("job", tens+" max=7", 0))
		w.sleep(5 * time.Minute)
		w.wantRuns("job", "00:00:10 succeeded", "00:00:20 succeeded", "00:00:30 succeeded", "00:00:40 succeeded", "00:00:50 succeeded",
			"00:01:50 skipped excluded, 6 fires from 00:01:00", "00:02:00 succeeded", "00:02:10 succeeded")
		if got := w.task("job"); got.State != task.Exhausted || got.Clock.FireCount != 7 {
			t.Errorf("state %v after %d fires, want exhausted after 7", got.State, got.Clock.FireCount)
		}
	})
}

func TestPreviewSaysWhatWasTakenOutBeforeEachFireAndTheSameThenHappens(t *testing.T) {
	for _, trigger := range []string{
		tens,
		tens + " max=7",
		"any(every 7s; every 10s max=9) exclude(window 00:00:30-00:01:10 UTC)",
		`cron "*/10 * * * * *" UTC exclude(cron "1,2 * * * *" UTC; window 00:00:15-00:00:25 UTC)`,
		"any(every 7s exclude(window 00:00:30-00:01:10 UTC); every 20s)",
	} {
		t.Run(trigger, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				c := w.start(at("job", trigger, 0))
				ofTask, err := c.PreviewTask(t.Context(), ref("job"), time.Time{}, 20)
				if err != nil {
					t.Fatal(err)
				}
				unstored, err := c.PreviewTrigger(t.Context(), schedule.MustParse(trigger), time.Time{}, 20)
				if diff := cmp.Diff(ofTask, unstored); err != nil || diff != "" {
					t.Errorf("of the bare trigger: %v, -task +trigger\n%s", err, diff)
				}
				fires := ofTask.Fires
				w.until(fires[len(fires)-1].Time)
				var came []task.Fire
				var before schedule.Span
				for _, r := range w.runs("job") {
					switch {
					case r.Reason == task.ReasonExcluded:
						before = schedule.Span{Count: r.Fires, First: r.FirstScheduledTime, Last: r.ScheduledTime}
						if r.Fires == 1 {
							before.First = r.ScheduledTime
						}
					default:
						came = append(came, task.Fire{Time: r.ScheduledTime, Excluded: before})
						before = schedule.Span{}
					}
				}
				if diff := cmp.Diff(fires, came[:min(len(came), len(fires))]); diff != "" {
					t.Errorf("-foretold +came\n%s", diff)
				}
			})
		})
	}
}

func TestPreviewCountsAThousandExcludedInstantsAndNoMore(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		c := w.start(at("job", "every 1h", 0))
		for trigger, want := range map[string]int64{
			"every 1s exclude(window 00:00:10-00:16:49 UTC)": 999,
			"every 1s exclude(window 00:00:10-00:16:50 UTC)": 1000,
			"every 1s exclude(window 00:00:10-23:00 UTC)":    1000,
		} {
			got, err := c.PreviewTrigger(t.Context(), schedule.MustParse(trigger), time.Time{}, 10)
			if err != nil || len(got.Fires) != 10 || got.Fires[9].Excluded.Count != want {
				t.Errorf("%s: %+v, %v, want %d", trigger, got.Fires, err, want)
			}
		}
	})
}

func TestAnUpdateWithExclusionsThatLeaveNothingIsRefusedAndSaysSo(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		c := w.start(at("job", "every 10s", 0))
		before := w.task("job")
		for _, trigger := range []string{
			"every 1s exclude(window 00:00-24:00 UTC)",
			"every 1s until=2000-01-01T00:59:59Z exclude(window 23:00-02:00 Europe/Berlin)",
			"at 12:00 UTC exclude(window 11:00-13:00 UTC)",
			"once 2000-01-01T00:01:00Z exclude(dates 2000-01-01 UTC)",
			"once exclude(dates 2000-01-01 UTC)",
			`cron "0 * * * *" UTC exclude(cron "0 * * * *" UTC)`,
			"any(every 10s exclude(window 00:00-24:00 UTC); every 7s exclude(dates 1999-01-01..9999-12-31 UTC))",
		} {
			for _, dry := range []bool{true, false} {
				_, err := c.UpdateTrigger(t.Context(), ref("job"), schedule.MustParse(trigger), client.UpdateOptions{ValidateOnly: dry})
				var invalid *task.InvalidError
				if !errors.As(err, &invalid) || len(invalid.Violations) != 1 || invalid.Violations[0].Field != "trigger" ||
					!strings.Contains(err.Error(), "exclu") || !strings.Contains(err.Error(), "leave") {
					t.Errorf("%s: %v", trigger, err)
				}
			}
		}
		if after := w.task("job"); after.Version != before.Version || after.State != task.Active {
			t.Errorf("the task has changed: %+v", after)
		}
	})
}

func TestADryRunShowsWhichFiresExclusionsWouldTakeOut(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		c := w.start(at("job", "every 10s until=2000-01-01T00:02:30Z", 0))
		w.sleep(40 * time.Second)
		for _, dry := range []bool{true, false} {
			u, err := c.UpdateTrigger(t.Context(), ref("job"), schedule.MustParse(tens+" until=2000-01-01T00:02:30Z"), client.UpdateOptions{ValidateOnly: dry})
			if err != nil {
				t.Fatal(err)
			}
			wantFires(t, "before", u.PreviousFires, "00:00:50", "00:01:00", "00:01:10", "00:01:20", "00:01:30", "00:01:40", "00:01:50", "00:02:00", "00:02:10", "00:02:20")
			wantFires(t, "after", u.NextFires, "00:00:50", "00:02:00 after 6 from 00:01:00 to 00:01:50", "00:02:10", "00:02:20", "00:02:30")
			if got := w.task("job"); (got.Override == nil) != dry {
				t.Errorf("dry %t: override %+v", dry, got.Override)
			}
		}
		// What was taken out since the change, before the first fire.
		w.sleep(45 * time.Second) // 00:01:25
		u, err := c.UpdateTrigger(t.Context(), ref("job"), schedule.MustParse("every 7s"), client.UpdateOptions{ValidateOnly: true})
		if err != nil {
			t.Fatal(err)
		}
		wantFires(t, "the rest", u.PreviousFires, "00:02:00 after 6 from 00:01:00 to 00:01:50", "00:02:10", "00:02:20", "00:02:30")
	})
}

func TestAChangeInTheMidstOfExcludedInstantsRecordsThoseThatPassed(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		c := w.start(at("job", tens, 0))
		w.sleep(85 * time.Second) // 00:01:25
		if _, err := c.UpdateTrigger(t.Context(), ref("job"), schedule.MustParse("every 1m exclude(window 00:02-00:03 UTC)"), client.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
		w.sleep(65 * time.Second) // 00:02:30
		if _, err := c.ResetTrigger(t.Context(), ref("job"), client.EditOptions{}); err != nil {
			t.Fatal(err)
		}
		w.sleep(15 * time.Second)
		w.wantRuns("job", "00:00:10 succeeded", "00:00:20 succeeded", "00:00:30 succeeded", "00:00:40 succeeded", "00:00:50 succeeded",
			"00:01:20 skipped excluded, 3 fires from 00:01:00", "00:02:25 skipped excluded", "00:02:40 succeeded")
	})
}

func TestAPauseOverExclusionsLeavesOneRecordPerInstant(t *testing.T) {
	for name, tt := range map[string]struct {
		pause, resume time.Duration
		want          []string
	}{
		"around": {35 * time.Second, 155 * time.Second, []string{
			"00:01:50 skipped excluded, 6 fires from 00:01:00", "00:02:30 skipped paused, 6 fires from 00:00:40",
		}},
		"inside": {85 * time.Second, 95 * time.Second, []string{
			"00:00:40 succeeded", "00:00:50 succeeded", "00:01:20 skipped excluded, 3 fires from 00:01:00", "00:01:30 skipped excluded",
			"00:01:50 skipped excluded, 2 fires from 00:01:40", "00:02:00 succeeded", "00:02:10 succeeded", "00:02:20 succeeded", "00:02:30 succeeded",
		}},
		"into": {35 * time.Second, 95 * time.Second, []string{
			"00:01:30 skipped excluded, 4 fires from 00:01:00", "00:00:50 skipped paused, 2 fires from 00:00:40",
			"00:01:50 skipped excluded, 2 fires from 00:01:40", "00:02:00 succeeded", "00:02:10 succeeded", "00:02:20 succeeded", "00:02:30 succeeded",
		}},
		"out of": {85 * time.Second, 155 * time.Second, []string{
			"00:00:40 succeeded", "00:00:50 succeeded", "00:01:20 skipped excluded, 3 fires from 00:01:00",
			"00:01:50 skipped excluded, 3 fires from 00:01:30", "00:02:30 skipped paused, 4 fires from 00:02:00",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				c := w.start(at("job", tens, 0))
				w.sleep(tt.pause)
				if _, err := c.PauseTask(t.Context(), ref("job"), client.PauseOptions{}); err != nil {
					t.Fatal(err)
				}
				w.sleep((tt.resume - tt.pause) / 2)
				c = w.start(at("job", tens, 0)) // a restart in between changes nothing
				w.sleep((tt.resume - tt.pause) / 2)
				if _, err := c.ResumeTask(t.Context(), ref("job"), client.EditOptions{}); err != nil {
					t.Fatal(err)
				}
				w.sleep(155*time.Second - tt.resume + 5*time.Second)
				w.wantRuns("job", append([]string{"00:00:10 succeeded", "00:00:20 succeeded", "00:00:30 succeeded"}, append(tt.want, "00:02:40 succeeded")...)...)
			})
		})
	}
}

func TestACatchUpOverExclusionsLeavesOneRecordPerInstant(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		declare := func() {
			one, all, none := at("one", tens, 0), at("all", tens, 0), at("none", tens, 0)
			all.Policy = task.Policy{CatchUp: task.CatchUpAll, Overlap: task.OverlapAllow}
			none.Policy.CatchUp = task.CatchUpNone
			w.start(one, all, none)
		}
		declare()
		w.sleep(35 * time.Second)
		w.stop()
		w.sleep(111 * time.Second) // 00:02:26
		declare()
		w.sleep(5 * time.Second)
		early := []string{"00:00:10 succeeded", "00:00:20 succeeded", "00:00:30 succeeded"}
		w.wantRuns("one", append(early, "00:01:50 skipped excluded, 6 fires from 00:01:00",
			"00:02:20 succeeded, 5 fires from 00:00:40, 6s late", "00:02:30 succeeded")...)
		w.wantRuns("none", append(early, "00:01:50 skipped excluded, 6 fires from 00:01:00",
			"00:02:20 missed late, 5 fires from 00:00:40", "00:02:30 succeeded")...)
		w.wantRuns("all", append(early, "00:00:40 succeeded, 1m46s late", "00:00:50 succeeded, 1m36s late",
			"00:01:50 skipped excluded, 6 fires from 00:01:00", "00:02:00 succeeded, 26s late", "00:02:10 succeeded, 16s late",
			"00:02:20 succeeded, 6s late", "00:02:30 succeeded")...)
	})
}

func TestARestartInTheMidstOfExcludedInstantsLeavesOneRecord(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var down outage
		w.store = &hooked{Store: w.store, before: down.before}
		w.start(at("job", tens, 0))
		w.sleep(75 * time.Second)
		w.start(at("job", tens, 0))
		w.sleep(10 * time.Second)
		w.crash(&down)
		w.start(at("job", tens, 0))
		// The fire after them is claimed together with their record, and given back without it.
		w.until(clock(t, "00:02:00").Add(-50 * time.Millisecond))
		w.wantRuns("job", "00:00:10 succeeded", "00:00:20 succeeded", "00:00:30 succeeded", "00:00:40 succeeded", "00:00:50 succeeded",
			"00:01:50 skipped excluded, 6 fires from 00:01:00", "00:02:00 scheduled")
		w.start(at("job", tens, 0))
		w.until(clock(t, "00:02:05"))
		w.wantRuns("job", "00:00:10 succeeded", "00:00:20 succeeded", "00:00:30 succeeded", "00:00:40 succeeded", "00:00:50 succeeded",
			"00:01:50 skipped excluded, 6 fires from 00:01:00", "00:02:00 succeeded")
	})
}

func TestWhatFollowsARunWaitsForTheEndOfTheWindowAndGoesOnThere(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.start(
			at("loop", "forever exclude(window 02:00-06:00 UTC) max=5", 50*time.Minute),
			at("poll", "every 1h fixed-delay exclude(window 02:00-06:00 UTC) max=4", 30*time.Minute),
			at("late", "forever exclude(window 22:00-00:30 UTC) max=1", 0),
		)
		w.sleep(9*time.Hour + time.Second)
		// A run that is going when the window begins ends in peace.
		w.wantRuns("loop", "00:00:00 succeeded", "00:50:00 succeeded", "01:40:00 succeeded", "06:00:00 succeeded", "06:50:00 succeeded")
		w.wantRuns("poll", "01:00:00 succeeded", "06:00:00 succeeded", "07:30:00 succeeded", "09:00:00 running")
		w.wantRuns("late", "00:30:00 succeeded")
		w.sleep(time.Hour)
	})
}

func TestAStartOfTheNodeInsideAnExclusionFiresNothing(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		up := at("up", "any(startup; every 1h) exclude(window 00:00-00:30 UTC)", 0)
		w.start(up)
		w.sleep(10 * time.Minute)
		w.wantRuns("up")
		w.sleep(30 * time.Minute)
		w.start(up)
		w.sleep(30 * time.Minute)
		w.wantRuns("up", "00:40:00 succeeded", "01:00:00 succeeded")
	})
}

func TestACallRunsATaskInsideAnExclusion(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		c := w.start(at("job", tens, 0))
		w.sleep(75 * time.Second)
		run, err := c.RunTask(t.Context(), ref("job"), client.RunOptions{Wait: true})
		if err != nil || run.State != task.Succeeded {
			t.Errorf("%s, %v", story(run), err)
		}
		w.sleep(50 * time.Second)
		w.wantRuns("job", "00:00:10 succeeded", "00:00:20 succeeded", "00:00:30 succeeded", "00:00:40 succeeded", "00:00:50 succeeded",
			"00:01:15 succeeded, called", "00:01:50 skipped excluded, 6 fires from 00:01:00", "00:02:00 succeeded")
	})
}

func TestWhatWasTakenOutAfterTheLastFireIsRecordedWhenTheTaskIsPausedOrItsTriggerChanges(t *testing.T) {
	early := []string{"00:01:00 succeeded", "00:02:00 succeeded", "00:03:00 succeeded"}
	for name, edit := range map[string]func(t *testing.T, c *client.Client) error{
		"paused": func(t *testing.T, c *client.Client) error {
			_, err := c.PauseTask(t.Context(), ref("job"), client.PauseOptions{})
			return err
		},
		"updated": func(t *testing.T, c *client.Client) error {
			_, err := c.UpdateTrigger(t.Context(), ref("job"), schedule.MustParse("every 1h"), client.UpdateOptions{})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				c := w.start(at("job", "every 1m until=2000-01-01T00:05:00Z exclude(window 00:04-00:10 UTC)", 0))
				w.sleep(20 * time.Minute)
				w.wantRuns("job", early...)
				if got := w.task("job").State; got != task.Exhausted {
					t.Errorf("state %v after the last fire", got)
				}
				if err := edit(t, c); err != nil {
					t.Fatal(err)
				}
				w.wantRuns("job", append(early, "00:05:00 skipped excluded, 2 fires from 00:04:00")...)
			})
		})
	}
}
