package client

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/clockd/clockd/daemon/task"
	"github.com/clockd/clockd/daemon/wire"
	clockdv1 "github.com/clockd/clockd/gen/clockd/v1"
	"github.com/google/uuid"
	"google.golang.org/grpc"
)

// workStream is the connection of a worker.
type workStream = grpc.BidiStreamingClient[clockdv1.WorkRequest, clockdv1.WorkResponse]

// stream connects, says hello, and reads until the connection has ended; the error says why. It does nothing but take
// in what it reads, so that a ping is answered whatever the functions do.
func (w *work) stream(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stream, welcome, err := w.connect(ctx, cancel)
	if err != nil {
		return err
	}
	out := w.begin(welcome)
	var sender sync.WaitGroup
	sender.Go(func() { w.send(stream, out) })
	defer sender.Wait()
	defer cancel(nil)
	defer w.end()
	for {
		resp, err := receive(w.c, stream)
		if err == nil {
			err = w.take(out, resp)
		}
		if err != nil {
			return because(ctx, err)
		}
	}
}

// connect opens a stream and is welcomed.
func (w *work) connect(ctx context.Context, cancel context.CancelCauseFunc) (workStream, *clockdv1.Welcome, error) {
	patience := time.AfterFunc(helloPatience, func() {
		cancel(fmt.Errorf("the daemon has not answered a hello for %s", helloPatience))
	})
	defer patience.Stop()
	out, err := w.c.outgoing(ctx)
	if err != nil {
		return nil, nil, err
	}
	stream, err := w.c.workers.Work(out, grpc.MaxCallRecvMsgSize(maxMessage))
	if err != nil {
		return nil, nil, because(ctx, w.c.explain(err))
	}
	// That the stream has ended is what Recv says better.
	if err := stream.Send(&clockdv1.WorkRequest{Message: &clockdv1.WorkRequest_Hello{Hello: w.hello()}}); err != nil && err != io.EOF {
		return nil, nil, because(ctx, w.c.explain(err))
	}
	resp, err := receive(w.c, stream)
	if err != nil {
		return nil, nil, because(ctx, err)
	}
	if resp.GetWelcome() == nil {
		return nil, nil, unreadable(fmt.Errorf("%T in place of a welcome", resp.GetMessage()))
	}
	return stream, resp.GetWelcome(), nil
}

// because is why a call has failed: what ended ctx, if this side did.
func because(ctx context.Context, err error) error {
	if why := context.Cause(ctx); why != nil && why != context.Canceled {
		return why
	}
	return err
}

// hello says who the worker is, and what it holds.
func (w *work) hello() *clockdv1.WorkerHello {
	pb := w.cfg.hello(w.id)
	w.mu.Lock()
	defer w.mu.Unlock()
	for ref := range w.held {
		pb.Held = append(pb.Held, &clockdv1.AttemptRef{RunId: ref.Run.String(), Attempt: int32(ref.Attempt)})
	}
	pb.Places = max(1, w.places())
	return pb
}

// places is how many functions can be called. mu is held.
func (w *work) places() int32 { return int32(w.cfg.Places - w.strays) }

// begin makes the outbox of a stream: what is held says again what was not recorded.
func (w *work) begin(welcome *clockdv1.Welcome) *outbox {
	w.log.Info("worker is connected", "worker_id", w.id, "namespace", welcome.GetNamespace(), "daemon_version", welcome.GetDaemonVersion())
	for _, warning := range welcome.GetWarnings() {
		w.log.Warn("the daemon warns the worker", "warning", warning)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.steady, w.lease = false, welcome.GetLease().AsDuration()
	w.heard()
	w.out = &outbox{wake: make(chan struct{}, 1), drain: w.draining, places: w.strays > 0}
	for _, a := range w.held {
		a.sent, a.queued = false, false
		w.queue(a)
	}
	w.poke()
	return w.out
}

// end is the end of a stream.
func (w *work) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.out = nil
	for _, a := range w.held {
		a.queued = false
	}
}

// heard notes that the daemon lives. It trusts the worker from when it spoke, which was not after this. mu is held.
func (w *work) heard() {
	if w.lease > 0 {
		w.trusted = time.Now().Add(w.lease)
	}
}

// send says what is in the outbox, until the stream has ended or is to be closed.
func (w *work) send(stream workStream, out *outbox) {
	for {
		msg, closing := w.next(out)
		switch {
		case msg != nil:
			if stream.Send(msg) != nil {
				return // Recv says why
			}
		case closing:
			_ = stream.CloseSend() // never fails
			return
		default:
			select {
			case <-out.wake:
			case <-stream.Context().Done():
				return
			}
		}
	}
}

// next takes the next message out of an outbox. Nil: there is none, and closing says that none will come.
func (w *work) next(out *outbox) (msg *clockdv1.WorkRequest, closing bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case len(out.pongs) > 0:
		sequence := out.pongs[0]
		out.pongs = out.pongs[1:]
		return &clockdv1.WorkRequest{Message: &clockdv1.WorkRequest_Pong{Pong: &clockdv1.Pong{Sequence: sequence}}}, false
	case out.drain:
		out.drain = false
		return &clockdv1.WorkRequest{Message: &clockdv1.WorkRequest_Drain{Drain: &clockdv1.WorkerDrain{}}}, false
	case out.places:
		out.places = false
		return &clockdv1.WorkRequest{Message: &clockdv1.WorkRequest_Places{Places: &clockdv1.WorkerPlaces{Places: w.places()}}}, false
	case len(out.refused) > 0:
		msg, out.refused = out.refused[0], out.refused[1:]
		return msg, false
	}
	for len(out.ready) > 0 {
		a := out.ready[0]
		out.ready = out.ready[1:]
		a.queued = false
		msg := a.next()
		w.queue(a)
		if msg.GetGiveBack() != nil {
			// Nothing answers it. If it does not arrive, the next hello does not name the attempt, which says the same.
			delete(w.held, a.ref)
			w.poke()
		}
		if msg != nil {
			return msg, false
		}
	}
	return nil, w.closing
}

// take does what the daemon says. It does not block.
func (w *work) take(out *outbox, resp *clockdv1.WorkResponse) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch m := resp.GetMessage().(type) {
	case *clockdv1.WorkResponse_Ping:
		w.heard()
		w.steady = true
		out.pongs = append(out.pongs, m.Ping.GetSequence())
		w.wake()
	case *clockdv1.WorkResponse_Assignment:
		as, err := assignmentOf(m.Assignment)
		if err != nil {
			return unreadable(err)
		}
		w.assigned(out, as)
	case *clockdv1.WorkResponse_Cancel:
		ref, err := attemptRef(m.Cancel)
		if err != nil {
			return unreadable(err)
		}
		if a := w.held[ref]; a != nil {
			a.stop(fmt.Errorf("%w: %s", context.Canceled, m.Cancel.GetReason()))
		}
	case *clockdv1.WorkResponse_Recorded:
		ref, err := attemptRef(m.Recorded)
		if err != nil {
			return unreadable(err)
		}
		a := w.held[ref]
		if a == nil || a.end == nil {
			return nil // of an earlier stream
		}
		if m.Recorded.GetLate() {
			w.log.Warn("result came too late: the attempt had been given up", "task_name", a.name, "run_id", ref.Run, "attempt", ref.Attempt)
		}
		delete(w.held, ref)
		w.poke()
	case *clockdv1.WorkResponse_Drain:
		w.log.Info("the daemon stops")
	}
	return nil // what a newer daemon says beside is not for this worker
}

// assigned calls the function of an attempt, or gives the attempt back. mu is held.
func (w *work) assigned(out *outbox, as task.Assignment) {
	refuse := func(reason string) {
		out.refused = append(out.refused, giveBack(as.AttemptRef, false, reason))
		w.wake()
	}
	do := w.do[as.TaskName]
	switch {
	case w.held[as.AttemptRef] != nil:
		return // it is being made
	case w.draining:
		refuse("the worker stops")
		return
	case do == nil:
		refuse(fmt.Sprintf("the worker does not run %q", as.TaskName))
		return
	case w.going >= w.cfg.Places:
		refuse("the worker has no place free")
		return
	}
	a := &attempt{work: w, ref: as.AttemptRef, name: as.TaskName, room: sync.NewCond(&w.mu)}
	a.ctx, a.cancel = context.WithCancelCause(w.base)
	w.held[a.ref] = a
	w.going++
	w.functions.Go(func() { a.make(do, &Assignment{Assignment: as, Output: a, attempt: a}) })
}

// assignmentOf reads an assignment.
func assignmentOf(pb *clockdv1.Assignment) (task.Assignment, error) {
	as := task.Assignment{TaskName: pb.GetTaskName(), Timeout: pb.GetTimeout().AsDuration()}
	var err error
	if as.AttemptRef, err = attemptRef(pb); err != nil {
		return as, err
	}
	if as.TaskID, err = uuid.Parse(pb.GetTaskId()); err != nil {
		return as, fmt.Errorf("task_id %q: %w", pb.GetTaskId(), err)
	}
	var found, more []task.Violation
	as.ScheduledTime, found = wire.TimeFromProto("scheduled_time", pb.GetScheduledTime())
	as.Input, more = wire.JSONFromProto("input", pb.GetInput())
	if found = append(found, more...); found != nil {
		return as, &task.InvalidError{Violations: found}
	}
	return as, nil
}
