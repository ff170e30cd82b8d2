package daemon_test

import (
	"context"
	"runtime"
	"testing"
	"time"

	"github.com/clockd/clockd/client"
	"github.com/clockd/clockd/daemon"
	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
)

// slow is a store whose next call of one kind waits, once it is told so, until it is let go.
type slow struct {
	call   string
	armed  bool
	inside chan struct{}
	letGo  chan struct{}
}

func newSlow(w *world, call string) *slow {
	s := &slow{call: call, inside: make(chan struct{}), letGo: make(chan struct{})}
	w.store = &hooked{Store: w.store, before: func(call string) error {
		if call == s.call && s.armed {
			s.armed = false
			close(s.inside)
			<-s.letGo
		}
		return nil
	}}
	return s
}

// come returns when a condition holds and what follows from it has had its turn. No time passes: who waits for a lock
// keeps the time of a bubble from going on.
func come(holds func() bool) {
	for !holds() {
		runtime.Gosched()
	}
	for range 10_000 {
		runtime.Gosched()
	}
}

// told makes a task whose runs fail, or not, when they are told to.
func told(name, trigger string, end <-chan error, p task.Policy) daemon.Task {
	return daemon.Task{Name: name, Trigger: schedule.MustParse(trigger), Policy: p, Do: daemon.Func(
		func(ctx context.Context, _ daemon.Run) (any, error) {
			select {
			case err := <-end:
				return nil, err
			case <-ctx.Done():
				return nil, context.Cause(ctx)
			}
		})}
}

func TestAFireOfTheProcessBeforeStartsThoughAnEditHadItWhenTheStartUpEnded(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		job := at("job", "every 1h", 0)
		w.start(job)
		w.left("job", midnight.Add(time.Minute))
		w.stop()
		s := newSlow(w, "Update")
		end := make(chan error)
		boot := told("boot", "every 1h", end, task.Policy{})
		boot.Trigger = schedule.Trigger{Kind: schedule.OnStartUp{}}
		c := w.start(job, boot)
		w.sleep(time.Second) // the start-up trigger fires
		s.armed = true
		refused := make(chan error)
		go func() {
			_, err := c.PauseTask(t.Context(), ref("job"), client.PauseOptions{Etag: "9"})
			refused <- err
		}()
		<-s.inside
		end <- nil
		come(func() bool { return w.runs("boot")[0].State == task.Succeeded }) // what had waited for it is let go
		close(s.letGo)
		if err := <-refused; err == nil {
			t.Error("a stale edit was made")
		}
		w.sleep(2 * time.Minute)
		w.wantRuns("job", "00:01:00 succeeded")
	})
}

func TestNothingStartsAfterTheDaemonHasPausedATaskThoughAnEditHadItsFire(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := newSlow(w, "Update")
		end := make(chan error, 1)
		c := w.start(told("job", "every 1s", end, task.Policy{PauseAfterFailures: 1, Overlap: task.OverlapAllow}))
		w.sleep(1900 * time.Millisecond) // the fire of 2s has been claimed
		s.armed = true
		refused := make(chan error)
		go func() {
			_, err := c.ResetTrigger(t.Context(), ref("job"), client.EditOptions{Etag: "9"})
			refused <- err
		}()
		<-s.inside
		end <- errOut
		come(func() bool { return w.task("job").State == task.Paused })
		close(s.letGo)
		if err := <-refused; err == nil {
			t.Error("a stale edit was made")
		}
		w.sleep(10 * time.Second)
		w.wantTales("job", "1 failed 1-1.900", "2 skipped paused")
	})
}

func TestAStopLeavesATaskPausedThatTheDaemonPausesMeanwhile(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		inner := w.store
		s := newSlow(w, "Update")
		job := fails("job", "every 1s", 900*time.Millisecond, 9, task.Policy{PauseAfterFailures: 1, Overlap: task.OverlapAllow})
		w.grace = 10 * time.Second
		w.start(job)
		w.sleep(1880 * time.Millisecond)
		s.armed = true
		go func() {
			<-s.inside
			time.Sleep(50 * time.Millisecond)
			close(s.letGo)
		}()
		w.stop()
		got, err := inner.Task(t.Context(), ref("job"))
		if err != nil || got.State != task.Paused || !got.Clock.NextFireTime.IsZero() {
			t.Errorf("state %d, next fire %v, %v: want one that is paused and has none", got.State, got.Clock.NextFireTime, err)
		}
		w.start(job)
		w.sleep(10 * time.Second)
		w.wantTales("job", "1 failed 1-1.900")
	})
}
