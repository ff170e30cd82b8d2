package gocron_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/clockd/clockd/daemon/migrate/gocron"
	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
)

func send() {}

var (
	noon     = gocron.NewAtTimes(gocron.NewAtTime(12, 0, 0))
	newYear  = time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	februar  = newYear.AddDate(0, 1, 0)
	everyDay = gocron.DailyJob(1, noon)
)

func scheduler(t *testing.T, options ...gocron.SchedulerOption) *gocron.Scheduler {
	t.Helper()
	s, err := gocron.NewScheduler(append([]gocron.SchedulerOption{gocron.WithLocation(time.UTC)}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// wantProblem fails unless the error says all of that.
func wantProblem(t *testing.T, err error, all ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want one that says %q", all)
	}
	for _, want := range all {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error %q does not say %q", err, want)
		}
	}
}

func TestADefinitionAndItsOptionsBecomeATrigger(t *testing.T) {
	twice := gocron.NewAtTimes(gocron.NewAtTime(18, 30, 5), gocron.NewAtTime(6, 0, 0), gocron.NewAtTime(18, 30, 5))
	for _, row := range []struct {
		name       string
		definition gocron.JobDefinition
		options    []gocron.JobOption
		want       string
	}{
		{"a duration", gocron.DurationJob(90 * time.Second), nil, "every 1m30s"},
		{"a random duration is as long in the mean", gocron.DurationRandomJob(10*time.Second, 30*time.Second), nil, "every 20s jitter=10s"},
		{"an odd one stays within its bounds", gocron.DurationRandomJob(time.Millisecond, 2*time.Millisecond+time.Microsecond), nil, "every 1.5ms jitter=500us"},
		{"a crontab", gocron.CronJob("30 4 * * 1-5", false), nil, `cron "30 4 * * 1-5" UTC`},
		{"a crontab with seconds", gocron.CronJob("15 30 4 * * *", true), nil, `cron "15 30 4 * * *" UTC`},
		{"a crontab that may have seconds", gocron.CronJob("30 4 * * *", true), nil, `cron "30 4 * * *" UTC`},
		{"a crontab with a zone", gocron.CronJob("TZ=Asia/Tokyo @daily", false), nil, `cron "@daily" Asia/Tokyo`},
		{"a time of day", everyDay, nil, "at 12:00 UTC"},
		{"several, in order and once each", gocron.DailyJob(1, twice), nil, "any(at 06:00 UTC; at 18:30:05 UTC)"},
		{"weekdays", gocron.WeeklyJob(1, gocron.NewWeekdays(time.Friday, time.Monday), noon), nil, "at 12:00 mon,fri UTC"},
		{"days of the month", gocron.MonthlyJob(1, gocron.NewDaysOfTheMonth(15, 1), noon), nil, `cron "0 12 15,1 * *" UTC`},
		{"days from its end", gocron.MonthlyJob(1, gocron.NewDaysOfTheMonth(-1, -3, 10), twice), nil, `any(cron "0 6 L,L-2,10 * *" UTC; cron "5 30 18 L,L-2,10 * *" UTC)`},
		{"one instant", gocron.OneTimeJob(gocron.OneTimeJobStartDateTime(newYear)), nil, "once 2027-01-01T00:00:00Z"},
		{"several instants", gocron.OneTimeJob(gocron.OneTimeJobStartDateTimes(newYear, februar)), nil, "any(once 2027-01-01T00:00:00Z; once 2027-02-01T00:00:00Z)"},
		{"at once", gocron.OneTimeJob(gocron.OneTimeJobStartImmediately()), nil, "once"},

		{"limited runs", everyDay, []gocron.JobOption{gocron.WithLimitedRuns(3)}, "at 12:00 UTC max=3"},
		{"a duration at once", gocron.DurationJob(time.Hour), []gocron.JobOption{gocron.WithStartAt(gocron.WithStartImmediately())}, "every 1h immediate"},
		{"a duration from an instant on", gocron.DurationJob(time.Hour), []gocron.JobOption{gocron.WithStartAt(gocron.WithStartDateTime(newYear))}, "every 1h immediate from=2027-01-01T00:00:00Z"},
		{"a duration from the past on", gocron.DurationJob(time.Hour), []gocron.JobOption{gocron.WithStartAt(gocron.WithStartDateTimePast(newYear.AddDate(-20, 0, 0)))}, "every 1h immediate from=2007-01-01T00:00:00Z"},
		{"a time of day, and at once", everyDay, []gocron.JobOption{gocron.WithStartAt(gocron.WithStartImmediately()), gocron.WithLimitedRuns(9)}, "any(once; at 12:00 UTC) max=9"},
		{"times of day, and from an instant on", gocron.DailyJob(1, twice), []gocron.JobOption{gocron.WithStartAt(gocron.WithStartDateTime(newYear))}, "any(once 2027-01-01T00:00:00Z; at 06:00 UTC; at 18:30:05 UTC) from=2027-01-01T00:00:00Z"},
		{"an end", everyDay, []gocron.JobOption{gocron.WithStopAt(gocron.WithStopDateTime(februar))}, "at 12:00 UTC until=2027-02-01T00:00:00Z"},
		{"a duration from the end of a run", gocron.DurationJob(time.Hour), []gocron.JobOption{gocron.WithIntervalFromCompletion()}, "every 1h fixed-delay"},
		{"a random one from the end of a run", gocron.DurationRandomJob(10*time.Second, 30*time.Second), []gocron.JobOption{gocron.WithIntervalFromCompletion()}, "every 10s fixed-delay jitter=20s"},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := scheduler(t)
			if _, err := s.NewJob(row.definition, gocron.NewTask(send), row.options...); err != nil {
				t.Fatal(err)
			}
			tasks, err := s.Tasks()
			if err != nil {
				t.Fatal(err)
			}
			if got := tasks[0].Trigger.String(); got != row.want {
				t.Errorf("%s, want %s", got, row.want)
			}
		})
	}
}

func TestOptionsBecomeNameLabelsAndOverlapPolicy(t *testing.T) {
	s := scheduler(t, gocron.WithGlobalJobOptions(gocron.WithTags("all"), gocron.WithSingletonMode(gocron.LimitModeReschedule)))
	unlimited := scheduler(t)
	for _, row := range []struct {
		s       *gocron.Scheduler
		options []gocron.JobOption
		name    string
		tags    []string
		overlap task.Overlap
	}{
		{s, nil, "gocron_test.send", []string{"all"}, task.OverlapSkip},
		{s, []gocron.JobOption{gocron.WithName("mail"), gocron.WithTags("mail", "slow"), gocron.WithSingletonMode(gocron.LimitModeWait)}, "mail", []string{"mail", "slow"}, task.OverlapQueue},
		{unlimited, nil, "gocron_test.send", nil, task.OverlapAllow},
		{unlimited, []gocron.JobOption{gocron.WithName("alone"), gocron.WithIntervalFromCompletion()}, "alone", nil, task.OverlapSkip},
	} {
		j, err := row.s.NewJob(everyDay, gocron.NewTask(send), row.options...)
		if err != nil || j.Name() != row.name {
			t.Errorf("job %q, %v, want %q", j.Name(), err, row.name)
		}
		tasks, err := row.s.Tasks()
		if err != nil {
			t.Fatal(err)
		}
		got := tasks[len(tasks)-1]
		if got.Name != row.name || got.Policy != (task.Policy{Overlap: row.overlap}) || len(got.Labels) != len(row.tags) {
			t.Errorf("%q, %+v, %v, want %q, overlap %d, %q", got.Name, got.Policy, got.Labels, row.name, row.overlap, row.tags)
		}
		for _, tag := range row.tags {
			if got.Labels[tag] != "true" {
				t.Errorf("%q: labels %v, want %q", row.name, got.Labels, tag)
			}
		}
	}
}

func TestWhatCanNotBeCarriedOverIsAnErrorThatNamesTheJob(t *testing.T) {
	type options = []gocron.JobOption
	listener := gocron.AfterLockError(func(uuid.UUID, string, error) {})
	for _, row := range []struct {
		name       string
		definition gocron.JobDefinition
		task       gocron.Task
		options    options
		want       string
	}{
		{"no duration", gocron.DurationJob(0), gocron.NewTask(send), nil, `every.interval: "0s" is below 1ms`},
		{"durations in the wrong order", gocron.DurationRandomJob(time.Minute, time.Second), gocron.NewTask(send), nil, "durations from 1m0s to 1s"},
		{"a crontab that is none", gocron.CronJob("every day", false), gocron.NewTask(send), nil, `spec "every day"`},
		{"every second day", gocron.DailyJob(2, noon), gocron.NewTask(send), nil, `interval of 2 days: only 1 can be carried over`},
		{"every third week", gocron.WeeklyJob(3, gocron.NewWeekdays(time.Monday), noon), gocron.NewTask(send), nil, "DurationJob of 504h"},
		{"every quarter", gocron.MonthlyJob(3, gocron.NewDaysOfTheMonth(1), noon), gocron.NewTask(send), nil, "name the months in a CronJob"},
		{"no weekdays", gocron.WeeklyJob(1, nil, noon), gocron.NewTask(send), nil, "NewWeekdays"},
		{"no days", gocron.MonthlyJob(1, nil, noon), gocron.NewTask(send), nil, "NewDaysOfTheMonth"},
		{"day 0", gocron.MonthlyJob(1, gocron.NewDaysOfTheMonth(0), noon), gocron.NewTask(send), nil, "day of the month 0 is outside"},
		{"no times", gocron.DailyJob(1, nil), gocron.NewTask(send), nil, "NewAtTimes"},
		{"a time that is none", gocron.DailyJob(1, gocron.NewAtTimes(gocron.NewAtTime(24, 0, 0))), gocron.NewTask(send), nil, "time of day 24:00:00 is outside"},
		{"no instant", gocron.OneTimeJob(gocron.OneTimeJobStartDateTimes()), gocron.NewTask(send), nil, "instants are missing"},
		{"no definition", nil, gocron.NewTask(send), nil, "definition is nil"},
		{"no function", everyDay, gocron.NewTask("send"), nil, "task of type string is no function"},
		{"a nil function", everyDay, gocron.NewTask((func())(nil)), nil, "is no function"},
		{"too few parameters", everyDay, gocron.NewTask(func(string, int) {}, "you"), nil, "1 parameters for func(string, int), want 2"},
		{"a parameter too many", everyDay, gocron.NewTask(func(context.Context) {}, 1), nil, "1 parameters for func(context.Context), want 0"},
		{"parameters that do not fit", everyDay, gocron.NewTask(func(string, *int, ...int) {}, 1, nil, 2, "x"), nil, "parameter 1 is int, want string\nparameter 4 is string, want int"},
		{"nil that does not fit", everyDay, gocron.NewTask(func(int) {}, nil), nil, "parameter 1 is <nil>, want int"},
		{"no runs", everyDay, gocron.NewTask(send), options{gocron.WithLimitedRuns(0)}, "limit of 0 runs"},
		{"an empty name", everyDay, gocron.NewTask(send), options{gocron.WithName("")}, "name"},
		{"an unknown mode", everyDay, gocron.NewTask(send), options{gocron.WithSingletonMode(7)}, "singleton mode 7 is unknown"},
		{"no start", everyDay, gocron.NewTask(send), options{gocron.WithStartAt(gocron.WithStartDateTime(time.Time{}))}, "start time is the zero time"},
		{"no stop", everyDay, gocron.NewTask(send), options{gocron.WithStopAt(gocron.WithStopDateTime(time.Time{}))}, "stop time is the zero time"},
		{"an end before the beginning", everyDay, gocron.NewTask(send), options{gocron.WithStartAt(gocron.WithStartDateTime(februar)), gocron.WithStopAt(gocron.WithStopDateTime(newYear))}, "is before start_time"},
		{"a context", everyDay, gocron.NewTask(send), options{gocron.WithContext(context.Background())}, "WithContext can not be carried over"},
		{"an id", everyDay, gocron.NewTask(send), options{gocron.WithIdentifier(uuid.Nil)}, "WithIdentifier(00000000-0000-0000-0000-000000000000) can not be carried over"},
		{"a listener for locks", everyDay, gocron.NewTask(send), options{gocron.WithEventListeners(listener)}, "AfterLockError can not be carried over"},
		{"a listener that is nil", everyDay, gocron.NewTask(send), options{gocron.WithEventListeners(gocron.AfterJobRuns(nil))}, "event listener is nil"},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := scheduler(t, gocron.WithGlobalJobOptions(gocron.WithName("mail")))
			_, err := s.NewJob(row.definition, row.task, row.options...)
			if row.name != "an empty name" {
				wantProblem(t, err, `job 1 ("mail"): `)
			}
			wantProblem(t, err, row.want)
			_, again := s.Tasks()
			wantProblem(t, again, err.Error())
		})
	}
}

func TestTasksSaysEverythingAtOnce(t *testing.T) {
	s := scheduler(t)
	_, _ = s.NewJob(everyDay, gocron.NewTask(send))
	_, _ = s.NewJob(everyDay, gocron.NewTask(func() {}))
	_, _ = s.NewJob(gocron.DailyJob(7, nil), gocron.NewTask(send, 1), gocron.WithName("weekly"))
	_, _ = s.NewJob(everyDay, gocron.NewTask(send))
	tasks, err := s.Tasks()
	wantProblem(t, err,
		"job 2: the function literal at gocron_test.go:", "WithName",
		`job 3 ("weekly"): 1 parameters for func(), want 0`, "interval of 7 days",
		`job 4: job 1 has the name "gocron_test.send" already`)
	if tasks != nil {
		t.Errorf("there are tasks nevertheless: %v", tasks)
	}
}

func TestWallClocksNeedALocationThatHasAName(t *testing.T) {
	local := time.Local
	defer func() { time.Local = local }()
	time.Local = time.FixedZone("Local", 3600) // as Go calls what it reads from /etc/localtime
	s, err := gocron.NewScheduler()
	if err != nil {
		t.Fatal(err)
	}
	for i, definition := range []gocron.JobDefinition{everyDay, gocron.CronJob("@daily", false), gocron.MonthlyJob(1, gocron.NewDaysOfTheMonth(1), noon)} {
		_, err := s.NewJob(definition, gocron.NewTask(send), gocron.WithName(fmt.Sprint(i)))
		wantProblem(t, err, "the machine's own", "time.LoadLocation")
	}
	if _, err := s.NewJob(gocron.DurationJob(time.Hour), gocron.NewTask(send)); err != nil {
		t.Errorf("a duration: %v", err)
	}
	if _, err := gocron.NewScheduler(gocron.WithLocation(nil)); err == nil {
		t.Error("a nil location is no error")
	}
}

// A list of the user stays as it is.
func TestDefinitionsDoNotTouchWhatTheyAreGiven(t *testing.T) {
	times := gocron.NewAtTimes(gocron.NewAtTime(18, 0, 0), gocron.NewAtTime(6, 0, 0), gocron.NewAtTime(6, 0, 0))
	instants := []time.Time{{}, newYear}
	before, instantsBefore := slices.Clone(times), slices.Clone(instants)
	s := scheduler(t)
	_, err := s.NewJob(gocron.DailyJob(1, times), gocron.NewTask(send))
	_, err2 := s.NewJob(gocron.OneTimeJob(gocron.OneTimeJobStartDateTimes(instants...)), gocron.NewTask(send), gocron.WithName("once"))
	if err != nil || err2 != nil || !slices.Equal(times, before) || !slices.Equal(instants, instantsBefore) {
		t.Errorf("%v %v, %v, %v", err, err2, times, instants)
	}
}

func TestStartsOfARandomDurationAreNeverCloserOrFurtherApartThanItSays(t *testing.T) {
	const least, most = 10 * time.Second, 31*time.Second + time.Microsecond
	s := scheduler(t)
	_, _ = s.NewJob(gocron.DurationRandomJob(least, most), gocron.NewTask(send))
	tasks, err := s.Tasks()
	if err != nil {
		t.Fatal(err)
	}
	c, err := schedule.Compile(tasks[0].Trigger)
	if err != nil {
		t.Fatal(err)
	}
	progress := schedule.Progress{Anchor: newYear}
	fire, _ := c.Next(newYear, progress)
	var last time.Time
	shortest, longest := most, least
	for range 5000 {
		following, _ := c.Next(fire, progress)
		start := c.Jittered(uuid.NameSpaceDNS, fire, following)
		if apart := start.Sub(last); !last.IsZero() {
			shortest, longest = min(shortest, apart), max(longest, apart)
		}
		last, fire = start, following
	}
	if shortest < least || longest > most || shortest > least+time.Second || longest < most-time.Second {
		t.Errorf("%s to %s apart, want about %s to %s", shortest, longest, least, most)
	}
}
