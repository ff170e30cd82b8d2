package client_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clockd/clockd/client"
	"github.com/clockd/clockd/daemon/task"
	clockdv1 "github.com/clockd/clockd/gen/clockd/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func held(l *line) string {
	var ids []string
	for _, ref := range l.hello.GetHeld() {
		ids = append(ids, ref.GetRunId())
	}
	return strings.Join(ids, " ")
}

func TestAResultIsKeptUntilItIsRecorded(t *testing.T) {
	withHub(t, func(t *testing.T, h *fakeHub, c *client.Client) {
		w := work(t, c, func(context.Context, *client.Assignment) (any, error) { return "done", nil })
		l := <-h.lines
		l.welcome()
		l.assign("1")
		l.result()
		l.breaks()
		again := <-h.lines
		if again.hello.GetWorkerId() != l.hello.GetWorkerId() || held(again) != "1" {
			t.Errorf("hello %v", again.hello)
		}
		again.welcome()
		if got := again.result(); got.GetRunId() != "1" || got.GetOutput().GetStringValue() != "done" {
			t.Errorf("got %v", got)
		}
		again.recorded("1")
		synctest.Wait()
		again.breaks()
		last := <-h.lines
		if held(last) != "" {
			t.Errorf("hello %v", last.hello)
		}
		last.welcome()
		w.leaves(last)
	})
}

func TestAFunctionGoesOnWhileTheConnectionIsBroken(t *testing.T) {
	withHub(t, func(t *testing.T, h *fakeHub, c *client.Client) {
		wrote := make(chan struct{})
		w := work(t, c, func(ctx context.Context, a *client.Assignment) (any, error) {
			<-wrote
			_, err := a.Output.Write(make([]byte, 1<<20)) // more than is kept: it waits for the connection
			return ctx.Err() == nil, err
		})
		l := <-h.lines
		l.welcome()
		l.assign("1")
		synctest.Wait()
		l.breaks()
		synctest.Wait() // what is on its way when a connection breaks is lost
		close(wrote)
		again := <-h.lines
		if held(again) != "1" {
			t.Errorf("hello %v", again.hello)
		}
		again.welcome()
		n := 0
		for {
			msg := again.hears()
			if out := msg.GetOutput(); out != nil {
				n += len(out.GetData())
				continue
			}
			if got := msg.GetResult(); got.GetError() != "" || !got.GetOutput().GetBoolValue() {
				t.Errorf("got %v", got)
			}
			break
		}
		if n != 1<<20 {
			t.Errorf("%d bytes of output", n)
		}
		again.recorded("1")
		w.leaves(again)
	})
}

func TestAWorkerThatHasNotHeardTheDaemonForALeaseStopsItsWork(t *testing.T) {
	for name, connected := range map[string]bool{"a stream without pings": true, "no stream": false} {
		t.Run(name, func(t *testing.T) {
			withHub(t, func(t *testing.T, h *fakeHub, c *client.Client) {
				start := time.Now()
				causes, stubborn := make(chan time.Duration, 1), make(chan struct{})
				w := work(t, c, func(ctx context.Context, a *client.Assignment) (any, error) {
					_, err := until(ctx, a)
					if !errors.Is(err, task.ErrWorkerLost) {
						t.Errorf("cause %v", err)
					}
					causes <- time.Since(start)
					<-stubborn
					_, err = a.Output.Write([]byte("x"))
					return nil, err
				})
				l := <-h.lines
				l.welcome()
				l.assign("1")
				time.Sleep(5 * time.Second)
				l.ping(1) // and no other
				if l.hears().GetPong().GetSequence() != 1 {
					t.Error("no pong")
				}
				if !connected {
					h.refuses(func() error { return status.Error(codes.Unavailable, "not now") })
					l.breaks()
				}
				if took := <-causes; took != 5*time.Second+lease {
					t.Errorf("it stopped after %s", took)
				}
				if connected {
					for range l.said { // the stream ends
					}
				} else {
					h.refuse.Store(nil)
				}
				again := <-h.lines
				if held(again) != "" || again.hello.GetPlaces() != 3 {
					t.Errorf("hello %v: one place is taken by a function that has not returned", again.hello)
				}
				again.welcome()
				if got := again.hears(); got.GetPlaces().GetPlaces() != 3 {
					t.Errorf("got %v", got)
				}
				close(stubborn)
				if got := again.hears(); got.GetPlaces().GetPlaces() != 4 {
					t.Errorf("got %v, want the place back, and no late result", got)
				}
				w.leaves(again)
			})
		})
	}
}

func TestAWorkerThatIsToldThatItIsLostStopsItsWork(t *testing.T) {
	withHub(t, func(t *testing.T, h *fakeHub, c *client.Client) {
		causes := make(chan error, 1)
		w := work(t, c, func(ctx context.Context, a *client.Assignment) (any, error) {
			_, err := until(ctx, a)
			causes <- err
			return nil, err
		})
		l := <-h.lines
		l.welcome()
		l.assign("1")
		synctest.Wait()
		l.end(refusal(task.ErrWorkerLost))
		if err := <-causes; !errors.Is(err, task.ErrWorkerLost) {
			t.Errorf("cause %v", err)
		}
		again := <-h.lines
		if held(again) != "" {
			t.Errorf("hello %v", again.hello)
		}
		again.welcome()
		w.leaves(again)
	})
}

func TestAWorkerThatStopsGoesOnUntilAllIsRecorded(t *testing.T) {
	withHub(t, func(t *testing.T, h *fakeHub, c *client.Client) {
		finish := make(chan struct{})
		w := work(t, c, func(ctx context.Context, _ *client.Assignment) (any, error) { <-finish; return nil, ctx.Err() })
		l := <-h.lines
		l.welcome()
		l.assign("1")
		synctest.Wait()
		w.stop()
		if got := l.hears(); got.GetDrain() == nil {
			t.Errorf("got %v", got)
		}
		l.assign("2") // it was on its way
		if back := l.hears().GetGiveBack(); back.GetRunId() != "2" || back.GetStarted() {
			t.Errorf("got %v", back)
		}
		// The connection breaks, and it still does not take anything.
		l.breaks()
		again := <-h.lines
		again.welcome()
		if got := again.hears(); got.GetDrain() == nil {
			t.Errorf("got %v", got)
		}
		close(finish)
		if got := again.result(); got.GetError() != "" {
			t.Errorf("got %v", got)
		}
		synctest.Wait()
		select {
		case err := <-w.ended:
			t.Fatalf("it ended before its result was recorded: %v", err)
		default:
		}
		again.recorded("1")
		w.leaves(again)
	})
}

func TestWhatDoesNotEndWithinTheGraceIsGivenBack(t *testing.T) {
	withHub(t, func(t *testing.T, h *fakeHub, c *client.Client) {
		w := work(t, c, func(ctx context.Context, a *client.Assignment) (any, error) {
			_, err := until(ctx, a)
			if a.Run == 2 {
				return "in time after all", nil
			}
			return nil, err
		}, func(w *client.Worker) { w.Grace = 3 * time.Second })
		l := <-h.lines
		l.welcome()
		l.assign("1")
		l.assign("2")
		synctest.Wait()
		start := time.Now()
		w.stop()
		l.hears() // drain
		got := map[string]*clockdv1.WorkRequest{}
		for range 2 {
			msg := l.hears()
			got[msg.GetGiveBack().GetRunId()+msg.GetResult().GetRunId()] = msg
		}
		if back := got["1"].GetGiveBack(); !back.GetStarted() || time.Since(start) != 3*time.Second {
			t.Errorf("after %s got %v", time.Since(start), got["1"])
		}
		if got["2"].GetResult().GetError() != "" {
			t.Errorf("got %v", got["2"])
		}
		l.recorded("2")
		w.leaves(l)
	})
}

func TestAFunctionThatDoesNotReturnIsNamed(t *testing.T) {
	withHub(t, func(t *testing.T, h *fakeHub, c *client.Client) {
		forever := make(chan struct{})
		w := work(t, c, func(context.Context, *client.Assignment) (any, error) { <-forever; return nil, nil })
		l := <-h.lines
		l.welcome()
		l.assign("1")
		synctest.Wait()
		w.stop()
		l.hears() // drain
		for i := range int64(3) {
			time.Sleep(lease / 3)
			l.ping(i)
			l.hears()
		}
		if back := l.hears().GetGiveBack(); back.GetRunId() != "1" || !back.GetStarted() {
			t.Errorf("got %v", back)
		}
		l.closes()
		if err := w.wait(); err == nil || !strings.Contains(err.Error(), `"report" (run 1)`) {
			t.Errorf("Work: %v", err)
		}
		close(forever)
		synctest.Wait()
	})
}

func TestWorkEndsWhereWaitingDoesNotHelp(t *testing.T) {
	for name, why := range map[string]error{
		"invalid": refusal(task.Invalid("places", "too many")), "other namespace": status.Error(codes.FailedPrecondition, "no"),
		"not there": status.Error(codes.NotFound, "no"), "not allowed": status.Error(codes.PermissionDenied, "no"),
		"who is it": status.Error(codes.Unauthenticated, "no"), "no such service": status.Error(codes.Unimplemented, "no"),
	} {
		t.Run(name, func(t *testing.T) {
			withHub(t, func(t *testing.T, h *fakeHub, c *client.Client) {
				// It has worked before, and its function hears of it.
				causes := make(chan error, 1)
				w := work(t, c, func(ctx context.Context, a *client.Assignment) (any, error) {
					_, err := until(ctx, a)
					causes <- err
					return nil, err
				})
				l := <-h.lines
				l.welcome()
				l.assign("1")
				synctest.Wait()
				h.refuses(func() error { return why })
				l.breaks()
				err := w.wait()
				if status.Code(err) != status.Code(why) {
					t.Errorf("Work: %v", err)
				}
				if cause := <-causes; cause != err {
					t.Errorf("cause %v", cause)
				}
			})
		})
	}
}

func TestAWorkerConnectsAgainAfterGrowingWaits(t *testing.T) {
	withHub(t, func(t *testing.T, h *fakeHub, c *client.Client) {
		var at []time.Time
		hour := time.Now().Add(time.Hour)
		h.refuses(func() error {
			at = append(at, time.Now())
			return []error{refusal(task.ErrStopping), refusal(task.ErrReplaced), status.Error(codes.Internal, "no"), nil}[len(at)%4]
		})
		w := work(t, c, until)
		time.Sleep(time.Until(hour))
		w.stop()
		if err := w.wait(); err != nil {
			t.Errorf("Work: %v", err)
		}
		longest := time.Duration(0)
		for i := range at[1:] {
			wait := at[i+1].Sub(at[i])
			if wait <= 0 || wait > 5*time.Second {
				t.Errorf("wait %d is %s", i, wait)
			}
			longest = max(longest, wait)
		}
		if at[1].Sub(at[0]) > 50*time.Millisecond || longest < 4*time.Second || len(at) < 720 {
			t.Errorf("%d attempts, first wait %s, longest %s", len(at), at[1].Sub(at[0]), longest)
		}
	})
}

func TestAWorkerThatWasConnectedWaitsLongerAndLongerToo(t *testing.T) {
	withHub(t, func(t *testing.T, h *fakeHub, c *client.Client) {
		w := work(t, c, until)
		l := <-h.lines
		l.welcome()
		l.ping(1)
		l.hears()
		tries := 0
		h.refuses(func() error {
			tries++
			return refusal(task.ErrStopping)
		})
		l.breaks()
		time.Sleep(time.Minute)
		w.stop()
		if err := w.wait(); err != nil {
			t.Errorf("Work: %v", err)
		}
		if tries < 12 || tries > 40 { // of 2.5 to 5 s each, but for the first
			t.Errorf("%d attempts within a minute", tries)
		}
	})
}

func TestADaemonThatDoesNotAnswerAHelloIsLeft(t *testing.T) {
	withHub(t, func(t *testing.T, h *fakeHub, c *client.Client) {
		w := work(t, c, until)
		<-h.lines
		l := <-h.lines
		l.welcome()
		w.leaves(l)
	})
}

func TestAWorkerThatIsNotWelcomedYetStopsAtOnce(t *testing.T) {
	withHub(t, func(t *testing.T, h *fakeHub, c *client.Client) {
		w := work(t, c, until)
		<-h.lines
		start := time.Now()
		w.stop()
		if err := w.wait(); err != nil || time.Since(start) != 0 {
			t.Errorf("after %s: %v", time.Since(start), err)
		}
	})
}
