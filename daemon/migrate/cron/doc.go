// Package cron takes the jobs of programs that were written for github.com/robfig/cron/v3 and makes tasks of them.
// It has the part of that API that declares jobs, under the same names, and none that runs them: nothing here
// starts anything.
//
//	import "github.com/robfig/cron/v3"    import "github.com/clockd/clockd/daemon/migrate/cron"
//
//	c := cron.New(                        c := cron.New(
//	    cron.WithSeconds(),                   cron.WithSeconds(), cron.WithLocation(time.UTC),
//	)                                     )
//	c.AddFunc("0 30 * * * *", cleanup)    c.AddFunc("0 30 * * * *", cleanup)
//	c.AddJob("@hourly", report)           c.AddJob("@hourly", report)
//	c.AddFunc("@daily", func() { ... })   c.Named("backup").AddFunc("@daily", func() { ... })
//	c.Start()                             tasks, err := c.Tasks()
//	                                      d, err := daemon.New(daemon.Config{Tasks: tasks})
//	                                      err = d.Run(ctx)
//
// What can not be carried over is an error that names the entry: of AddFunc and, because many programs do not look
// at that, of Tasks, with everything at once. Names of the original that are missing here are found by the
// compiler; the table at the end has them.
//
// This is a bridge. A task that is written as a daemon.Task has what an entry has not: a context that ends when the
// run is canceled or the daemon stops, an input, an output, a timeout and retries. Tasks made here can have the
// latter two, in their Policy; their functions do not learn that they are to end.
//
// # Names
//
// Entries of the original have no name; a task needs one that stays, because its id, and with it its history, its
// overrides and pauses, are made of it. It is that of the function ("main.cleanup", "main.(*Server).Cleanup") or of
// the type ("main.report"), or what [Cron.Named] says. Function literals must be named: the compiler numbers them,
// and the next one that is put before would hand its pause to another. Two entries of the same name are an error.
//
// # Zones
//
// The original takes time.Local where nothing else is said, and so means another time on another machine. A trigger
// is stored, and names its zone: that of a prefix CRON_TZ= or TZ=, else that of WithLocation, else that of time.Local,
// if the variable TZ names one or the machine has none and so is in UTC. A zone from /etc/localtime has no name, and
// is an error.
//
// # Specs
//
// The same fields mean the same fires, but for days on which the clocks change:
//
//	5 fields, 6 WithSeconds       the same, and the other number is an error; WithParser as well
//	? in any field                the same as *
//	* in a list, */1              not restricted, which counts in the next rule
//	day of month and of week      either may match if both are restricted, as */2 is: the same
//	@hourly ... @yearly           the same; @annually and @midnight too
//	@every 90m                    Every: whole seconds, at least one; but 0 and less are an error
//	L, W, #, FRI-MON              not in the original; they work here, as package schedule says
//	a date that never comes       never runs in the original; here an error
//	29 February beyond 2096       the original looks five years ahead and gives up; here it comes in 2104
//
//	clocks go forward over 02:30  original: no run that day; here: one, when the gap ends
//	clocks go back over 02:30     original: two runs; here: one, on the first pass
//	0 * * * *, */15 * * * *       every hour or quarter of real time in both
//
// The first fire of an @every comes one interval after the task came into force. The original counts from Start, on whole
// seconds, and anew after each restart; here the beat goes on if the store outlives the process. While the process was
// down the original forgets; here late fires become one run when it is back, unless the task's policy has
// task.CatchUpNone.
//
// # Wrappers
//
//	none                          runs of an entry overlap: task.OverlapAllow
//	SkipIfStillRunning(logger)    SkipIfStillRunning(): task.OverlapSkip
//	DelayIfStillRunning(logger)   DelayIfStillRunning(): task.OverlapQueue; one run waits, not any number
//	Recover(logger)               Recover(): always so; but a panic fails the run
//	func(Job) Job                 your own: around the job, inside the policy
//	NewChain(...).Then(job)       the same
//
// There are no loggers: skipped, delayed and failed runs are records that can be listed.
//
// # Missing
//
//	Start, Run                    daemon.New with Tasks, Run
//	Stop                          end the context of Run; what it returns is that all runs have ended
//	Entries, Entry, Valid         Client().Tasks: next fire, last run and much more
//	Remove after Start            Client().PauseTask; or do not declare it
//	AddFunc after Start           Client().CreateTask, for all but Go functions
//	WithLogger and loggers        daemon.Config.Logger
//	ParseStandard, Parser.Parse   Parser.Trigger; schedule.Compile says when that fires
//	Schedule of one's own         daemon.RegisterTrigger
package cron
