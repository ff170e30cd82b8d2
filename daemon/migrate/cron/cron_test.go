package cron_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clockd/clockd/client"
	"github.com/clockd/clockd/daemon"
	"github.com/clockd/clockd/daemon/migrate/cron"
	"github.com/clockd/clockd/daemon/task"
)

func cleanup() {}

type cleanupJob struct{ ran atomic.Int64 }

func (j *cleanupJob) Run() { j.ran.Add(1) }

func berlin(t *testing.T) *time.Location {
	loc, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	return loc
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

func TestASpecBecomesTheTriggerThatHasItsFires(t *testing.T) {
	seconds := cron.WithSeconds()
	with := func(o cron.ParseOption) cron.Option { return cron.WithParser(cron.NewParser(o)) }
	for _, row := range []struct {
		name   string
		option cron.Option // nil: none
		spec   string
		want   string
	}{
		{"five fields", nil, "30 3-6,20-23 * * *", `cron "30 3-6,20-23 * * *" Europe/Berlin`},
		{"names", nil, "0 0 * jan-mar MON,fri", `cron "0 0 * jan-mar MON,fri" Europe/Berlin`},
		{"white space of any width", nil, " 0\t 4 * * * ", `cron "0 4 * * *" Europe/Berlin`},
		{"six fields", seconds, "15 30 4 * * *", `cron "15 30 4 * * *" Europe/Berlin`},
		{"seconds that are 0 are left out", seconds, "0 30 4 * * *", `cron "30 4 * * *" Europe/Berlin`},
		{"a question mark in a day field", nil, "0 0 ? * 1", `cron "0 0 * * 1" Europe/Berlin`},
		{"a question mark anywhere else", nil, "?/15 ? * * *", `cron "*/15 * * * *" Europe/Berlin`},
		{"a step of one does not restrict a day", nil, "0 0 */1 * 1", `cron "0 0 * * 1" Europe/Berlin`},
		{"a star in a list does not restrict it either", nil, "0 0 1,* * 1", `cron "0 0 * * 1" Europe/Berlin`},
		{"a longer step does", nil, "0 0 */2 * 1", `cron "0 0 */2 * 1" Europe/Berlin`},
		{"empty items are passed over", nil, "0,,30 4 * * *,", `cron "0,30 4 * * *" Europe/Berlin`},
		{"a descriptor", nil, "@daily", `cron "@daily" Europe/Berlin`},
		{"a descriptor beside six fields", seconds, "@hourly", `cron "@hourly" Europe/Berlin`},
		{"a zone in front", nil, "CRON_TZ=Asia/Tokyo 0 4 * * *", `cron "0 4 * * *" Asia/Tokyo`},
		{"the older form of it", nil, "TZ=UTC @weekly", `cron "@weekly" UTC`},
		{"an empty zone is UTC", nil, "TZ= 0 4 * * *", `cron "0 4 * * *" UTC`},
		{"Local is the zone of the Cron", nil, "TZ=Local 0 4 * * *", `cron "0 4 * * *" Europe/Berlin`},
		{"an interval", nil, "@every 1h30m", "every 1h30m"},
		{"an interval needs no zone", nil, "TZ=Mars/Olympus @every 90s", "every 1m30s"},
		{"an interval is cut off to seconds", nil, "@every 2s900ms", "every 2s"},
		{"an interval is at least a second", nil, "@every 10ms", "every 1s"},
		{"optional seconds that are there", with(cron.SecondOptional | cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow), "5 0 4 * * *", `cron "5 0 4 * * *" Europe/Berlin`},
		{"optional seconds that are not", with(cron.SecondOptional | cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow), "0 4 * * *", `cron "0 4 * * *" Europe/Berlin`},
		{"an optional weekday that is not there", with(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.DowOptional), "0 4 1 *", `cron "0 4 1 * *" Europe/Berlin`},
		{"a parser of dates", with(cron.Dom | cron.Month), "1 6", `cron "0 0 1 6 *" Europe/Berlin`},
	} {
		t.Run(row.name, func(t *testing.T) {
			options := []cron.Option{cron.WithLocation(berlin(t))}
			if row.option != nil {
				options = append(options, row.option)
			}
			c := cron.New(options...)
			if _, err := c.AddFunc(row.spec, cleanup); err != nil {
				t.Fatal(err)
			}
			tasks, err := c.Tasks()
			if err != nil {
				t.Fatal(err)
			}
			if got := tasks[0].Trigger.String(); got != row.want {
				t.Errorf("%s, want %s", got, row.want)
			}
		})
	}
}

func TestASpecThatCanNotBeCarriedOverIsAnErrorThatNamesTheEntry(t *testing.T) {
	for _, row := range []struct {
		name, spec string
		options    []cron.Option
		want       string
	}{
		{"empty", "", nil, "0 fields where 5 are wanted"},
		{"seconds that nobody asked for", "0 0 4 * * *", nil, "cron.WithSeconds"},
		{"seconds that are missing", "0 4 * * *", []cron.Option{cron.WithSeconds()}, "5 fields where 6 are wanted"},
		{"a value outside", "61 * * * *", nil, `minute "61" is outside 0-59`},
		{"a date that never comes", "0 0 31 2 *", nil, "is a date that never comes"},
		{"a list of nothing", ", * * * *", nil, "it never fires"},
		{"a zone and nothing else", "TZ=UTC", nil, "nothing follows the time zone"},
		{"an unknown zone", "TZ=Mars/Olympus 0 4 * * *", nil, "Mars/Olympus"},
		{"an unknown descriptor", "@fortnightly", nil, `"@fortnightly" is unknown`},
		{"an interval that is none", "@every soon", nil, `"soon" is no interval`},
		{"an interval of nothing", "@every 0s", nil, "interval 0s is not above 0"},
		{"a descriptor that the parser does not take", "@daily", []cron.Option{cron.WithParser(cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow))}, "cron.Descriptor"},
		{"two optional fields", "0 4 * * *", []cron.Option{cron.WithParser(cron.NewParser(cron.SecondOptional | cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.DowOptional))}, "leave out SecondOptional or DowOptional"},
		{"no zone", "0 4 * * *", []cron.Option{cron.WithLocation(nil)}, "location is nil"},
		{"a zone that only has an offset", "0 4 * * *", []cron.Option{cron.WithLocation(time.FixedZone("EST5EDT", -3600))}, `location "EST5EDT" is not the time zone of that name`},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := cron.New(slices.Concat([]cron.Option{cron.WithLocation(time.UTC)}, row.options)...)
			_, err := c.Named("cleanup").AddFunc(row.spec, cleanup)
			wantProblem(t, err, `entry 1 ("cleanup")`, row.want)
		})
	}
}

// The machine's zone is that of wherever the program happens to run.
func TestWithoutALocationTheZoneIsThatOfTheMachineIfItHasAName(t *testing.T) {
	local := time.Local
	defer func() { time.Local = local }()

	time.Local = berlin(t)
	c := cron.New()
	if _, err := c.AddFunc("0 4 * * *", cleanup); err != nil {
		t.Error(err)
	}
	if tasks, err := c.Tasks(); err != nil || tasks[0].Trigger.String() != `cron "0 4 * * *" Europe/Berlin` {
		t.Errorf("%v, %v", tasks, err)
	}

	time.Local = time.FixedZone("Local", 3600) // as Go calls what it reads from /etc/localtime
	_, err := cron.New().AddFunc("0 4 * * *", cleanup)
	wantProblem(t, err, "the machine's own", "time.LoadLocation")
}

var atPackageLevel = func() {}

func generic[T any]() {}

type ticker interface{ Run() }

func TestWhatHasNoNameThatStaysMustBeNamed(t *testing.T) {
	inner := func() func() { return func() {} }
	for name, job := range map[string]cron.Job{
		"a literal":                   cron.FuncJob(func() {}),
		"a literal inside another":    cron.FuncJob(inner()),
		"a literal at package level":  cron.FuncJob(atPackageLevel),
		"a type without a name":       struct{ ticker }{&cleanupJob{}},
		"a pointer to one":            &struct{ ticker }{&cleanupJob{}},
		"what a literal was put into": cron.NewChain(cron.SkipIfStillRunning()).Then(cron.FuncJob(func() {})),
	} {
		c := cron.New(cron.WithLocation(time.UTC))
		if _, err := c.AddJob("@daily", job); err == nil || !strings.Contains(err.Error(), "c.Named") {
			t.Errorf("%s: %v, want an error that asks for a name", name, err)
		}
		if _, err := c.Named("x").AddJob("@daily", job); err != nil {
			t.Errorf("%s, named: %v", name, err)
		}
	}
}

func TestAJobIsNamedAfterItsFunctionOrTypeUnlessItIsNamed(t *testing.T) {
	c := cron.New(cron.WithLocation(time.UTC))
	job := &cleanupJob{}
	add := func(_ cron.EntryID, err error) {
		t.Helper()
		if err != nil {
			t.Error(err)
		}
	}
	add(c.AddFunc("@daily", cleanup))
	add(c.AddFunc("@daily", job.Run))
	add(c.AddJob("@daily", job))
	add(c.AddFunc("@daily", generic[time.Duration]))
	add(c.Named("every day").AddFunc("@daily", cleanup))
	add(c.Named("a literal").AddFunc("@daily", func() {}))
	add(c.Named("wrapped").AddJob("@daily", cron.NewChain(cron.Recover()).Then(job)))
	tasks, err := c.Tasks()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, t := range tasks {
		got = append(got, t.Name+" = "+t.Do.Describe().Summary)
	}
	want := []string{
		"cron_test.cleanup = cron_test.cleanup",
		"cron_test.(*cleanupJob).Run = cron_test.(*cleanupJob).Run",
		"cron_test.cleanupJob = *cron_test.cleanupJob.Run",
		"cron_test.generic[...] = cron_test.generic[...]",
		"every day = cron_test.cleanup",
		"a literal = cron_test.TestAJobIsNamedAfterItsFunctionOrTypeUnlessItIsNamed.func2",
		"wrapped = *cron_test.cleanupJob.Run",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// Many programs do not look at what AddFunc returns.
func TestTasksSaysEverythingThatAddFuncSaid(t *testing.T) {
	c := cron.New(cron.WithLocation(time.UTC))
	_, _ = c.AddFunc("@daily", cleanup)
	_, _ = c.AddFunc("@hourly", func() {})
	_, _ = c.Named("broken").AddFunc("a b c d e", cleanup)
	_, _ = c.AddFunc("@daily", nil)
	_, _ = c.AddFunc("@weekly", cleanup)
	_, _ = c.Named(" ").AddFunc("@daily", cleanup)
	c.Named("tide").Schedule(tide{}, cron.FuncJob(cleanup))
	tasks, err := c.Tasks()
	wantProblem(t, err,
		`entry 2: the function literal at cron_test.go:`, `c.Named("...").AddFunc`,
		`entry 3 ("broken"): spec "a b c d e"`,
		`entry 4: job is nil`,
		`entry 5: entry 1 has the name "cron_test.cleanup" already`,
		`entry 6 (" "): name: `,
		`entry 7 ("tide"): schedule of type cron_test.tide`, `daemon.RegisterTrigger`,
	)
	if tasks != nil {
		t.Errorf("there are tasks nevertheless: %v", tasks)
	}
}

// tide is a schedule of the program's own.
type tide struct{}

func (tide) Next(t time.Time) time.Time { return t.Add(12*time.Hour + 25*time.Minute) }

func TestWhatWasRemovedIsNoTask(t *testing.T) {
	c := cron.New(cron.WithLocation(time.UTC))
	id, err := c.AddFunc("@daily", cleanup)
	broken, problem := c.AddFunc("@never", cleanup)
	if err != nil || problem == nil || broken == id {
		t.Fatalf("%d %v, %d %v", id, err, broken, problem)
	}
	c.Named("kept").Schedule(cron.Every(90*time.Second), cron.FuncJob(cleanup))
	c.Remove(broken)
	c.Remove(id)
	c.Remove(id)
	tasks, err := c.Tasks()
	if err != nil || len(tasks) != 1 || tasks[0].Name != "kept" || tasks[0].Trigger.String() != "every 1m30s" {
		t.Errorf("%v, %v", tasks, err)
	}
}

func TestWrappersBecomeAnOverlapPolicy(t *testing.T) {
	skip, delay, own := cron.SkipIfStillRunning(), cron.DelayIfStillRunning(), func(j cron.Job) cron.Job { return cron.FuncJob(j.Run) }
	for _, row := range []struct {
		name   string
		all    []cron.JobWrapper // of the Cron
		single []cron.JobWrapper // of the job
		want   task.Overlap
	}{
		{"none: runs overlap", nil, nil, task.OverlapAllow},
		{"skip", []cron.JobWrapper{skip}, nil, task.OverlapSkip},
		{"delay", []cron.JobWrapper{delay}, nil, task.OverlapQueue},
		{"recover says nothing of it", []cron.JobWrapper{cron.Recover()}, nil, task.OverlapAllow},
		{"of the job alone", nil, []cron.JobWrapper{skip}, task.OverlapSkip},
		{"the outermost decides", []cron.JobWrapper{delay, skip}, nil, task.OverlapQueue},
		{"that of the Cron is outside that of the job", []cron.JobWrapper{skip}, []cron.JobWrapper{delay}, task.OverlapSkip},
		{"under one of the user's own", []cron.JobWrapper{own, skip}, nil, task.OverlapSkip},
		{"around one of the user's own", []cron.JobWrapper{skip, own}, []cron.JobWrapper{own}, task.OverlapSkip},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := cron.New(cron.WithLocation(time.UTC), cron.WithChain(row.all...))
			if _, err := c.AddJob("@daily", cron.NewChain(row.single...).Then(cron.FuncJob(cleanup))); err != nil {
				t.Fatal(err)
			}
			tasks, err := c.Tasks()
			if err != nil {
				t.Fatal(err)
			}
			if tasks[0].Policy != (task.Policy{Overlap: row.want}) {
				t.Errorf("%+v, want overlap %d", tasks[0].Policy, row.want)
			}
		})
	}
}

func TestTheTasksRunInADaemonAndAPanicFailsOneRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		job, wrapper := &cleanupJob{}, atomic.Int64{}
		c := cron.New(cron.WithLocation(time.UTC), cron.WithChain(cron.Recover(), func(j cron.Job) cron.Job {
			return cron.FuncJob(func() {
				wrapper.Add(1)
				j.Run()
			})
		}))
		_, err := c.AddJob("*/10 * * * *", job)
		_, err2 := c.Named("careless").AddFunc("@every 20m", func() { panic("too late") })
		tasks, err3 := c.Tasks()
		if err := errors.Join(err, err2, err3); err != nil {
			t.Fatal(err)
		}
		d, err := daemon.New(daemon.Config{Tasks: tasks, Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- d.Run(ctx) }()
		time.Sleep(time.Hour + time.Minute)
		panics := 0
		for run, err := range d.Client().Runs(ctx, client.RunFilter{Task: task.ByName("careless")}) {
			if err != nil {
				t.Fatal(err)
			}
			panics++
			if run.State != task.Failed || !strings.Contains(run.Error, "too late") {
				t.Errorf("%v %q, want a failed run that says what was panicked with", run.State, run.Error)
			}
		}
		if job.ran.Load() != 6 || panics != 3 || wrapper.Load() != 6+3 {
			t.Errorf("%d runs, %d panics, and %d in the wrapper, want 6, 3 and 9", job.ran.Load(), panics, wrapper.Load())
		}
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}
