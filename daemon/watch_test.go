package daemon_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/clockd/clockd/client"
	"github.com/clockd/clockd/daemon"
	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
	"github.com/clockd/clockd/daemon/wire"
	clockdv1 "github.com/clockd/clockd/gen/clockd/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
)

// taskWatch is a stream of WatchTasks that is read as fast as it comes, and what it has told.
type taskWatch struct {
	mu    sync.Mutex
	tasks map[string]task.Task // by id
	told  []string             // "reset", "synced", "gone", or a task and its version
	token string
	err   error
	ended chan struct{}
}

// watchTasks opens a stream. It ends with ctx, or with the daemon.
func watchTasks(ctx context.Context, t *testing.T, conn grpc.ClientConnInterface, prefix, token string) *taskWatch {
	t.Helper()
	s, err := clockdv1.NewTaskServiceClient(conn).WatchTasks(ctx, &clockdv1.WatchTasksRequest{
		Filter: &clockdv1.TaskFilter{NamePrefix: prefix}, ResumeToken: token,
	})
	if err != nil {
		t.Fatal(err)
	}
	x := &taskWatch{tasks: make(map[string]task.Task), ended: make(chan struct{})}
	go func() {
		defer close(x.ended)
		for x.read(t, s) {
		}
	}()
	return x
}

// read takes one response.
func (x *taskWatch) read(t *testing.T, s grpc.ServerStreamingClient[clockdv1.WatchTasksResponse]) bool {
	r, err := s.Recv()
	x.mu.Lock()
	defer x.mu.Unlock()
	if err != nil {
		x.err = err
		return false
	}
	if r.GetReset_() {
		x.told = append(x.told, "reset")
		clear(x.tasks)
	}
	live := slices.Contains(x.told, "synced")
	for _, pb := range r.GetTasks() {
		got, err := wire.TaskFromProto(pb)
		if err != nil {
			t.Error(err)
		}
		id := got.ID.String()
		if live && got.Version < x.tasks[id].Version {
			t.Errorf("%q goes back from version %d to %d", got.Declaration.Name, x.tasks[id].Version, got.Version)
		}
		x.tasks[id] = got
		x.told = append(x.told, fmt.Sprintf("%s %d", got.Declaration.Name, got.Version))
	}
	for _, id := range r.GetDeletedTaskIds() {
		x.told = append(x.told, "gone")
		delete(x.tasks, id)
	}
	if r.GetSynced() {
		x.told = append(x.told, "synced")
	}
	if r.GetResumeToken() != "" {
		x.token = r.GetResumeToken()
	}
	return true
}

// last is the last token.
func (x *taskWatch) last() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.token
}

// heard returns what was told since the last time.
func (x *taskWatch) heard() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	told := strings.Join(x.told, ", ")
	x.told = slices.DeleteFunc(x.told, func(s string) bool { return s != "synced" })
	return strings.TrimPrefix(told, "synced, ")
}

// wantSame fails unless the watch knows what the daemon shows.
func (x *taskWatch) wantSame(w *world) {
	w.t.Helper()
	x.mu.Lock()
	defer x.mu.Unlock()
	n := 0
	for got, err := range w.d.Client().Tasks(w.t.Context(), client.TaskFilter{}) {
		if err != nil {
			w.t.Fatal(err)
		}
		n++
		told, ok := x.tasks[got.ID.String()]
		if !ok || told.Version != got.Version || told.State != got.State || told.Counts != got.Counts || !told.Clock.NextFireTime.Equal(got.Clock.NextFireTime) {
			w.t.Errorf("the watch knows %+v\nthe daemon %+v", told, got)
		}
	}
	if n != len(x.tasks) {
		w.t.Errorf("the watch knows %d tasks, the daemon %d", len(x.tasks), n)
	}
}

func TestAWatchTellsOfTasksAsTheyAreAndThenOfEachChange(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		c := w.start(at("a", "every 1h", 0), at("b", "every 1h", 0), at("other", "every 10s", 0))
		x, all := watchTasks(t.Context(), t, w.d.Conn(), "", ""), watchTasks(t.Context(), t, w.d.Conn(), "a", "")
		w.sleep(time.Second)
		if got := x.heard(); got != "reset, a 1, b 1, other 1, synced" {
			t.Errorf("first: %s", got)
		}
		if got := all.heard(); got != "reset, a 1, synced" {
			t.Errorf("with a prefix, first: %s", got)
		}
		w.pauseUntil("a", 5)
		if _, err := c.UpdateTrigger(t.Context(), ref("b"), schedule.MustParse("every 2h"), client.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
		w.create(ping("made", "every 1h"))
		if _, err := c.UpdateTask(t.Context(), ref("made"), ping("", "every 2h"), client.UpdateTaskOptions{}); err != nil {
			t.Fatal(err)
		}
		if err := c.DeleteTask(t.Context(), ref("made"), client.EditOptions{}); err != nil {
			t.Fatal(err)
		}
		w.sleep(time.Second)
		if got := x.heard(); got != "a 2, b 2, made 1, made 2, gone" {
			t.Errorf("then: %s", got)
		}
		w.sleep(7 * time.Second)
		if got := x.heard(); got != "a 3" {
			t.Errorf("what the daemon does itself: %s", got)
		}
		w.sleep(2 * time.Second) // a fire is claimed, and its run ends
		if got := x.heard(); got != "other 1, other 1" {
			t.Errorf("a fire: %s", got)
		}
		if got := all.heard(); got != "a 2, gone, a 3" {
			t.Errorf("with a prefix, then: %s", got) // a deletion is told whatever the name was
		}
		w.reload(program(once(at("c", "every 1h", 0), "a"), at("b", "every 3h", 0)))
		w.sleep(0)
		x.wantSame(w)
	})
}

func TestAWatchGoesOnAfterARestartWhereItWas(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		tasks := []daemon.Task{at("a", "every 1h", 0), at("b", "every 1h", 0), at("c", "every 10s", 0)}
		w.start(tasks...)
		x := watchTasks(t.Context(), t, w.d.Conn(), "", "")
		w.sleep(time.Second)
		x.heard()
		w.stop()
		<-x.ended
		if status.Code(x.err) != codes.Unavailable || !errors.Is(wire.FromError(x.err), task.ErrStopping) {
			t.Errorf("the stop ends it with %v", x.err)
		}
		w.start(tasks...)
		w.pauseUntil("a", 0)
		w.sleep(10 * time.Second)
		y := watchTasks(t.Context(), t, w.d.Conn(), "", x.last())
		w.sleep(time.Second)
		if got := y.heard(); got != "a 2, c 1, synced" {
			t.Errorf("since then: %s", got)
		}
		y.mu.Lock()
		maps.Copy(x.tasks, y.tasks)
		y.mu.Unlock()
		x.wantSame(w)
		w.pauseUntil("b", 0)
		w.sleep(0)
		if got := y.heard(); got != "b 2" {
			t.Errorf("live again: %s", got)
		}
		// What was deleted meanwhile is not known any more.
		token := y.last()
		w.start(tasks[:2]...)
		if err := w.d.Client().DeleteTask(t.Context(), ref("c"), client.EditOptions{}); err != nil {
			t.Fatal(err)
		}
		z := watchTasks(t.Context(), t, w.d.Conn(), "", token)
		w.sleep(time.Second)
		if got := z.heard(); got != "reset, a 2, b 2, synced" {
			t.Errorf("after a deletion: %s", got)
		}
		z.wantSame(w)
		bad := watchTasks(t.Context(), t, w.d.Conn(), "other", token)
		<-bad.ended
		if !errors.Is(wire.FromError(bad.err), task.ErrInvalid) {
			t.Errorf("a token of another watch: %v", bad.err)
		}
	})
}

func TestAWatchOfTheClientGoesOnByItself(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.start(at("a", "every 1h", 0))
		ctx, cancel := context.WithCancel(t.Context())
		c := w.d.Client()
		told := make(chan string, 100)
		done := make(chan error, 1)
		go func() {
			for changes, err := range c.WatchTasks(ctx, client.TaskWatch{}) {
				if err != nil {
					done <- err
					return
				}
				for _, got := range changes.Tasks {
					told <- fmt.Sprint(got.Declaration.Name, " ", got.Version)
				}
			}
			done <- nil
		}()
		w.sleep(time.Second)
		w.pauseUntil("a", 0)
		w.sleep(time.Second)
		if a, b := <-told, <-told; a != "a 1" || b != "a 2" {
			t.Errorf("told %q, %q", a, b)
		}
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("it ends with %v", err)
		}
	})
}

// runWatch is a stream of WatchRuns.
type runWatch struct {
	mu    sync.Mutex
	told  []string
	token string
	err   error
	ended chan struct{}
}

func watchRuns(ctx context.Context, t *testing.T, conn grpc.ClientConnInterface, name, token string) *runWatch {
	t.Helper()
	q := &clockdv1.WatchRunsRequest{ResumeToken: token}
	if name != "" {
		q.Task = &clockdv1.WatchRunsRequest_TaskName{TaskName: name}
	}
	s, err := clockdv1.NewRunServiceClient(conn).WatchRuns(ctx, q)
	if err != nil {
		t.Fatal(err)
	}
	x := &runWatch{ended: make(chan struct{})}
	go func() {
		defer close(x.ended)
		for {
			r, err := s.Recv()
			x.mu.Lock()
			if x.err = err; err != nil {
				x.mu.Unlock()
				return
			}
			if r.GetReset_() {
				x.told = append(x.told, "reset")
			}
			for _, pb := range r.GetRuns() {
				run, err := wire.RunFromProto(pb)
				if err != nil {
					t.Error(err)
				}
				x.told = append(x.told, fmt.Sprintf("%s %d %s", run.TaskName, int(run.ScheduledTime.Sub(midnight).Seconds()), run.State))
			}
			for range r.GetDeletedRunIds() {
				x.told = append(x.told, "never was")
			}
			if r.GetSynced() {
				x.told = append(x.told, "synced")
			}
			if r.GetResumeToken() != "" {
				x.token = r.GetResumeToken()
			}
			x.mu.Unlock()
		}
	}()
	return x
}

// last is the last token.
func (x *runWatch) last() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.token
}

func (x *runWatch) heard() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	told := strings.Join(x.told, ", ")
	x.told = nil
	return told
}

func TestAWatchTellsOfRunsThatHaveNotEndedAndThenOfEachChange(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		tasks := []daemon.Task{at("slow", "every 10s", 15*time.Second), at("quick", "every 1h", 0)}
		c := w.start(tasks...)
		w.sleep(12 * time.Second)
		w.call("quick")
		w.sleep(0)
		x, quick := watchRuns(t.Context(), t, w.d.Conn(), "", ""), watchRuns(t.Context(), t, w.d.Conn(), "quick", "")
		w.sleep(time.Second)
		if got := x.heard(); got != "reset, slow 10 running, synced" {
			t.Errorf("first: %s", got)
		}
		w.call("quick")
		w.sleep(0)
		if got := x.heard(); got != "quick 13 scheduled, quick 13 succeeded" {
			t.Errorf("a call: %s", got)
		}
		if got := quick.heard(); got != "reset, synced, quick 13 scheduled, quick 13 succeeded" {
			t.Errorf("of a task: %s", got)
		}
		w.sleep(8 * time.Second)
		if got := x.heard(); got != "slow 20 scheduled, slow 20 skipped" {
			t.Errorf("a fire that is skipped: %s", got)
		}
		w.sleep(8950 * time.Millisecond)
		if got := x.heard(); got != "slow 10 succeeded, slow 30 scheduled" {
			t.Errorf("claimed: %s", got)
		}
		if _, err := c.UpdateTrigger(t.Context(), ref("slow"), schedule.MustParse("every 1h"), client.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
		w.sleep(0)
		if got := x.heard(); got != "never was" {
			t.Errorf("taken back: %s", got)
		}
		w.call("slow")
		w.sleep(time.Second)
		if got := x.heard(); got != "slow 29 scheduled, slow 29 running" {
			t.Errorf("a call that takes its time: %s", got)
		}
		token := x.last()
		w.sleep(time.Minute)
		w.call("quick")
		w.start(tasks...)
		y := watchRuns(t.Context(), t, w.d.Conn(), "", token)
		w.sleep(time.Second)
		if got := y.heard(); got != "slow 29 succeeded, quick 90 succeeded, synced" {
			t.Errorf("since then: %s", got)
		}
		gone := watchRuns(t.Context(), t, w.d.Conn(), "nobody", "")
		<-gone.ended
		if !errors.Is(wire.FromError(gone.err), task.ErrTaskNotFound) {
			t.Errorf("of a task that is not there: %v", gone.err)
		}
	})
}

func TestAWatchOfRunsHearsThatThoseOfADeletedTaskNeverWere(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		c := w.start()
		d := ping("job", "every 1h")
		d.Policy.Retry = task.Retry{MaxAttempts: 3, Backoff: time.Hour}
		w.create(d)
		w.call("job")
		w.sleep(time.Second)
		x := watchRuns(t.Context(), t, w.d.Conn(), "", "")
		w.sleep(time.Second)
		if got := x.heard(); got != "reset, job 0 scheduled, synced" {
			t.Errorf("first: %s", got)
		}
		token := x.last()
		if err := c.DeleteTask(t.Context(), ref("job"), client.EditOptions{}); err != nil {
			t.Fatal(err)
		}
		w.sleep(time.Second)
		if got := x.heard(); got != "never was" {
			t.Errorf("then: %s", got)
		}
		y := watchRuns(t.Context(), t, w.d.Conn(), "", token)
		w.sleep(time.Second)
		if got := y.heard(); got != "reset, synced" {
			t.Errorf("from before: %s", got)
		}
	})
}

func TestWatchesEndWithTheDaemonAndHoldNothingUp(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.start(at("job", "every 1s", 0))
		var streams []*taskWatch
		for range 20 {
			streams = append(streams, watchTasks(t.Context(), t, w.d.Conn(), "", ""))
		}
		runs := watchRuns(t.Context(), t, w.d.Conn(), "", "")
		w.sleep(3500 * time.Millisecond)
		began := time.Now()
		w.stop()
		if took := time.Since(began); took > 100*time.Millisecond {
			t.Errorf("the stop took %s", took)
		}
		for _, x := range streams {
			<-x.ended
			if status.Code(x.err) != codes.Unavailable || x.token == "" {
				t.Errorf("ended with %v, token %q", x.err, x.token)
			}
		}
		<-runs.ended
		if status.Code(runs.err) != codes.Unavailable {
			t.Errorf("ended with %v", runs.err)
		}
	})
}

func TestOneOfAThousandWatchesThatIsNotReadHoldsUpNobody(t *testing.T) {
	const (
		watches, perConn = 999, 100
		edits            = 60
		bulk             = 500
	)
	inWorld(t, func(t *testing.T, w *world) {
		l := bufconn.Listen(1 << 20)
		w.register = func(c *daemon.Config) { c.Listeners = []net.Listener{l} }
		tasks := []daemon.Task{at("watched", "every 1h", 0)}
		for i := range bulk {
			job := at(fmt.Sprintf("bulk %03d", i), "every 1s", 0)
			job.Description, job.Labels = strings.Repeat("d", 4000), map[string]string{"l": strings.Repeat("l", 4000)}
			tasks = append(tasks, job)
		}
		w.start(tasks...)
		dial := func() *grpc.ClientConn {
			conn, err := grpc.NewClient("passthrough:crowd", grpc.WithTransportCredentials(insecure.NewCredentials()),
				grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return l.DialContext(ctx) }))
			if err != nil {
				t.Fatal(err)
			}
			return conn
		}
		heap := func() int64 {
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			return int64(m.HeapAlloc)
		}
		before := heap()
		ctx, cancel := context.WithCancel(t.Context())
		var conns []*grpc.ClientConn
		var crowd []*taskWatch
		for i := range watches {
			if i%perConn == 0 {
				conns = append(conns, dial())
			}
			crowd = append(crowd, watchTasks(ctx, t, conns[len(conns)-1], "watched", ""))
		}
		conns = append(conns, dial())
		// The one that is not read has been told what is, and where it was then.
		s, err := clockdv1.NewTaskServiceClient(conns[len(conns)-1]).WatchTasks(ctx, &clockdv1.WatchTasksRequest{})
		if err != nil {
			t.Fatal(err)
		}
		stuck := &taskWatch{tasks: make(map[string]task.Task)}
		for !slices.Contains(stuck.told, "synced") {
			if !stuck.read(t, s) {
				t.Fatal(stuck.err)
			}
		}
		w.sleep(time.Second)
		joined := heap()

		for i := range edits {
			if _, err := w.d.Client().PauseTask(ctx, ref("watched"), client.PauseOptions{Reason: fmt.Sprint(i)}); err != nil {
				t.Fatal(err)
			}
			w.sleep(150 * time.Millisecond)
		}
		held := heap() // the changes that the one has not read fill what is kept for it
		t.Logf("heap: %d MiB before, %d MiB with %d watches, %d MiB after some %d changes that one of them does not read",
			before>>20, joined>>20, watches+1, held>>20, 9*2*bulk)
		if grown := held - before; grown > 384<<20 {
			t.Errorf("the heap has grown by %d MiB", grown>>20)
		}
		var want strings.Builder
		want.WriteString("reset, watched 1, synced")
		for i := range edits {
			fmt.Fprintf(&want, ", watched %d", 2+i)
		}
		for i, x := range crowd {
			if got := x.heard(); got != want.String() {
				t.Fatalf("watch %d was told: %.400s", i, got)
			}
		}

		token := stuck.token
		for stuck.read(t, s) {
			token = stuck.token
		}
		var slow *task.TooSlowError
		if err := wire.FromError(stuck.err); status.Code(stuck.err) != codes.Aborted || !errors.As(err, &slow) {
			t.Fatalf("the one that was not read ended with %v", stuck.err)
		}
		if slow.ResumeToken != token {
			t.Errorf("its token is %q, the last one it was sent %q", slow.ResumeToken, token)
		}
		again := watchTasks(ctx, t, w.d.Conn(), "", slow.ResumeToken)
		w.sleep(50 * time.Millisecond)
		if strings.Contains(again.heard(), "reset") {
			t.Error("it begins anew")
		}
		again.mu.Lock()
		maps.Copy(stuck.tasks, again.tasks)
		again.mu.Unlock()
		stuck.wantSame(w)
		cancel()
		for _, x := range crowd {
			<-x.ended
		}
		<-again.ended
		for _, conn := range conns {
			_ = conn.Close()
		}
	})
}
