package daemon_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/clockd/clockd/client"
	"github.com/clockd/clockd/daemon"
	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/store/memory"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
	"google.golang.org/grpc/test/bufconn"
)

// clusterHistories is how many random histories of clusters are lived through.
const clusterHistories = 200

func TestRandomHistoriesOfClustersKeepThePromises(t *testing.T) {
	eachSeed(t, clusterHistories, func(t *testing.T, seed uint64) {
		h := &clusterHistory{rand: rand.New(rand.NewPCG(seed, 7)), acked: make(map[uuid.UUID]task.RunID)}
		h.cluster = &cluster{
			t: t, store: memory.New(memory.Config{Namespace: "default"}), listeners: make(map[string]*bufconn.Listener),
			log: slog.New(slog.DiscardHandler),
		}
		h.live()
	})
}

// clusterHistory is some minutes in the life of a cluster, and what has to hold of it.
type clusterHistory struct {
	*cluster
	rand  *rand.Rand
	tasks []*shared
	up    [3]*member
	cut   [3]memory.Cut
	calls sync.WaitGroup

	mu     sync.Mutex
	lines  []string
	faults []string
	acked  map[uuid.UUID]task.RunID
}

// shared is a task of all nodes.
type shared struct {
	h        *clusterHistory
	name     string
	period   time.Duration
	takes    time.Duration
	policy   task.Policy
	edited   bool // somebody has changed its trigger or paused it
	going    map[task.RunID]string
	attempts map[string]int
}

func (h *clusterHistory) say(format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lines = append(h.lines, time.Now().Format("15:04:05.000 ")+fmt.Sprintf(format, args...))
}

func (h *clusterHistory) fault(format string, args ...any) {
	h.say("FAULT: "+format, args...)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.faults = append(h.faults, fmt.Sprintf(format, args...))
}

func (h *clusterHistory) live() {
	for i := range 3 + h.rand.IntN(4) {
		s := &shared{
			h: h, name: fmt.Sprintf("task%d", i), period: pick(h.rand, 300*time.Millisecond, time.Second, 2*time.Second, 5*time.Second),
			takes: pick(h.rand, time.Millisecond, 200*time.Millisecond, 900*time.Millisecond, 3*time.Second, 20*time.Second),
			policy: task.Policy{
				Overlap: pick(h.rand, task.OverlapSkip, task.OverlapQueue, task.OverlapCancel),
				CatchUp: pick(h.rand, task.CatchUpOne, task.CatchUpAll, task.CatchUpNone), Retention: task.Retention{MaxRuns: 1_000_000},
				Delivery: pick(h.rand, task.AtLeastOnce, task.AtMostOnce),
			},
			going: make(map[task.RunID]string), attempts: make(map[string]int),
		}
		h.tasks = append(h.tasks, s)
		h.say("%s: every %s, takes %s, %+v", s.name, s.period, s.takes, s.policy)
	}
	for i := range h.up {
		h.start(i)
	}
	for range 15 + h.rand.IntN(25) {
		h.sleep(time.Duration(h.rand.Int64N(int64(6*time.Second))).Truncate(10*time.Microsecond) + 3*time.Microsecond)
		h.act()
	}
	for i := range h.up {
		h.heal(i)
	}
	h.sleep(30 * time.Second)
	for _, s := range h.tasks {
		h.check(s, time.Now())
	}
	for _, m := range h.nodes {
		m.cancel()
	}
	h.calls.Wait()
	for _, m := range h.nodes {
		<-m.ended
	}
	for _, id := range h.acked {
		if _, err := h.store.Run(context.Background(), id); err != nil {
			h.fault("run %d was acknowledged: %v", id, err)
		}
	}
	if len(h.faults) > 0 {
		for _, line := range h.lines {
			h.t.Log(line)
		}
		for _, fault := range h.faults {
			h.t.Error(fault)
		}
	}
}

// start starts a node in the place of another.
func (h *clusterHistory) start(i int) {
	name := string(rune('a' + i))
	var tasks []daemon.Task
	for _, s := range h.tasks {
		tk := at(s.name, "every "+s.period.String(), 0)
		tk.Policy = s.policy
		tk.Do = daemon.Func(func(ctx context.Context, r daemon.Run) (any, error) { return nil, s.do(ctx, name, r) })
		tasks = append(tasks, tk)
	}
	h.cut[i] = memory.Healed
	h.up[i] = h.joinAs(daemon.Config{NodeName: name, Tasks: tasks, NodeLease: 6 * time.Second, StopGrace: time.Millisecond})
	h.say("%s: %s has joined", name, h.up[i].d.Self())
}

func (h *clusterHistory) heal(i int) {
	if h.cut[i] != memory.Healed {
		h.say("%c: healed", 'a'+i)
		h.cut[i] = memory.Healed
		h.up[i].store.Cut(memory.Healed)
	}
}

// do is what a run does: it looks whether it is alone, and takes its time.
func (s *shared) do(ctx context.Context, node string, r daemon.Run) error {
	h := s.h
	h.mu.Lock()
	others := len(s.going)
	was := fmt.Sprint(s.going)
	key := fmt.Sprintf("%d/%d", r.ID, r.Attempt)
	s.attempts[key]++
	n := s.attempts[key]
	s.going[r.ID] = node
	h.mu.Unlock()
	h.say("%s: %s %s starts, of %s", node, s.name, key, r.ScheduledTime.Format("15:04:05.000"))
	switch {
	case others > 0:
		h.fault("%s: %s %s starts while others go: %s", node, s.name, key, was)
	case n > 1:
		h.fault("%s: %s %s starts again", node, s.name, key)
	case r.Attempt > 1 && s.policy.Delivery == task.AtMostOnce:
		h.fault("%s: %s %s starts, which may be started once", node, s.name, key)
	}
	defer func() {
		h.say("%s: %s %s ends: %v", node, s.name, key, context.Cause(ctx))
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(s.going, r.ID)
	}()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(s.takes):
		return nil
	}
}

// act does something to a node or, through one, to a task.
func (h *clusterHistory) act() {
	i := h.rand.IntN(3)
	m, s := h.up[i], pick(h.rand, h.tasks...)
	ctx, cancel := context.WithTimeout(h.t.Context(), 3*time.Second)
	defer cancel()
	switch h.rand.IntN(14) {
	case 0:
		h.say("%c: killed", 'a'+i)
		m.kill()
		h.sleep(5 * time.Millisecond)
		h.start(i)
	case 1:
		if h.cut[i] != memory.Healed {
			return
		}
		h.say("%c: stopped", 'a'+i)
		m.stop()
		h.sleep(time.Duration(h.rand.IntN(3)) * time.Second)
		h.start(i)
	case 2, 3:
		h.say("%c: cut off", 'a'+i)
		h.cut[i] = memory.Unreachable
		m.store.Cut(memory.Unreachable)
	case 4:
		h.say("%c: answers are lost", 'a'+i)
		h.cut[i] = memory.AnswersLost
		m.store.Cut(memory.AnswersLost)
	case 5, 6, 7:
		h.heal(i)
	case 8, 9, 10:
		request := uuid.New()
		wait := h.rand.IntN(2) == 0
		h.say("%c: call of %s", 'a'+i, s.name)
		h.calls.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			defer cancel()
			run, err := m.RunTask(ctx, ref(s.name), client.RunOptions{RequestID: request, Wait: wait})
			h.say("call of %s: %s, %v", s.name, story(run), err)
			if err == nil {
				h.mu.Lock()
				h.acked[request] = run.ID
				h.mu.Unlock()
				if wait && !run.State.Ended() {
					h.fault("the answer to a call that waits: %s", story(run))
				}
			}
		})
	case 11:
		s.edited = true
		_, err := m.PauseTask(ctx, ref(s.name), client.PauseOptions{ResumeTime: time.Now().Add(4 * time.Second)})
		h.say("%c: pause of %s: %v", 'a'+i, s.name, err)
	case 12:
		s.edited = true
		_, err := m.UpdateTrigger(ctx, ref(s.name), schedule.MustParse(pick(h.rand, "every 1s", "every 700ms", "every 3s")), client.UpdateOptions{})
		h.say("%c: update of %s: %v", 'a'+i, s.name, err)
	case 13:
		if runs := h.runs(s.name); len(runs) > 0 {
			id := runs[len(runs)-1].ID
			run, err := m.CancelRun(ctx, id, "")
			h.say("%c: cancel of %s %d: %s, %v", 'a'+i, s.name, id, story(run), err)
			if err == nil && !run.State.Ended() {
				h.fault("a canceled run has not ended: %s", story(run))
			}
		}
	}
}

// check looks at what is recorded of a task.
func (h *clusterHistory) check(s *shared, now time.Time) {
	seen := make(map[time.Time]task.RunID)
	for _, run := range h.runs(s.name) {
		if !run.State.Ended() && now.Sub(run.DueTime()) > s.takes+25*time.Second && s.takes < s.period {
			h.fault("%s: run %d is stuck: %s", s.name, run.ID, story(run))
		}
		if !run.State.Ended() && !h.lives(run.Node) && now.Sub(run.DueTime()) > 0 {
			h.fault("%s: run %d is in the hands of %s, which does not live: %s", s.name, run.ID, run.Node, story(run))
		}
		if run.Cause != task.ByFire || run.State == task.Skipped && run.Reason == task.ReasonPaused {
			continue
		}
		if other, twice := seen[run.ScheduledTime]; twice {
			h.fault("%s: runs %d and %d are both of %s", s.name, other, run.ID, run.ScheduledTime.Format("15:04:05.000"))
		}
		seen[run.ScheduledTime] = run.ID
	}
	if s.edited {
		return
	}
	h.faulty(func() { h.wantEachInstantOnce(s.name, midnight.Add(s.period), now.Add(-3*time.Second), s.period) })
}

// lives reports whether a node is one of those that are up.
func (h *clusterHistory) lives(id uuid.UUID) bool {
	for _, m := range h.up {
		if m.d.Self() == id {
			return true
		}
	}
	return false
}

// faulty makes what fails in f a fault.
func (h *clusterHistory) faulty(f func()) {
	before := h.t.Failed()
	f()
	if !before && h.t.Failed() {
		h.fault("instants are missing or recorded twice")
	}
}
