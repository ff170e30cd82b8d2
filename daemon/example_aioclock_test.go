package daemon_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clockd/clockd/client"
	"github.com/clockd/clockd/daemon"
	"github.com/clockd/clockd/daemon/daemontest"
	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
)

// uselessness is what the heartbeat of the sample depends on.
type uselessness string

// lines is where the sample prints. It may be written to by several goroutines.
type lines struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lines) println(a ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fmt.Fprintln(l.w, a...)
}

// aioclockSample is the sample of aioclock's README as a program that embeds clockd: a group with a task of each kind of
// trigger, one of them with a dependency, and something to be done at the start and at the end. Package migrate maps
// the rest.
func aioclockSample(out io.Writer) daemon.Config {
	l := &lines{w: out}
	// What group.task and the module of the group are there is a list here.
	useless := []daemon.Task{
		{
			Name: "every", Trigger: schedule.MustParse("every 10s fixed-delay"), // from the end of a run, as there
			Do: daemon.Func(func() { l.println("ten seconds have passed") }),
		},
		{
			Name: "at", Trigger: schedule.MustParse("at 00:00 UTC"),
			Do: daemon.Func(func() { l.println("it is midnight") }),
		},
		{
			Name: "forever", Trigger: schedule.MustParse("forever"),
			Do: daemon.Func(func(ctx context.Context, val uselessness) error {
				select {
				case <-time.After(2 * time.Second):
				case <-ctx.Done(): // the end of the program
					return context.Cause(ctx)
				}
				l.println("the heart beats, with", val)
				return nil
			}),
		},
		{
			Name: "once", Trigger: schedule.MustParse("once"),
			Do: daemon.Func(func() { l.println("this is said once") }),
		},
	}
	for i := range useless {
		useless[i].Group = "useless"
	}
	app := []daemon.Task{
		{
			Name: "startup", Trigger: schedule.MustParse("startup"),
			Do: daemon.Func(func() { l.println("welcome") }),
		},
		{
			Name: "shutdown", Trigger: schedule.MustParse("shutdown"),
			Do: daemon.Func(func() { l.println("going offline") }),
		},
	}
	return daemon.Config{
		Tasks:     append(app, useless...),
		Groups:    map[string]daemon.Group{"useless": {Labels: map[string]string{"use": "none"}}},
		Providers: []daemon.Provider{daemon.ProvidePerRun(func() uselessness { return "a dependency" })},
		// The two halves of its lifespan, around its yield.
		OnStart:   func(context.Context) error { l.println("lifespan begins"); return nil },
		OnStop:    func(context.Context) error { l.println("lifespan ends"); return nil },
		StopGrace: time.Millisecond, // the heartbeat need not end its beat
	}
}

// The sample as it runs in a real program: here no longer than it takes to say what is said once.
func Example_aioclock() {
	cfg := aioclockSample(os.Stdout)
	cfg.Logger = slog.New(slog.DiscardHandler)
	// What goes by the clock is left out, so that what is printed here is the same each time.
	cfg.Tasks = slices.DeleteFunc(cfg.Tasks, func(t daemon.Task) bool { return !slices.Contains([]string{"startup", "at", "shutdown"}, t.Name) })
	d, err := daemon.New(cfg)
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	stopped := make(chan error)
	go func() { stopped <- d.Run(ctx) }() // serve()

	// run_specific_task, by name: theirs by an id that is another at each start.
	run, err := d.Client().RunTask(ctx, task.ByName("at"), client.RunOptions{Wait: true})
	if err != nil {
		log.Fatal(err)
	}
	// get_metadata_of_all_tasks.
	for one, err := range d.Client().Tasks(ctx, client.TaskFilter{}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s: %s\n", one.Declaration.Name, one.Trigger())
	}
	stop()
	if err := <-stopped; err != nil {
		log.Fatal(err)
	}
	fmt.Println(run.State)
	// Output:
	// lifespan begins
	// welcome
	// it is midnight
	// at: at 00:00 UTC
	// shutdown: shutdown
	// startup: startup
	// going offline
	// lifespan ends
	// succeeded
}

func TestTheSampleOfAioclockDoesInADayWhatItSays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out strings.Builder
		time.Sleep(23*time.Hour + 59*time.Minute + 35*time.Second)
		d := daemontest.Start(t, aioclockSample(&out))
		time.Sleep(31 * time.Second)
		for name, want := range map[string]int{"startup": 1, "once": 1, "at": 1, "every": 3, "forever": 15, "shutdown": 0} {
			ended := 0
			for _, run := range d.Runs(name) {
				if run.State == task.Succeeded {
					ended++
				}
			}
			if ended != want {
				t.Errorf("%s ran %d times, want %d", name, ended, want)
			}
			if got, err := d.Client().Task(t.Context(), ref(name)); err != nil || (got.Declaration.Group == "useless") != (got.Declaration.Labels["use"] == "none") {
				t.Errorf("%s is %+v, %v", name, got, err)
			}
		}
		d.Stop()
		said := strings.Split(strings.TrimSpace(out.String()), "\n")
		n := len(said)
		if begins, ends := strings.Join(said[:2], ", "), strings.Join(said[n-2:], ", "); begins != "lifespan begins, welcome" || ends != "going offline, lifespan ends" {
			t.Errorf("it began with %q and ended with %q", begins, ends)
		}
		var counts []string
		for _, line := range []string{"this is said once", "it is midnight", "ten seconds have passed", "the heart beats, with a dependency"} {
			n := 0
			for _, s := range said {
				if s == line {
					n++
				}
			}
			counts = append(counts, fmt.Sprint(n))
		}
		if got := strings.Join(counts, " "); got != "1 1 3 15" || n != 4+20 {
			t.Errorf("%s times, %d lines:\n%s", got, n, out.String())
		}
	})
}

// dependency is what aioclock's test of run_with_injected_deps depends on.
type dependency int

func TestRunWithInjectedDepsReturnsWhatTheTaskMadeOfIts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		main := func(bar dependency) dependency { return bar } // a task's function stays a function
		cfg := daemon.Config{
			Providers: []daemon.Provider{daemon.ProvidePerRun(func() dependency { return 1 })},
			Tasks:     []daemon.Task{{Name: "main", Trigger: schedule.MustParse("once 2100-01-01T00:00:00Z"), Do: daemon.Func(main)}},
		}
		d := daemontest.Start(t, cfg)
		if foo, err := daemon.Call[dependency](t.Context(), d.Daemon, main); foo != 1 || err != nil {
			t.Errorf("the call: %d, %v", foo, err)
		}
		if runs := d.Runs("main"); len(runs) != 0 {
			t.Errorf("the call is on record: %+v", runs)
		}
		if run := d.Run("main", nil); string(run.Output) != "1" {
			t.Errorf("the run: %+v", run)
		}

		// override_dependencies.
		cfg.Providers = append(cfg.Providers, daemon.Override(func() dependency { return 2 }))
		if foo, err := daemon.Call[dependency](t.Context(), daemontest.Start(t, cfg).Daemon, main); foo != 2 || err != nil {
			t.Errorf("the call with the override: %d, %v", foo, err)
		}
	})
}
