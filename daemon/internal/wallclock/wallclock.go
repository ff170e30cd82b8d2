// Package wallclock is the clock of the machine as daemons see it.
package wallclock

import "time"

// Now returns the time. It is another function only where tests of real processes give one of them a wrong clock: they
// set it before they start a daemon.
var Now = time.Now
