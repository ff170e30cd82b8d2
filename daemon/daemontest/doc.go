// Package daemontest runs a daemon for the length of a test: for the tests of programs that embed package daemon. It is not
// for programs: it links package testing.
//
// In a bubble of package testing/synctest, in which time passes as soon as nothing else is left to do, a day takes
// less than a second:
//
//	func TestADayPassesInNoTimeAndTheReportRunsTwice(t *testing.T) {
//		synctest.Test(t, func(t *testing.T) {
//			d := daemontest.Start(t, daemon.Config{Tasks: tasks()}) // it is midnight
//			time.Sleep(24 * time.Hour)
//
//			runs := d.Runs("report")
//			if len(runs) != 2 {
//				t.Fatalf("%d runs in a day, want 2", len(runs))
//			}
//			for i, hour := range []int{9, 21} {
//				if at := runs[i].ScheduledTime; at.Hour() != hour || runs[i].State != task.Succeeded {
//					t.Errorf("run %d at %s: %s", i, at, runs[i].State)
//				}
//			}
//		})
//	}
//
// # Bubbles
//
// Time in a bubble begins at midnight UTC on 2000-01-01. What is due at the very instant at which a time.Sleep of the test
// ends may not have happened yet: synctest.Wait waits until it has. Whatever waits for the world outside, such as
// a socket, holds up time in a bubble: there the daemon has no Listeners, its Store is in memory, as that of the zero Config, or
// one of package store/sqlite that is opened in the bubble, and functions of tasks call fakes, which
// daemon.Override puts in the place of what is real.
//
// Outside of a bubble time is real. A test that need not wait for a fire uses [Daemon.Run], which makes a run now.
//
// # The end
//
// When the test and what it left to t.Cleanup after Start have ended, the daemon stops in order, as a program at
// SIGTERM: runs have their StopGrace, shut-down triggers fire, providers clean up. Nothing of it is left behind, so
// that a test that looks for goroutines left behind finds none. [Daemon.Stop] does so earlier, for what is to be looked at then.
package daemontest
