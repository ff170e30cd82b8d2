package bench

import (
	"slices"
	"testing"
	"time"

	theirgocron "github.com/go-co-op/gocron/v2"
	"github.com/jonboulle/clockwork"
	theircron "github.com/robfig/cron/v3"

	"github.com/clockd/clockd/daemon"
	"github.com/clockd/clockd/daemon/migrate/cron"
	"github.com/clockd/clockd/daemon/migrate/gocron"
	"github.com/clockd/clockd/daemon/schedule"
)

// The months that are compared: with both changes of the clocks, which are left out, and a leap day.
var (
	from = time.Date(2027, 9, 1, 11, 22, 33, 0, time.UTC)
	to   = time.Date(2028, 4, 15, 0, 0, 0, 0, time.UTC)
)

func zones(t *testing.T, f func(t *testing.T, loc *time.Location)) {
	for _, name := range []string{"UTC", "Europe/Berlin"} {
		t.Run(name, func(t *testing.T) { f(t, location(t, name)) })
	}
}

// changes tells whether the clocks change on the day of an instant.
func changes(at time.Time, loc *time.Location) bool {
	y, m, d := at.In(loc).Date()
	_, before := time.Date(y, m, d, 0, 0, 0, 0, loc).Zone()
	_, after := time.Date(y, m, d+1, 0, 0, 0, 0, loc).Zone()
	return before != after
}

// walkThrough returns the fires of those months, but for days on which the clocks change.
func walkThrough(next nextFunc, loc *time.Location) []time.Time {
	var all []time.Time
	for at := next(from.In(loc)); !at.IsZero() && at.Before(to); at = next(at) {
		if !changes(at, loc) {
			all = append(all, at.UTC())
		}
	}
	return all
}

// taskFires asks the trigger of a task that came into force when the months begin.
func taskFires(t *testing.T, tasks []daemon.Task, err error) nextFunc {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	c, err := schedule.Compile(tasks[0].Trigger)
	if err != nil {
		t.Fatal(err)
	}
	return func(after time.Time) time.Time {
		at, _ := c.Next(after, schedule.Progress{Anchor: from})
		return at.In(after.Location())
	}
}

func wantSame(t *testing.T, what string, got, want []time.Time) {
	t.Helper()
	if len(want) == 0 {
		t.Errorf("%s: nothing to compare", what)
	}
	for i := range min(len(got), len(want)) {
		if !got[i].Equal(want[i]) {
			t.Errorf("%s: fire %d is %v, theirs is %v", what, i, got[i], want[i])
			return
		}
	}
	if len(got) != len(want) {
		t.Errorf("%s: %d fires, theirs are %d", what, len(got), len(want))
	}
}

func TestAnEntryOfRobfigCronHasTheSameFiresAsItsTask(t *testing.T) {
	zones(t, func(t *testing.T, loc *time.Location) {
		for _, row := range []struct {
			spec    string
			seconds bool
		}{
			{"30 * * * *", false},
			{"30 3-6,20-23 * * *", false},
			{"*/7 9-17/2 * * MON-FRI", false},
			{"5/20 0 1,15 * 3", false},
			{"0 12 */2 * 1", false},
			{"0 12 */1 * 1", false},
			{"0 12 *,5 * 1", false},
			{"0 12 ? * 1", false},
			{"?/30 ? 31 * ?", false},
			{"0 12 1-31 * 1", false},
			{"0,,30 12 29 2 *", false},
			{"0 0 * jan,SEP-nov sun", false},
			{"0 8 */100 * *", false},
			{"@hourly", false},
			{"@midnight", false},
			{"@weekly", false},
			{"@monthly", false},
			{"@yearly", false},
			{"CRON_TZ=Asia/Tokyo 30 04 * * *", false},
			{"TZ=America/New_York 0 18 * * FRI", false},
			{"TZ= 0 18 * * *", false},
			{"15 30 4 * * *", true},
			{"*/40 0 4 1 * ?", true},
			{"0 0 0 1 */3 *", true},
			{"@every 1h30m", false},
			{"@every 17m0.9s", true},
		} {
			var options []theircron.Option
			mine := []cron.Option{cron.WithLocation(loc)}
			parser := theircron.NewParser(theircron.Minute | theircron.Hour | theircron.Dom | theircron.Month | theircron.Dow | theircron.Descriptor)
			if row.seconds {
				options = append(options, theircron.WithSeconds())
				mine = append(mine, cron.WithSeconds())
				parser = theircron.NewParser(theircron.Second | theircron.Minute | theircron.Hour | theircron.Dom | theircron.Month | theircron.Dow | theircron.Descriptor)
			}
			theirs := theircron.New(append(options, theircron.WithLocation(loc))...)
			if _, err := theirs.AddFunc(row.spec, func() {}); err != nil {
				t.Fatal(err)
			}
			entry := theirs.Entries()[0].Schedule
			if again, err := parser.Parse(row.spec); err != nil || !again.Next(from.In(loc)).Equal(entry.Next(from.In(loc))) {
				t.Errorf("%s: the parser and the cron disagree: %v", row.spec, err)
			}
			ours := cron.New(mine...)
			_, _ = ours.Named("x").AddFunc(row.spec, func() {})
			tasks, err := ours.Tasks()
			wantSame(t, row.spec, walkThrough(taskFires(t, tasks, err), loc), walkThrough(entry.Next, loc))
		}
	})
}

// What the package comment of migrate/cron says of the two days in the year.
func TestWhenTheClocksChangeRobfigCronSkipsOrDoublesWhatTheTaskRunsOnce(t *testing.T) {
	loc := location(t, "Europe/Berlin")
	for _, row := range []struct {
		name, spec   string
		day          time.Time
		ours, theirs []string
	}{
		{"forward over 02:30", "30 2 * * *", time.Date(2028, 3, 26, 0, 0, 0, 0, loc), []string{"03:00 CEST"}, nil},
		{"back over 02:30", "30 2 * * *", time.Date(2027, 10, 31, 0, 0, 0, 0, loc), []string{"02:30 CEST"}, []string{"02:30 CEST", "02:30 CET"}},
		{"every hour forward", "0 * * * *", time.Date(2028, 3, 26, 1, 30, 0, 0, loc), []string{"03:00 CEST"}, []string{"03:00 CEST"}},
		{"every hour back", "0 * * * *", time.Date(2027, 10, 31, 1, 30, 0, 0, loc), []string{"02:00 CEST", "02:00 CET", "03:00 CET"}, []string{"02:00 CEST", "02:00 CET", "03:00 CET"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			theirs, err := theircron.ParseStandard(row.spec)
			if err != nil {
				t.Fatal(err)
			}
			c := cron.New(cron.WithLocation(loc))
			_, _ = c.Named("x").AddFunc(row.spec, func() {})
			tasks, err := c.Tasks()
			until := time.Date(row.day.Year(), row.day.Month(), row.day.Day(), 3, 30, 0, 0, loc)
			for _, lib := range []struct {
				name string
				next nextFunc
				want []string
			}{{"ours", taskFires(t, tasks, err), row.ours}, {"theirs", theirs.Next, row.theirs}} {
				var got []string
				for at := lib.next(row.day.Add(-time.Second)); at.Before(until); at = lib.next(at) {
					got = append(got, at.In(loc).Format("15:04 MST"))
				}
				if !slices.Equal(got, lib.want) {
					t.Errorf("%s: %q, want %q", lib.name, got, lib.want)
				}
			}
		})
	}
}

func TestAJobOfGocronHasTheSameFiresAsItsTask(t *testing.T) {
	days := time.Date(2027, 9, 3, 4, 0, 0, 0, time.UTC)
	zones(t, func(t *testing.T, loc *time.Location) {
		for _, row := range []struct {
			name    string
			theirs  theirgocron.JobDefinition
			option  theirgocron.JobOption // nil: none
			ours    gocron.JobDefinition
			options []gocron.JobOption
		}{
			{name: "duration", theirs: theirgocron.DurationJob(95 * time.Minute), ours: gocron.DurationJob(95 * time.Minute)},
			{
				name:   "duration from an instant on",
				theirs: theirgocron.DurationJob(95 * time.Minute), option: theirgocron.WithStartAt(theirgocron.WithStartDateTime(days)),
				ours: gocron.DurationJob(95 * time.Minute), options: []gocron.JobOption{gocron.WithStartAt(gocron.WithStartDateTime(days))},
			},
			{name: "cron", theirs: theirgocron.CronJob("0 9 * * MON-FRI", false), ours: gocron.CronJob("0 9 * * MON-FRI", false)},
			{name: "cron with seconds", theirs: theirgocron.CronJob("7 0 9 1,15 * *", true), ours: gocron.CronJob("7 0 9 1,15 * *", true)},
			{name: "cron without the seconds that it may have", theirs: theirgocron.CronJob("TZ=Asia/Tokyo 0 9 * * *", true), ours: gocron.CronJob("TZ=Asia/Tokyo 0 9 * * *", true)},
			{
				name:   "cron from an instant on",
				theirs: theirgocron.CronJob("0 9 * * *", false), option: theirgocron.WithStartAt(theirgocron.WithStartDateTime(days)),
				ours: gocron.CronJob("0 9 * * *", false), options: []gocron.JobOption{gocron.WithStartAt(gocron.WithStartDateTime(days))},
			},
			{
				name:   "daily",
				theirs: theirgocron.DailyJob(1, theirgocron.NewAtTimes(theirgocron.NewAtTime(18, 30, 5), theirgocron.NewAtTime(6, 0, 0))),
				ours:   gocron.DailyJob(1, gocron.NewAtTimes(gocron.NewAtTime(18, 30, 5), gocron.NewAtTime(6, 0, 0))),
			},
			{
				name:   "weekly",
				theirs: theirgocron.WeeklyJob(1, theirgocron.NewWeekdays(time.Friday, time.Sunday), theirgocron.NewAtTimes(theirgocron.NewAtTime(6, 0, 0), theirgocron.NewAtTime(7, 0, 0))),
				ours:   gocron.WeeklyJob(1, gocron.NewWeekdays(time.Friday, time.Sunday), gocron.NewAtTimes(gocron.NewAtTime(6, 0, 0), gocron.NewAtTime(7, 0, 0))),
			},
			{
				name:   "monthly",
				theirs: theirgocron.MonthlyJob(1, theirgocron.NewDaysOfTheMonth(31, 1, -1, -3), theirgocron.NewAtTimes(theirgocron.NewAtTime(6, 0, 9), theirgocron.NewAtTime(23, 59, 0))),
				ours:   gocron.MonthlyJob(1, gocron.NewDaysOfTheMonth(31, 1, -1, -3), gocron.NewAtTimes(gocron.NewAtTime(6, 0, 9), gocron.NewAtTime(23, 59, 0))),
			},
		} {
			t.Run(row.name, func(t *testing.T) {
				s, err := theirgocron.NewScheduler(theirgocron.WithLocation(loc), theirgocron.WithClock(clockwork.NewFakeClockAt(from)))
				if err != nil {
					t.Fatal(err)
				}
				defer func() {
					if err := s.Shutdown(); err != nil {
						t.Error(err)
					}
				}()
				var options []theirgocron.JobOption
				if row.option != nil {
					options = append(options, row.option)
				}
				j, err := s.NewJob(row.theirs, theirgocron.NewTask(func() {}), options...)
				if err != nil {
					t.Fatal(err)
				}
				s.Start()
				runs, err := j.NextRuns(4000)
				if err != nil {
					t.Fatal(err)
				}
				theirs := slices.DeleteFunc(runs, func(at time.Time) bool { return !at.Before(to) || changes(at, loc) })

				mine, err := gocron.NewScheduler(gocron.WithLocation(loc))
				if err != nil {
					t.Fatal(err)
				}
				_, _ = mine.NewJob(row.ours, gocron.NewTask(func() {}), append(row.options, gocron.WithName("x"))...)
				tasks, err := mine.Tasks()
				wantSame(t, row.name, walkThrough(taskFires(t, tasks, err), loc), theirs)
			})
		}
	})
}
