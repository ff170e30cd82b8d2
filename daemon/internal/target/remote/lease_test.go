package remote_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clockd/clockd/daemon/internal/target"
	"github.com/clockd/clockd/daemon/internal/target/remote"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/go-cmp/cmp"
)

func TestAWorkerThatDoesNotAnswerIsLostAfterItsLease(t *testing.T) {
	inFakeTime(t, func(t *testing.T, h *remote.Hub) {
		s := connect(t, h, hello(1, 3, "a"))
		reserved := reserve(h, "a")
		sent, start := do(t, h, attempt(1, "a")), time.Now()
		given(t, s)
		unsent := do(t, h, attempt(2, "a"))
		time.Sleep(lease - 1)
		if sent.ended() || unsent.ended() {
			t.Error("lost before the end of the lease")
		}
		<-sent.end
		if took := time.Since(start); took != lease {
			t.Errorf("lost after %s", took)
		}
		sent.lost(t, false)
		unsent.lost(t, true)
		if _, err := said(s); !errors.Is(err, task.ErrWorkerLost) {
			t.Errorf("the session ended with %v", err)
		}
		<-s.Done()
		if len(h.Workers()) != 0 || reserve(h, "a") != nil {
			t.Error("it is still there")
		}
		at(t, reserved, attempt(3, "a")).lost(t, true)

		// What it says now is heard by nobody; and it may begin anew.
		s.End(task.Result{AttemptRef: sent.ref})
		s.Pong(1)
		s.Leave()
		again := hello(1, 1, "a")
		again.Held = []task.AttemptRef{sent.ref}
		orders, _ := said(connect(t, h, again))
		if len(orders) != 1 || orders[0].Cancel == nil || orders[0].Cancel.AttemptRef != sent.ref {
			t.Errorf("told %+v", orders)
		}
	})
}

func TestAPongRenewsTheLeaseFromWhenItsPingWasSent(t *testing.T) {
	inFakeTime(t, func(t *testing.T, h *remote.Hub) {
		start := time.Now()
		s := connect(t, h, hello(1, 1, "a"))
		until := func() time.Duration { return only(t, h).LeaseExpireTime.Sub(start) }
		time.Sleep(5 * time.Second)
		s.Pong(1) // nobody has asked yet
		orders, _ := said(s)
		if len(orders) != 1 || orders[0].Ping != 1 {
			t.Fatalf("after a third: %+v", orders)
		}
		s.Pong(2)
		time.Sleep(9 * time.Second)
		if orders, _ := said(s); len(orders) != 0 {
			t.Errorf("it was asked again before it had answered: %+v", orders)
		}
		if until() != lease {
			t.Errorf("renewed without an answer, to %s", until())
		}
		s.Pong(1) // at 14s
		if until() != 5*time.Second+lease {
			t.Errorf("renewed to %s", until())
		}
		s.Pong(1)
		orders, _ = said(s) // the next was due at 10s
		if len(orders) != 1 || orders[0].Ping != 2 {
			t.Fatalf("then: %+v", orders)
		}
		time.Sleep(6 * time.Second)
		synctest.Wait()
		if len(h.Workers()) != 0 {
			t.Error("it is not lost")
		}
	})
}

func TestAWorkerThatAnswersIsNeverLost(t *testing.T) {
	inFakeTime(t, func(t *testing.T, h *remote.Hub) {
		s := connect(t, h, hello(1, 1, "a"))
		c := do(t, h, attempt(1, "a"))
		if others := awake(t, s, time.Hour); len(others) != 1 || c.ended() {
			t.Errorf("got %+v, ended %v", others, c.ended())
		}
		if w := only(t, h); !w.LeaseExpireTime.After(time.Now()) || w.Disconnected {
			t.Errorf("%+v", w)
		}
		s.Leave()
		c.lost(t, false)
	})
}

func TestAWorkerThatComesBackWithinItsLeaseGoesOn(t *testing.T) {
	for _, how := range []string{"after its connection has ended", "before that was noticed"} {
		t.Run(how, func(t *testing.T) {
			inFakeTime(t, func(t *testing.T, h *remote.Hub) {
				s := connect(t, h, hello(1, 5, "a"))
				kept, dropped := do(t, h, attempt(1, "a")), do(t, h, attempt(2, "a"))
				said(s)
				unsent := do(t, h, attempt(3, "a"))
				if how == "after its connection has ended" {
					s.Disconnect()
					s.Leave() // too late to count
					unsent.lost(t, true)
					if w := only(t, h); !w.Disconnected || len(w.Held) != 2 || reserve(h, "a") != nil {
						t.Errorf("%+v", w)
					}
				}
				time.Sleep(lease - 1)
				again := hello(1, 5, "a")
				stranger := task.AttemptRef{Run: 99, Attempt: 1}
				again.Held = []task.AttemptRef{kept.ref, stranger}
				then := connect(t, h, again)
				if how != "after its connection has ended" {
					if _, err := said(s); !errors.Is(err, task.ErrReplaced) {
						t.Errorf("the old session ended with %v", err)
					}
				}
				unsent.lost(t, true)
				dropped.lost(t, false)
				if kept.ended() {
					t.Fatalf("ended with %v", kept.err)
				}
				s.End(task.Result{AttemptRef: kept.ref, Output: []byte("0")}) // a late word of the old connection
				s.Disconnect()
				orders, _ := said(then)
				if len(orders) != 1 || orders[0].Cancel == nil || orders[0].Cancel.AttemptRef != stranger {
					t.Errorf("told %+v", orders)
				}
				awake(t, then, lease) // the lease began anew
				then.End(task.Result{AttemptRef: kept.ref, Output: []byte("1")})
				if !kept.ended() || string(kept.output) != "1" || kept.err != nil {
					t.Errorf("%s, %v", kept.output, kept.err)
				}
			})
		})
	}
}

func TestAWorkerThatDoesNotComeBackIsLost(t *testing.T) {
	inFakeTime(t, func(t *testing.T, h *remote.Hub) {
		s := connect(t, h, hello(1, 5, "a"))
		c := do(t, h, attempt(1, "a"))
		given(t, s)
		s.Disconnect()
		time.Sleep(lease - 1)
		if c.ended() {
			t.Error("lost too early")
		}
		time.Sleep(time.Nanosecond)
		c.lost(t, false)
	})
}

func TestACancelIsSaidAgainToAWorkerThatComesBack(t *testing.T) {
	inFakeTime(t, func(t *testing.T, h *remote.Hub) {
		s := connect(t, h, hello(1, 3, "a"))
		c := do(t, h, attempt(1, "a"))
		given(t, s)
		s.Disconnect()
		c.cancel(target.ErrCanceled)
		if c.ended() {
			t.Error("it was not waited for")
		}
		again := hello(1, 3, "a")
		again.Held = []task.AttemptRef{c.ref}
		s = connect(t, h, again)
		orders, _ := said(s)
		if len(orders) != 1 || orders[0].Cancel == nil || *orders[0].Cancel != (task.Cancel{AttemptRef: c.ref, Reason: "canceled"}) {
			t.Errorf("told %+v", orders)
		}
		s.Leave()
		if !c.ended() || c.err != target.ErrCanceled {
			t.Errorf("ended with %v", c.err)
		}
	})
}

func TestAResultThatIsSaidAgainIsNotLate(t *testing.T) {
	inFakeTime(t, func(t *testing.T, h *remote.Hub) {
		s := connect(t, h, hello(1, 3, "a"))
		c := do(t, h, attempt(1, "a"))
		given(t, s)
		s.End(task.Result{AttemptRef: c.ref, Output: []byte("1")})
		s.Disconnect() // before it heard that it was recorded
		again := hello(1, 3, "a")
		again.Held = []task.AttemptRef{c.ref}
		s = connect(t, h, again)
		orders, _ := said(s)
		want := []task.Order{{Recorded: &task.Recorded{AttemptRef: c.ref}}}
		if diff := cmp.Diff(want, orders); diff != "" {
			t.Error(diff)
		}
		s.End(task.Result{AttemptRef: c.ref, Output: []byte("2")})
		orders, _ = said(s)
		if diff := cmp.Diff(want, orders); diff != "" {
			t.Error(diff)
		}
		if string(c.output) != "1" {
			t.Errorf("the second result counts: %s", c.output)
		}
		// Of an attempt that never was the worker's it is.
		stranger := task.AttemptRef{Run: 9, Attempt: 9}
		s.End(task.Result{AttemptRef: stranger})
		s.GiveBack(task.GiveBack{AttemptRef: stranger})
		orders, _ = said(s)
		if diff := cmp.Diff([]task.Order{{Recorded: &task.Recorded{AttemptRef: stranger, Late: true}}}, orders); diff != "" {
			t.Error(diff)
		}
	})
}

func TestAWorkerThatSendsAndDoesNotReadIsLost(t *testing.T) {
	inFakeTime(t, func(t *testing.T, h *remote.Hub) {
		s := connect(t, h, hello(1, 1, "a"))
		c := do(t, h, attempt(1, "a"))
		for i := range 4*task.MaxPlaces + 1 {
			s.End(task.Result{AttemptRef: task.AttemptRef{Run: task.RunID(i + 10), Attempt: 1}})
		}
		c.lost(t, true)
		if orders, err := said(s); !errors.Is(err, task.ErrWorkerLost) || len(orders) > 0 {
			t.Errorf("ended with %v after %d orders", err, len(orders))
		}
	})
}
