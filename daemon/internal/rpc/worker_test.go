package rpc_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clockd/clockd/daemon/internal/target"
	"github.com/clockd/clockd/daemon/task"
	"github.com/clockd/clockd/daemon/wire"
	clockdv1 "github.com/clockd/clockd/gen/clockd/v1"
	"github.com/google/uuid"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// helloOf is that of worker n.
func helloOf(n int, names ...string) *clockdv1.WorkerHello {
	return &clockdv1.WorkerHello{
		WorkerId: uuid.UUID{14: byte(n >> 8), 15: byte(n)}.String(), WorkerName: fmt.Sprintf("worker-%03d", n), TaskNames: names, Places: 2,
	}
}

// A worker is one end of Work.
type worker struct {
	t      *testing.T
	stream clockdv1.WorkerService_WorkClient
	// breaks ends the call as a broken connection does.
	breaks context.CancelFunc
}

// work opens a stream.
func work(t *testing.T, c clockdv1.WorkerServiceClient) *worker {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	stream, err := c.Work(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return &worker{t, stream, cancel}
}

// enter opens a stream and says hello.
func enter(t *testing.T, c clockdv1.WorkerServiceClient, hello *clockdv1.WorkerHello) *worker {
	t.Helper()
	w := work(t, c)
	w.say(&clockdv1.WorkRequest{Message: &clockdv1.WorkRequest_Hello{Hello: hello}})
	return w
}

// welcomed is enter until the welcome.
func welcomed(t *testing.T, c clockdv1.WorkerServiceClient, hello *clockdv1.WorkerHello) *worker {
	t.Helper()
	w := enter(t, c, hello)
	if w.hear().GetWelcome() == nil {
		t.Fatal("no welcome")
	}
	return w
}

func (w *worker) say(q *clockdv1.WorkRequest) {
	w.t.Helper()
	if err := w.stream.Send(q); err != nil && err != io.EOF { // of which Recv tells
		w.t.Fatal(err)
	}
}

// hear returns what the daemon says next, and answers pings.
func (w *worker) hear() *clockdv1.WorkResponse {
	w.t.Helper()
	a, err := w.next()
	if err != nil {
		w.t.Fatal(err)
	}
	return a
}

func (w *worker) next() (*clockdv1.WorkResponse, error) {
	for {
		a, err := w.stream.Recv()
		ping := a.GetPing()
		if ping == nil {
			return a, err
		}
		_ = w.stream.Send(&clockdv1.WorkRequest{Message: &clockdv1.WorkRequest_Pong{Pong: &clockdv1.Pong{Sequence: ping.GetSequence()}}})
	}
}

// end returns what the stream ends with.
func (w *worker) end() error {
	w.t.Helper()
	for {
		if _, err := w.next(); err != nil {
			return err
		}
	}
}

func result(r *clockdv1.WorkerResult) *clockdv1.WorkRequest {
	return &clockdv1.WorkRequest{Message: &clockdv1.WorkRequest_Result{Result: r}}
}

// A made is the end of an attempt.
type made struct {
	output []byte
	err    error
}

// do makes an attempt at a worker.
func (d *door) do(t *testing.T, ctx context.Context, a target.Attempt) <-chan made {
	t.Helper()
	p := d.hub.Target().(target.Placed).Reserve(a.TaskName)
	if p == nil {
		t.Fatalf("no place for %q", a.TaskName)
	}
	end := make(chan made, 1)
	go func() {
		output, err := p.Do(ctx, a)
		end <- made{output, err}
	}()
	return end
}

func TestAWorkerIsWelcomedAndGivenWork(t *testing.T) {
	for server, open := range servers {
		t.Run(server, func(t *testing.T) {
			e := newEngine("a")
			e.tasks[0].Declaration.Target.Kind = "worker"
			d := open(t, e)
			hello := helloOf(1, "a")
			hello.Revision, hello.Namespace = 7, "default"
			w := enter(t, d.workers, hello)
			same(t, &clockdv1.Welcome{Namespace: "default", Lease: durationpb.New(lease), DaemonVersion: "v7"}, w.hear().GetWelcome())

			var wrote []string
			a := target.Attempt{
				RunID: 5, TaskID: e.tasks[0].ID, TaskName: "a", ScheduledTime: start, Number: 2, Input: []byte(`{"x":[1,null]}`),
				Write: func(stream task.OutputStream, data []byte) {
					wrote = append(wrote, fmt.Sprint(stream, ":", string(data)))
				},
				Report: func(p task.Progress) { wrote = append(wrote, fmt.Sprint(p)) },
			}
			ctx, cancel := context.WithTimeoutCause(t.Context(), time.Hour, target.ErrTimeout)
			defer cancel()
			end := d.do(t, ctx, a)
			got := w.hear().GetAssignment()
			if limit := got.GetTimeout().AsDuration(); limit <= 0 || limit > time.Hour {
				t.Errorf("timeout %s", limit)
			}
			got.Timeout = nil
			same(t, &clockdv1.Assignment{
				RunId: "5", Attempt: 2, TaskId: e.tasks[0].ID.String(), TaskName: "a", ScheduledTime: timestamppb.New(start),
				Input: wire.JSONToProto(a.Input),
			}, got)

			list := must(d.workers.ListWorkers(t.Context(), &clockdv1.ListWorkersRequest{}))(t).GetWorkers()
			if len(list) != 1 || list[0].GetConnectTime() == nil || !list[0].GetLeaseExpireTime().AsTime().After(time.Now()) {
				t.Fatalf("workers %v", list)
			}
			list[0].ConnectTime, list[0].LeaseExpireTime = nil, nil
			same(t, &clockdv1.Worker{
				WorkerId: hello.GetWorkerId(), WorkerName: "worker-001", Peer: "in-process", TaskNames: []string{"a"}, Places: 2, Revision: 7,
				Held: []*clockdv1.AttemptRef{{RunId: "5", Attempt: 2}},
			}, list[0])

			w.say(&clockdv1.WorkRequest{Message: &clockdv1.WorkRequest_Output{Output: &clockdv1.WorkerOutput{RunId: "5", Attempt: 2, Data: []byte("out")}}})
			w.say(&clockdv1.WorkRequest{Message: &clockdv1.WorkRequest_Output{Output: &clockdv1.WorkerOutput{RunId: "5", Attempt: 2, Data: []byte("err"), Stderr: true}}})
			w.say(&clockdv1.WorkRequest{Message: &clockdv1.WorkRequest_Progress{Progress: &clockdv1.WorkerProgress{RunId: "5", Attempt: 2, Fraction: -1, Message: "on"}}})
			w.say(result(&clockdv1.WorkerResult{RunId: "5", Attempt: 2, Output: structpb.NewStringValue("done")}))
			if made := <-end; made.err != nil || string(made.output) != `"done"` {
				t.Errorf("%s, %v", made.output, made.err)
			}
			same(t, []string{"1:out", "2:err", "{2 -1 on}"}, wrote)
			same(t, &clockdv1.Recorded{RunId: "5", Attempt: 2}, w.hear().GetRecorded())

			ctx, stop := context.WithCancelCause(t.Context())
			a.RunID, a.Number = 6, 1
			end = d.do(t, ctx, a)
			if w.hear().GetAssignment().GetTimeout() != nil {
				t.Error("a timeout that nobody asked for")
			}
			stop(target.ErrCanceled)
			same(t, &clockdv1.CancelAttempt{RunId: "6", Attempt: 1, Reason: "canceled"}, w.hear().GetCancel())
			w.say(&clockdv1.WorkRequest{Message: &clockdv1.WorkRequest_GiveBack{GiveBack: &clockdv1.GiveBack{RunId: "6", Attempt: 1, Started: true}}})
			if made := <-end; made.err != target.ErrCanceled {
				t.Error(made.err)
			}
			w.say(&clockdv1.WorkRequest{Message: &clockdv1.WorkRequest_Places{Places: &clockdv1.WorkerPlaces{Places: 9}}})
			w.say(&clockdv1.WorkRequest{Message: &clockdv1.WorkRequest_Drain{Drain: &clockdv1.WorkerDrain{}}})
			w.say(result(&clockdv1.WorkerResult{RunId: "6", Attempt: 1}))
			same(t, &clockdv1.Recorded{RunId: "6", Attempt: 1, Late: true}, w.hear().GetRecorded())
			if list := d.hub.Workers(); len(list) != 1 || list[0].Places != 9 || !list[0].Draining {
				t.Errorf("workers %+v", list)
			}
			if err := w.stream.CloseSend(); err != nil {
				t.Fatal(err)
			}
			if err := w.end(); err != io.EOF {
				t.Errorf("ended with %v", err)
			}
			if len(d.hub.Workers()) != 0 {
				t.Error("it is still there")
			}
		})
	}
}

func TestEverythingWrongWithAHelloIsSaidAtOnce(t *testing.T) {
	d := open(t, newEngine("a"))
	spec := func(name string) *clockdv1.TaskSpec {
		return &clockdv1.TaskSpec{TaskName: name, Trigger: wire.TriggerToProto(hourly())}
	}
	command := spec("command")
	command.Target = &clockdv1.TaskSpec_Command{Command: &clockdv1.CommandTarget{Args: []string{"x"}}}
	bad := spec("bad")
	bad.Trigger = wire.TriggerToProto(hourly())
	bad.Trigger.MaxFires = -1
	many := helloOf(1, "a")
	many.Held = slices.Repeat([]*clockdv1.AttemptRef{{RunId: "1", Attempt: 1}}, 20_001)
	crowd := helloOf(1, slices.Repeat([]string{"a"}, 10_001)...)
	for name, c := range map[string]struct {
		hello *clockdv1.WorkerHello
		want  []string
	}{
		"empty": {&clockdv1.WorkerHello{}, []string{"hello.worker_id", "hello.worker_name", "hello.places"}},
		"all": {
			&clockdv1.WorkerHello{
				WorkerId: "me", WorkerName: "a\nb", TaskNames: []string{"a", " b"}, Tasks: []*clockdv1.TaskSpec{spec("x"), bad, spec("x"), command},
				Revision: -1, Places: 10_001, Held: []*clockdv1.AttemptRef{{RunId: "1", Attempt: 1}, {RunId: "x"}},
			},
			[]string{
				"hello.worker_id", "hello.worker_name", "hello.task_names[1]", "hello.tasks[1].trigger.max_fires",
				"hello.tasks[2].task_name", "hello.tasks[3]", "hello.revision", "hello.places", "hello.held[1].run_id", "hello.held[1].attempt",
			},
		},
		"too much": {many, []string{"hello.held"}},
		"too many": {crowd, []string{"hello.task_names"}},
	} {
		t.Run(name, func(t *testing.T) {
			refused(t, enter(t, d.workers, c.hello).end(), c.want...)
			if len(d.hub.Workers()) != 0 {
				t.Error("it was let in")
			}
		})
	}
}

func TestTheFirstMessageAndNoOtherIsAHello(t *testing.T) {
	d := open(t, newEngine())
	pong := &clockdv1.WorkRequest{Message: &clockdv1.WorkRequest_Pong{Pong: &clockdv1.Pong{Sequence: 1}}}
	w := work(t, d.workers)
	w.say(pong)
	refused(t, w.end(), "hello")

	w = work(t, d.workers)
	w.say(&clockdv1.WorkRequest{})
	refused(t, w.end(), "hello")

	w = work(t, d.workers)
	if err := w.stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	refused(t, w.end(), "hello")

	w = enter(t, d.workers, helloOf(1))
	w.say(&clockdv1.WorkRequest{Message: &clockdv1.WorkRequest_Hello{Hello: helloOf(1)}})
	refused(t, w.end(), "hello")
}

func TestAWorkerThatDoesNotSayHelloIsNotWaitedForLongerThanALease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := open(t, newEngine())
		began := time.Now()
		err := work(t, d.workers).end()
		if !errors.Is(wire.FromError(err), task.ErrWorkerLost) || status.Code(err) != codes.DeadlineExceeded || time.Since(began) != lease {
			t.Errorf("after %s: %v", time.Since(began), err)
		}
	})
}

func TestAWorkerOfAnotherNamespaceIsRefused(t *testing.T) {
	d := open(t, newEngine())
	hello := helloOf(1)
	hello.Namespace = "staging"
	err := enter(t, d.workers, hello).end()
	if !errors.Is(wire.FromError(err), task.ErrOtherNamespace) || status.Code(err) != codes.FailedPrecondition ||
		!strings.Contains(err.Error(), `"staging"`) || !strings.Contains(err.Error(), `"default"`) {
		t.Errorf("got %v", err)
	}
}

func TestWhatAWorkerDeclaresIsMadeAndWhatDoesNotFitIsAWarning(t *testing.T) {
	e := newEngine("code", "local", "mine", "older")
	e.tasks[1].Declaration.Target.Kind = "command"
	e.tasks[2].Declaration.Target.Kind = "worker"
	e.tasks[3].Origin, e.tasks[3].Revision = task.Announced, 9
	e.tasks[0].Declaration.Target.Kind = "worker"
	d := open(t, e)
	spec := func(name string) *clockdv1.TaskSpec {
		return &clockdv1.TaskSpec{TaskName: name, Trigger: wire.TriggerToProto(hourly()), Description: "d"}
	}
	hello := helloOf(1, "gone", "local", "mine", "new", "mine")
	hello.Tasks, hello.Revision = []*clockdv1.TaskSpec{spec("code"), spec("older"), spec("new")}, 7
	hello.Tasks[2].Target = &clockdv1.TaskSpec_Worker{Worker: &clockdv1.WorkerTarget{}}
	got := enter(t, d.workers, hello).hear().GetWelcome()
	same(t, []string{
		`hello.tasks[0]: "code": task is declared by a program`,
		`hello.tasks[1]: revision 9 has declared task "older", and the worker has 7: what it says of it does not count`,
		`there is no task "gone", yet`,
		`task "local" is not for workers: its target is a command`,
	}, got.GetWarnings())
	same(t, []string{"code", "gone", "local", "mine", "new", "older"}, d.hub.Workers()[0].Tasks)

	hello.Tasks = []*clockdv1.TaskSpec{spec("another")}
	hello.TaskNames = nil
	enter(t, d.workers, hello).hear()
	want := task.Announcement{
		Declaration: task.Declaration{Name: "another", Description: "d", Trigger: hourly(), Spec: &task.TargetSpec{Worker: &task.WorkerSpec{}}},
		Revision:    7, Worker: "worker-001", Peer: "in-process",
	}
	same(t, want, e.asked)

	for name, c := range map[string]struct {
		err  error
		want string
	}{
		"a calendar":  {task.Invalid("task.trigger.exclusions[0].calendar", "is not declared"), "hello.tasks[0].trigger.exclusions[0].calendar"},
		"all of it":   {task.Invalid("task", "no"), "hello.tasks[0]"},
		"of no field": {task.Invalid("tasks", "no"), "tasks"},
	} {
		t.Run(name, func(t *testing.T) {
			e.mu.Lock()
			e.fail = c.err
			e.mu.Unlock()
			refused(t, enter(t, d.workers, hello).end(), c.want)
		})
	}
}

func TestNoHelloMakesMoreWarningsThanAreRead(t *testing.T) {
	d := open(t, newEngine())
	var names []string
	for i := range 250 {
		names = append(names, fmt.Sprint("task ", i))
	}
	got := enter(t, d.workers, helloOf(1, names...)).hear().GetWelcome().GetWarnings()
	if len(got) != 101 || got[100] != "… and 150 more" {
		t.Errorf("%d warnings, the last %q", len(got), got[len(got)-1])
	}
}

func TestAMessageThatIsWrongEndsTheStreamAndNotWhatTheWorkerHolds(t *testing.T) {
	long := strings.Repeat("x", 1025)
	for name, c := range map[string]struct {
		say  *clockdv1.WorkRequest
		want []string
	}{
		"nothing": {&clockdv1.WorkRequest{}, []string{"message"}},
		"output": {
			&clockdv1.WorkRequest{Message: &clockdv1.WorkRequest_Output{Output: &clockdv1.WorkerOutput{RunId: "-1", Data: make([]byte, 64<<10+1)}}},
			[]string{"output.run_id", "output.attempt", "output.data"},
		},
		"progress": {
			&clockdv1.WorkRequest{Message: &clockdv1.WorkRequest_Progress{Progress: &clockdv1.WorkerProgress{RunId: "1", Attempt: 1, Fraction: math.NaN(), Message: long}}},
			[]string{"progress.message", "progress.fraction"},
		},
		"more than all": {
			&clockdv1.WorkRequest{Message: &clockdv1.WorkRequest_Progress{Progress: &clockdv1.WorkerProgress{RunId: "1", Attempt: 1, Fraction: 1.01}}},
			[]string{"progress.fraction"},
		},
		"infinitely less": {
			&clockdv1.WorkRequest{Message: &clockdv1.WorkRequest_Progress{Progress: &clockdv1.WorkerProgress{RunId: "1", Attempt: 1, Fraction: math.Inf(-1)}}},
			[]string{"progress.fraction"},
		},
		"result":    {result(&clockdv1.WorkerResult{RunId: "01"}), []string{"result.run_id", "result.attempt"}},
		"give_back": {&clockdv1.WorkRequest{Message: &clockdv1.WorkRequest_GiveBack{GiveBack: &clockdv1.GiveBack{RunId: "1", Attempt: 1, Reason: long}}}, []string{"give_back.reason"}},
		"places":    {&clockdv1.WorkRequest{Message: &clockdv1.WorkRequest_Places{Places: &clockdv1.WorkerPlaces{Places: -1}}}, []string{"places.places"}},
	} {
		t.Run(name, func(t *testing.T) {
			d := open(t, newEngine())
			w := welcomed(t, d.workers, helloOf(1, "a"))
			end := d.do(t, t.Context(), target.Attempt{RunID: 1, Number: 1, TaskName: "a"})
			w.hear()
			w.say(c.say)
			refused(t, w.end(), c.want...)
			if list := d.hub.Workers(); len(list) != 1 || !list[0].Disconnected || len(list[0].Held) != 1 {
				t.Errorf("workers %+v", list)
			}
			again := helloOf(1, "a")
			again.Held = []*clockdv1.AttemptRef{{RunId: "1", Attempt: 1}}
			w = welcomed(t, d.workers, again)
			w.say(result(&clockdv1.WorkerResult{RunId: "1", Attempt: 1}))
			if made := <-end; made.err != nil {
				t.Error(made.err)
			}
		})
	}
}

func TestAnOutputThatCanNotBeKeptFailsTheAttemptAndNotTheStream(t *testing.T) {
	d := open(t, newEngine())
	w := welcomed(t, d.workers, helloOf(1, "a"))
	for i, c := range []struct {
		result *clockdv1.WorkerResult
		want   string
	}{
		{&clockdv1.WorkerResult{Output: structpb.NewStringValue(strings.Repeat("x", 256<<10))}, "output: 262146 bytes of JSON, at most 262144 are kept"},
		{&clockdv1.WorkerResult{Output: structpb.NewNumberValue(math.NaN())}, "output: NaN is not a number of JSON"},
		{&clockdv1.WorkerResult{Output: structpb.NewNumberValue(math.NaN()), Error: "broken"}, "broken; and its output: NaN"},
		{&clockdv1.WorkerResult{Error: "a\x00b"}, "a\uFFFDb"},
	} {
		end := d.do(t, t.Context(), target.Attempt{RunID: task.RunID(i + 1), Number: 1, TaskName: "a"})
		w.hear()
		c.result.RunId, c.result.Attempt = fmt.Sprint(i+1), 1
		w.say(result(c.result))
		if made := <-end; made.err == nil || !strings.HasPrefix(made.err.Error(), c.want) || made.output != nil {
			t.Errorf("%d: %q, %v", i, made.output, made.err)
		}
		same(t, &clockdv1.Recorded{RunId: fmt.Sprint(i + 1), Attempt: 1}, w.hear().GetRecorded())
	}
}

func TestAWorkerThatClosesItsSideHasLeftAndOneWhoseConnectionBreaksHasNot(t *testing.T) {
	for _, left := range []bool{true, false} {
		t.Run(fmt.Sprint(left), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := open(t, newEngine())
				w := welcomed(t, d.workers, helloOf(1, "a"))
				end := d.do(t, t.Context(), target.Attempt{RunID: 1, Number: 1, TaskName: "a"})
				w.hear()
				began, want := time.Now(), lease
				if left {
					want = 0
					if err := w.stream.CloseSend(); err != nil {
						t.Fatal(err)
					}
				} else {
					w.breaks()
				}
				made := <-end
				var lost *target.LostError
				if !errors.As(made.err, &lost) || lost.NotStarted || time.Since(began) != want {
					t.Errorf("after %s: %v", time.Since(began), made.err)
				}
			})
		})
	}
}

func TestASecondStreamOfAWorkerEndsTheFirst(t *testing.T) {
	d := open(t, newEngine())
	first := welcomed(t, d.workers, helloOf(1, "a"))
	second := welcomed(t, d.workers, helloOf(1, "a"))
	if err := first.end(); !errors.Is(wire.FromError(err), task.ErrReplaced) || status.Code(err) != codes.Aborted {
		t.Errorf("ended with %v", err)
	}
	d.do(t, t.Context(), target.Attempt{RunID: 1, Number: 1, TaskName: "a"})
	if second.hear().GetAssignment() == nil {
		t.Error("it is not the worker's")
	}
}

func TestADaemonThatStopsDrainsAndEndsTheStreamsAfterItsLastWord(t *testing.T) {
	d := open(t, newEngine())
	w := welcomed(t, d.workers, helloOf(1, "a"))
	end := d.do(t, t.Context(), target.Attempt{RunID: 1, Number: 1, TaskName: "a"})
	w.hear()
	d.hub.Drain()
	if w.hear().GetDrain() == nil {
		t.Error("no drain")
	}
	w.say(result(&clockdv1.WorkerResult{RunId: "1", Attempt: 1}))
	<-end
	d.hub.Close()
	if w.hear().GetRecorded() == nil {
		t.Error("not recorded")
	}
	if err := w.end(); !errors.Is(wire.FromError(err), task.ErrStopping) || status.Code(err) != codes.Unavailable {
		t.Errorf("ended with %v", err)
	}
	if err := enter(t, d.workers, helloOf(2, "a")).end(); !errors.Is(wire.FromError(err), task.ErrStopping) {
		t.Errorf("a new one: %v", err)
	}
}
