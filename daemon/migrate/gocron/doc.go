// Package gocron takes the jobs of programs that were written for github.com/go-co-op/gocron/v2 and makes tasks of
// them. It has the part of that API that declares jobs, under the same names, and none that runs them: nothing
// here starts anything.
//
//	import "github.com/go-co-op/gocron/v2"    import "github.com/clockd/clockd/daemon/migrate/gocron"
//
//	s, err := gocron.NewScheduler()           s, err := gocron.NewScheduler(
//	                                              gocron.WithLocation(time.UTC),
//	                                          )
//	s.NewJob(                                 s.NewJob(
//	    gocron.DurationJob(time.Minute),          gocron.DurationJob(time.Minute),
//	    gocron.NewTask(send, "you", 1),           gocron.NewTask(send, "you", 1),
//	)                                         )
//	s.Start()                                 tasks, err := s.Tasks()
//	...                                       d, err := daemon.New(daemon.Config{Tasks: tasks})
//	err = s.Shutdown()                        err = d.Run(ctx)
//
// What can not be carried over is an error that names the job: of NewJob and, because many programs do not look at
// that, of Tasks, with everything at once. Names of the original that are missing here are found by the compiler; the
// table at the end has them. Where a function of yours takes a gocron.Scheduler, it takes a *gocron.Scheduler now.
//
// This is a bridge: daemon.Func takes functions with an input, an output and what providers make, and package
// schedule has triggers that are none of these.
//
// # Names
//
// The id of a task, and with it its history, its overrides and pauses, are made of its name. That is what
// [WithName] says, else the name of the function ("main.send"). Function literals must be named: the compiler numbers
// them, and the next one that is put before would hand its pause to another. Two jobs of the same name are an error.
//
// # Definitions
//
//	DurationJob(d)                every d: first after d, at a fixed rate
//	DurationRandomJob(a, b)       every (a+b)/2 jitter=(b-a)/2: starts a to b apart, but no random walk
//	CronJob(crontab, false)       cron, 5 fields; the rules of package cron
//	CronJob(crontab, true)        cron, 5 or 6 fields
//	DailyJob(1, times)            at HH:MM:SS; any( ) of several times
//	WeeklyJob(1, days, times)     at HH:MM:SS mon,fri; any( ) of several times
//	MonthlyJob(1, days, times)    cron, with L for -1, L-1 for -2 and so on; any( ) of several times
//	Daily, Weekly, MonthlyJob(n)  an error: theirs counts n from the start of the scheduler, and a
//	                              trigger means the same at every start. The message says what to
//	                              write
//	OneTimeJob(...)               once; any( ) of several instants
//
// A day that a month does not have is left out; the original reads -31 in February as 29.
// Zones are as in package cron: that of WithLocation, else that of time.Local, if it has a name. On days on which the clocks
// change, everything here that names a time of day runs once: in a gap when that ends, in an overlap on the first
// pass. In the original it depends on the kind of job and its DaylightSavingsTimePolicy.
//
// With a store that outlives the process, tasks go on after a restart where they were: the beat of an every,
// the count of WithLimitedRuns, and that a once has been. The original begins anew. Late fires become one run,
// unless the task's policy has task.CatchUpNone.
//
// # Options
//
//	WithName(name)                      the name of the task
//	WithTags(tags...)                   labels with the value "true"
//	WithLimitedRuns(n)                  max=n
//	(none)                              runs of a job overlap: task.OverlapAllow
//	WithSingletonMode(Reschedule)       task.OverlapSkip
//	WithSingletonMode(Wait)             task.OverlapQueue; one run waits, not any number
//	WithIntervalFromCompletion()        every d fixed-delay; every a fixed-delay jitter=b-a;
//	                                    for times of day task.OverlapSkip
//	WithStartAt(WithStartImmediately)   every d immediate; else any(once; ...)
//	WithStartAt(WithStartDateTime(t))   every d immediate from=t; else any(once t; ...) from=t.
//	                                    t may have passed
//	WithStopAt(WithStopDateTime(t))     until=t, inclusive
//	WithEventListeners(...)             around the function; AfterLockError is an error
//	WithContext, WithIdentifier         an error
//	WithGlobalJobOptions(...)           the same
//
// # Missing
//
//	Start, Shutdown, StopJobs           daemon.New, and Run until its context ends
//	Jobs, Job.NextRun, LastRun ...      Client().Tasks, Client().Task, Client().PreviewTask
//	Job.RunNow                          Client().RunTask
//	Job.ID                              the id of the task: task.IDOf
//	Update                              Client().UpdateTrigger, which the store keeps
//	RemoveJob, RemoveByTags             Client().PauseTask; or do not declare it
//	WithLimitConcurrentJobs             Config.Limits, and Config.Groups for some of the tasks
//	WithDistributedElector, ...Locker   nothing: the store gives each fire to one node
//	WithMonitor, WithSchedulerMonitor   Config.Meter, package metrics
//	WithLogger, WithStopTimeout         Config.Logger, Config.StopGrace
//	WithClock                           testing/synctest
//	WithCronImplementation              daemon.RegisterTrigger
//	WithDaylightSavingsTimePolicy       one rule for all: package schedule has it
package gocron
