package remote_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clockd/clockd/daemon/internal/target"
	"github.com/clockd/clockd/daemon/internal/target/remote"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestAnAttemptIsMadeByAWorkerThatRunsTheTask(t *testing.T) {
	inFakeTime(t, func(t *testing.T, h *remote.Hub) {
		other := connect(t, h, hello(1, 5, "other"))
		s := connect(t, h, hello(2, 1, "a", "b"))
		p := reserve(h, "a")
		if p == nil || p.Worker() != "b" || reserve(h, "b") != nil || reserve(h, "unknown") != nil {
			t.Fatalf("got %v", p)
		}
		ctx, cancel := context.WithTimeoutCause(context.Background(), time.Minute, target.ErrTimeout)
		defer cancel()
		var wrote []string
		a := target.Attempt{
			RunID: 7, Number: 3, TaskID: uuid.UUID{9}, TaskName: "a", ScheduledTime: time.Unix(1, 0), Input: []byte(`{"x":1}`),
			Write:  func(stream task.OutputStream, data []byte) { wrote = append(wrote, fmt.Sprint(stream, string(data))) },
			Report: func(p task.Progress) { wrote = append(wrote, fmt.Sprint(p.Fraction, p.Message)) },
		}
		end := make(chan error)
		var output []byte
		go func() {
			var err error
			output, err = p.Do(ctx, a)
			end <- err
		}()
		synctest.Wait()
		time.Sleep(time.Second)
		ref := task.AttemptRef{Run: 7, Attempt: 3}
		want := task.Assignment{
			AttemptRef: ref, TaskID: uuid.UUID{9}, TaskName: "a", ScheduledTime: time.Unix(1, 0), Input: []byte(`{"x":1}`),
			Timeout: 59 * time.Second, // from when it was handed out
		}
		if diff := cmp.Diff(want, given(t, s)); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff([]task.AttemptRef{ref}, h.Workers()[1].Held); diff != "" {
			t.Error(diff)
		}
		other.Write(ref, task.Stdout, []byte("not mine"))
		other.End(task.Result{AttemptRef: ref, Output: []byte("0")})
		s.Write(ref, task.Stderr, []byte("hm"))
		s.Report(ref, task.Progress{Fraction: 0.5, Message: "half"})
		s.End(task.Result{AttemptRef: ref, Output: []byte("42")})
		if err := <-end; err != nil || string(output) != "42" {
			t.Errorf("%s, %v", output, err)
		}
		s.Write(ref, task.Stderr, []byte("after the end"))
		if diff := cmp.Diff([]string{"2hm", "0.5half"}, wrote); diff != "" {
			t.Error(diff)
		}
		orders, _ := said(s)
		if diff := cmp.Diff([]task.Order{{Recorded: &task.Recorded{AttemptRef: ref}}}, orders); diff != "" {
			t.Error(diff)
		}
		if reserve(h, "b") == nil {
			t.Error("the place is not free")
		}
	})
}

func TestAnErrorOfAWorkerIsThatOfTheAttempt(t *testing.T) {
	inFakeTime(t, func(t *testing.T, h *remote.Hub) {
		s := connect(t, h, hello(1, 1, "a"))
		c := do(t, h, attempt(1, "a"))
		given(t, s)
		s.End(task.Result{AttemptRef: c.ref, Output: []byte("1"), Error: "broken"})
		if !c.ended() || c.err == nil || c.err.Error() != "broken" || string(c.output) != "1" {
			t.Errorf("%s, %v", c.output, c.err)
		}
	})
}

func TestWorkIsSpreadOverTheWorkersWithTheMostPlaces(t *testing.T) {
	inFakeTime(t, func(t *testing.T, h *remote.Hub) {
		connect(t, h, hello(1, 1, "a"))
		connect(t, h, hello(2, 3, "a"))
		connect(t, h, hello(3, 3, "a"))
		var got string
		var places []target.Place
		for p := reserve(h, "a"); p != nil; p = reserve(h, "a") {
			got += p.Worker()
			places = append(places, p)
		}
		if got != "bcbcabc" {
			t.Errorf("got %s", got)
		}
		for _, p := range places {
			p.Release()
			p.Release() // once is enough
		}
		if got := reserve(h, "a").Worker(); got != "b" {
			t.Errorf("then %s", got)
		}
	})
}

func TestWhatAWorkerHoldsWhenItLeavesIsGivenOutAgainAtOnce(t *testing.T) {
	inFakeTime(t, func(t *testing.T, h *remote.Hub) {
		s := connect(t, h, hello(1, 5, "a"))
		sent := do(t, h, attempt(1, "a"))
		given(t, s)
		unsent := do(t, h, attempt(2, "a"))
		s.Leave()
		s.Disconnect()
		sent.lost(t, false)
		unsent.lost(t, true)
		if len(h.Workers()) != 0 {
			t.Error("it is still there")
		}
	})
}

func TestACanceledAttemptHasALeaseToEnd(t *testing.T) {
	inFakeTime(t, func(t *testing.T, h *remote.Hub) {
		s := connect(t, h, hello(1, 3, "a"))
		obeys, hangs := do(t, h, attempt(1, "a")), do(t, h, attempt(2, "a"))
		said(s)
		unsent := do(t, h, attempt(3, "a"))
		unsent.cancel(target.ErrCanceled)
		if !unsent.ended() || unsent.err != target.ErrCanceled {
			t.Errorf("what was not handed out ended with %v", unsent.err)
		}
		obeys.cancel(target.ErrCanceled)
		hangs.cancel(target.ErrTimeout)
		orders, _ := said(s)
		told := map[task.AttemptRef]string{}
		for _, o := range orders {
			told[o.Cancel.AttemptRef] = o.Cancel.Reason
		}
		if diff := cmp.Diff(map[task.AttemptRef]string{obeys.ref: "canceled", hangs.ref: "timed out"}, told); diff != "" {
			t.Error(diff)
		}
		s.End(task.Result{AttemptRef: obeys.ref, Output: []byte("1"), Error: "stopped"})
		if !obeys.ended() || string(obeys.output) != "1" || obeys.err.Error() != "stopped" {
			t.Errorf("%s, %v", obeys.output, obeys.err)
		}
		awake(t, s, lease-time.Second)
		if hangs.ended() {
			t.Fatal("it had no whole lease")
		}
		awake(t, s, 2*time.Second)
		if !hangs.ended() || hangs.err != target.ErrTimeout {
			t.Fatalf("ended with %v", hangs.err)
		}
		// The worker is busy with it all the same.
		if w := only(t, h); len(w.Held) != 1 {
			t.Errorf("holds %v", w.Held)
		}
		p, q := reserve(h, "a"), reserve(h, "a")
		if p == nil || q == nil || reserve(h, "a") != nil {
			t.Error("its place counts as free, or others do not")
		}
		freed(h)
		s.End(task.Result{AttemptRef: hangs.ref, Output: []byte("1")})
		orders, _ = said(s)
		if !hasOrder(orders, func(o task.Order) bool {
			return o.Recorded != nil && *o.Recorded == (task.Recorded{AttemptRef: hangs.ref, Late: true})
		}) {
			t.Errorf("told %+v", orders)
		}
		if !freed(h) || reserve(h, "a") == nil {
			t.Error("its place is not free")
		}
	})
}

func TestWhatIsGivenBackIsNotThrownToAndFro(t *testing.T) {
	inFakeTime(t, func(t *testing.T, h *remote.Hub) {
		s := connect(t, h, hello(1, 3, "a", "b"))
		begun, not := do(t, h, attempt(1, "a")), do(t, h, attempt(2, "b"))
		said(s)
		freed(h)
		s.GiveBack(task.GiveBack{AttemptRef: begun.ref, Started: true, Reason: "no disk"})
		s.GiveBack(task.GiveBack{AttemptRef: not.ref})
		begun.lost(t, false)
		not.lost(t, true)
		if got, want := begun.err.Error(), `worker "a" has given it back: no disk`; got != want {
			t.Errorf("got %q", got)
		}
		if p := reserve(h, "a"); p == nil {
			t.Error("no place for what had begun")
		} else {
			p.Release()
		}
		if reserve(h, "b") != nil {
			t.Error("it is asked again at once")
		}
		if freed(h) {
			t.Error("told of a place that is none")
		}
		time.Sleep(lease / 3)
		synctest.Wait()
		if !freed(h) || reserve(h, "b") == nil {
			t.Error("it is not asked again")
		}
	})
}

func TestAWorkerThatDrainsTakesNothingNew(t *testing.T) {
	inFakeTime(t, func(t *testing.T, h *remote.Hub) {
		s := connect(t, h, hello(1, 5, "a"))
		sent := do(t, h, attempt(1, "a"))
		given(t, s)
		unsent, reserved := do(t, h, attempt(2, "a")), reserve(h, "a")
		s.Drain()
		unsent.lost(t, true)
		at(t, reserved, attempt(3, "a")).lost(t, true)
		if !only(t, h).Draining || reserve(h, "a") != nil {
			t.Error("it does not drain")
		}
		again := hello(1, 5, "a")
		again.Held = []task.AttemptRef{sent.ref}
		s = connect(t, h, again)
		if reserve(h, "a") != nil {
			t.Error("it forgot to drain when it came back")
		}
		s.End(task.Result{AttemptRef: sent.ref})
		if !sent.ended() || sent.err != nil {
			t.Error(sent.err)
		}
	})
}

func TestAWorkerMayHaveFewerPlacesThanItHolds(t *testing.T) {
	inFakeTime(t, func(t *testing.T, h *remote.Hub) {
		s := connect(t, h, hello(1, 3, "a"))
		calls := []*call{do(t, h, attempt(1, "a")), do(t, h, attempt(2, "a"))}
		said(s)
		s.SetPlaces(1)
		if w := only(t, h); w.Places != 1 || len(w.Held) != 2 || reserve(h, "a") != nil {
			t.Errorf("%+v", w)
		}
		freed(h)
		s.End(task.Result{AttemptRef: calls[0].ref})
		if freed(h) || reserve(h, "a") != nil {
			t.Error("a place that is none")
		}
		s.SetPlaces(2)
		if !freed(h) || reserve(h, "a") == nil {
			t.Error("no place")
		}
	})
}

func TestFreedIsPokedOnlyForWhoFoundNoPlace(t *testing.T) {
	inFakeTime(t, func(t *testing.T, h *remote.Hub) {
		s := connect(t, h, hello(1, 1, "a", "b"))
		if !freed(h) {
			t.Error("a worker has come")
		}
		p := reserve(h, "a")
		p.Release()
		if freed(h) {
			t.Error("nobody has asked in between: whoever releases a place for want of another would be called for ever")
		}
		c := do(t, h, attempt(1, "a"))
		given(t, s)
		if reserve(h, "b") != nil || freed(h) {
			t.Error("there is none")
		}
		s.End(task.Result{AttemptRef: c.ref})
		if !freed(h) {
			t.Error("there is one now")
		}
		p = reserve(h, "a")
		if reserve(h, "b") != nil {
			t.Error("there is none")
		}
		p.Release()
		if !freed(h) {
			t.Error("there is one now")
		}
		s.Disconnect()
		if reserve(h, "b") != nil || freed(h) {
			t.Error("it has gone")
		}
		connect(t, h, hello(1, 1, "a", "b"))
		if !freed(h) {
			t.Error("it has come back")
		}
	})
}

func TestWhatWasNotHandedOutCanNotBeSpokenOf(t *testing.T) {
	inFakeTime(t, func(t *testing.T, h *remote.Hub) {
		s := connect(t, h, hello(1, 1, "a"))
		c := do(t, h, attempt(1, "a"))
		s.End(task.Result{AttemptRef: c.ref})
		s.GiveBack(task.GiveBack{AttemptRef: c.ref, Started: true})
		if c.ended() {
			t.Errorf("ended with %v", c.err)
		}
		s.Leave()
	})
}

func TestCancelsAndPingsDoNotStandBehindAssignments(t *testing.T) {
	inFakeTime(t, func(t *testing.T, h *remote.Hub) {
		s := connect(t, h, hello(1, 3, "a"))
		first := do(t, h, attempt(1, "a"))
		given(t, s)
		do(t, h, attempt(2, "a"))
		do(t, h, attempt(3, "a"))
		first.cancel(target.ErrCanceled)
		time.Sleep(lease / 3)
		orders, _ := said(s)
		if len(orders) != 4 || orders[0].Ping == 0 || orders[1].Cancel == nil || orders[2].Assign.Run != 2 || orders[3].Assign.Run != 3 {
			t.Errorf("told %+v", orders)
		}
	})
}

func TestAHubThatDrainsTakesResultsAndGivesOutNothing(t *testing.T) {
	inFakeTime(t, func(t *testing.T, h *remote.Hub) {
		s := connect(t, h, hello(1, 5, "a"))
		sent := do(t, h, attempt(1, "a"))
		given(t, s)
		unsent, reserved := do(t, h, attempt(2, "a")), reserve(h, "a")
		h.Drain()
		unsent.lost(t, true)
		at(t, reserved, attempt(3, "a")).lost(t, true)
		orders, _ := said(s)
		if len(orders) != 1 || !orders[0].Drain || reserve(h, "a") != nil {
			t.Errorf("told %+v", orders)
		}
		if _, err := h.Connect(hello(2, 1, "a")); !errors.Is(err, task.ErrStopping) {
			t.Errorf("a new worker: %v", err)
		}
		again := hello(1, 5, "a")
		again.Held = []task.AttemptRef{sent.ref}
		s = connect(t, h, again) // one that has something to say may
		if orders, _ := said(s); len(orders) != 1 || !orders[0].Drain {
			t.Errorf("told %+v", orders)
		}
		s.End(task.Result{AttemptRef: sent.ref, Output: []byte("1")})
		if !sent.ended() || string(sent.output) != "1" {
			t.Errorf("%s, %v", sent.output, sent.err)
		}
		h.Close()
		h.Close()
		orders, err := said(s)
		if len(orders) != 1 || orders[0].Recorded == nil || !errors.Is(err, task.ErrStopping) {
			t.Errorf("told %+v, then %v", orders, err)
		}
		if _, err := h.Connect(hello(1, 1, "a")); !errors.Is(err, task.ErrStopping) {
			t.Errorf("after the end: %v", err)
		}
	})
}

func TestWhatStillGoesWhenTheHubClosesIsLost(t *testing.T) {
	inFakeTime(t, func(t *testing.T, h *remote.Hub) {
		s := connect(t, h, hello(1, 5, "a"))
		c := do(t, h, attempt(1, "a"))
		given(t, s)
		waits := make(chan error)
		go func() {
			_, err := s.Next(context.Background())
			waits <- err
		}()
		synctest.Wait()
		h.Close()
		c.lost(t, false)
		if err := <-waits; !errors.Is(err, task.ErrStopping) {
			t.Error(err)
		}
	})
}

func TestWorkersAreListedInTheOrderOfTheirNames(t *testing.T) {
	inFakeTime(t, func(t *testing.T, h *remote.Hub) {
		start := time.Now()
		for _, n := range []int{3, 1, 2} {
			connect(t, h, hello(n, n, "a"))
			time.Sleep(time.Second)
		}
		want := []task.Worker{
			{Hello: hello(1, 1, "a"), ConnectTime: start.Add(time.Second)},
			{Hello: hello(2, 2, "a"), ConnectTime: start.Add(2 * time.Second)},
			{Hello: hello(3, 3, "a"), ConnectTime: start},
		}
		for i := range want {
			want[i].LeaseExpireTime = want[i].ConnectTime.Add(lease)
		}
		if diff := cmp.Diff(want, h.Workers()); diff != "" {
			t.Error(diff)
		}
	})
}

func TestATargetWithoutAPlaceStartsNothing(t *testing.T) {
	inFakeTime(t, func(t *testing.T, h *remote.Hub) {
		_, err := h.Target().Do(context.Background(), attempt(1, "a"))
		if lost := (*target.LostError)(nil); !errors.As(err, &lost) || !lost.NotStarted {
			t.Error(err)
		}
		if d := h.Target().Describe(); d.Kind != "worker" {
			t.Errorf("%+v", d)
		}
	})
}

func TestAnAttemptDoesNotEndWhileSomethingOfItIsTold(t *testing.T) {
	h := remote.New(remote.Config{Lease: time.Hour, Logger: slog.New(slog.DiscardHandler)})
	defer h.Close()
	s := connect(t, h, hello(1, 1, "a"))
	a, end := attempt(1, "a"), make(chan struct{})
	ref := task.AttemptRef{Run: 1, Attempt: 1}
	told := false
	a.Write = func(task.OutputStream, []byte) {
		s.End(task.Result{AttemptRef: ref})
		for range 1000 { // in which Do would return
			runtime.Gosched()
		}
		select {
		case <-end:
			t.Error("it ended, and who follows it is told of more")
		default:
		}
		told = true
	}
	p := reserve(h, "a")
	go func() {
		defer close(end)
		if _, err := p.Do(context.Background(), a); err != nil {
			t.Error(err)
		}
	}()
	if o, err := s.Next(context.Background()); err != nil || o.Assign == nil {
		t.Fatal(o, err)
	}
	s.Write(ref, task.Stdout, []byte("x"))
	<-end
	if !told {
		t.Error("it was not told")
	}
}

func TestWhatAWorkerBringsAlongTakesUpAPlaceUntilItSaysHowThatEnded(t *testing.T) {
	inFakeTime(t, func(t *testing.T, h *remote.Hub) {
		known := hello(1, 2, "a")
		known.Held = []task.AttemptRef{{Run: 7, Attempt: 1}, {Run: 8, Attempt: 1}} // of the daemon before this one
		s := connect(t, h, known)
		if reserve(h, "a") != nil {
			t.Fatal("a place was given out that is taken")
		}
		s.End(task.Result{AttemptRef: known.Held[0]})
		p := reserve(h, "a")
		if p == nil {
			t.Fatal("no place, though one attempt has ended")
		}
		p.Release()
		s.GiveBack(task.GiveBack{AttemptRef: known.Held[1], Started: true})
		do(t, h, attempt(9, "a"))
		do(t, h, attempt(10, "a"))
	})
}
