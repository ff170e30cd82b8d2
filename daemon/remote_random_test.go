package daemon_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/clockd/clockd/client"
	"github.com/clockd/clockd/daemon"
	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/store/memory"
	"github.com/clockd/clockd/daemon/task"
	clockdv1 "github.com/clockd/clockd/gen/clockd/v1"
	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/structpb"
)

// remoteHistories is how many histories with workers are lived through.
const remoteHistories = 40

// Whatever workers, callers and the daemon do, each attempt is made by one worker at most, a task that asks for it makes
// no run twice, and a worker that comes in the end with one place ends all runs.
func TestRandomHistoriesWithWorkersKeepThePromises(t *testing.T) {
	eachSeed(t, remoteHistories, func(t *testing.T, seed uint64) { newRemoteHistory(t, seed).live() })
}

const remoteLease = 3 * time.Second

// remoteHistory is a minute or so in the life of tasks of workers.
type remoteHistory struct {
	*world
	rand  *rand.Rand
	inner store.Store
	down  *outage
	tasks []task.Declaration
	dying sync.WaitGroup
	calls sync.WaitGroup
	died  bool
	lines []string

	// The book, guarded by world.mu: who was given an attempt, how many attempts of a run a worker has begun, and the
	// results that a worker was told are recorded.
	given    map[task.AttemptRef]string
	begun    map[task.RunID]int
	recorded map[task.AttemptRef]bool
}

func newRemoteHistory(t *testing.T, seed uint64) *remoteHistory {
	h := &remoteHistory{
		world: &world{t: t, log: slog.New(slog.DiscardHandler)},
		rand:  rand.New(&guarded{source: rand.NewPCG(seed, 11)}),
		given: map[task.AttemptRef]string{}, begun: map[task.RunID]int{}, recorded: map[task.AttemptRef]bool{},
	}
	h.inner = memory.New(memory.Config{Namespace: "default", Now: h.now})
	for i := range 4 {
		d := task.Declaration{
			Name: fmt.Sprint("task", i), Trigger: h.busy(), Spec: &task.TargetSpec{Worker: &task.WorkerSpec{}},
			Policy: task.Policy{
				Overlap:  pick(h.rand, task.OverlapSkip, task.OverlapQueue, task.OverlapAllow, task.OverlapCancel),
				Delivery: pick(h.rand, task.AtLeastOnce, task.AtMostOnce),
				Timeout:  pick(h.rand, 0, time.Second, 8*time.Second),
			},
		}
		if d.Policy.Delivery == task.AtLeastOnce && h.rand.IntN(2) == 0 {
			d.Policy.Retry = task.Retry{MaxAttempts: 3, Backoff: time.Second}
		}
		h.tasks = append(h.tasks, d)
	}
	return h
}

func (h *remoteHistory) busy() schedule.Trigger {
	return schedule.MustParse(pick(h.rand, "every 2s", "every 3s", "every 7s"))
}

func (h *remoteHistory) say(format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lines = append(h.lines, h.now().Format("15:04:05.000 ")+fmt.Sprintf(format, args...))
}

// span is a random span of less than most.
func (h *remoteHistory) span(most time.Duration) time.Duration {
	return time.Duration(h.rand.Int64N(int64(most)))
}

func (h *remoteHistory) up() {
	h.down = &outage{}
	h.store = &hooked{Store: h.inner, before: h.down.before}
	cfg := daemon.Config{
		Store: h.store, Logger: h.log, StopGrace: pick(h.rand, time.Millisecond, 2*time.Second, 10*time.Second), WorkerLease: remoteLease,
	}
	if h.rand.IntN(2) == 0 {
		cfg.Limits = task.Limits{MaxRunning: 2}
	}
	h.run(cfg)
	h.say("up")
}

func (h *remoteHistory) gives(ref task.AttemptRef, who string) {
	h.mu.Lock()
	h.begun[ref.Run]++
	if to, twice := h.given[ref]; twice {
		h.mu.Unlock()
		h.fault("attempt %d of run %s was given to %s and to %s", ref.Attempt, ref.Run, to, who)
		return
	}
	h.given[ref] = who
	h.mu.Unlock()
	h.say("%s gets %s/%d", who, ref.Run, ref.Attempt)
}

// rude is a worker that does what workers do, and what they should not.
type rude struct {
	*remoteHistory
	name   string
	id     uuid.UUID
	places int
	held   map[task.AttemptRef]bool // true: it has ended
}

func named(ref task.AttemptRef) *clockdv1.AttemptRef {
	return &clockdv1.AttemptRef{RunId: ref.Run.String(), Attempt: int32(ref.Attempt)}
}

// live connects again and again.
func (r *rude) live(ctx context.Context, conn func() *daemon.Daemon) {
	for ctx.Err() == nil {
		time.Sleep(r.span(2 * time.Second))
		if r.rand.IntN(5) == 0 { // it is another process
			r.id = uuid.New()
			clear(r.held)
		}
		one, cancel := context.WithTimeout(ctx, time.Second+r.span(20*time.Second))
		r.session(one, conn())
		cancel()
	}
}

func (r *rude) session(ctx context.Context, d *daemon.Daemon) {
	stream, err := clockdv1.NewWorkerServiceClient(d.Conn()).Work(ctx)
	if err != nil {
		return
	}
	hello := &clockdv1.WorkerHello{WorkerId: r.id.String(), WorkerName: r.name, Places: int32(r.places)}
	for i := range r.tasks {
		if r.rand.IntN(4) > 0 {
			hello.TaskNames = append(hello.TaskNames, r.tasks[i].Name)
		}
	}
	for ref := range r.held {
		if r.rand.IntN(8) > 0 {
			hello.Held = append(hello.Held, named(ref))
		} else {
			delete(r.held, ref)
		}
	}
	send := func(q *clockdv1.WorkRequest) { _ = stream.Send(q) }
	send(&clockdv1.WorkRequest{Message: &clockdv1.WorkRequest_Hello{Hello: hello}})
	said := make(chan *clockdv1.WorkResponse)
	var reading sync.WaitGroup
	reading.Go(func() {
		defer close(said)
		for {
			m, err := stream.Recv()
			if err != nil {
				return
			}
			select {
			case said <- m:
			case <-ctx.Done():
				return
			}
		}
	})
	defer reading.Wait()
	turn := time.NewTicker(200 * time.Millisecond)
	defer turn.Stop()
	for {
		select {
		case m, ok := <-said:
			if !ok {
				return
			}
			r.hear(send, m)
		case <-turn.C:
			r.act(ctx, send, stream.CloseSend)
		}
	}
}

func (r *rude) hear(send func(*clockdv1.WorkRequest), m *clockdv1.WorkResponse) {
	switch m := m.GetMessage().(type) {
	case *clockdv1.WorkResponse_Ping:
		if r.rand.IntN(15) > 0 {
			send(&clockdv1.WorkRequest{Message: &clockdv1.WorkRequest_Pong{Pong: &clockdv1.Pong{Sequence: m.Ping.Sequence}}})
		}
	case *clockdv1.WorkResponse_Assignment:
		ref := refOf(m.Assignment)
		r.gives(ref, r.name)
		if r.rand.IntN(8) == 0 {
			r.mu.Lock()
			r.begun[ref.Run]--
			r.mu.Unlock()
			send(&clockdv1.WorkRequest{Message: &clockdv1.WorkRequest_GiveBack{GiveBack: &clockdv1.GiveBack{RunId: ref.Run.String(), Attempt: int32(ref.Attempt)}}})
			return
		}
		r.held[ref] = false
	case *clockdv1.WorkResponse_Cancel:
		ref := refOf(m.Cancel)
		if over, ok := r.held[ref]; ok && !over && r.rand.IntN(3) > 0 {
			r.end(send, ref)
		}
	case *clockdv1.WorkResponse_Recorded:
		ref := refOf(m.Recorded)
		if !m.Recorded.Late {
			r.mu.Lock()
			r.recorded[ref] = true
			r.mu.Unlock()
		}
		delete(r.held, ref)
	}
}

func refOf(m interface {
	GetRunId() string
	GetAttempt() int32
},
) task.AttemptRef {
	id, err := task.ParseRunID(m.GetRunId())
	if err != nil {
		panic(err)
	}
	return task.AttemptRef{Run: id, Attempt: int(m.GetAttempt())}
}

func (r *rude) end(send func(*clockdv1.WorkRequest), ref task.AttemptRef) {
	r.held[ref] = true
	result := &clockdv1.WorkerResult{RunId: ref.Run.String(), Attempt: int32(ref.Attempt), Output: structpb.NewStringValue(r.name)}
	send(&clockdv1.WorkRequest{Message: &clockdv1.WorkRequest_Result{Result: result}})
}

func (r *rude) act(ctx context.Context, send func(*clockdv1.WorkRequest), closeSend func() error) {
	for ref, over := range r.held {
		switch n := r.rand.IntN(20); {
		case n < 4 || over:
			r.end(send, ref)
		case n == 4:
			send(&clockdv1.WorkRequest{Message: &clockdv1.WorkRequest_GiveBack{GiveBack: &clockdv1.GiveBack{RunId: ref.Run.String(), Attempt: int32(ref.Attempt), Started: true}}})
			delete(r.held, ref)
		case n == 5:
			send(&clockdv1.WorkRequest{Message: &clockdv1.WorkRequest_Output{Output: &clockdv1.WorkerOutput{RunId: ref.Run.String(), Attempt: int32(ref.Attempt), Data: []byte("x")}}})
		}
		break
	}
	switch r.rand.IntN(120) {
	case 0:
		_ = closeSend()
		clear(r.held)
	case 1:
		send(&clockdv1.WorkRequest{})
	case 2: // it hangs
		select {
		case <-time.After(2 * remoteLease):
		case <-ctx.Done():
		}
	case 3, 4:
		send(&clockdv1.WorkRequest{Message: &clockdv1.WorkRequest_Places{Places: &clockdv1.WorkerPlaces{Places: int32(r.rand.IntN(4))}}})
	case 5:
		send(&clockdv1.WorkRequest{Message: &clockdv1.WorkRequest_Drain{Drain: &clockdv1.WorkerDrain{}}})
	}
}

// polite is a worker of the SDK.
func (h *remoteHistory) polite(ctx context.Context, c *client.Client, name string, places int, takes time.Duration) error {
	w := client.Worker{Name: name, Places: places, Grace: time.Second, Logger: h.log}
	for i := range h.tasks {
		w.Tasks = append(w.Tasks, client.WorkerTask{Name: h.tasks[i].Name, Do: func(ctx context.Context, a *client.Assignment) (any, error) {
			h.gives(a.AttemptRef, name)
			select {
			case <-time.After(h.span(takes)):
			case <-ctx.Done():
				return nil, context.Cause(ctx)
			}
			if h.rand.IntN(6) == 0 && places > 1 {
				return nil, errors.New("it failed")
			}
			return name, nil
		}})
	}
	return c.Work(ctx, w)
}

func (h *remoteHistory) create(d task.Declaration) {
	if _, err := h.d.Client().CreateTask(h.t.Context(), d, client.CreateOptions{}); err != nil && !errors.Is(err, task.ErrExists) {
		h.fault("create: %v", err)
	}
}

func (h *remoteHistory) live() {
	defer func() { h.report(h.lines) }()
	var current sync.Mutex
	h.up()
	d := h.d
	daemonNow := func() *daemon.Daemon {
		current.Lock()
		defer current.Unlock()
		return d
	}
	for _, decl := range h.tasks {
		h.create(decl)
	}
	ctx, stop := context.WithCancel(context.Background())
	var workers sync.WaitGroup
	for i := range 3 {
		r := &rude{remoteHistory: h, name: fmt.Sprint("rude", i), id: uuid.New(), places: 1 + i, held: map[task.AttemptRef]bool{}}
		workers.Go(func() { r.live(ctx, daemonNow) })
	}
	workers.Go(func() {
		for ctx.Err() == nil {
			one, cancel := context.WithTimeout(ctx, time.Second+h.span(15*time.Second))
			_ = h.polite(one, daemonNow().Client(), "polite", 2, 4*time.Second)
			cancel()
			time.Sleep(h.span(time.Second))
		}
	})
	for range 60 {
		time.Sleep(h.span(1500 * time.Millisecond))
		h.step()
		current.Lock()
		d = h.d
		current.Unlock()
	}
	stop()
	workers.Wait()
	h.say("the end begins")
	h.ending()
	h.calls.Wait()
	h.stop()
	h.dying.Wait()
	if err := h.inner.Close(); err != nil {
		h.t.Error(err)
	}
}

// step is something that a caller does, or becomes of the daemon.
func (h *remoteHistory) step() {
	c, ctx := h.d.Client(), h.t.Context()
	decl := h.tasks[h.rand.IntN(len(h.tasks))]
	what := h.rand.IntN(24)
	h.say("step %d of %s", what, decl.Name)
	switch {
	case what < 5:
		o := client.RunOptions{}
		if h.rand.IntN(2) == 0 {
			o.Overlap = new(pick(h.rand, task.OverlapAllow, task.OverlapQueue, task.OverlapCancel))
		}
		_, _ = c.RunTask(ctx, ref(decl.Name), o)
	case what < 9:
		for run := range c.Runs(ctx, client.RunFilter{Task: ref(decl.Name)}) {
			if !run.State.Ended() && h.rand.IntN(2) == 0 {
				h.calls.Go(func() { _, _ = c.CancelRun(context.Background(), run.ID, "not needed") })
				break
			}
		}
	case what < 11:
		_, _ = c.PauseTask(ctx, ref(decl.Name), client.PauseOptions{})
	case what < 14:
		_, _ = c.ResumeTask(ctx, ref(decl.Name), client.EditOptions{})
	case what == 14:
		d := task.Declaration{Spec: &task.TargetSpec{HTTP: &task.HTTPSpec{URL: "http://127.0.0.1:1/"}}}
		if _, err := c.UpdateTask(ctx, ref(decl.Name), d, client.UpdateTaskOptions{}); err != nil {
			h.say("update: %v", err)
		}
	case what < 17:
		h.toWorkers(decl, h.busy())
	case what == 17:
		_ = c.DeleteTask(ctx, ref(decl.Name), client.EditOptions{})
		h.create(decl)
	case what == 18:
		now := h.now()
		if _, err := c.BackfillTask(ctx, ref(decl.Name), now.Add(-20*time.Second), now, client.BackfillOptions{}); err != nil {
			h.say("backfill: %v", err)
		}
	case what == 19:
		h.stop()
		h.up()
	case what == 20:
		h.died = true
		h.die(h.down, &h.dying)
		h.up()
	}
}

func (h *remoteHistory) toWorkers(decl task.Declaration, trigger schedule.Trigger) {
	d := task.Declaration{Trigger: trigger, Spec: &task.TargetSpec{Worker: &task.WorkerSpec{}}}
	if _, err := h.d.Client().UpdateTask(h.t.Context(), ref(decl.Name), d, client.UpdateTaskOptions{}); err != nil {
		h.fault("update to workers: %v", err)
	}
}

// ending lets a last worker end what there is, and looks at it.
func (h *remoteHistory) ending() {
	for _, decl := range h.tasks {
		h.toWorkers(decl, schedule.MustParse("every 9000h"))
		if _, err := h.d.Client().ResumeTask(h.t.Context(), ref(decl.Name), client.EditOptions{}); err != nil {
			h.say("resume: %v", err)
		}
	}
	h.sleep(4 * remoteLease) // what was held is lost by now
	if all, err := h.d.Client().Workers(h.t.Context()); err != nil || len(all) != 0 {
		h.fault("workers are left: %+v, %v", all, err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- h.polite(ctx, h.d.Client(), "last", 1, time.Second) }()
	h.sleep(10 * time.Minute)
	patience, cancel := context.WithTimeout(h.t.Context(), time.Hour)
	defer cancel()
	n := 0
	for _, decl := range h.tasks {
		for _, run := range h.runs(decl.Name) {
			n++
			h.check(decl, &run)
		}
		if run, err := h.d.Client().RunTask(patience, ref(decl.Name), client.RunOptions{Wait: true}); err != nil || run.State != task.Succeeded {
			h.fault("a last run: %+v, %v", run, err)
		}
	}
	all, err := h.d.Client().Workers(h.t.Context())
	if err != nil || len(all) != 1 || len(all[0].Held) != 0 {
		h.fault("workers in the end: %+v, %v", all, err)
	}
	if n < 5 {
		h.fault("%d runs: that says little", n)
	}
	stop()
	if err := <-ended; err != nil {
		h.fault("the last worker: %v", err)
	}
}

func (h *remoteHistory) check(decl task.Declaration, run *task.Run) {
	h.mu.Lock()
	begun, to := h.begun[run.ID], h.given[task.AttemptRef{Run: run.ID, Attempt: run.Attempt}]
	taken := h.recorded[task.AttemptRef{Run: run.ID, Attempt: run.Attempt}]
	h.mu.Unlock()
	if !run.State.Ended() {
		h.fault("run %s of %s has not ended: %+v", run.ID, decl.Name, run)
		return
	}
	if decl.Policy.Delivery == task.AtMostOnce && begun > 1 {
		h.fault("run %s of %s was begun %d times, at most once is asked for: %+v", run.ID, decl.Name, begun, run)
	}
	if run.State == task.Succeeded && to != run.Worker {
		h.fault("run %s was given to %q, and says: %+v", run.ID, to, run)
	}
	if taken && !h.died && (run.State == task.Lost || run.State == task.Skipped) {
		h.fault("run %s was recorded, and is: %+v", run.ID, run)
	}
	numbers := []int{run.Attempt}
	for _, a := range run.Earlier {
		if slices.Contains(numbers, a.Number) {
			h.fault("run %s has two attempts %d: %+v", run.ID, a.Number, run)
		}
		numbers = append(numbers, a.Number)
	}
}
