package daemon_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clockd/clockd/daemon"
	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
)

func TestACallReturnsWhatTheFunctionReturnsAndRecordsNothing(t *testing.T) {
	var j journal
	running(t, daemon.Config{
		Providers: []daemon.Provider{
			daemon.Provide(func() *database { return &database{"main"} }),
			daemon.ProvidePerRun(func(run daemon.Run) (*each, func()) { return made[*each](&j, fmt.Sprint(run.TaskName, run.Attempt))() }),
		},
	}, func(t *testing.T, d *daemon.Daemon, _ func()) {
		name, err := daemon.Call[string](t.Context(), d, func(ctx context.Context, db *database, _ *each, in daemon.Input[*int], run daemon.Run) (string, error) {
			j.write("do")
			fmt.Fprint(run.Output, "nobody reads it")
			return db.name + fmt.Sprint(in.Value == nil, in.Given, ctx.Err()), errBroken
		})
		if name != "maintrue false <nil>" || !errors.Is(err, errBroken) {
			t.Errorf("%q, %v", name, err)
		}
		if l, err := daemon.Call[letters](t.Context(), d, func(db *database) *post { return &post{db} }); err != nil || l.send() != "sent by main" {
			t.Errorf("%v, %v", l, err)
		}
		if v, err := daemon.Call[any](t.Context(), d, func() {}); err != nil || v != nil {
			t.Errorf("%v, %v", v, err)
		}
		if v, err := daemon.Call[error](t.Context(), d, func() (*wrong, error) { return nil, nil }); err != nil || v == nil {
			t.Errorf("%v, %v: a nil pointer is a value", v, err)
		}
		if v, err := daemon.Call[letters](t.Context(), d, func() (letters, error) { return nil, nil }); err != nil || v != nil {
			t.Errorf("%v, %v", v, err)
		}
		if got := j.read(); got != "+0 do -0" {
			t.Errorf("journal %q", got)
		}
		if stats, err := d.Client().Task(t.Context(), ref("any")); err == nil {
			t.Errorf("there is a task: %+v", stats)
		}
	})
}

func TestACallThatCanNotBeMadeIsInvalidAndSaysWhy(t *testing.T) {
	d, err := daemon.New(daemon.Config{})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		call func() error
		want string
	}{
		{func() error { _, err := daemon.Call[any](t.Context(), d, nil); return err }, "f: nil is given where a function is needed"},
		{func() error { _, err := daemon.Call[any](t.Context(), d, needsADatabase); return err }, "f: parameter 2 of github.com/clockd/clockd/daemon_test.needsADatabase, *daemon_test.database: nothing provides it"},
		{func() error { _, err := daemon.Call[int](t.Context(), d, func() {}); return err }, "f: the function returns no value, and int is asked for: use Call[any]"},
		{func() error { _, err := daemon.Call[int](t.Context(), d, func() string { return "" }); return err }, "f: the function returns string, and int is asked for: use Call[string]"},
	} {
		if err := tt.call(); !errors.Is(err, task.ErrInvalid) || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("%v, want %s", err, tt.want)
		}
	}
}

func TestACallWaitsForTheDaemonAndIsRefusedAfterIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, err := daemon.New(daemon.Config{Providers: []daemon.Provider{daemon.Provide(func() *database { return &database{"main"} })}})
		if err != nil {
			t.Fatal(err)
		}
		name := func(db *database) string { return db.name }
		impatient, giveUp := context.WithTimeout(t.Context(), time.Second)
		defer giveUp()
		if _, err := daemon.Call[string](impatient, d, name); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("before Run: %v", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() {
			time.Sleep(time.Minute)
			ended <- d.Run(ctx)
		}()
		if got, err := daemon.Call[string](t.Context(), d, name); got != "main" || err != nil {
			t.Errorf("%q, %v", got, err)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if _, err := daemon.Call[string](t.Context(), d, name); !errors.Is(err, task.ErrStopping) {
			t.Errorf("after Run: %v", err)
		}
	})
}

func TestACallOfADaemonThatNeverComesUpEndsWithIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, err := daemon.New(daemon.Config{OnStart: func(context.Context) error { time.Sleep(time.Second); return errBroken }})
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan error)
		go func() { ended <- d.Run(t.Context()) }()
		if _, err := daemon.Call[any](t.Context(), d, func() {}); !errors.Is(err, task.ErrStopping) {
			t.Errorf("%v", err)
		}
		if err := <-ended; !errors.Is(err, errBroken) {
			t.Error(err)
		}
	})
}

func TestAPanicInACallIsAnErrorOfIt(t *testing.T) {
	var j journal
	running(t, daemon.Config{
		Providers: []daemon.Provider{daemon.ProvidePerRun(made[*each](&j, "each"))},
	}, func(t *testing.T, d *daemon.Daemon, _ func()) {
		if v, err := daemon.Call[int](t.Context(), d, func(*each) int { panic("broken") }); err == nil || err.Error() != "panic: broken" || v != 0 {
			t.Errorf("%v, %v", v, err)
		}
		if got := j.read(); got != "+each -each" {
			t.Errorf("journal %q", got)
		}
	})
}

func TestTheStopWaitsForCallsAndThenEndsTheirContexts(t *testing.T) {
	for _, tt := range []struct {
		name  string
		takes time.Duration // 0: until its context ends, and a second more
		stop  time.Duration
		err   error
		order string
	}{
		{"one that ends in time", 5 * time.Second, 5 * time.Second, nil, "down end -each -single"},
		{"one that needs to be told", 0, 11 * time.Second, task.ErrStopping, "down end -each -single"},
		{"one that is deaf", time.Hour, 22 * time.Second, nil, "down -single end -each"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var j journal
			quiet := func(name string) func() func() { return func() func() { return func() { j.write(name) } } }
			running(t, daemon.Config{
				Providers: []daemon.Provider{
					daemon.ProvidePerRun(func() (*each, func()) { return nil, quiet("-each")() }),
					daemon.Provide(func() (*single, func()) { return nil, quiet("-single")() }),
				},
				Tasks: []daemon.Task{says(&j, "down", "shutdown", "down")},
			}, func(t *testing.T, d *daemon.Daemon, stop func()) {
				ended := make(chan error)
				go func() {
					_, err := daemon.Call[any](t.Context(), d, func(ctx context.Context, _ *each) error {
						defer j.write("end")
						if tt.takes > 0 {
							time.Sleep(tt.takes)
							return nil
						}
						<-ctx.Done()
						time.Sleep(time.Second)
						return context.Cause(ctx)
					})
					ended <- err
				}()
				synctest.Wait()
				go func() {
					time.Sleep(time.Second)
					if _, err := daemon.Call[any](t.Context(), d, func() {}); !errors.Is(err, task.ErrStopping) {
						t.Errorf("while it stops: %v", err)
					}
				}()
				began := time.Now()
				stop()
				if took := time.Since(began); took != tt.stop {
					t.Errorf("the stop took %s, want %s", took, tt.stop)
				}
				if err := <-ended; !errors.Is(err, tt.err) {
					t.Errorf("the call: %v", err)
				}
				if got := j.read(); got != tt.order {
					t.Errorf("journal %q, want %q", got, tt.order)
				}
			})
		})
	}
}

// What the ancestor's test of run_with_injected_deps shows.
func TestAFunctionOfATaskCanBeCalled(t *testing.T) {
	provided := func() int { return 1 }
	report := func(n int) (string, error) { return fmt.Sprintf("%d reports", n), nil }
	running(t, daemon.Config{
		Providers: []daemon.Provider{daemon.Provide(provided)},
		Tasks:     []daemon.Task{{Name: "report", Trigger: schedule.MustParse("every 1h"), Do: daemon.Func(report)}},
	}, func(t *testing.T, d *daemon.Daemon, _ func()) {
		if got, err := daemon.Call[string](t.Context(), d, report); got != "1 reports" || err != nil {
			t.Errorf("%q, %v", got, err)
		}
	})
}
