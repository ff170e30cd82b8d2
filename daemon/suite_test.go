package daemon_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/clockd/clockd/client"
	"github.com/clockd/clockd/daemon"
	"github.com/clockd/clockd/daemon/daemontest"
	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/store/memory"
	"github.com/clockd/clockd/daemon/task"
	"github.com/clockd/clockd/daemon/wire"
	clockdv1 "github.com/clockd/clockd/gen/clockd/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
)

// suite is a daemon that a test of the API has for itself, and a way into it. Its tasks are
//
//	bounded  at 00:00 UTC, in the first days of 2020: it is exhausted
//	double   returns twice the number that it is given
//	fail     fails
//	hold     writes a line, and goes on until it is released or canceled
//	gone     is orphaned
//	lost     has a trigger that names a calendar which is no more
//
// and fire in the far future, if at all.
type suite struct {
	t       *testing.T
	ctx     context.Context // of a caller who has a name
	c       *client.Client
	release func()
}

// ways are those into a daemon: each starts one and returns a client of it. called is told of calls, if the way can tell.
var ways = []struct {
	name  string
	enter func(t *testing.T, cfg daemon.Config, called func(method string)) *client.Client
}{
	{"in memory", func(t *testing.T, cfg daemon.Config, _ func(string)) *client.Client {
		return daemontest.Start(t, cfg).Client()
	}},
	{"TCP", func(t *testing.T, cfg daemon.Config, _ func(string)) *client.Client {
		l := listening(t, "tcp", "127.0.0.1:0")
		cfg.Listeners = []net.Listener{l}
		daemontest.Start(t, cfg)
		return dialed(t, l.Addr().String())
	}},
	{"Unix socket", func(t *testing.T, cfg daemon.Config, _ func(string)) *client.Client {
		dir, err := os.MkdirTemp("", "clockd") // the path of a socket is short, and that of t.TempDir may not be
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.RemoveAll(dir) })
		path := filepath.Join(dir, "s")
		cfg.Listeners = []net.Listener{listening(t, "unix", path)}
		daemontest.Start(t, cfg)
		return dialed(t, "unix:"+path)
	}},
	{"a server of the user's own", func(t *testing.T, cfg daemon.Config, called func(string)) *client.Client {
		d := daemontest.Start(t, cfg)
		server := grpc.NewServer(
			grpc.UnaryInterceptor(func(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
				called(info.FullMethod)
				return next(ctx, req)
			}),
			grpc.StreamInterceptor(func(srv any, s grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) error {
				called(info.FullMethod)
				return next(srv, s)
			}))
		d.Register(server)
		l := listening(t, "tcp", "127.0.0.1:0")
		served := make(chan error, 1)
		go func() { served <- server.Serve(l) }()
		t.Cleanup(func() {
			server.GracefulStop()
			if err := <-served; err != nil {
				t.Errorf("the user's server: %v", err)
			}
		})
		return dialed(t, l.Addr().String())
	}},
}

func listening(t *testing.T, network, address string) net.Listener {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func dialed(t *testing.T, address string) *client.Client {
	t.Helper()
	c, err := client.Dial(address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func TestTheWholeAPIIsTheSameThroughEveryWayIn(t *testing.T) {
	var mu sync.Mutex
	uncalled := map[string]bool{}
	for _, service := range []grpc.ServiceDesc{clockdv1.TaskService_ServiceDesc, clockdv1.RunService_ServiceDesc, clockdv1.WorkerService_ServiceDesc, clockdv1.NodeService_ServiceDesc} {
		for _, m := range service.Methods {
			uncalled["/"+service.ServiceName+"/"+m.MethodName] = true
		}
		for _, s := range service.Streams {
			uncalled["/"+service.ServiceName+"/"+s.StreamName] = true
		}
	}
	delete(uncalled, clockdv1.NodeService_DeclareTask_FullMethodName) // only nodes call it: see the tests of a cluster
	for _, way := range ways {
		t.Run(way.name, func(t *testing.T) {
			for _, part := range []struct {
				name string
				test func(*suite)
			}{
				{"tasks are listed", (*suite).tasksAreListed},
				{"a task is found", (*suite).aTaskIsFound},
				{"a task is run", (*suite).aTaskIsRun},
				{"runs are listed", (*suite).runsAreListed},
				{"a trigger is put in force and reset", (*suite).aTriggerIsPutInForceAndReset},
				{"a task is paused and resumed", (*suite).aTaskIsPausedAndResumed},
				{"fires are previewed", (*suite).firesArePreviewed},
				{"a task is made, changed and deleted", (*suite).aTaskIsMadeChangedAndDeleted},
				{"a backfill", (*suite).aBackfill},
				{"tasks are watched", (*suite).tasksAreWatched},
				{"runs are watched", (*suite).runsAreWatched},
				{"a run is followed", (*suite).aRunIsFollowed},
				{"a run is canceled", (*suite).aRunIsCanceled},
				{"who did what", (*suite).whoDidWhat},
				{"a worker", (*suite).aWorker},
				{"nodes are listed", (*suite).nodesAreListed},
				{"errors have their classes", (*suite).errorsHaveTheirClasses},
			} {
				t.Run(part.name, func(t *testing.T) {
					part.test(enter(t, way.enter, func(method string) {
						mu.Lock()
						defer mu.Unlock()
						delete(uncalled, method)
					}))
				})
			}
		})
	}
	for method := range uncalled {
		t.Errorf("nothing here calls %s", method)
	}
}

// enter starts a daemon, on a store in which one has left a task that is orphaned and one whose trigger is lost.
func enter(t *testing.T, way func(*testing.T, daemon.Config, func(string)) *client.Client, called func(string)) *suite {
	released := make(chan struct{})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	s := &suite{t: t, ctx: metadata.AppendToOutgoingContext(ctx, wire.ActorMetadata, "suite"), release: sync.OnceFunc(func() { close(released) })}

	st := memory.New(memory.Config{Namespace: daemon.DefaultNamespace})
	before := daemontest.Start(t, daemon.Config{
		Store:     st,
		Calendars: map[string][]schedule.Exclusion{"holidays": {schedule.Dates{First: schedule.Date{Year: 2027, Month: 1, Day: 1}, TimeZone: "UTC"}}},
		Tasks:     []daemon.Task{never("gone", func() {}), never("lost", func() {})},
	})
	if _, err := before.Client().UpdateTrigger(s.ctx, ref("lost"), schedule.MustParse("at 12:00 UTC exclude(calendar holidays)"), client.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	before.Stop()

	bounded := never("bounded", func() {})
	bounded.Trigger = schedule.MustParse("at 00:00 UTC from=2020-01-01T00:00:00Z until=2020-01-05T12:00:00Z")
	bounded.Group, bounded.Labels = "nights", map[string]string{"of": "2020"}
	s.c = way(t, daemon.Config{Store: st, StopGrace: time.Second, Tasks: []daemon.Task{
		bounded,
		never("double", func(in daemon.Input[int]) int { return 2 * in.Value }),
		never("fail", func() error { return errors.New("broken") }),
		never("hold", func(ctx context.Context, run daemon.Run) error {
			fmt.Fprintln(run.Output, "holding")
			select {
			case <-released:
				return nil
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}),
		never("lost", func() {}),
	}}, called)
	return s
}

// ok ends the test if a call failed.
func (s *suite) ok(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// run makes a run.
func (s *suite) run(name string, o client.RunOptions) task.Run {
	s.t.Helper()
	run, err := s.c.RunTask(s.ctx, ref(name), o)
	s.ok(err)
	return run
}
