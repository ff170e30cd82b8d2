package rpc_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clockd/clockd/daemon/internal/rpc"
	"github.com/clockd/clockd/daemon/internal/target"
	"github.com/clockd/clockd/daemon/task"
	"github.com/clockd/clockd/daemon/wire"
	clockdv1 "github.com/clockd/clockd/gen/clockd/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/structpb"
)

// One worker of a hundred stops reading while inputs are sent to it that fill the window of its stream, so that the
// daemon can not even ask it whether it is there.
func TestAWorkerThatStopsReadingIsDroppedAndTheOthersGoOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var streams atomic.Int32 // that are served
		d := open(t, newEngine(), grpc.StreamInterceptor(func(srv any, s grpc.ServerStream, _ *grpc.StreamServerInfo, serve grpc.StreamHandler) error {
			defer streams.Add(-1)
			streams.Add(1)
			return serve(srv, s)
		}))
		input := []byte(`"` + strings.Repeat("x", 255<<10) + `"`)
		const many, deaf = 100, 1
		var crowd sync.WaitGroup
		for n := 2; n <= many; n++ {
			w := welcomed(t, clockdv1.NewWorkerServiceClient(d.dial()), helloOf(n, "a"))
			crowd.Go(func() {
				for {
					got, err := w.next()
					if err != nil {
						if err != io.EOF && !errors.Is(wire.FromError(err), task.ErrStopping) {
							t.Errorf("worker %d ended with %v", n, err)
						}
						return
					}
					if a := got.GetAssignment(); a != nil {
						w.say(result(&clockdv1.WorkerResult{RunId: a.GetRunId(), Attempt: a.GetAttempt()}))
					}
				}
			})
		}
		hello := helloOf(deaf, "a", "deaf")
		hello.Places = 50
		w := welcomed(t, clockdv1.NewWorkerServiceClient(d.dial()), hello)

		var stuck []<-chan made
		for i := range 50 {
			stuck = append(stuck, d.do(t, t.Context(), target.Attempt{RunID: task.RunID(i + 1), Number: 1, TaskName: "deaf", Input: input}))
		}
		synctest.Wait()
		began := time.Now()
		for i := range 3 * many { // which no fake time passes for
			if made := <-d.do(t, t.Context(), target.Attempt{RunID: task.RunID(i + 100), Number: 1, TaskName: "a"}); made.err != nil {
				t.Fatal(made.err)
			}
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("the others were held up for %s", took)
		}
		notStarted := 0
		for _, end := range stuck {
			made := <-end
			var lost *target.LostError
			if !errors.As(made.err, &lost) {
				t.Fatalf("ended with %v", made.err)
			}
			if lost.NotStarted {
				notStarted++
			}
		}
		if took := time.Since(began); took != lease {
			t.Errorf("it was dropped after %s", took)
		}
		if notStarted == 0 || notStarted == len(stuck) {
			t.Errorf("%d of %d were not handed out: the window was not full, or was closed", notStarted, len(stuck))
		}
		time.Sleep(lease)
		if n, m := len(d.hub.Workers()), streams.Load(); n != many-1 || m != many-1 {
			t.Errorf("%d workers are left, and %d streams", n, m)
		}
		// When it reads again, it learns it.
		if err := w.end(); !errors.Is(wire.FromError(err), task.ErrWorkerLost) || status.Code(err) != codes.DeadlineExceeded {
			t.Errorf("ended with %v", err)
		}
		d.hub.Close()
		crowd.Wait()
	})
}

// A broken hub panics wherever it is told to.
type broken struct {
	hub
	at string
}

func (b broken) Connect(hello task.Hello) (rpc.Session, error) {
	if b.at == "Connect" {
		panic("secret")
	}
	s, err := b.hub.Connect(hello)
	return brokenSession{s, b.at}, err
}

type brokenSession struct {
	rpc.Session
	at string
}

func (b brokenSession) Next(ctx context.Context) (task.Order, error) {
	if b.at == "Next" {
		panic("secret")
	}
	return b.Session.Next(ctx)
}

func (b brokenSession) Pong(n int64) {
	if b.at == "Pong" {
		panic("secret")
	}
	b.Session.Pong(n)
}

func TestAPanicCostsTheStreamOfOneWorker(t *testing.T) {
	for _, at := range []string{"Connect", "Next", "Pong"} {
		t.Run(at, func(t *testing.T) {
			log := &journal{}
			h := newHub()
			defer h.Close()
			d := serveWorkers(t, newEngine(), broken{h, at}, log)
			w := enter(t, d.workers, helloOf(1))
			w.say(&clockdv1.WorkRequest{Message: &clockdv1.WorkRequest_Pong{Pong: &clockdv1.Pong{Sequence: 1}}})
			err := w.end()
			id, _ := strings.CutPrefix(status.Convert(err).Message(), "internal error ")
			if first := entries(t, log)[0]; status.Code(err) != codes.Internal || first["error_id"] != id || first["error"] != "panic: secret" {
				t.Errorf("got %v, the log has %v", err, first)
			}
			must(d.tasks.ListTasks(t.Context(), nil))(t)
		})
	}
}

// Whatever workers say in whatever order, a stream ends with a status or goes on, and the daemon with it.
func TestNoMessageOfAWorkerEndsMoreThanItsStream(t *testing.T) {
	d := open(t, newEngine("a"))
	rng := rand.New(rand.NewPCG(1, 2))
	run := func() string { return pickOf(rng, "1", "2", "3", "", "x", "-1", "99999999999999999999") }
	number := func() int32 { return pickOf[int32](rng, 1, 1, 0, -1, 1<<31-1) }
	value := func() *structpb.Value {
		return pickOf(rng, nil, &structpb.Value{}, structpb.NewNullValue(), structpb.NewStringValue("x"),
			structpb.NewListValue(&structpb.ListValue{Values: []*structpb.Value{nil, {}}}),
			structpb.NewStructValue(&structpb.Struct{Fields: map[string]*structpb.Value{"": nil}}))
	}
	hello := func() *clockdv1.WorkerHello {
		h := helloOf(1+rng.IntN(3), pickOf(rng, "a", "b", ""))
		if rng.IntN(4) == 0 {
			h.Tasks = []*clockdv1.TaskSpec{pickOf(rng, nil, &clockdv1.TaskSpec{}, spec("h"), &clockdv1.TaskSpec{TaskName: "w", Trigger: wire.TriggerToProto(hourly())})}
		}
		if rng.IntN(2) == 0 {
			h.Held = []*clockdv1.AttemptRef{nil, {RunId: run(), Attempt: number()}}[rng.IntN(2):]
		}
		return h
	}
	message := func() *clockdv1.WorkRequest {
		switch rng.IntN(10) {
		case 0:
			return &clockdv1.WorkRequest{Message: &clockdv1.WorkRequest_Hello{Hello: hello()}}
		case 1:
			return &clockdv1.WorkRequest{Message: &clockdv1.WorkRequest_Pong{Pong: &clockdv1.Pong{Sequence: rng.Int64N(5)}}}
		case 2:
			return &clockdv1.WorkRequest{Message: &clockdv1.WorkRequest_Output{Output: &clockdv1.WorkerOutput{RunId: run(), Attempt: number(), Data: []byte("x")}}}
		case 3:
			return &clockdv1.WorkRequest{Message: &clockdv1.WorkRequest_Progress{Progress: &clockdv1.WorkerProgress{RunId: run(), Attempt: number(), Fraction: rng.Float64() * 1.2}}}
		case 4:
			return &clockdv1.WorkRequest{Message: &clockdv1.WorkRequest_GiveBack{GiveBack: &clockdv1.GiveBack{RunId: run(), Attempt: number(), Started: rng.IntN(2) == 0}}}
		case 5:
			return &clockdv1.WorkRequest{Message: &clockdv1.WorkRequest_Places{Places: &clockdv1.WorkerPlaces{Places: number()}}}
		case 6:
			return pickOf(rng, &clockdv1.WorkRequest{}, &clockdv1.WorkRequest{Message: &clockdv1.WorkRequest_Drain{}}, &clockdv1.WorkRequest{Message: &clockdv1.WorkRequest_Result{}})
		default:
			return result(&clockdv1.WorkerResult{RunId: run(), Attempt: number(), Output: value(), Error: pickOf(rng, "", "x")})
		}
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	var attempts sync.WaitGroup
	for range 300 {
		w := work(t, d.workers)
		if rng.IntN(10) > 0 {
			w.say(&clockdv1.WorkRequest{Message: &clockdv1.WorkRequest_Hello{Hello: hello()}})
		}
		for range rng.IntN(6) {
			w.say(message())
		}
		if p := d.hub.Target().(target.Placed).Reserve("a"); p != nil {
			a := target.Attempt{RunID: task.RunID(1 + rng.IntN(3)), Number: 1, TaskName: "a"}
			attempts.Go(func() { _, _ = p.Do(ctx, a) })
		}
		if rng.IntN(3) > 0 {
			_ = w.stream.CloseSend()
			if err := w.end(); err != io.EOF && status.Code(err) != codes.InvalidArgument && status.Code(err) != codes.Aborted {
				t.Fatalf("ended with %v", err)
			}
		} else {
			w.breaks()
		}
	}
	cancel(target.ErrStopping)
	d.hub.Close()
	attempts.Wait()
	must(d.tasks.ListTasks(t.Context(), nil))(t)
	if log := fmt.Sprint(d.log); strings.Contains(log, "panic") {
		t.Errorf("the log has %s", log)
	}
}

func pickOf[T any](rng *rand.Rand, from ...T) T { return from[rng.IntN(len(from))] }
