package daemon_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"strings"

	"github.com/clockd/clockd/client"
	"github.com/clockd/clockd/daemon"
	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
)

// Things that a program is made of.
type (
	Store  struct{ rows map[string]int }
	Mailer interface{ Send(to, text string) error }
	Tx     struct {
		store *Store
		added map[string]int
	}
)

func (s *Store) Close() { fmt.Println("store closed") }

func (tx *Tx) Add(name string, n int) { tx.added[name] += n }

func (tx *Tx) Commit() {
	for name, n := range tx.added {
		tx.store.rows[name] += n
	}
	tx.added = nil
}

func (tx *Tx) Rollback() {
	if tx.added != nil {
		fmt.Println("rolled back")
	}
}

type smtp struct{ server string }

func (s smtp) Send(to, text string) error {
	fmt.Printf("%s: to %s: %s\n", s.server, to, text)
	return nil
}

// A task whose function takes what providers make and what a call hands in, and returns a value.
func ExampleProvide() {
	type options struct{ To string }
	report := func(ctx context.Context, in daemon.Input[options], s *Store, m Mailer) (int, error) {
		return s.rows["sold"], m.Send(in.Value.To, fmt.Sprintf("%d sold", s.rows["sold"]))
	}
	d, err := daemon.New(daemon.Config{
		Providers: []daemon.Provider{
			daemon.Provide(func() Mailer { return smtp{"mail.example.com"} }),
			daemon.Provide(func() (*Store, func(), error) {
				s := &Store{rows: map[string]int{"sold": 12}}
				return s, s.Close, nil
			}),
		},
		Tasks: []daemon.Task{{
			Name:    "report",
			Trigger: schedule.MustParse("at 09:30 mon-fri Europe/Berlin"),
			Do:      daemon.Func(report),
		}},
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	stopped := make(chan error)
	go func() { stopped <- d.Run(ctx) }()

	c := d.Client()
	run, err := c.RunTask(ctx, task.ByName("report"), client.RunOptions{Input: options{To: "me"}, Wait: true})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("output:", string(run.Output))
	_, err = c.RunTask(ctx, task.ByName("report"), client.RunOptions{Input: map[string]string{"too": "me"}})
	fmt.Println(err)

	stop()
	if err := <-stopped; err != nil {
		log.Fatal(err)
	}
	// Output:
	// mail.example.com: to me: 12 sold
	// output: 12
	// input: unknown field "too"
	// store closed
}

// A transaction for each run: what is not committed when the run has ended is rolled back.
func ExampleProvidePerRun() {
	d, err := daemon.New(daemon.Config{
		Providers: []daemon.Provider{
			daemon.Provide(func() *Store { return &Store{rows: map[string]int{}} }),
			daemon.ProvidePerRun(func(ctx context.Context, run daemon.Run, s *Store) (*Tx, func(), error) {
				tx := &Tx{store: s, added: map[string]int{}}
				return tx, tx.Rollback, ctx.Err()
			}),
		},
		Tasks: []daemon.Task{{
			Name:    "count",
			Trigger: schedule.MustParse("every 1h"),
			Do: daemon.Func(func(tx *Tx, in daemon.Input[int]) error {
				tx.Add("sold", in.Value)
				if in.Value < 0 {
					return errors.New("nobody sells less than nothing")
				}
				tx.Commit()
				return nil
			}),
		}},
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	stopped := make(chan error)
	go func() { stopped <- d.Run(ctx) }()

	for _, n := range []int{3, -1, 4} {
		run, err := d.Client().RunTask(ctx, task.ByName("count"), client.RunOptions{Input: n, Wait: true})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%d %s %q\n", n, run.State, run.Error)
	}
	sold, err := daemon.Call[int](ctx, d, func(s *Store) int { return s.rows["sold"] })
	fmt.Println("sold:", sold, err)

	stop()
	if err := <-stopped; err != nil {
		log.Fatal(err)
	}
	// Output:
	// 3 succeeded ""
	// rolled back
	// -1 failed "nobody sells less than nothing"
	// 4 succeeded ""
	// sold: 7 <nil>
}

// newConfig is that of a program; its tests change what they need.
func newConfig() daemon.Config {
	return daemon.Config{
		Providers: []daemon.Provider{
			daemon.Provide(func() Mailer { return smtp{"mail.example.com"} }),
		},
		Tasks: []daemon.Task{{
			Name:    "greet",
			Trigger: schedule.MustParse("every 1h"),
			Do:      daemon.Func(func(m Mailer) error { return m.Send("all", "good morning") }),
		}},
		Logger: slog.New(slog.DiscardHandler),
	}
}

type recorded struct{ texts []string }

func (r *recorded) Send(to, text string) error {
	r.texts = append(r.texts, to+": "+text)
	return nil
}

// In a test one thing of the whole program is replaced.
func ExampleOverride() {
	var sent recorded
	cfg := newConfig()
	cfg.Providers = append(cfg.Providers, daemon.Override(func() Mailer { return &sent }))
	d, err := daemon.New(cfg)
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	stopped := make(chan error)
	go func() { stopped <- d.Run(ctx) }()
	if _, err := d.Client().RunTask(ctx, task.ByName("greet"), client.RunOptions{Wait: true}); err != nil {
		log.Fatal(err)
	}
	stop()
	if err := <-stopped; err != nil {
		log.Fatal(err)
	}
	fmt.Println(sent.texts)
	// Output:
	// [all: good morning]
}

// What is missing is said when the program starts, not when the task fires.
func ExampleNew_missingProvider() {
	cfg := newConfig()
	cfg.Providers = nil
	_, err := daemon.New(cfg)
	_, what, _ := strings.Cut(err.Error(), ", ") // without the name of the function
	fmt.Println(what)
	// Output:
	// daemon_test.Mailer: nothing provides it: add daemon.Provide of a function that returns it to Config.Providers
}
