package daemon_test

import (
	"context"
	"fmt"
	"log"
	"log/slog"

	"github.com/clockd/clockd/daemon"
)

// A function is called with everything injected, from a handler of the same program, and what it returns is
// returned. No run is recorded.
func ExampleCall() {
	d, err := daemon.New(daemon.Config{
		Providers: []daemon.Provider{
			daemon.Provide(func() *Store { return &Store{rows: map[string]int{"sold": 12}} }),
		},
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	stopped := make(chan error)
	go func() { stopped <- d.Run(ctx) }()

	sold, err := daemon.Call[int](ctx, d, func(s *Store) int { return s.rows["sold"] })
	fmt.Println(sold, err)
	_, err = daemon.Call[any](ctx, d, func(s *Store) { s.rows["sold"] = 0 }) // returns no value
	fmt.Println(err)
	_, err = daemon.Call[int](ctx, d, func(s *Store) string { return "twelve" })
	fmt.Println(err)

	stop()
	if err := <-stopped; err != nil {
		log.Fatal(err)
	}
	// Output:
	// 12 <nil>
	// <nil>
	// f: the function returns string, and int is asked for: use Call[string]
}
