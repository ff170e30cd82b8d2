// Package client is the Go SDK of clockd: it lists and controls the tasks of a daemon, and looks back
// at their runs, in the words of packages task and schedule.
//
//	c, err := client.Dial("127.0.0.1:7433")
//	if err != nil {
//		return err
//	}
//	defer c.Close()
//	run, err := c.RunTask(ctx, task.ByName("report"), client.RunOptions{Wait: true})
//
// The same Client speaks to a daemon elsewhere (Dial) and to one in this process (New over an in-memory
// connection). It holds no state but its connection: no cache, no background work.
//
// # Workers
//
// With [Client.Work] this process runs tasks for a daemon: its functions are called for the runs of tasks that are left
// to workers, which it may declare itself. Work blocks, and ends with its context in good order; nothing goes on behind it.
//
// # Errors
//
// Errors keep their class across the wire: errors.Is(err, task.ErrTaskNotFound), task.ErrRunNotFound,
// task.ErrInvalid, task.ErrStale, task.ErrExists, task.ErrDeclared, task.ErrNotAllowed, task.ErrNoConfig,
// task.ErrOrphaned, task.ErrTriggerFault, task.ErrOtherNamespace, task.ErrUnavailable and task.ErrStopping answer as
// they do in the daemon, and errors.As finds a task.InvalidError with each violation. Where no daemon answered at all
// the class is [ErrNoDaemon]. Where the caller's own context ended it, errors.Is finds context.Canceled or
// context.DeadlineExceeded. status.Code gives the gRPC code of each.
//
// # Retries
//
// A Client made by Dial repeats a call that failed with UNAVAILABLE, up to three times within some
// 350ms, if it only reads, and RunTask, whose request id makes the repetition harmless. No other change
// is ever repeated: whether it was made is not known, and the caller decides. On a connection handed to
// New the retries are those that its owner configured.
//
// WatchTasks and WatchRuns go on by themselves after the daemon was away or the caller was too slow, on every
// connection, once they have had their first answer.
package client
