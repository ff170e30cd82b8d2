package client

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/clockd/clockd/daemon/task"
	clockdv1 "github.com/clockd/clockd/gen/clockd/v1"
	"github.com/google/uuid"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/structpb"
)

const (
	// How long a worker waits before it connects again: the first time, and at most.
	firstWorkWait   = 50 * time.Millisecond
	longestWorkWait = 5 * time.Second
	// helloPatience is how long the daemon may take to answer a hello, and to end a stream that the worker has closed.
	helloPatience = 10 * time.Second
)

// Why the context of a function ends, beside task.ErrWorkerLost and what the daemon says.
var errGraceOver = fmt.Errorf("%w: the worker stops, and its grace is over", context.Canceled)

// work is one call of Client.Work. run owns it; beside run there are, at any time, at most one stream with its reader
// and its sender, and as many functions as there are places.
type work struct {
	c    *Client
	cfg  Worker
	id   uuid.UUID
	do   map[string]func(context.Context, *Assignment) (any, error)
	log  *slog.Logger
	base context.Context // of functions: with the values of the caller's, and without its end

	functions sync.WaitGroup
	changed   chan struct{} // poked when run is to look again

	mu sync.Mutex
	// held is what the daemon counts on: the attempts that go, and those whose ends are not recorded yet.
	held map[task.AttemptRef]*attempt
	// going is how many functions have not returned, and strays how many of those make attempts that are not held.
	going, strays int
	// trusted is when the daemon has given the worker up at the latest, unless it pings before. Zero: it does not know
	// the worker.
	trusted time.Time
	lease   time.Duration
	// steady says that the last stream lasted until a ping.
	steady bool
	// draining says that nothing new is taken, closing that all is said that there is to say.
	draining, closing bool
	// out is what is to be said on the stream. Nil: there is none, or it has not been welcomed.
	out *outbox
}

// outbox is what is to be said on one stream, in the order of its fields. Guarded by work.mu.
type outbox struct {
	pongs  []int64
	drain  bool
	places bool
	// refused are the assignments that were not taken.
	refused []*clockdv1.WorkRequest
	// ready are the attempts that have something to say. Each says one thing and goes to the end, so that none
	// holds up another.
	ready []*attempt
	wake  chan struct{} // poked when there is something
}

func newWork(ctx context.Context, c *Client, cfg Worker, id uuid.UUID) *work {
	w := &work{
		c: c, cfg: cfg, id: id, log: cfg.Logger.With("worker_name", cfg.Name), base: context.WithoutCancel(ctx),
		do:      map[string]func(context.Context, *Assignment) (any, error){},
		changed: make(chan struct{}, 1), held: map[task.AttemptRef]*attempt{},
	}
	for i := range cfg.Tasks {
		w.do[cfg.Tasks[i].Name] = cfg.Tasks[i].Do
	}
	return w
}

// run connects, again and again, until ctx ends, and then until nothing is held.
func (w *work) run(ctx context.Context) error {
	streams, endStreams := context.WithCancelCause(w.base)
	defer endStreams(nil)
	ended := make(chan error, 1)
	connected, giveUp := false, context.CancelCauseFunc(nil) // the stream that there is, and how to end it
	retry, wait := time.NewTimer(0), firstWorkWait
	grace, lapse := stoppedTimer(), stoppedTimer()
	defer retry.Stop()
	defer grace.Stop()
	defer lapse.Stop()

	stop, canceled := ctx.Done(), false
	for {
		if d, ok := w.untilLapse(); ok {
			lapse.Reset(d)
		}
		select {
		case <-stop:
			stop = nil
			w.drain()
			grace.Reset(w.cfg.Grace)
		case <-grace.C:
			if canceled {
				return w.leave(connected, ended, giveUp)
			}
			canceled = true
			w.cancelAll(errGraceOver)
			grace.Reset(w.cfg.Grace)
		case <-lapse.C:
			if d, ok := w.untilLapse(); ok && d <= 0 {
				lost := fmt.Errorf("%w: it has not heard the daemon for a whole lease", task.ErrWorkerLost)
				w.lose(lost)
				if connected && w.welcomed() {
					giveUp(lost)
				}
			}
		case <-retry.C:
			var one context.Context
			one, giveUp = context.WithCancelCause(streams)
			connected = true
			go func() { ended <- w.stream(one) }()
		case err := <-ended:
			giveUp(nil)
			connected = false
			if errors.Is(err, task.ErrWorkerLost) {
				w.lose(err)
			}
			if final(err) {
				return w.fail(err)
			}
			if w.wasSteady() {
				wait = firstWorkWait
			}
			d := wait/2 + rand.N(wait/2)
			w.log.Warn("no connection of the worker to the daemon", "error", err, "retry_in", d)
			retry.Reset(d)
			wait = min(2*wait, longestWorkWait)
		case <-w.changed:
		}
		if stop == nil && w.idle() {
			return w.leave(connected, ended, giveUp)
		}
	}
}

// stoppedTimer is a timer that does not fire until it is set.
func stoppedTimer() *time.Timer {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return t
}

// final reports whether waiting does not help against an error of a stream.
func final(err error) bool {
	switch status.Code(err) {
	case codes.InvalidArgument, codes.NotFound, codes.PermissionDenied, codes.Unauthenticated, codes.FailedPrecondition, codes.Unimplemented:
		return true
	}
	return errors.Is(err, task.ErrInvalid) // of this side: the actor can not be sent
}

// untilLapse is how long the daemon may yet trust the worker. Not ok: it does not know it.
func (w *work) untilLapse() (d time.Duration, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return time.Until(w.trusted), !w.trusted.IsZero()
}

// wasSteady reports whether the last connection was one of some duration. The next must be that anew.
func (w *work) wasSteady() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	steady := w.steady
	w.steady = false
	return steady
}

// idle reports whether nothing is held and nothing goes.
func (w *work) idle() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.held) == 0 && w.going == 0
}

// poke lets run look again.
func (w *work) poke() {
	select {
	case w.changed <- struct{}{}:
	default:
	}
}

// drain says that nothing new is taken.
func (w *work) drain() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.draining = true
	if w.out != nil {
		w.out.drain = true
		w.wake()
	}
}

// cancelAll ends the contexts of all functions.
func (w *work) cancelAll(why error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, a := range w.held {
		a.stop(why)
	}
}

// lose drops all that is held: the daemon has given it up.
func (w *work) lose(why error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.trusted = time.Time{}
	if len(w.held) > 0 {
		w.log.Error("worker is lost: what it holds is made elsewhere", "attempts", len(w.held), "error", why)
	}
	for _, a := range w.held {
		w.drop(a, why)
	}
}

// drop forgets an attempt. mu is held.
func (w *work) drop(a *attempt, why error) {
	if a.end == nil {
		w.strays++
		w.tellPlaces()
	}
	delete(w.held, a.ref)
	a.dropped, a.progress, a.output = true, nil, nil
	a.stop(why)
	w.poke()
}

// returned says how a function has ended.
func (w *work) returned(a *attempt, output *structpb.Value, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.going--
	switch why := context.Cause(a.ctx); {
	case a.dropped:
		w.strays--
		w.tellPlaces()
	case err == nil:
		a.end = a.result(output, "")
	case errors.Is(why, errGraceOver):
		a.end = giveBack(a.ref, true, why.Error())
	case err.Error() == "":
		a.end = a.result(nil, fmt.Sprintf("a %T that says nothing", err))
	default:
		a.end = a.result(nil, err.Error())
	}
	a.stop(nil) // of those who write yet
	w.queue(a)
	w.poke()
}

// queue has an attempt say what it has to say. mu is held.
func (w *work) queue(a *attempt) {
	if w.out != nil && !a.queued && a.more() {
		a.queued = true
		w.out.ready = append(w.out.ready, a)
		w.wake()
	}
}

// tellPlaces says how many functions can be called, if that is not what was said. mu is held.
func (w *work) tellPlaces() {
	if w.out != nil {
		w.out.places = true
		w.wake()
	}
}

// wake has the sender look again. mu is held.
func (w *work) wake() {
	select {
	case w.out.wake <- struct{}{}:
	default:
	}
}

// leave closes the stream in good order, after all that can be said was said, and says what is left behind.
func (w *work) leave(connected bool, ended <-chan error, giveUp context.CancelCauseFunc) error {
	err := w.close()
	if connected {
		patience := time.NewTimer(helloPatience)
		defer patience.Stop()
		if !w.welcomed() {
			giveUp(nil)
		}
		select {
		case <-ended:
		case <-patience.C:
			giveUp(nil)
			<-ended
		}
		giveUp(nil)
	}
	if err == nil {
		w.functions.Wait() // all have said how they have ended
	}
	return err
}

func (w *work) welcomed() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.out != nil
}

// close gives back what goes yet, and has the stream closed.
func (w *work) close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	var stuck, unrecorded []string
	for _, a := range w.held {
		name := fmt.Sprintf("%q (run %s)", a.name, a.ref.Run)
		if a.end != nil {
			unrecorded = append(unrecorded, name)
			continue
		}
		stuck = append(stuck, name)
		a.end = giveBack(a.ref, true, "the worker has stopped, and the function has not returned")
		a.stop(errGraceOver)
		w.queue(a)
	}
	w.closing = true
	if w.out != nil {
		w.wake()
	}
	slices.Sort(stuck)
	slices.Sort(unrecorded)
	var errs []error
	if len(stuck) > 0 {
		errs = append(errs, fmt.Errorf("functions have not returned, though their contexts have ended: %s", strings.Join(stuck, ", ")))
	}
	if w.strays > 0 {
		errs = append(errs, fmt.Errorf("functions have not returned, though their contexts have ended: %d of attempts that were lost", w.strays))
	}
	if len(unrecorded) > 0 {
		errs = append(errs, fmt.Errorf("results were not recorded by the daemon: %s", strings.Join(unrecorded, ", ")))
	}
	return errors.Join(errs...)
}

// fail ends everything because the daemon does not let the worker in.
func (w *work) fail(why error) error {
	w.lose(why)
	limit := time.NewTimer(w.cfg.Grace)
	defer limit.Stop()
	for !w.idle() {
		select {
		case <-w.changed:
		case <-limit.C:
			return errors.Join(why, w.close())
		}
	}
	w.functions.Wait()
	return why
}
