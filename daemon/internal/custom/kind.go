package custom

import (
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strings"
	"sync"
	"time"
	"unicode"
)

// The bounds of what a kind may take.
const (
	// Wait is the unit in which calls are measured: one is counted when it has passed and there is no answer.
	Wait = 25 * time.Millisecond
	// waits is how many a call may take.
	waits = 10
	// Limit is how long a call may take in a process that is neither suspended nor starved.
	Limit = waits * Wait
	// MaxDebt is how many waits all calls of a kind may take together, beyond a tenth of the time: a second.
	MaxDebt = 40
	// forget is how long it takes until one of them is forgotten.
	forget = 10 * Wait
	// maxText is how many bytes of what the user's code says are passed on.
	maxText = 500
)

// A kind is what is known of the calls of one registered type.
type kind struct {
	typeURL string
	log     *slog.Logger

	mu sync.Mutex // guards what follows
	// lost are the calls that were given up and have not returned, since when the first of them was.
	lost  int
	since time.Time
	// debt are the waits that calls took, less those that were forgotten up to a time.
	debt int
	upTo time.Time
	// slow says that the log has heard of a slow call.
	slow bool
}

// admit says why there shall be no call now.
func (k *kind) admit() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case k.lost > 0:
		return fmt.Errorf("not asked: a call of this kind that was given up at %s has not returned, and until it does all of them fail; "+
			"if it never does, only a restart helps", k.since.UTC().Format(time.RFC3339))
	case k.debt > 0:
		if k.settle(time.Now()); k.debt > MaxDebt {
			return fmt.Errorf("not asked: calls of this kind took more than %s of late, and until that is a tenth of the time all of them fail; "+
				"let it compute ahead what takes long", MaxDebt*Wait)
		}
	}
	return nil
}

// settle forgets what is old enough. It needs mu.
func (k *kind) settle(now time.Time) {
	n := int(now.Sub(k.upTo) / forget)
	if n >= k.debt {
		k.debt, k.upTo = 0, now
		return
	}
	k.debt -= n
	k.upTo = k.upTo.Add(time.Duration(n) * forget)
}

// charge adds waits to the debt. It grows to one call beyond its bound at most: calls that were slow at the same
// time shut the kind off for seconds, not for minutes.
func (k *kind) charge(n int) {
	k.mu.Lock()
	now := time.Now()
	k.settle(now)
	k.debt = min(k.debt+n, MaxDebt+waits)
	news := !k.slow
	k.slow = true
	k.mu.Unlock()
	if news {
		k.log.Warn("custom trigger is slow: decisions wait for it", "type_url", k.typeURL, "took_more_than", Wait*time.Duration(n))
	}
}

// A call is one question, and its answer.
type call[T any] struct {
	done   chan struct{} // size one
	answer T             // from here on set before done
	err    error
	lost   time.Time // since when nobody waits any more; zero: somebody does. Guarded by the kind's mu
}

// ask calls f, which is code of the user, on a goroutine of its own, and waits for it no longer than the limit.
// f must touch nothing that its caller has or will have in hand but what it returns.
func ask[T any](k *kind, f func() (T, error)) (T, error) {
	var none T
	if err := k.admit(); err != nil {
		return none, err
	}
	c := &call[T]{done: make(chan struct{}, 1)}
	go func() {
		defer c.end(k)
		c.err = errors.New("it called runtime.Goexit in place of returning") // what stands if neither comes
		defer c.recover(k)
		answer, err := f()
		if err != nil {
			c.err = errors.New(text(err))
			return
		}
		c.answer, c.err = answer, nil
	}()
	timer := time.NewTimer(Wait)
	defer timer.Stop()
	for n := range waits {
		select {
		case <-c.done:
			if n > 0 {
				k.charge(n)
			}
			return c.answer, c.err
		case <-timer.C:
			timer.Reset(Wait)
		}
	}
	k.charge(waits)
	if c.giveUp(k) {
		return none, fmt.Errorf("no answer within %s: it must be quick, so let it compute ahead what takes long", Limit)
	}
	return c.answer, c.err
}

// giveUp ends the wait for a call, unless it has returned after all.
func (c *call[T]) giveUp(k *kind) bool {
	k.mu.Lock()
	select {
	case <-c.done:
		k.mu.Unlock()
		return false
	default:
	}
	if c.lost = time.Now(); k.lost == 0 {
		k.since = c.lost
	}
	k.lost++
	k.mu.Unlock()
	k.log.Error("custom trigger does not answer: its calls fail until this one returns", "type_url", k.typeURL, "waited", Limit)
	return true
}

// recover turns a panic into the error of the call.
func (c *call[T]) recover(k *kind) {
	if v := recover(); v != nil {
		stack := debug.Stack()
		c.err = errors.New("it panicked; the log has the stack") // what stands if the value panics too
		said := text(v)
		c.err = fmt.Errorf("panic: %s", said)
		k.log.Error("custom trigger panicked", "type_url", k.typeURL, "panic", said, "stack", string(stack))
	}
}

// end is the last that a call does.
func (c *call[T]) end(k *kind) {
	k.mu.Lock()
	c.done <- struct{}{}
	lost := c.lost
	if !lost.IsZero() {
		k.lost--
	}
	k.mu.Unlock()
	if !lost.IsZero() {
		k.log.Warn("custom trigger has returned after all", "type_url", k.typeURL, "late", time.Since(lost))
	}
}

// text is what the user's code says, as it can be stored, sent and shown in a line. It calls methods of the
// value, so it belongs on the goroutine of a call.
func text(v any) string {
	said := strings.ToValidUTF8(fmt.Sprint(v), "\uFFFD")
	if len(said) > maxText {
		said = strings.ToValidUTF8(said[:maxText], "") + " ..."
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, said)
}
