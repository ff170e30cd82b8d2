package daemon_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clockd/clockd/client"
	"github.com/clockd/clockd/daemon"
	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// running runs a daemon in a bubble while f goes, unless f stops it before. Run must return nil.
func running(t *testing.T, cfg daemon.Config, f func(t *testing.T, d *daemon.Daemon, stop func())) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		if cfg.Logger == nil {
			cfg.Logger = slog.New(slog.NewTextHandler(t.Output(), nil))
		}
		d, err := daemon.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- d.Run(ctx) }()
		stop := sync.OnceFunc(func() {
			cancel()
			if err := <-ended; err != nil {
				t.Errorf("Run: %v", err)
			}
		})
		defer stop()
		<-d.Ready()
		f(t, d, stop)
	})
}

// never makes a task that only runs when it is called.
func never(name string, f any) daemon.Task {
	return daemon.Task{Name: name, Trigger: schedule.MustParse("once 2999-01-01T00:00:00Z"), Do: daemon.Func(f)}
}

// result calls a task and returns how it ended.
func result(t *testing.T, d *daemon.Daemon, name string, input any) task.Run {
	t.Helper()
	run, err := d.Client().RunTask(t.Context(), ref(name), client.RunOptions{Input: input, Wait: true})
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return run
}

type (
	database struct{ name string }
	letters  interface{ send() string }
	post     struct{ db *database }
	session  struct{ n int }
)

func (p *post) send() string { return "sent by " + p.db.name }

func TestAFunctionGetsWhatItsParametersSay(t *testing.T) {
	type args struct{ N int }
	running(t, daemon.Config{
		Providers: []daemon.Provider{
			daemon.Provide(func(db *database) letters { return &post{db} }),
			daemon.Provide(func() *database { return &database{"main"} }),
			daemon.ProvidePerRun(func(ctx context.Context, run daemon.Run, db *database) (session, error) {
				return session{run.Attempt}, ctx.Err()
			}),
		},
		Tasks: []daemon.Task{
			never("nothing", func() {}),
			never("error", func() error { return errors.New("no paper") }),
			never("value", func() int { return 7 }),
			never("both", func() (string, error) { return "half", errors.New("no ink") }),
			never("nil", func() (any, error) { return nil, nil }),
			never("nil pointer", func() *database { return nil }),
			never("method", (&post{&database{"me"}}).send),
			never("all", func(s session, in daemon.Input[args], l letters, ctx context.Context, run daemon.Run, db *database) string {
				return fmt.Sprintf("%d %d %t, %s, %v, %s %s %s", s.n, in.Value.N, in.Given, l.send(), ctx.Err() == nil, run.TaskName, run.Input, db.name)
			}),
			never("message", func(in daemon.Input[*durationpb.Duration]) *durationpb.Duration {
				return durationpb.New(2 * in.Value.AsDuration())
			}),
			never("nil message", func() (*durationpb.Duration, error) { return nil, nil }),
			never("message in any", func(context.Context, daemon.Run) (any, error) { return wrapperspb.String("in any"), nil }),
		},
	}, func(t *testing.T, d *daemon.Daemon, _ func()) {
		for _, tt := range []struct {
			task          string
			input         any
			output, error string
		}{
			{"nothing", nil, "", ""},
			{"error", nil, "", "no paper"},
			{"value", nil, "7", ""},
			{"both", nil, `"half"`, "no ink"},
			{"nil", nil, "", ""},
			{"nil pointer", nil, "null", ""},
			{"method", nil, `"sent by me"`, ""},
			{"all", map[string]int{"n": 3}, `"1 3 true, sent by main, true, all {\"n\":3} main"`, ""},
			{"all", nil, `"1 0 false, sent by main, true, all  main"`, ""},
			{"message", "1.5s", `"3s"`, ""},
			{"message", nil, `"0s"`, ""},
			{"nil message", nil, "null", ""},
			{"message in any", nil, `"in any"`, ""},
		} {
			if run := result(t, d, tt.task, tt.input); string(run.Output) != tt.output || run.Error != tt.error {
				t.Errorf("%s: output %s, error %q, want %s, %q", tt.task, run.Output, run.Error, tt.output, tt.error)
			}
		}
		if got, err := d.Client().Task(t.Context(), ref("method")); err != nil || !strings.HasSuffix(got.Declaration.Target.Summary, ".(*post).send") {
			t.Errorf("described as %q, %v", got.Declaration.Target.Summary, err)
		}
	})
}

func needsADatabase(_ context.Context, _ *database) {}

func TestNewNamesTheTaskAndTheParameterThatNothingProvides(t *testing.T) {
	_, err := daemon.New(daemon.Config{Tasks: []daemon.Task{never("report", needsADatabase)}})
	const want = `task "report": parameter 2 of github.com/clockd/clockd/daemon_test.needsADatabase, *daemon_test.database: nothing provides it: add daemon.Provide of a function that returns it to Config.Providers`
	if err == nil || err.Error() != want {
		t.Errorf("%v\nwant\n%s", err, want)
	}
}

// Providers that are wrong, by name, so that messages can say which.
type wrong struct{}

func newSnake(*egg) *snake           { return nil }
func newEgg(*snake) *egg             { return nil }
func newFirst() *first               { return nil }
func newFirstAgain() *first          { return nil }
func newOnce(*each) *single          { return nil }
func newEach() (*each, error)        { return nil, nil }
func newTold(daemon.Run) *someFacts  { return nil }
func newTwo() (*first, *single)      { return nil, nil }
func newNothing()                    {}
func newError() error                { return nil }
func newMany(...int) *many           { return nil }
func newContext() context.Context    { return nil }
func newFails() *wrong               { return nil }
func (*wrong) Error() string         { return "" }
func newInput(daemon.Input[int]) int { return 0 }
func newPost(*database) *post        { return nil }

type (
	snake     struct{}
	egg       struct{}
	first     struct{}
	single    struct{}
	each      struct{}
	someFacts struct{}
	many      struct{}
)

func TestNewSaysEverythingThatIsWrongWithProvidersAndFunctions(t *testing.T) {
	_, err := daemon.New(daemon.Config{
		StopGrace: -1,
		Providers: []daemon.Provider{
			0: {}, 1: daemon.Provide("text"), 2: daemon.Provide((func() int)(nil)), 3: daemon.Provide(newMany), 4: daemon.Provide(newTwo),
			5: daemon.Provide(newNothing), 6: daemon.Provide(newError), 7: daemon.Provide(newFails), 8: daemon.Provide(newContext),
			9: daemon.Provide(newFirst), 10: daemon.ProvidePerRun(newFirstAgain), 11: daemon.Provide(newOnce), 12: daemon.ProvidePerRun(newEach),
			13: daemon.Provide(newTold), 14: daemon.Provide(newSnake), 15: daemon.Provide(newEgg), 16: daemon.Override(newMany),
			17: daemon.Override(func() string { return "" }), 18: daemon.Override(newEach), 19: daemon.Override(newEach),
			20: daemon.ProvidePerRun(newInput), 21: daemon.Provide(newPost),
		},
		Tasks: []daemon.Task{
			never("nil", nil), never("no function", 5), never("nil function", (func())(nil)), never("variadic", func(...string) {}),
			never("three", func() (int, int, error) { return 0, 0, nil }), never("errors", func() (error, error) { return nil, nil }),
			never("inputs", func(daemon.Input[int], daemon.Input[string]) {}),
			never("channel", func(daemon.Input[struct{ C []chan int }]) chan int { return nil }),
			never("interface", func(letters) {}), never("value", func(post) {}), never("pointers", func(*daemon.Run, *daemon.Input[int]) {}),
			never("two", func(int, *database, uint8) {}),
		},
	})
	if err == nil {
		t.Fatal("no error")
	}
	const pkg = "github.com/clockd/clockd/daemon_test."
	for _, want := range []string{
		"stop grace: -1ns is less than 1ms",
		"providers[0]: nil is given where a function is needed",
		"providers[1]: a value of type string is given where a function is needed",
		"providers[2]: a nil func() int is given where a function is needed",
		"providers[3]: " + pkg + "newMany takes any number of arguments: nobody knows how many to inject; take a slice",
		"providers[4]: " + pkg + "newTwo returns (*daemon_test.first, *daemon_test.single): a provider returns T, (T, error), (T, func()) or (T, func(), error)",
		"providers[5]: " + pkg + "newNothing returns nothing: a provider returns",
		"providers[6]: " + pkg + "newError returns (error): a provider returns",
		"providers[7]: " + pkg + "newFails makes *daemon_test.wrong, which is an error",
		"providers[8]: " + pkg + "newContext makes context.Context, which every function is given anyway",
		"providers[10]: " + pkg + "newFirstAgain makes *daemon_test.first, and so does providers[9], " + pkg + "newFirst",
		"providers[11]: parameter 1 of " + pkg + "newOnce, *daemon_test.each: " + pkg + "newEach makes it for each run, and a singleton lives longer: provide *daemon_test.single with daemon.ProvidePerRun too",
		"providers[13]: parameter 1 of " + pkg + "newTold, daemon.Run: there is no run when a singleton is made",
		"providers[15]: " + pkg + "newEgg needs what needs it: func(*daemon_test.egg) *daemon_test.snake provided by",
		"providers[16]: " + pkg + "newMany takes any number",
		"overrides the provider of string, and there is none",
		"providers[19]: " + pkg + "newEach overrides the provider of *daemon_test.each, and so does providers[18], " + pkg + "newEach: leave one out",
		"providers[20]: parameter 1 of " + pkg + "newInput, daemon.Input[int]: only a function that is called is given that: a provider takes daemon.Run",
		"providers[21]: parameter 1 of " + pkg + "newPost, *daemon_test.database: nothing provides it",
		`task "nil": nil is given where a function is needed`,
		`task "no function": a value of type int is given`,
		`task "nil function": a nil func() is given`,
		`task "variadic": ` + pkg + "TestNewSaysEverythingThatIsWrongWithProvidersAndFunctions.func2 takes any number of arguments",
		`returns (int, int, error): a function returns nothing, T, error or (T, error)`,
		`returns (error, error): a function returns nothing, T, error or (T, error)`,
		`takes daemon.Input[int] and daemon.Input[string]: there is one input`,
		`: JSON can not be decoded into chan int, field C of struct { C []chan int }`,
		`returns chan int: the output of a run is JSON, which has none`,
		`, daemon_test.letters: nothing provides it: add daemon.Provide of a function that returns it to Config.Providers (` + pkg + `newPost makes *daemon_test.post, which implements it, but only the very type counts: let it return daemon_test.letters)`,
		`, daemon_test.post: nothing provides it: add daemon.Provide of a function that returns it to Config.Providers (` + pkg + `newPost makes *daemon_test.post, but only the very type counts)`,
		`, *daemon.Run: nothing provides it: add daemon.Provide of a function that returns it to Config.Providers (daemon.Run is given without a pointer)`,
		`, *daemon.Input[int]: nothing provides it: add daemon.Provide of a function that returns it to Config.Providers (daemon.Input[int] is given without a pointer)`,
		`task "two": parameter 2 of `, `task "two": parameter 3 of `,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in\n%v", want, err)
		}
	}
	if strings.Contains(err.Error(), `task "two": parameter 1 of `) {
		t.Errorf("what is provided is missed:\n%v", err)
	}
}

// made is a provider of T that says when it is made and cleaned up.
func made[T any](j *journal, name string) func() (T, func()) {
	return func() (v T, cleanup func()) {
		j.write("+" + name)
		return v, func() { j.write("-" + name) }
	}
}

func TestSingletonsLiveFromTheStartHookToTheStopHook(t *testing.T) {
	var j journal
	running(t, daemon.Config{
		OnStart: func(context.Context) error { j.write("start"); return nil },
		OnStop:  func(context.Context) error { j.write("stop"); return nil },
		Providers: []daemon.Provider{
			daemon.Provide(func(*single) (*first, func(), error) { return made2[*first](&j, "second") }),
			daemon.Provide(made[*single](&j, "first")),
			daemon.Provide(func(ctx context.Context) (*each, context.CancelFunc) {
				context.AfterFunc(ctx, func() { j.write("pool ended") })
				return nil, func() { j.write("-pool") }
			}),
			daemon.Provide(func() (*someFacts, func()) { return nil, nil }), // nobody needs it, and it needs no clean-up
		},
		Tasks: []daemon.Task{
			says(&j, "up", "startup", "up"), says(&j, "down", "shutdown", "down"),
			{Name: "slow", Trigger: schedule.MustParse("once"), Do: daemon.Func(func(ctx context.Context, _ *first, _ *each) {
				time.Sleep(5 * time.Second)
				j.write("end")
			})},
		},
	}, func(t *testing.T, _ *daemon.Daemon, stop func()) {
		time.Sleep(time.Second)
		stop()
		synctest.Wait()
		if got, want := j.read(), "start +first +second up end down -pool -second -first stop pool ended"; got != want {
			t.Errorf("journal %q, want %q", got, want)
		}
	})
}

func made2[T any](j *journal, name string) (v T, cleanup func(), err error) {
	v, cleanup = made[T](j, name)()
	return v, cleanup, nil
}

func TestASingletonThatCanNotBeMadeFailsRun(t *testing.T) {
	for name, tt := range map[string]struct {
		constructor any
		want        string
	}{
		"an error": {func() (*first, func(), error) { return nil, func() { panic("not mine") }, errors.New("no database") }, ": no database"},
		"a panic":  {func() *first { panic("no database") }, ": panic: no database"},
		"a stop":   {func(ctx context.Context) (*first, error) { <-ctx.Done(); return nil, ctx.Err() }, ": context canceled"}, // in the middle of it
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var j journal
				d, err := daemon.New(daemon.Config{
					Providers: []daemon.Provider{
						daemon.Provide(made[*single](&j, "once")),
						daemon.Provide(func(*first) *each { j.write("too far"); return nil }),
						daemon.Provide(tt.constructor),
					},
					Tasks:  []daemon.Task{says(&j, "up", "startup", "up")},
					OnStop: func(context.Context) error { j.write("stop"); return nil },
				})
				if err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				err = d.Run(ctx)
				if err == nil || !strings.HasPrefix(err.Error(), "provider github.com/clockd/clockd/daemon_test.") || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("Run: %v", err)
				}
				if got := j.read(); got != "+once -once stop" {
					t.Errorf("journal %q", got)
				}
				if _, err := daemon.Call[any](t.Context(), d, func() {}); !errors.Is(err, task.ErrStopping) {
					t.Errorf("a call after that: %v", err)
				}
			})
		})
	}
}

var errBroken = errors.New("broken")

func TestWhatIsMadePerRunIsCleanedUpHoweverTheRunEnds(t *testing.T) {
	for _, tt := range []struct {
		name  string
		do    func(ctx context.Context) error
		state task.RunState
		error string
	}{
		{"well", func(context.Context) error { return nil }, task.Succeeded, ""},
		{"failed", func(context.Context) error { return errBroken }, task.Failed, "broken"},
		{"panicked", func(context.Context) error { panic("broken") }, task.Failed, "panic: broken"},
		{"timed out", func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }, task.TimedOut, "timed out after 1m0s"},
		{"canceled", func(ctx context.Context) error {
			select {
			case <-ctx.Done():
				return context.Cause(ctx)
			case <-time.After(time.Hour):
				return nil
			}
		}, task.Canceled, "canceled: enough"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var j journal
			job := never("job", func(ctx context.Context, _ *single, _ *each, _ *each) error { j.write("do"); return tt.do(ctx) })
			if job.Policy.Timeout = time.Minute; tt.state == task.Canceled {
				job.Policy.Timeout = 0
			}
			running(t, daemon.Config{
				Tasks: []daemon.Task{job},
				Providers: []daemon.Provider{
					daemon.ProvidePerRun(func(*each) (*single, func()) { return made[*single](&j, "once")() }),
					daemon.ProvidePerRun(made[*each](&j, "each")),
					daemon.ProvidePerRun(made[*someFacts](&j, "told")), // nobody needs it
				},
			}, func(t *testing.T, d *daemon.Daemon, _ func()) {
				if tt.state == task.Canceled {
					go func() {
						time.Sleep(time.Second)
						for run := range d.Client().Runs(t.Context(), client.RunFilter{}) {
							if _, err := d.Client().CancelRun(t.Context(), run.ID, "enough"); err != nil {
								t.Error(err)
							}
						}
					}()
				}
				run := result(t, d, "job", nil)
				if run.State != tt.state || run.Error != tt.error {
					t.Errorf("%v, %q", run.State, run.Error)
				}
				if got := j.read(); got != "+each +once do -once -each" {
					t.Errorf("journal %q", got)
				}
			})
		})
	}
}

func TestEachAttemptHasThingsOfItsOwn(t *testing.T) {
	var sessions []*session
	job := never("job", func(s *session, l letters, run daemon.Run) error {
		sessions = append(sessions, s)
		if l.(*post).db.name != fmt.Sprint(s.n) || s.n != run.Attempt {
			t.Errorf("attempt %d has session %d, and a letter of %s", run.Attempt, s.n, l.(*post).db.name)
		}
		return errBroken
	})
	job.Policy.Retry = task.Retry{MaxAttempts: 3}
	running(t, daemon.Config{
		Tasks: []daemon.Task{job},
		Providers: []daemon.Provider{
			daemon.ProvidePerRun(func(s *session) letters { return &post{&database{fmt.Sprint(s.n)}} }),
			daemon.ProvidePerRun(func(r daemon.Run) *session { return &session{r.Attempt} }),
		},
	}, func(t *testing.T, d *daemon.Daemon, _ func()) {
		if run := result(t, d, "job", nil); run.State != task.Failed || len(sessions) != 3 || sessions[0] == sessions[1] {
			t.Errorf("%+v, sessions %v", run, sessions)
		}
	})
}

func TestAPerRunProviderThatFailsFailsTheRun(t *testing.T) {
	var j journal
	do := func(*single) { j.write("do") }
	running(t, daemon.Config{
		Tasks: []daemon.Task{never("job", do), never("rough", func(*someFacts) { j.write("do") })},
		Providers: []daemon.Provider{
			daemon.ProvidePerRun(func(*each) (*single, error) { return nil, errBroken }),
			daemon.ProvidePerRun(func(*each) *someFacts { panic("broken") }),
			daemon.ProvidePerRun(made[*each](&j, "each")),
		},
	}, func(t *testing.T, d *daemon.Daemon, _ func()) {
		if run := result(t, d, "job", nil); run.State != task.Failed || !strings.HasPrefix(run.Error, "provider github.com/") || !strings.HasSuffix(run.Error, ": broken") {
			t.Errorf("%v, %q", run.State, run.Error)
		}
		if run := result(t, d, "rough", nil); run.State != task.Failed || run.Error != "panic: broken" {
			t.Errorf("%v, %q", run.State, run.Error)
		}
		if got := j.read(); got != "+each -each +each -each" {
			t.Errorf("journal %q", got)
		}
	})
}

func TestACleanUpThatPanicsEndsNothing(t *testing.T) {
	var j journal
	var log bytes.Buffer
	bad := func(name string) func() {
		return func() { j.write(name); panic("stuck") }
	}
	running(t, daemon.Config{
		Logger: slog.New(slog.NewTextHandler(&log, nil)),
		Tasks:  []daemon.Task{never("job", func(*single, *each) int { return 1 }), never("rough", func(*single, *each) { panic("broken") })},
		Providers: []daemon.Provider{
			daemon.ProvidePerRun(func() (*single, func()) { return nil, bad("once") }),
			daemon.ProvidePerRun(func() (*each, func()) { return nil, bad("each") }),
			daemon.Provide(func() (*first, func()) { return nil, bad("first") }),
			daemon.Provide(func() (*someFacts, func()) { return nil, bad("told") }),
		},
	}, func(t *testing.T, d *daemon.Daemon, stop func()) {
		if run := result(t, d, "job", nil); run.State != task.Succeeded || string(run.Output) != "1" {
			t.Errorf("%v, %s", run.State, run.Output)
		}
		if run := result(t, d, "rough", nil); run.State != task.Failed || run.Error != "panic: broken" {
			t.Errorf("%v, %q", run.State, run.Error)
		}
		stop()
		if got := j.read(); got != "each once each once told first" {
			t.Errorf("journal %q", got)
		}
		if n := strings.Count(log.String(), `msg="clean-up panicked" provider=github.com/clockd/clockd/daemon_test.TestACleanUp`); n != 6 {
			t.Errorf("%d panics in the log:\n%s", n, &log)
		}
	})
}

func TestAnOverrideTakesThePlaceAndLivesAsLong(t *testing.T) {
	var j journal
	n := 0
	running(t, daemon.Config{
		Providers: []daemon.Provider{
			daemon.Override(func() (*database, func()) { return &database{"fake"}, func() { j.write("-fake") } }),
			daemon.Provide(func(*first) *database { panic("what it needs is not there, and it is not called") }),
			daemon.ProvidePerRun(func() *session { return nil }),
			daemon.Override(func(db *database) *session { n++; return &session{n} }),
		},
		Tasks: []daemon.Task{never("job", func(db *database, s *session) string { return fmt.Sprint(db.name, s.n) })},
	}, func(t *testing.T, d *daemon.Daemon, stop func()) {
		for _, want := range []string{`"fake1"`, `"fake2"`} {
			if run := result(t, d, "job", nil); string(run.Output) != want {
				t.Errorf("%s, %s", run.Output, run.Error)
			}
		}
		stop()
		if got := j.read(); got != "-fake" {
			t.Errorf("journal %q", got)
		}
	})
}

func TestTwoDaemonsOfOneConfigShareNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		cfg := daemon.Config{
			Providers: []daemon.Provider{daemon.Provide(func() *session { n++; return &session{n} })},
			Tasks:     []daemon.Task{never("job", func(s *session) int { return s.n })},
			Logger:    slog.New(slog.DiscardHandler),
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		for i := range 2 {
			d, err := daemon.New(cfg)
			if err != nil {
				t.Fatal(err)
			}
			go func() { ended <- d.Run(ctx) }()
			if run := result(t, d, "job", nil); string(run.Output) != fmt.Sprint(i+1) {
				t.Errorf("daemon %d has session %s", i, run.Output)
			}
		}
		cancel()
		if err := errors.Join(<-ended, <-ended); err != nil {
			t.Error(err)
		}
	})
}

func TestAReloadedFunctionGetsWhatTheRunningDaemonHas(t *testing.T) {
	n := 0
	running(t, daemon.Config{
		Providers: []daemon.Provider{daemon.Provide(func() *session { n++; return &session{n} })},
	}, func(t *testing.T, d *daemon.Daemon, _ func()) {
		wants := daemon.Config{
			Tasks:     []daemon.Task{never("job", func(*database) {})},
			Providers: []daemon.Provider{daemon.Provide(func() *database { return nil })},
		}
		const want = `task "job": parameter 1 of `
		if err := d.Reload(t.Context(), wants); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("Reload: %v", err)
		}
		if _, err := d.Diff(t.Context(), wants); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("Diff: %v", err)
		}
		if err := d.Reload(t.Context(), daemon.Config{Tasks: []daemon.Task{never("job", func(s *session) int { return s.n })}}); err != nil {
			t.Fatal(err)
		}
		if run := result(t, d, "job", nil); string(run.Output) != "1" {
			t.Errorf("%s, %s", run.Output, run.Error)
		}
	})
}
