// Command cluster measures clockd on PostgreSQL beside River, the job queue, on the same server and in one run:
//
//	cd .bench && go run ./cluster
//
// # What is compared
//
// River moves jobs: each is inserted ahead, fetched, done, and marked as completed. clockd fires tasks: each fire is
// claimed at its instant, recorded as a run with the task's next fire in the same transaction, started, and its end is
// recorded, with the counts of its task; the run stays as history. What is done is nothing in both, a Go function that
// returns at once, in the processes that fetch or claim. So a fire of clockd and a job of River both are one durable round
// from the database through a process and back, but a fire moves the clock of a task besides, and the insertion of River's
// jobs is not counted.
//
// River is set up as its own benchmark (river bench) has it, burning down jobs that were all inserted before: 2,000
// workers, counting by its own events, which come once a completion is committed. FetchCooldown is 1ms, the least that
// it takes, and the batch completer is its default. Its table is analyzed after the insertion. Its rate is all jobs by
// the time from the start of the clients to the last completion.
//
// clockd has tasks of which each is due again every 100ms, with catch_up all: no machine keeps up with 100,000 of them, so
// everything is always due, each claim finds the task that has waited longest and makes one fire of it, and all tasks
// take turns. Its rate is the runs that ended as SUCCEEDED in a window, counted in the tables afterwards.
//
// Lateness is the start of a run less its instant, of tasks that are spread evenly over an interval so that 10,000
// fires are due each second. All planned instants of the window must be there, once, and must have succeeded.
//
// # How
//
// The server is started for the run, durable: fsync, full_page_writes and synchronous_commit are on. Each process is one of
// the operating system, connected over the server's Unix socket, and each measurement has a database of its own. They
// share the machine, so with two cores a second process shares what the first one had. The measurements take turns, and
// the table has the median of all rounds, with the lowest and the highest. It also says how much CPU went where: what
// others took of the machine meanwhile makes a figure worthless, the CPU time that one job or fire cost less so.
package main
