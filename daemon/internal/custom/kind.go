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
	// wait is the unit in which calls are measured: one is counted when it has passed and there is no answer.
	wait = 25 * time.Millisecond
	// waits is how many a call may take.
	waits = 10
	// limit is how long a call may take in a process that is neither suspended nor starved.
	limit = waits * wait
	// maxDebt is how many waits all calls of a value may take together, beyond a tenth of the time: a second.
	maxDebt = 40
	// forget is how long it takes until one of them is forgotten.
	forget = 10 * wait
	// breakAt is how many different values must be in trouble at the same time before all of their kind are.
	breakAt = 4
	// maxText is how many bytes of what the user's code says are passed on.
	maxText = 500
)

// A kind is what is known of the calls of one registered type.
type kind struct {
	typeURL string
	log     *slog.Logger

	mu sync.Mutex // guards what follows
	// values are those with lost calls or a debt, and for a moment those that had one: see sweep. That they are
	// few follows from debt: what is late is charged there too, and it lets nobody in beyond its bound.
	values map[string]*record
	swept  time.Time
	// out is how many of them have lost calls.
	out int
	// debt is what the values' debts grew by. It is forgotten breakAt times as fast, so it is no more than their
	// sum, and since each of those is bounded, it takes breakAt values to fill it.
	debt account
	// slow says that the log has heard of a slow call.
	slow bool
}

// A record is what is known of the calls of one value.
type record struct {
	// lost are the calls that were given up and have not returned, since when the first of them was.
	lost  int
	since time.Time
	debt  account
}

// An account has the waits that calls took, less those that were forgotten up to a time.
type account struct {
	waits int
	upTo  time.Time
}

// settle forgets what is old enough, one for each span.
func (a *account) settle(now time.Time, span time.Duration) {
	n := now.Sub(a.upTo) / span
	if int64(n) >= int64(a.waits) {
		a.waits, a.upTo = 0, now
		return
	}
	a.waits -= int(n)
	a.upTo = a.upTo.Add(n * span)
}

// admit says why there shall be no call of a value now.
func (k *kind) admit(value string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.values) == 0 {
		return nil
	}
	now := time.Now()
	k.sweep(now)
	if r := k.values[value]; r != nil {
		if r.lost > 0 {
			return fmt.Errorf("not asked: a call of this trigger that was given up at %s has not returned, and until it does all of them fail; "+
				"if it never does, only a restart helps", r.since.UTC().Format(time.RFC3339))
		}
		if r.debt.settle(now, forget); r.debt.waits > maxDebt {
			return fmt.Errorf("not asked: calls of this trigger took more than %s of late, and until that is a tenth of the time all of them fail; "+
				"let it compute ahead what takes long", maxDebt*wait)
		}
	}
	if k.out >= breakAt {
		return fmt.Errorf("not asked: calls of %d different triggers of this kind were given up and have not returned, and until fewer than %d "+
			"are left all of the kind fail; if they never do, only a restart helps", k.out, breakAt)
	}
	if k.debt.settle(now, forget/breakAt); k.debt.waits > breakAt*maxDebt {
		return fmt.Errorf("not asked: calls of several triggers of this kind took more than %s of late, and until that is less all of the kind fail; "+
			"let it compute ahead what takes long", breakAt*maxDebt*wait)
	}
	return nil
}

// sweep drops the values of which nothing is left to know, now and then. It needs mu.
func (k *kind) sweep(now time.Time) {
	if now.Sub(k.swept) < forget {
		return
	}
	k.swept = now
	for value, r := range k.values {
		if r.debt.settle(now, forget); r.lost == 0 && r.debt.waits == 0 {
			delete(k.values, value)
		}
	}
}

// of returns the record of a value, a new one if there is none. It needs mu.
func (k *kind) of(value string) *record {
	r := k.values[value]
	if r == nil {
		r = &record{}
		if k.values == nil {
			k.values = make(map[string]*record)
		}
		k.values[value] = r
	}
	return r
}

// charge adds waits to the debt of a value, and of the kind what that grew by. It grows to one call beyond its
// bound at most: calls that were slow at the same time shut a value off for seconds, not for minutes.
func (k *kind) charge(value string, n int) {
	k.mu.Lock()
	now := time.Now()
	k.sweep(now)
	r := k.of(value)
	r.debt.settle(now, forget)
	k.debt.settle(now, forget/breakAt)
	grown := min(n, maxDebt+waits-r.debt.waits)
	r.debt.waits += grown
	k.debt.waits = min(k.debt.waits+grown, breakAt*(maxDebt+waits))
	news := !k.slow
	k.slow = true
	k.mu.Unlock()
	if news {
		k.log.Warn("custom trigger is slow: decisions wait for it", "type_url", k.typeURL, "took_more_than", wait*time.Duration(n))
	}
}

// A call is one question, and its answer.
type call[T any] struct {
	done   chan struct{} // size one
	answer T             // from here on set before done
	err    error
	lost   time.Time // since when nobody waits any more; zero: somebody does. Guarded by the kind's mu
}

// ask calls f, which is code of the user and about a value, on a goroutine of its own, and waits for it no longer than the limit.
// f must touch nothing that its caller has or will have in hand but what it returns.
func ask[T any](k *kind, value string, f func() (T, error)) (T, error) {
	var none T
	if err := k.admit(value); err != nil {
		return none, err
	}
	c := &call[T]{done: make(chan struct{}, 1)}
	go func() {
		defer c.end(k, value)
		c.err = errors.New("it called runtime.Goexit in place of returning") // what stands if neither comes
		defer c.recover(k)
		answer, err := f()
		if err != nil {
			c.err = errors.New(text(err))
			return
		}
		c.answer, c.err = answer, nil
	}()
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for n := range waits {
		select {
		case <-c.done:
			if n > 0 {
				k.charge(value, n)
			}
			return c.answer, c.err
		case <-timer.C:
			timer.Reset(wait)
		}
	}
	k.charge(value, waits)
	if c.giveUp(k, value) {
		return none, fmt.Errorf("no answer within %s: it must be quick, so let it compute ahead what takes long", limit)
	}
	return c.answer, c.err
}

// giveUp ends the wait for a call, unless it has returned after all.
func (c *call[T]) giveUp(k *kind, value string) bool {
	k.mu.Lock()
	select {
	case <-c.done:
		k.mu.Unlock()
		return false
	default:
	}
	c.lost = time.Now()
	r := k.of(value)
	opens := false
	if r.lost == 0 {
		r.since = c.lost
		k.out++
		opens = k.out == breakAt
	}
	r.lost++
	k.mu.Unlock()
	k.log.Error("custom trigger does not answer: its calls fail until this one returns", "type_url", k.typeURL, "waited", limit)
	if opens {
		k.log.Error("too many custom triggers do not answer: all of their kind fail until some return", "type_url", k.typeURL, "triggers", breakAt)
	}
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
func (c *call[T]) end(k *kind, value string) {
	k.mu.Lock()
	c.done <- struct{}{}
	lost, closes := c.lost, false
	if !lost.IsZero() {
		r := k.values[value] // is there: it has this call
		if r.lost--; r.lost == 0 {
			closes = k.out == breakAt
			k.out--
			if r.debt.settle(time.Now(), forget); r.debt.waits == 0 {
				delete(k.values, value)
			}
		}
	}
	k.mu.Unlock()
	if !lost.IsZero() {
		k.log.Warn("custom trigger has returned after all", "type_url", k.typeURL, "late", time.Since(lost))
	}
	if closes {
		k.log.Warn("few enough custom triggers do not answer: their kind works again", "type_url", k.typeURL)
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
