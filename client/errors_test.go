package client_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clockd/clockd/client"
	"github.com/clockd/clockd/client/internal/fakedaemon"
	"github.com/clockd/clockd/daemon/task"
	clockdv1 "github.com/clockd/clockd/gen/clockd/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
)

func TestErrorsKeepTheirClassAcrossTheWire(t *testing.T) {
	tests := map[string]struct {
		err  error
		code codes.Code
	}{
		"task not found": {task.TaskNotFound(backup), codes.NotFound},
		"run not found":  {task.RunNotFound(7), codes.NotFound},
		"invalid":        {task.Invalid("trigger.cron.expression", "is wrong"), codes.InvalidArgument},
		"stale":          {&task.StaleError{Task: "backup", Have: "2", Want: "1"}, codes.Aborted},
		"orphaned":       {task.ErrOrphaned, codes.FailedPrecondition},
		"exists":         {&task.ExistsError{Name: "backup"}, codes.AlreadyExists},
		"declared":       {task.ErrDeclared, codes.FailedPrecondition},
		"not allowed":    {task.ErrNotAllowed, codes.PermissionDenied},
		"no config":      {task.ErrNoConfig, codes.FailedPrecondition},
		"too slow":       {&task.TooSlowError{ResumeToken: "T"}, codes.Aborted},
		"fault":          {fmt.Errorf("%w: %w", task.ErrTriggerFault, task.Invalid("trigger.custom.type_url", "is not known")), codes.FailedPrecondition},
		"unavailable":    {task.ErrUnavailable, codes.Unavailable},
		"stopping":       {task.ErrStopping, codes.Unavailable},
		"held":           {&task.HeldError{Tasks: []task.HeldTask{{TaskID: task.IDOf("default", "backup")}}}, codes.Unavailable},
		"given up":       {task.ErrGivenUp, codes.Unavailable},
	}
	classes := []error{
		task.ErrTaskNotFound, task.ErrRunNotFound, task.ErrInvalid, task.ErrStale, task.ErrOrphaned,
		task.ErrTriggerFault, task.ErrUnavailable, task.ErrStopping, client.ErrNoDaemon, task.ErrExists, task.ErrDeclared,
		task.ErrNotAllowed, task.ErrNoConfig, task.ErrTooSlow, task.ErrHeld, task.ErrGivenUp,
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *fakedaemon.Server, c *client.Client) {
				s.Hook(func(context.Context, string) error { return tt.err })
				for method, call := range everyCall {
					err := call(t.Context(), c)
					for _, class := range classes {
						want := errors.Is(tt.err, class)
						if name == "fault" && class == task.ErrInvalid {
							want = false // the trigger is, the request is not
						}
						if got := errors.Is(err, class); got != want {
							t.Errorf("%s: errors.Is(%q, %q) is %t", method, err, class, got)
						}
					}
					if code := status.Code(err); code != tt.code {
						t.Errorf("%s: code %s, want %s", method, code, tt.code)
					}
				}
			})
		})
	}
}

func TestOnlyReadsAndRunTaskAreRepeated(t *testing.T) {
	repeated := []string{
		"ListTasks", "GetTask", "PreviewTrigger", "RunTask", "ListRuns", "GetRun", "ListAuditEvents", "DiffConfig",
		"WatchTasks", "WatchRuns", "FollowRun", "ListNodes",
	}
	for method, call := range everyCall {
		t.Run(method, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *fakedaemon.Server, c *client.Client) {
				var left atomic.Int32
				left.Store(2)
				s.Hook(func(context.Context, string) error {
					if left.Add(-1) >= 0 {
						return status.Error(codes.Unavailable, "the connection broke")
					}
					return nil
				})
				start := time.Now()
				err := call(t.Context(), c)
				calls := s.Calls()
				if slices.Contains(repeated, method) {
					if err != nil || len(calls) != 3 {
						t.Errorf("%d calls, %v", len(calls), err)
					}
					if took := time.Since(start); took <= 0 || took > time.Second { // of fake time
						t.Errorf("it waited %s", took)
					}
				} else if !errors.Is(err, client.ErrNoDaemon) || len(calls) != 1 {
					t.Errorf("%d calls, %v", len(calls), err)
				}
				ids := map[string]bool{}
				for _, call := range calls {
					if req, ok := call.Request.(*clockdv1.RunTaskRequest); ok {
						ids[req.GetRequestId()] = true
					}
				}
				if method == "RunTask" && len(ids) != 1 {
					t.Errorf("repeated with other request ids: %v", ids)
				}
			})
		})
	}
}

func TestReadSurvivesADaemonThatIsBackSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := fakedaemon.New(fakedaemon.Sample())
		listener := bufconn.Listen(1 << 20)
		g, done := s.Server(), make(chan error, 1)
		go func() { done <- g.Serve(listener) }()
		var dials atomic.Int32
		c, err := client.Dial(client.DefaultAddress, client.WithDialOptions(grpc.WithContextDialer(
			func(ctx context.Context, _ string) (net.Conn, error) {
				if dials.Add(1) <= 2 {
					return nil, syscall.ECONNREFUSED
				}
				return listener.DialContext(ctx)
			})))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Task(t.Context(), backup); err != nil {
			t.Errorf("after %d dials: %v", dials.Load(), err)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		g.Stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestNobodyListeningIsSaidWithAHint(t *testing.T) {
	dir, err := os.MkdirTemp("", "sdk") // t.TempDir can be longer than a socket may be
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	// A port that was free a moment ago.
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		address string
		cause   error
		text    string
	}{
		"a port":   {port, syscall.ECONNREFUSED, "connection refused"},
		"a socket": {"unix:" + filepath.Join(dir, "s"), syscall.ENOENT, "no such file or directory"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c, err := client.Dial(tt.address)
			if err != nil {
				t.Fatalf("Dial connects: %v", err)
			}
			defer c.Close()
			_, err = c.PauseTask(t.Context(), backup, client.PauseOptions{})
			want := "no clockd daemon answers at " + tt.address + ": " + tt.text + `; start one with "clockd serve", or give the address of one that runs`
			if err == nil || err.Error() != want {
				t.Errorf("it says %q, want %q", err, want)
			}
			if !errors.Is(err, client.ErrNoDaemon) || !errors.Is(err, tt.cause) || status.Code(err) != codes.Unavailable {
				t.Errorf("class %t, cause %t, code %s", errors.Is(err, client.ErrNoDaemon), errors.Is(err, tt.cause), status.Code(err))
			}
			if none, ok := errors.AsType[*client.NoDaemonError](err); !ok || none.Address != tt.address {
				t.Errorf("address %v", none)
			}
		})
	}
}

func TestEndOfTheContextEndsTheCall(t *testing.T) {
	bubble(t, func(t *testing.T, s *fakedaemon.Server, c *client.Client) {
		s.Hook(func(ctx context.Context, _ string) error { <-ctx.Done(); return ctx.Err() })
		for method, call := range everyCall {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			if err := call(ctx, c); !errors.Is(err, context.DeadlineExceeded) || status.Code(err) != codes.DeadlineExceeded {
				t.Errorf("%s past the deadline: %v", method, err)
			}
			<-ctx.Done() // the daemon's clock may have ended the call, a moment before ours does
			cancel()
			if err := call(ctx, c); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s with a context that has ended: %v", method, err)
			}
			ctx, cancel = context.WithCancel(t.Context())
			time.AfterFunc(time.Minute, cancel)
			if err := call(ctx, c); !errors.Is(err, context.Canceled) || status.Code(err) != codes.Canceled {
				t.Errorf("%s, canceled: %v", method, err)
			}
		}
	})
}

func TestCloseEndsTheCallsThatAreGoing(t *testing.T) {
	bubble(t, func(t *testing.T, s *fakedaemon.Server, _ *client.Client) {
		s.Hook(func(ctx context.Context, _ string) error { <-ctx.Done(); return ctx.Err() })
		c, err := client.Dial(client.DefaultAddress, serve(t, s.Server()))
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() {
			_, err := c.Task(t.Context(), backup)
			ended <- err
		}()
		synctest.Wait()
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		if err := <-ended; status.Code(err) != codes.Canceled {
			t.Errorf("the call ended with %v", err)
		}
	})
}

func TestAnotherServerIsCalledThat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := dial(t, grpc.NewServer())
		_, err := c.Task(t.Context(), backup)
		if err == nil || !strings.HasPrefix(err.Error(), "what answers at 127.0.0.1:7433 is another server, or a clockd daemon older") ||
			status.Code(err) != codes.Unimplemented {
			t.Errorf("error %v", err)
		}
	})
}

// newer is a daemon that says things this client does not know.
type newer struct {
	clockdv1.UnimplementedTaskServiceServer
}

func (newer) GetTask(context.Context, *clockdv1.GetTaskRequest) (*clockdv1.GetTaskResponse, error) {
	return &clockdv1.GetTaskResponse{Task: &clockdv1.TaskMetadata{TaskName: "backup", State: 99}}, nil
}

func (newer) ListTasks(context.Context, *clockdv1.ListTasksRequest) (*clockdv1.ListTasksResponse, error) {
	return &clockdv1.ListTasksResponse{Tasks: []*clockdv1.TaskMetadata{{TaskName: "backup", State: 99}}}, nil
}

// PauseTask answers with nothing at all.
func (newer) PauseTask(context.Context, *clockdv1.PauseTaskRequest) (*clockdv1.PauseTaskResponse, error) {
	return &clockdv1.PauseTaskResponse{}, nil
}

func TestAnswerThatCanNotBeReadIsNoFaultOfTheRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := grpc.NewServer()
		clockdv1.RegisterTaskServiceServer(g, newer{})
		c := dial(t, g)
		for _, method := range []string{"GetTask", "ListTasks", "PauseTask"} {
			err := everyCall[method](t.Context(), c)
			if err == nil || isInvalid(err) || !strings.Contains(err.Error(), "it may be newer than this client: task.") {
				t.Errorf("%s: %v", method, err)
			}
		}
	})
}

func TestAddressesAreTakenOrRefused(t *testing.T) {
	tests := map[string]struct {
		insecure bool
		want     string // in the error; empty: taken
	}{
		"127.0.0.1:7433":          {},
		"127.8.8.8:1":             {},
		"localhost:7433":          {},
		"LOCALHOST:7433":          {},
		"[::1]:7433":              {},
		"[::ffff:127.0.0.1]:7433": {},
		"unix:/run/clockd.sock":   {},
		"unix:///run/clockd.sock": {},
		"unix:relative.sock":      {},
		"10.0.0.1:7433":           {want: "not a loopback address"},
		"0.0.0.0:7433":            {want: "not a loopback address"},
		"[fe80::1]:7433":          {want: "not a loopback address"},
		"clockd.example:7433":     {want: "not a loopback address"},
		"localhost.example:7433":  {want: "not a loopback address"},
		"10.0.0.1:07433":          {insecure: true},
		"clockd.example:65535":    {insecure: true},
		"":                        {want: "neither HOST:PORT nor unix:PATH"},
		"localhost":               {want: "neither HOST:PORT nor unix:PATH"},
		":7433":                   {want: "neither HOST:PORT nor unix:PATH"},
		"::1:7433":                {want: "neither HOST:PORT nor unix:PATH"},
		"http://localhost:7433":   {want: "neither HOST:PORT nor unix:PATH"},
		"127.0.0.1:0":             {want: "a port is a number from 1 to 65535"},
		"127.0.0.1:65536":         {want: "a port is a number from 1 to 65535"},
		"127.0.0.1:http":          {want: "a port is a number from 1 to 65535"},
		"unix:":                   {want: "has no path"},
		"unix://":                 {want: "has no path"},
	}
	for address, tt := range tests {
		t.Run(address, func(t *testing.T) {
			var opts []client.Option
			if tt.insecure {
				opts = append(opts, client.WithInsecure())
			}
			c, err := client.Dial(address, opts...)
			if err == nil {
				defer c.Close()
			}
			switch {
			case tt.want == "" && err != nil:
				t.Error(err)
			case tt.want != "" && (!isInvalid(err) || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}
