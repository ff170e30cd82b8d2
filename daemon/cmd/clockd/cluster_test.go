package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/clockd/clockd/client"
	"github.com/clockd/clockd/daemon/internal/history"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
)

// takeoverWithin is how soon what a node had in hand must go on elsewhere.
const takeoverWithin = 20 * time.Second

// clusterForm says how a history of a cluster is lived.
type clusterForm struct {
	// Tasks that fire once in half a minute or so, and Hot ones that fire each second, are changed all the time.
	tasks, hot int
	// long is how long the cluster is tormented, with a rest of pace between two things that are done to one process.
	long, pace time.Duration
	lease      time.Duration
	// durable says that commits wait for the disk.
	durable bool
}

// TestClustersThatAreTormentedKeepThePromises lives a short history by default. CLOCKD_CLUSTER=10m in the environment
// lives one that long, with 10,000 tasks and the default lease; with CLOCKD_CLUSTER_PACE=2s between two things that are
// done to one process, CLOCKD_CLUSTER_LEASE=3s and CLOCKD_CLUSTER_TASKS=500 it is one of many kills. SEEDS=5-9 names the
// seeds, as for the histories of killed processes.
func TestClustersThatAreTormentedKeepThePromises(t *testing.T) {
	form := clusterForm{tasks: 200, hot: 12, long: 25 * time.Second, pace: 2500 * time.Millisecond, lease: 3 * time.Second}
	seconds := func(name string, d *time.Duration) bool {
		text := os.Getenv(name)
		if text == "" {
			return false
		}
		var err error
		if *d, err = time.ParseDuration(text); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		return true
	}
	if seconds("CLOCKD_CLUSTER", &form.long) {
		form.tasks, form.hot, form.pace, form.lease, form.durable = 10_000, 60, 15*time.Second, 15*time.Second, true
	}
	seconds("CLOCKD_CLUSTER_PACE", &form.pace)
	seconds("CLOCKD_CLUSTER_LEASE", &form.lease)
	if text := os.Getenv("CLOCKD_CLUSTER_TASKS"); text != "" {
		if _, err := fmt.Sscan(text, &form.tasks); err != nil {
			t.Fatalf("CLOCKD_CLUSTER_TASKS: %v", err)
		}
	}
	from, until := uint64(1), uint64(2)
	if seeds := os.Getenv("SEEDS"); seeds != "" {
		if _, err := fmt.Sscanf(seeds, "%d-%d", &from, &until); err != nil {
			t.Fatalf("SEEDS is %q, which is no range: say FIRST-END, as 5-9: %v", seeds, err)
		}
	}
	for seed := from; seed < until && !t.Failed(); seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { clusterHistory(t, form, seed) })
	}
}

// program is a config file whose tasks call the witness, and the names of the hot ones among them.
func (f clusterForm) program(w *witness, rnd *rand.Rand) (yaml string, hot, calm []string) {
	var b strings.Builder
	b.WriteString("groups: {narrow: {max_running: 3}}\ntasks:\n")
	policies := []string{
		"catch_up: all, overlap: allow", "catch_up: one, overlap: skip", "catch_up: none, overlap: queue",
		"catch_up: all, overlap: cancel, retry: {max_attempts: 3, backoff: 100ms}", "delivery: at_most_once, catch_up: all, overlap: allow",
		"delivery: at_most_once, catch_up: one, overlap: skip", "group: narrow, catch_up: one, overlap: queue",
	}
	add := func(name, trigger, policy, does string) {
		fmt.Fprintf(&b, "  - {name: %s, trigger: '%s', %s, retention: {max_runs: 1000000}, http: {url: '%s/%s', headers: {%s: '${env:%s}'}}}\n",
			name, trigger, policy, w.url, does, processHeader, asNode)
	}
	for i := range f.hot {
		name := fmt.Sprintf("hot%d", i)
		hot = append(hot, name)
		add(name, plainTrigger(rnd).String(), policies[i%len(policies)], []string{"0s/0", "300ms/0", "900ms/3", "0s/2"}[rnd.IntN(4)])
	}
	for i := range f.tasks - f.hot {
		name := fmt.Sprintf("calm%d", i)
		calm = append(calm, name)
		// No two have the same interval, so that they do not all fire at once.
		every := 5*time.Second + 15*time.Second*time.Duration(i)/time.Duration(f.tasks)
		if f.tasks > 1000 {
			every = 20*time.Second + time.Duration(i)*time.Millisecond
		}
		does := "0s/0"
		if i%20 == 0 || f.tasks <= 1000 && i%5 == 0 { // these are likely to go when something is done to their node
			does = fmt.Sprintf("%s/0", 2*f.lease)
		}
		policy := policies[rnd.IntN(len(policies)-1)]
		if i%200 == 7 {
			policy = policies[len(policies)-1]
		}
		add(name, fmt.Sprintf("every %s", every.Truncate(time.Millisecond)), policy, does)
	}
	return b.String(), hot, calm
}

// clusterHistory lives one.
func clusterHistory(t *testing.T, form clusterForm, seed uint64) {
	rnd := rand.New(rand.NewPCG(seed, 21))
	c := newCluster(t, 3, form.lease, form.durable)
	t.Cleanup(func() {
		if t.Failed() {
			c.keepLogs(t)
		}
	})
	rec := history.NewRecorder(false)
	var mu sync.Mutex // guards said
	var said []string
	say := func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		said = append(said, time.Now().UTC().Format("15:04:05.000000 ")+fmt.Sprintf(format, args...))
	}
	yaml, hot, calm := form.program(c.witness, rnd)
	c.declare(yaml)
	rec.Live(history.Life{Begin: time.Now(), Groups: map[string]task.Limits{"narrow": {MaxRunning: 3}}})

	// All at once: they bring the schema up to date, and declare, side by side.
	var starting sync.WaitGroup
	for _, s := range c.slots {
		starting.Go(func() { s.start(time.Minute) })
	}
	starting.Wait()
	for _, s := range c.slots {
		if p := s.up(); p.is.Ready.IsZero() {
			t.Fatalf("a start failed:\n%s", p.log.text.String())
		}
	}

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var acting, watching sync.WaitGroup
	lives, end := context.WithTimeout(ctx, form.long)
	defer end()
	x := &torment{c: c, pace: form.pace, say: say, done: map[string]int{}}
	seeds := func() *rand.Rand { return rand.New(rand.NewPCG(rnd.Uint64(), seed)) }
	for _, s := range c.slots {
		r := seeds()
		acting.Go(func() { x.slot(lives, s, r) })
	}
	storeRand := seeds()
	acting.Go(func() { x.store(lives, storeRand) })
	actors := make([]*history.Actor, 4)
	for i := range actors {
		a := &history.Actor{
			Name: fmt.Sprintf("%d.", i), Rand: seeds(), Rec: rec, Say: say, Created: []string{fmt.Sprintf("made%d", i)},
			Spec: func(r *rand.Rand) *task.TargetSpec {
				return &task.TargetSpec{HTTP: &task.HTTPSpec{URL: c.witness.url + []string{"/0s/0", "/300ms/0", "/900ms/3"}[r.IntN(3)]}}
			},
		}
		for k := i; k < len(hot); k += len(actors) {
			a.Declared = append(a.Declared, hot[k])
		}
		actors[i] = a
		acting.Go(func() {
			for rest(lives, a.Rand, 60*time.Millisecond) {
				one, cancel := context.WithTimeout(ctx, 8*time.Second)
				context.AfterFunc(one, cancel) // calls that wait go on
				a.Act(one, c.slots[a.Rand.IntN(len(c.slots))].client)
			}
		})
	}
	if form.tasks <= 1000 { // else what watches tell is more than is good to keep
		for i := range 2 {
			r := seeds()
			var n atomic.Int64 // two watches ask
			n.Store(int64(i))
			watching.Go(func() {
				rec.Watch(ctx, fmt.Sprint(i), r, func() *client.Client {
					return c.slots[int(n.Add(1))%len(c.slots)].client
				})
			})
		}
	}
	acting.Wait()
	for _, a := range actors {
		a.Wait()
	}
	say("nothing is done to the cluster any more")
	h := c.finish(t, rec, actors, hot, calm)
	cancel()
	watching.Wait()
	h.Starts, h.Witnessed = c.witness.seen(t), true
	h.Cluster = &history.Cluster{Processes: c.processes(), Nodes: c.nodes(t), StoreDown: c.storeDown, Within: takeoverWithin, Skew: mostSkew}

	did, kills := x.summary()
	t.Logf("%d kills; %d tasks, %d operations, %d runs, %d events, %d starts; what was done:%s", kills, len(h.Tasks), len(h.Ops), len(h.Runs), len(h.Events), len(h.Starts), did)
	c.tellTakeovers(t, &h)
	c.fenced(t, &h)
	if faults := history.Check(&h); len(faults) > 0 || t.Failed() {
		t.Error(history.Report(&h, []string{fmt.Sprintf("seed %d, %+v", seed, form)}, said, faults))
	}
}

// finish lets all go on undisturbed, pauses everything, waits for what goes, and reads what there is in the end.
func (c *cluster) finish(t *testing.T, rec *history.Recorder, actors []*history.Actor, hot, calm []string) history.History {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	const alive = 2 * time.Second
	// each does something to each of its tasks, until that was done.
	each := func(do func(a *history.Actor, name string, ctx context.Context, cl *client.Client) error) {
		var doing sync.WaitGroup
		for i, a := range actors {
			names := append(slices.Clone(a.Declared), a.Created...)
			for k := i; k < len(calm); k += len(actors) {
				names = append(names, calm[k])
			}
			doing.Go(func() {
				for _, name := range names {
					err := c.mostly(ctx, func(ctx context.Context, cl *client.Client) error {
						if err := do(a, name, ctx, cl); !errors.Is(err, task.ErrTaskNotFound) {
							return err
						}
						return nil
					})
					if err != nil {
						t.Errorf("%q: %v", name, err)
						return
					}
				}
			})
		}
		doing.Wait()
	}
	isHot := func(name string) bool { return !strings.HasPrefix(name, "calm") }
	each(func(a *history.Actor, name string, ctx context.Context, cl *client.Client) error {
		if !isHot(name) {
			return nil
		}
		return a.Resume(ctx, cl, name)
	})
	undisturbed := time.NewTimer(alive)
	<-undisturbed.C
	each(func(a *history.Actor, name string, ctx context.Context, cl *client.Client) error {
		if isHot(name) {
			if err := a.Resume(ctx, cl, name); err != nil {
				return err
			}
		}
		return a.Pause(ctx, cl, name, time.Time{})
	})
	for _, a := range actors {
		a.Wait()
	}
	c.settle(ctx, t)
	cl := c.slots[0].client
	h, err := rec.Finish(ctx, cl, alive)
	for deadline := time.Now().Add(20 * time.Second); len(h.Watches) > 0 && err == nil && !h.CaughtUp() && time.Now().Before(deadline); {
		// What was told last may still be on its way.
		again := time.NewTimer(200 * time.Millisecond)
		<-again.C
		h, err = rec.Finish(ctx, cl, alive)
	}
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// settle waits until no run is unfinished, and cancels what goes.
func (c *cluster) settle(ctx context.Context, t *testing.T) {
	t.Helper()
	for {
		var left []task.Run
		err := c.mostly(ctx, func(ctx context.Context, cl *client.Client) error {
			left = nil
			for run, err := range cl.Runs(ctx, client.RunFilter{States: []task.RunState{task.Scheduled, task.Running}}) {
				if err != nil {
					return err
				}
				left = append(left, run)
			}
			return nil
		})
		if err != nil {
			t.Errorf("runs do not end: %v", err)
			for i := range min(len(left), 10) {
				t.Error(history.Tell(&left[i]))
			}
			return
		}
		if len(left) == 0 {
			return
		}
		var cancels sync.WaitGroup
		for i, run := range left {
			if i < 16 {
				cancels.Go(func() {
					one, cancel := context.WithTimeout(ctx, 5*time.Second)
					defer cancel()
					_, _ = c.slots[i%len(c.slots)].client.CancelRun(one, run.ID, "the test ends") // it may have ended
				})
			}
		}
		cancels.Wait()
		again := time.NewTimer(100 * time.Millisecond)
		<-again.C
	}
}

// nodes names the process of each node.
func (c *cluster) nodes(t *testing.T) map[uuid.UUID]string {
	t.Helper()
	out := map[uuid.UUID]string{}
	err := c.mostly(soon(t), func(ctx context.Context, cl *client.Client) error {
		nodes, err := cl.Nodes(ctx)
		for _, n := range nodes {
			out[n.ID] = n.Name
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// tellTakeovers says how soon what nodes had in hand was taken over.
func (c *cluster) tellTakeovers(t *testing.T, h *history.History) {
	t.Helper()
	var quiet, judged, again []time.Duration
	var slow []history.Takeover
	kinds, unexplained := map[string]int{}, 0
	all := h.Takeovers()
	for _, o := range all {
		kinds[o.Kind]++
		if o.Kind == "" {
			unexplained++
			continue
		}
		if o.Judged {
			judged = append(judged, o.Took)
			if o.Quiet {
				quiet = append(quiet, o.Took)
				if o.Again > 0 && o.Run.Reason == 0 {
					again, slow = append(again, o.Again), append(slow, o)
				}
			}
		}
	}
	t.Logf("%d attempts taken over, by what was done to their processes: %v; %d to which nothing was done", len(all), kinds, unexplained)
	slices.SortFunc(slow, func(a, b history.Takeover) int { return cmp.Compare(b.Again, a.Again) })
	for _, o := range slow[:min(3, len(slow))] {
		t.Logf("attempt %d came %s after the process of the one before had %s: %s", o.Attempt+1, o.Again.Round(time.Millisecond), o.Kind, history.Tell(o.Run))
	}
	t.Logf("in other hands, with a lease of %s: %s; while nothing else was done: %s; started again then: %s", c.lease, spread(judged), spread(quiet), spread(again))
}

// spread tells the median, the 99th percentile and the longest.
func spread(of []time.Duration) string {
	if len(of) == 0 {
		return "none"
	}
	slices.Sort(of)
	at := func(share float64) time.Duration {
		return of[min(len(of)-1, int(share*float64(len(of))))].Round(time.Millisecond)
	}
	return fmt.Sprintf("%d, median %s, p99 %s, longest %s", len(of), at(0.5), at(0.99), of[len(of)-1].Round(time.Millisecond))
}

// fenced looks whether what was answered to a node that had been given up changed nothing: of a run that was started
// several times, the output is that of the attempt that is on record as the last.
func (c *cluster) fenced(t *testing.T, h *history.History) {
	t.Helper()
	given := map[task.RunID][]task.Attempt{} // attempts that were taken over
	runs := map[task.RunID]*task.Run{}
	for _, o := range h.Takeovers() {
		at := o.Run.EndTime
		if i := o.Attempt - 1; i < len(o.Run.Earlier) {
			at = o.Run.Earlier[i].EndTime
		}
		given[o.Run.ID] = append(given[o.Run.ID], task.Attempt{Number: o.Attempt, EndTime: at})
		runs[o.Run.ID] = o.Run
	}
	late, asked := 0, map[task.RunID]bool{}
	last := map[task.RunID]string{} // who made the attempt that is on record as the last
	for i := range h.Starts {
		s := &h.Starts[i]
		if r := runs[s.Run]; r != nil && s.Attempt == r.Attempt {
			last[s.Run] = s.Process
		}
		for _, a := range given[s.Run] {
			if a.Number == s.Attempt && s.Answered && s.End.After(a.EndTime) {
				late++
				asked[s.Run] = true
			}
		}
	}
	for id := range asked {
		var run task.Run
		err := c.mostly(soon(t), func(ctx context.Context, cl *client.Client) (err error) {
			run, err = cl.Run(ctx, id)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if run.State != task.Succeeded {
			continue
		}
		var output struct {
			Body answer `json:"body"`
		}
		if err := json.Unmarshal(run.Output, &output); err != nil {
			t.Errorf("%s: its output is %s: %v", history.Tell(&run), run.Output, err)
		} else if output.Body.Attempt != run.Attempt || output.Body.Process != last[id] {
			t.Errorf("%s: its output is that of %+v, and its last attempt was made by %s", history.Tell(&run), output.Body, last[id])
		}
	}
	said := map[string]int{}
	for _, s := range c.slots {
		for _, p := range s.processes {
			p.log.mu.Lock()
			for _, line := range p.log.lines {
				for _, text := range []string{"late report changes nothing", "this node can not go on", "node is given up", "runs taken over", "runs found in hand", "panic", "DATA RACE"} {
					if strings.Contains(line, text) {
						said[text]++
					}
				}
			}
			p.log.mu.Unlock()
		}
	}
	t.Logf("%d answers came when their attempts had been given up, to %d runs; lines that were logged: %v", late, len(asked), said)
	if said["panic"]+said["DATA RACE"] > 0 {
		t.Error("a daemon has panicked, or raced")
	}
}

// keepLogs keeps what the daemons have logged.
func (c *cluster) keepLogs(t *testing.T) {
	t.Helper()
	dir, err := os.MkdirTemp("", "clockd-cluster-")
	if err != nil {
		t.Error(err)
		return
	}
	for _, s := range c.slots {
		for _, p := range s.processes {
			p.log.mu.Lock()
			text := strings.Join(p.log.lines, "\n")
			p.log.mu.Unlock()
			if err := os.WriteFile(filepath.Join(dir, p.is.Name+".log"), []byte(text), 0o600); err != nil {
				t.Error(err)
			}
		}
	}
	t.Logf("the logs are in %s", dir)
}
