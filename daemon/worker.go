package daemon

import "github.com/clockd/clockd/daemon/internal/target"

// Worker leaves the work of a task to workers: processes that connect to the daemon and say that they run the task,
// with client.Worker or any client of clockdv1.WorkerService. A run waits until one of them has a place. What becomes of it if
// the worker is lost, see Config.WorkerLease, is for the Delivery of the task to say.
func Worker() Target { return target.Worker{} }
