package storetest

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/task"
)

// handClock is a clock that is set by hand. It answers with more than a store keeps: another zone, and
// nanoseconds.
type handClock struct{ micros atomic.Int64 }

func (c *handClock) set(t time.Time) { c.micros.Store(t.UnixMicro()) }

func (c *handClock) now() time.Time {
	return time.UnixMicro(c.micros.Load()).Add(999).In(time.FixedZone("here", -7*60*60))
}

// Clock tests what happens when the machine's clock is set, on stores that can be given another. open
// returns an empty store of [Namespace] that takes now for the time; Clock closes it.
func Clock(t *testing.T, open func(t *testing.T, now func() time.Time) store.Store) {
	for _, c := range []struct {
		promise string
		test    func(f *fixture, clock *handClock)
	}{
		{"claims and records are told the time that the store was given", func(f *fixture, clock *handClock) {
			// Far from the time of the machine, whichever that is.
			for _, at := range []time.Time{past(0), future(0), past(time.Microsecond)} {
				clock.set(at)
				f.create(newTask("a", at))
				var told []time.Time
				claimed, err := f.Claim(ctx, store.ClaimRequest{Limit: 1}, func(now time.Time, d store.Due) store.Decision {
					told = append(told, now)
					return advance(time.Time{})(now, d)
				})
				f.ok(err)
				f.equal([]string{"a"}, fired(claimed))
				report := end(claimed.Fires[0].Run.ID, 0)
				report.Decide = true
				_, err = f.Record(ctx, []store.Report{report}, func(now time.Time, d store.Due, _ task.Run) store.Decision {
					told = append(told, now)
					return store.Decision{Clock: d.Clock, State: d.State}
				})
				f.ok(err)
				// As every instant is: in UTC and in whole microseconds.
				f.equal([]time.Time{at, at, at}, append(told, claimed.Now))
				for _, now := range told {
					if now != at { //nolint:staticcheck // the zone, too
						f.Errorf("the time is told as %v, want %v", now, at)
					}
				}
			}
		}},
		{"a fire is due at its instant and not before", func(f *fixture, clock *handClock) {
			f.create(newTask("a", past(0)))
			for _, c := range []struct {
				now, ahead time.Duration
				due        bool
			}{
				{now: -time.Microsecond},
				{now: -time.Second, ahead: time.Second - time.Microsecond},
				{now: -time.Second, ahead: time.Second, due: true},
				{now: 0, due: true},
			} {
				clock.set(past(c.now))
				f.create(newTask("a", past(0)))
				claimed, err := f.Claim(ctx, store.ClaimRequest{Limit: 1, Ahead: c.ahead}, advance(future(0)))
				f.ok(err)
				f.equal(c.due, len(claimed.Fires) == 1)
			}
		}},
		{"nothing is claimed again when the clock is set back", func(f *fixture, clock *handClock) {
			clock.set(past(0))
			f.create(newTask("a", past(-time.Minute)), newTask("b", past(0)), newTask("c", past(time.Minute)))
			claimed, err := f.Claim(ctx, store.ClaimRequest{Limit: 9}, advance(past(time.Hour)))
			f.ok(err)
			f.equal([]string{"a", "b"}, fired(claimed))
			before := f.everything()
			for _, back := range []time.Duration{time.Microsecond, time.Hour, 1000 * time.Hour, 0} {
				clock.set(past(-back))
				claimed, err := f.Claim(ctx, store.ClaimRequest{Limit: 9, Ahead: time.Second}, advance(future(0)))
				f.ok(err)
				f.equal(0, len(claimed.Fires))
				// It still says when to ask again.
				f.equal(past(time.Minute), claimed.NextFireTime)
			}
			f.unchanged(before)
			clock.set(past(time.Hour))
			claimed, err = f.Claim(ctx, store.ClaimRequest{Limit: 9}, advance(future(0)))
			f.ok(err)
			f.equal([]string{"c", "a", "b"}, fired(claimed))
		}},
		{"everything in between is due when the clock is set forward", func(f *fixture, clock *handClock) {
			clock.set(past(0))
			f.create(newTask("a", past(time.Hour)), newTask("b", past(2*time.Hour)), newTask("c", past(3*time.Hour)))
			claimed, err := f.Claim(ctx, store.ClaimRequest{Limit: 9}, advance(future(0)))
			f.ok(err)
			f.equal(0, len(claimed.Fires))
			clock.set(past(2 * time.Hour))
			claimed, err = f.Claim(ctx, store.ClaimRequest{Limit: 9}, advance(future(0)))
			f.ok(err)
			f.equal([]string{"a", "b"}, fired(claimed))
			f.equal(past(3*time.Hour), claimed.NextFireTime)
		}},
	} {
		t.Run(c.promise, func(t *testing.T) {
			t.Parallel()
			clock := new(handClock)
			f := &fixture{TB: t, Store: open(t, clock.now)}
			t.Cleanup(func() { f.ok(f.Close()) })
			c.test(f, clock)
		})
	}
}
