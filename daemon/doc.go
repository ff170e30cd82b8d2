// Package daemon is clockd as a library: a set of tasks, each with a trigger that says when it fires, run by
// this process and controlled live over gRPC. The command clockd is a thin layer over it.
//
//	d, err := daemon.New(daemon.Config{
//		Tasks: []daemon.Task{{
//			Name:    "report",
//			Trigger: schedule.MustParse("at 09:30 mon,fri Europe/Berlin"),
//			Do:      daemon.Func(report), // func report(ctx context.Context, db *sql.DB) error
//		}},
//		Providers: []daemon.Provider{daemon.Provide(openDB)}, // func openDB() (*sql.DB, func(), error)
//	})
//	if err != nil { ... }
//	err = d.Run(ctx) // until ctx ends, then in good order
//
// The function of a task takes what it needs as parameters: a context, what is known of the run, a typed input, and
// whatever providers make, once for all or for each run. What it returns is the output of the run. All of that is
// checked by New. See Func, Provide, ProvidePerRun and Override; Call runs any function in the same way.
//
//	Run                                                                      ctx ends
//	 OnStart ─▶ singletons ─▶ tasks declared ─▶ Ready ─▶ runs and calls ... ─▶ the last have ended ─▶ clean-ups ─▶ OnStop
//	                                                       │  per run: made ─▶ function ─▶ cleaned up
//
// A task has a stable id, made of the namespace and its name. A trigger that a caller puts in force over the
// API is kept in the store; what the code says is kept beside it, and is what the next deploy is compared
// with. Package internal/reconcile says who wins.
//
// Exclusions that many triggers share are a calendar: see Config.Calendars. Triggers that no other kind can
// say are Go code: see RegisterTrigger.
//
// Without a Store everything is kept in memory and gone with the process. Package store/sqlite keeps it in a
// file. Only what is imported is linked.
//
// A task whose Do is Worker is run by processes elsewhere that connect to this one: see the service WorkerService, and Work
// in package client. Package daemontest runs a daemon in a test.
package daemon
