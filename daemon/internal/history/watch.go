package history

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/clockd/clockd/client"
)

// Watch watches tasks and runs until ctx ends: for a while with each client, then anew with the last token. What it
// reads it writes down under a name. dial says which client to use; nil: none is up, and it asks again.
func (r *Recorder) Watch(ctx context.Context, name string, rnd *rand.Rand, dial func() *client.Client) {
	done := make(chan struct{})
	seed := rnd.Uint64()
	go func() {
		defer close(done)
		var token string
		keep(ctx, rand.New(rand.NewPCG(seed, 1)), dial, func(ctx context.Context, c *client.Client, more func() bool) {
			for got, err := range c.WatchTasks(ctx, client.TaskWatch{ResumeToken: token}) {
				if err != nil {
					return
				}
				r.saw("tasks of "+name, Step{Tasks: got.Tasks, Deleted: got.Deleted, Reset: got.Reset, Synced: got.Synced})
				if token = got.ResumeToken; !more() && token != "" {
					return
				}
			}
		})
	}()
	var token string
	keep(ctx, rand.New(rand.NewPCG(seed, 2)), dial, func(ctx context.Context, c *client.Client, more func() bool) {
		for got, err := range c.WatchRuns(ctx, client.RunWatch{ResumeToken: token}) {
			if err != nil {
				return
			}
			r.saw("runs of "+name, Step{Runs: got.Runs, TakenBack: got.TakenBack, Reset: got.Reset, Synced: got.Synced})
			if token = got.ResumeToken; !more() && token != "" {
				return
			}
		}
	})
	<-done
}

// keep reads one stream after the other. more is asked after each piece: some readers are slow, some end early.
func keep(ctx context.Context, rnd *rand.Rand, dial func() *client.Client, read func(context.Context, *client.Client, func() bool)) {
	for ctx.Err() == nil {
		c := dial()
		if c != nil {
			pieces := 1 + rnd.IntN(60)
			read(ctx, c, func() bool {
				if rnd.IntN(4) == 0 {
					sleep(ctx, time.Duration(rnd.IntN(300))*time.Millisecond)
				}
				pieces--
				return pieces > 0
			})
		}
		sleep(ctx, time.Duration(1+rnd.IntN(150))*time.Millisecond)
	}
}

func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
