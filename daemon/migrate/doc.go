// Package migrate holds what helps a program over from another scheduler: packages migrate/cron, for programs written
// for github.com/robfig/cron/v3, and migrate/gocron, for those written for github.com/go-co-op/gocron/v2, which take the
// lines that declare jobs and make tasks of them. It has no code of its own. This page maps the API of aioclock, a
// library for Python, line by line: each name of theirs, what it is here, and what differs and why.
//
//	app = AioClock(lifespan=lifespan)
//	app.include_group(group)
//
//	@group.task(trigger=Every(seconds=10), timeout=5)
//	async def poll(s: Session = Depends(session)):
//	    ...
//
//	asyncio.run(app.serve())
//
// is
//
//	d, err := daemon.New(daemon.Config{
//		OnStart: open, OnStop: shut,
//		Providers: []daemon.Provider{daemon.ProvidePerRun(session)},
//		Tasks: []daemon.Task{{
//			Name:    "poll",
//			Group:   "mail",
//			Trigger: schedule.MustParse("every 10s fixed-delay"),
//			Do:      daemon.Func(poll), // func poll(ctx context.Context, s Session) error
//			Policy:  task.Policy{Timeout: 5 * time.Second},
//		}},
//	})
//	if err != nil { ... }
//	err = d.Run(ctx)
//
// Two things that aioclock says of itself are otherwise here. An id is the same at every start, because it is made of
// the namespace and the name. And a trigger that is changed while the program runs stays changed, if the store outlives
// the process, until the code says something new: package daemon says who wins.
//
// In the tables, the first line of an entry is theirs and ours, the lines under it are the difference.
//
// # The application
//
//	AioClock()                              daemon.New(daemon.Config{})
//	    New checks everything at once, parameters of functions included, and says all that is wrong.
//	AioClock(lifespan=...)                  Config.OnStart, Config.OnStop; or a provider with a clean-up
//	    What the context manager yields is nobody's here. What functions use is better provided:
//	    daemon.Provide makes it once, hands it to whom takes it, and cleans it up after the last run.
//	    A synchronous lifespan needs nothing else.
//	AioClock(limiter=...)                   Config.Limits: MaxRunning, MaxWaiting, StartRate
//	    Theirs bounds the threads of functions that are not async. Ours bounds runs of whatever kind;
//	    what finds no place waits on record. A CapacityLimiter that two groups share is one group
//	    here.
//	serve()                                 Daemon.Run(ctx)
//	    Theirs returns when no task has anything left to do; ours when ctx ends, because tasks can be
//	    called and made meanwhile. Daemon.Ready says when it serves.
//	include_group(group)                    Task.Group, and append to Config.Tasks
//	    A group is a name, with what its tasks have in common in Config.Groups.
//	dependencies                            Config.Providers
//	    Theirs is one for the whole process; ours belongs to a daemon, and there may be several.
//	override_dependencies(original, new)    daemon.Override(constructor), in Config.Providers
//	    It replaces what makes the same type, for this daemon alone. That there is nothing to replace
//	    is an error.
//	logger "aioclock"                       Config.Logger
//
// # Tasks and groups
//
//	@app.task(trigger=..., timeout=...)     daemon.Task{Name, Trigger, Do: daemon.Func(f), Policy}
//	    The name is written down, and does not follow the function: it makes the id. FormerNames keep
//	    history over a change. The function stays a function that can be called.
//	Group(), @group.task                    Task.Group
//	Group(limiter=...)                      Config.Groups["mail"].MaxRunning
//	Group(timeout=...)                      Config.Groups["mail"].Timeout
//	    As there, the timeout of a task goes before that of its group.
//	timeout=5                               Policy.Timeout: 5 * time.Second
//	    The context of the attempt ends; the function must return then. Policy.Retry may try again.
//	TaskTimeoutError                        the state TIMED_OUT of the run, task.TimedOut
//	    Theirs is logged. In the function, context.Cause(ctx) says it.
//	def f() beside async def f()            func f()
//	    Theirs moves what is not async to the thread pool of anyio, through the limiter. Each run of
//	    ours has a goroutine.
//	Depends(f)                              a parameter, and daemon.ProvidePerRun(f)
//	    The type says what is wanted, and not the function that makes it: two things of one type need
//	    types of their own. It is made once for each attempt that needs it; what follows a yield there
//	    is the func() that a provider returns.
//	Depends(f) with lru_cache on f          a parameter, and daemon.Provide(f)
//	    Made before the first run, and cleaned up after the last.
//	return value                            the output of the run, as JSON, 256 KiB at most
//	an exception                            an error: the run is FAILED, on record; as after a panic
//	a run that takes longer than its beat   Policy.Overlap: the default task.OverlapSkip
//	    Theirs runs a task in a loop, so what comes meanwhile is never seen. Ours is recorded as
//	    skipped.
//
// # Triggers
//
// The text form is that of schedule.Parse; each kind is a type of package schedule. Times of day and crontabs follow one
// rule on the days on which clocks change, which that package states.
//
//	Every(seconds=10)                       every 10s fixed-delay
//	    Theirs waits that long after each run. Without fixed-delay the beat is fixed and does not
//	    drift with the runs, which is mostly what is meant. minutes=, hours=, days=, weeks= are one
//	    duration: days=1 is 24h. At least 1ms.
//	Every(first_run_strategy="immediate")   every 10s immediate
//	    When the trigger comes into force. With a store that outlives the process that is not each
//	    start.
//	At(hour=9, minute=30, tz="UTC")         at 09:30 UTC
//	    hour=24, which theirs accepts and then fails with, is an error.
//	At(at="every monday", ...)              at 09:30 mon UTC
//	    mon,fri and mon-fri as well: theirs takes one day, or all. every day is no days.
//	Cron(cron="0 12 * * *", tz=...)         cron "0 12 * * *" Asia/Kolkata
//	    croniter has the sixth field, the seconds, at the end: ours has it in front. It has a seventh,
//	    the year, and H and R: ours has none; from= and until= bound years. Ours refuses a date that
//	    never comes.
//	Once()                                  once
//	    Once for the task, however often the program starts, if the store outlives it. For each start:
//	    startup.
//	Forever()                               forever
//	    A run that fails at once comes again at once in both: wait in the function, or say every 1s
//	    fixed-delay.
//	OnStartUp()                             startup
//	OnShutDown()                            shutdown
//	    Deprecated there. Here they are runs on record, on every node: before anything else fires, and
//	    after the last run.
//	OrTrigger(triggers=[...])               any(every 3s; at 12:30 Asia/Kolkata)
//	    Each inside keeps its own beat; theirs starts all waits anew after each run. Equal instants
//	    are one fire, which counts in both. 64 at most, nested at most four deep.
//	max_loop_count=3                        max=3, Trigger.MaxFires
//	    Counted by the store, and so not from 0 at each start if that outlives the process. Any
//	    trigger may have it, Forever too.
//	expected_trigger_time                   next_fire_time of the task; PreviewTask has up to a thousand
//	type_, Triggers                         the type of Trigger.Kind
//	BaseTrigger, LoopController             daemon.RegisterTrigger, schedule.Source
//	trigger_next(),                         Source.Next(after), a pure function
//	get_waiting_time_till_next_trigger()
//	    Nothing sleeps in a trigger: it names instants, and the daemon waits.
//	should_trigger()                        Source.Next returns the zero time
//
// # The external API
//
// Theirs is Python in the same process. Ours is gRPC, for the same process through Daemon.Client, without a port, and
// for others.
//
//	api.get_metadata_of_all_tasks(app)      Client.Tasks; TaskService.ListTasks
//	    In pages, with filters. To change what it returns changes nothing here: UpdateTrigger does,
//	    checked and kept.
//	api.TaskMetadata                        task.Task; the message TaskMetadata
//	TaskMetadata.id                         Task.ID: a UUID, the same at every start
//	TaskMetadata.trigger                    Task.Trigger(); Declaration.Trigger is what the code says
//	TaskMetadata.task_name                  Task.Declaration.Name
//	api.run_specific_task(task_id, app)     Client.RunTask, with task.ByID(id) and Wait
//	    Also task.ByName. It makes a run, on record, which obeys timeout, limits and overlap. What
//	    theirs returns is Run.Output; what theirs raises is Run.State and Run.Error, and not an error
//	    of the call.
//	api.run_with_injected_deps(f)           daemon.Call[T](ctx, d, f)
//	    Any function, not only a task's. It needs a daemon that runs, and makes no run.
//	exceptions.TaskIdNotFound               task.ErrTaskNotFound; NOT_FOUND, TASK_NOT_FOUND
//	exceptions.BaseAioClockException        nothing: package task has the classes of errors
//	ext.fast.make_fastapi_router(app)       Daemon.Register(grpcServer); Config.Listeners
//	    A server of yours, with its interceptors for who may call, as their router has its
//	    dependencies; or one of the daemon's.
//	GET /tasks                              clockctl list; grpcurl ADDR clockd.v1.TaskService/ListTasks
//	POST /task/{task_id}                    clockctl run NAME; TaskService.RunTask
//	    There is no HTTP but that of gRPC: Node and Python have clients for that.
//
// # In tests
//
//	override_dependencies                   append(cfg.Providers, daemon.Override(fakeSession))
//	run_with_injected_deps                  daemon.Call
//	freezing or waiting                     testing/synctest: a day passes in no time
package migrate
