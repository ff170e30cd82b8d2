package client_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clockd/clockd/client"
	"github.com/clockd/clockd/daemon/task"
	clockdv1 "github.com/clockd/clockd/gen/clockd/v1"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

func TestAWorkerMakesAnAttemptAndTellsHowItGoes(t *testing.T) {
	withHub(t, func(t *testing.T, h *fakeHub, c *client.Client) {
		at := time.Date(2027, 1, 2, 3, 4, 5, 0, time.UTC)
		var facts task.Assignment
		w := work(t, c, func(ctx context.Context, a *client.Assignment) (any, error) {
			facts = a.Assignment
			var input struct{ Sheets int }
			if err := a.Decode(&input); err != nil {
				return nil, err
			}
			a.Progress(0.5, "half")
			synctest.Wait() // it is sent
			a.Progress(math.NaN(), "lost count")
			synctest.Wait()
			fmt.Fprintf(a.Output, "%d sheets\n", input.Sheets)
			return map[string]int{"printed": input.Sheets}, ctx.Err()
		})
		l := <-h.lines
		if l.hello.GetWorkerName() != "tester" || l.hello.GetPlaces() != 4 || len(l.hello.GetTaskNames()) != 1 || len(l.hello.GetTasks()) != 0 {
			t.Errorf("hello %v", l.hello)
		}
		l.welcome()
		l.say(&clockdv1.WorkResponse{Message: &clockdv1.WorkResponse_Assignment{Assignment: &clockdv1.Assignment{
			RunId: "7", Attempt: 2, TaskName: "report", TaskId: task.IDOf("default", "report").String(),
			ScheduledTime: timestamppb.New(at), Timeout: durationpb.New(time.Minute),
			Input: structpb.NewStructValue(&structpb.Struct{Fields: map[string]*structpb.Value{"Sheets": structpb.NewNumberValue(3)}}),
		}}})
		for _, want := range []*clockdv1.WorkRequest{
			{Message: &clockdv1.WorkRequest_Progress{Progress: &clockdv1.WorkerProgress{RunId: "7", Attempt: 2, Fraction: 0.5, Message: "half"}}},
			{Message: &clockdv1.WorkRequest_Progress{Progress: &clockdv1.WorkerProgress{RunId: "7", Attempt: 2, Fraction: -1, Message: "lost count"}}},
			{Message: &clockdv1.WorkRequest_Output{Output: &clockdv1.WorkerOutput{RunId: "7", Attempt: 2, Data: []byte("3 sheets\n")}}},
			{Message: &clockdv1.WorkRequest_Result{Result: &clockdv1.WorkerResult{
				RunId: "7", Attempt: 2,
				Output: structpb.NewStructValue(&structpb.Struct{Fields: map[string]*structpb.Value{"printed": structpb.NewNumberValue(3)}}),
			}}},
		} {
			if diff := cmp.Diff(want, l.hears(), protocmp.Transform()); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		}
		want := task.Assignment{
			AttemptRef: task.AttemptRef{Run: 7, Attempt: 2}, TaskID: task.IDOf("default", "report"), TaskName: "report",
			ScheduledTime: at, Input: []byte(`{"Sheets":3}`), Timeout: time.Minute,
		}
		if diff := cmp.Diff(want, facts); diff != "" {
			t.Errorf("-want +got\n%s", diff)
		}
		l.say(&clockdv1.WorkResponse{Message: &clockdv1.WorkResponse_Recorded{Recorded: &clockdv1.Recorded{RunId: "7", Attempt: 2}}})
		w.leaves(l)
	})
}

func TestAWorkerDeclaresTheTasksThatHaveATrigger(t *testing.T) {
	withHub(t, func(t *testing.T, h *fakeHub, c *client.Client) {
		w := work(t, c, until, func(w *client.Worker) {
			w.Revision, w.Namespace = 9, "office"
			w.Tasks = append(w.Tasks, client.WorkerTask{
				Name: "scan", Do: until, Trigger: hourly, Description: "scans", Group: "paper",
				Labels: map[string]string{"a": "b"}, Policy: task.Policy{Timeout: time.Minute},
			})
		})
		l := <-h.lines
		want := &clockdv1.WorkerHello{
			WorkerId: l.hello.GetWorkerId(), WorkerName: "tester", Namespace: "office", Revision: 9, Places: 4, TaskNames: []string{"report"},
			Tasks: []*clockdv1.TaskSpec{{
				TaskName: "scan", Description: "scans", Group: "paper", Labels: map[string]string{"a": "b"},
				Trigger: l.hello.GetTasks()[0].GetTrigger(), Policy: &clockdv1.Policy{Timeout: durationpb.New(time.Minute)},
			}},
		}
		if diff := cmp.Diff(want, l.hello, protocmp.Transform()); diff != "" {
			t.Errorf("-want +got\n%s", diff)
		}
		if every := want.GetTasks()[0].GetTrigger().GetEvery().GetInterval().AsDuration(); every != time.Hour {
			t.Errorf("every %s", every)
		}
		l.welcome()
		w.leaves(l)
	})
}

func TestHowAFunctionEndsIsTheResult(t *testing.T) {
	for name, row := range map[string]struct {
		do   func(context.Context, *client.Assignment) (any, error)
		want string // of the error; empty: none
	}{
		"nothing":            {func(context.Context, *client.Assignment) (any, error) { return nil, nil }, ""},
		"error":              {func(context.Context, *client.Assignment) (any, error) { return 1, errBroken }, "broken"},
		"error without text": {func(context.Context, *client.Assignment) (any, error) { return nil, errors.New("") }, "says nothing"},
		"panic":              {func(context.Context, *client.Assignment) (any, error) { panic("oh") }, "panic: oh"},
		"exit of goroutine":  {func(context.Context, *client.Assignment) (any, error) { runtime.Goexit(); return nil, nil }, "ended its goroutine"},
		"not UTF-8":          {func(context.Context, *client.Assignment) (any, error) { return nil, errors.New("a\xffb") }, "a\uFFFDb"},
		"not JSON":           {func(context.Context, *client.Assignment) (any, error) { return math.Inf(1), nil }, "can not be written as JSON"},
		"panic in JSON":      {func(context.Context, *client.Assignment) (any, error) { return angry{}, nil }, "panic: angry"},
		"too large":          {func(context.Context, *client.Assignment) (any, error) { return strings.Repeat("x", 300<<10), nil }, "at most 262144"},
		"large integer":      {func(context.Context, *client.Assignment) (any, error) { return int64(math.MaxInt64), nil }, "as a string"},
		"input of another kind": {func(_ context.Context, a *client.Assignment) (any, error) {
			a.Input = []byte(`"text"`)
			var n int
			return n, a.Decode(&n)
		}, "the input of the run"},
	} {
		t.Run(name, func(t *testing.T) {
			withHub(t, func(t *testing.T, h *fakeHub, c *client.Client) {
				w := work(t, c, row.do)
				l := <-h.lines
				l.welcome()
				l.assign("1")
				got := l.result()
				if (row.want == "") != (got.GetError() == "") || !strings.Contains(got.GetError(), row.want) || got.GetOutput() != nil {
					t.Errorf("result %v, want error %q", got, row.want)
				}
				l.recorded("1")
				w.leaves(l)
			})
		})
	}
}

type angry struct{}

func (angry) MarshalJSON() ([]byte, error) { panic("angry") }

func TestACanceledAttemptIsToldWhy(t *testing.T) {
	withHub(t, func(t *testing.T, h *fakeHub, c *client.Client) {
		w := work(t, c, func(ctx context.Context, a *client.Assignment) (any, error) {
			_, err := until(ctx, a)
			if !errors.Is(err, context.Canceled) {
				t.Errorf("cause %v", err)
			}
			return nil, err
		})
		l := <-h.lines
		l.welcome()
		l.assign("1")
		l.cancel("2", "of another")
		l.cancel("1", "no longer needed")
		if got := l.result(); !strings.Contains(got.GetError(), "no longer needed") {
			t.Errorf("result %v", got)
		}
		l.recorded("1")
		w.leaves(l)
	})
}

func TestNoMoreFunctionsAreCalledThanThereArePlaces(t *testing.T) {
	withHub(t, func(t *testing.T, h *fakeHub, c *client.Client) {
		w := work(t, c, until, func(w *client.Worker) { w.Places = 1 })
		l := <-h.lines
		l.welcome()
		l.assign("1")
		l.assign("1") // twice the same is one
		l.assign("2")
		if back := l.hears().GetGiveBack(); back.GetRunId() != "2" || back.GetStarted() || back.GetReason() == "" {
			t.Errorf("got %v", back)
		}
		l.cancel("1", "enough")
		l.result()
		l.recorded("1")
		w.leaves(l)
	})
}

func TestPingsAreAnsweredWhateverTheFunctionsWrite(t *testing.T) {
	withHub(t, func(t *testing.T, h *fakeHub, c *client.Client) {
		const floods = 50
		w := work(t, c, func(ctx context.Context, a *client.Assignment) (any, error) {
			for {
				if _, err := a.Output.Write(make([]byte, 1<<20)); err != nil {
					return nil, err
				}
			}
		}, func(w *client.Worker) { w.Places = floods })
		l := <-h.lines
		l.welcome()
		for i := range floods {
			l.assign(fmt.Sprint(i + 1))
		}
		synctest.Wait() // all wait for room
		l.ping(1)
		synctest.Wait()
		of := map[string]int{}
		before := -1
		for n := range 300 { // slowly
			msg := l.hears()
			if out := msg.GetOutput(); out != nil {
				if of[out.GetRunId()]++; len(out.GetData()) > 64<<10 {
					t.Fatalf("%d bytes in a message", len(out.GetData()))
				}
			}
			if msg.GetPong().GetSequence() == 1 {
				before = n
			}
		}
		// What gRPC has taken is before it: its window and its own buffer, not what 50 functions want to write.
		if before < 0 || before > 8 {
			t.Errorf("%d messages before the pong", before)
		}
		for i := range floods {
			if n := of[fmt.Sprint(i+1)]; n < 3 {
				t.Errorf("run %d came to say %d things of 300", i+1, n)
			}
		}
		w.stop()
		for i := range floods {
			l.cancel(fmt.Sprint(i+1), "enough")
		}
		for results := 0; results < floods; {
			if got := l.hears().GetResult(); got != nil {
				results++
				l.recorded(got.GetRunId())
			}
		}
		l.closes()
		if err := w.wait(); err != nil {
			t.Error(err)
		}
	})
}

func TestAWriteAfterTheEndFails(t *testing.T) {
	withHub(t, func(t *testing.T, h *fakeHub, c *client.Client) {
		var kept *client.Assignment
		w := work(t, c, func(_ context.Context, a *client.Assignment) (any, error) { kept = a; return nil, nil })
		l := <-h.lines
		l.welcome()
		l.assign("1")
		l.result()
		if _, err := kept.Output.Write([]byte("x")); err == nil {
			t.Error("it is taken")
		}
		kept.Progress(1, "too late")
		l.recorded("1")
		w.leaves(l)
	})
}

func TestAFunctionCanBeTestedWithoutAWorker(t *testing.T) {
	a := &client.Assignment{Assignment: task.Assignment{Input: []byte("3")}}
	a.Progress(1, "done")
	n := 0
	if err := a.Decode(&n); err != nil || n != 3 {
		t.Errorf("%d, %v", n, err)
	}
	a.Input = nil
	if err := a.Decode(&n); err != nil || n != 3 {
		t.Errorf("without an input: %d, %v", n, err)
	}
}

func TestWhatIsWrongWithAWorkerIsSaidAtOnce(t *testing.T) {
	c := dialNowhere(t)
	err := c.Work(t.Context(), client.Worker{
		Name: strings.Repeat("x", 201), Places: 10_001, Revision: -1, Grace: -1,
		Tasks: []client.WorkerTask{{Name: "a", Do: until}, {Name: "a"}, {Name: " ", Do: until}, {Name: "b", Do: until, Group: "g"}},
	})
	var invalid *task.InvalidError
	if !errors.As(err, &invalid) {
		t.Fatalf("got %v", err)
	}
	var fields []string
	for _, v := range invalid.Violations {
		fields = append(fields, v.Field)
	}
	want := []string{"name", "places", "grace", "revision", "tasks[1].name", "tasks[1].do", "tasks[2].name", "tasks[3].trigger"}
	if diff := cmp.Diff(want, fields); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if err := c.Work(t.Context(), client.Worker{}); !isInvalid(err) || !strings.Contains(err.Error(), "tasks") {
		t.Errorf("without tasks: %v", err)
	}
}

// dialNowhere is a client of a daemon that is not there.
func dialNowhere(t *testing.T) *client.Client {
	t.Helper()
	c, err := client.Dial("127.0.0.1:1")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestWorkersListsThem(t *testing.T) {
	withHub(t, func(t *testing.T, h *fakeHub, c *client.Client) {
		at := time.Date(2027, 1, 2, 3, 4, 5, 0, time.UTC)
		want := task.Worker{
			Hello: task.Hello{
				ID: task.IDOf("", "any"), Name: "one", Peer: "127.0.0.1:9", Tasks: []string{"a", "b"}, Revision: 7, Places: 3,
				Held: []task.AttemptRef{{Run: 4, Attempt: 2}},
			},
			ConnectTime: at, LeaseExpireTime: at.Add(lease), Draining: true, Disconnected: true,
		}
		h.workers = []*clockdv1.Worker{{
			WorkerId: want.ID.String(), WorkerName: "one", Peer: "127.0.0.1:9", TaskNames: []string{"a", "b"}, Revision: 7, Places: 3,
			Held:        []*clockdv1.AttemptRef{{RunId: "4", Attempt: 2}},
			ConnectTime: timestamppb.New(at), LeaseExpireTime: timestamppb.New(at.Add(lease)), Draining: true, Disconnected: true,
		}}
		got, err := c.Workers(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]task.Worker{want}, got); diff != "" {
			t.Errorf("-want +got\n%s", diff)
		}
		h.workers[0].WorkerId = "x"
		if _, err := c.Workers(t.Context()); err == nil || status.Code(err) == codes.OK {
			t.Errorf("an answer that can not be read: %v", err)
		}
	})
}
