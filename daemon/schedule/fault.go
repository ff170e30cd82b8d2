package schedule

import (
	"fmt"
	"time"
)

// maxStretches is how many stretches of exclusions a search goes over before it gives up, some 20 milliseconds;
// with many windows and patterns to look at for each it is accordingly less. It does not matter how many
// instants lie in the stretches. What comes near it is a sparse trigger over sparse
// exclusions that match it, such as "0 * * * *" over "0 * * * *".
const maxStretches = 100_000

// A FaultError says why a trigger can not be used any longer.
type FaultError struct{ message string }

// Error says what happened and what would be right.
func (e *FaultError) Error() string { return e.message }

// Err returns the first fault of the trigger, or nil: a [Source] inside it failed or answered with an
// instant that is not after the one asked for, or exclusions left nothing of a great many instants. It is
// an [*FaultError]. From then on parts of the trigger have no fires. It can come with any status, because other
// triggers of an AnyOf go on: ask after every question whose answer is acted on. A fault does not go away; another Compile begins anew.
func (c *Compiled) Err() error {
	if e := c.fault.Load(); e != nil {
		return e
	}
	return nil
}

// fail notes a fault.
func (c *Compiled) fail(format string, args ...any) {
	c.fault.CompareAndSwap(nil, &FaultError{message: fmt.Sprintf(format, args...)})
}

// ask returns the first fire of a custom kind at or after an instant.
func (n *node) ask(from int64, c *Compiled) (int64, bool) {
	if c.fault.Load() != nil || n.source == nil {
		return 0, false
	}
	after := time.UnixMicro(from - 1).UTC()
	next, err := n.source.Next(after)
	switch {
	case err != nil:
		c.fail("custom trigger %s: after %s: %s", n.typeURL, rfc3339(after), err)
		return 0, false
	case next.IsZero(), next.Unix() > maxSecond:
		return 0, false // none, or none that can be said
	}
	at := micros(next)
	if next.Nanosecond()%1000 != 0 {
		at++
	}
	if at < from {
		c.fail("custom trigger %s: after %s it says %s, which is not after it", n.typeURL, rfc3339(after), rfc3339(next))
		return 0, false
	}
	return at, true
}
