package daemon_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/clockd/clockd/client"
	"github.com/clockd/clockd/daemon"
	"github.com/clockd/clockd/daemon/internal/target"
	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
)

// talker is a target that writes a line a second, and fails until an attempt.
type talker struct{ until int }

func (talker) Describe() task.Target { return task.Target{Kind: "talker"} }

func (k talker) Do(ctx context.Context, a target.Attempt) ([]byte, error) {
	for i := range 3 {
		a.Write(task.Stdout, fmt.Appendf(nil, "%d.%d ", a.Number, i))
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	if a.Number < k.until {
		a.Write(task.Stderr, []byte("no "))
		return nil, errors.New("no")
	}
	return []byte(`{"exit_code":0,"stdout":"kept out","stderr":"kept err","stdout_dropped":7}`), nil
}

func TestARunIsFollowedWhileItGoesThroughAllItsAttempts(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		c := w.start(daemon.Task{
			Name: "talk", Trigger: schedule.MustParse("every 1h"), Do: talker{until: 2},
			Policy: task.Policy{Overlap: task.OverlapQueue, Retry: task.Retry{MaxAttempts: 2}},
		})
		first, err := c.RunTask(t.Context(), ref("talk"), client.RunOptions{})
		if err != nil {
			t.Fatal(err)
		}
		second, err := c.RunTask(t.Context(), ref("talk"), client.RunOptions{})
		if err != nil {
			t.Fatal(err)
		}
		w.sleep(1500 * time.Millisecond)
		// One that goes, from its beginning; and one that waits for it.
		for id, ends := range map[task.RunID]string{first.ID: "00:00:07", second.ID: "00:00:14"} {
			go func() {
				var got string
				run, err := c.FollowRun(context.Background(), id, func(o task.Output) error {
					got += string(o.Data)
					return nil
				})
				if want := "1.0 1.1 1.2 no 2.0 2.1 2.2 "; got != want {
					t.Errorf("run %s: followed %q, want %q", id, got, want)
				}
				if err != nil || run.State != task.Succeeded || time.Now().UTC().Format(time.TimeOnly) != ends {
					t.Errorf("run %s: %s at %s, %v", id, run.State, time.Now().UTC().Format(time.TimeOnly), err)
				}
			}()
		}
		w.sleep(time.Minute)
		var kept []task.Output
		run, err := c.FollowRun(t.Context(), first.ID, func(o task.Output) error { kept = append(kept, o); return nil })
		if err != nil || run.State != task.Succeeded || len(run.Output) == 0 {
			t.Errorf("%+v, %v", run, err)
		}
		if len(kept) != 2 || string(kept[0].Data) != "kept out" || kept[0].Dropped != 7 || kept[0].Stream != task.Stdout ||
			string(kept[1].Data) != "kept err" || kept[1].Stream != task.Stderr || kept[1].Attempt != 2 {
			t.Errorf("kept: %+v", kept)
		}
		if _, err := c.FollowRun(t.Context(), 4711, func(task.Output) error { return nil }); !errors.Is(err, task.ErrRunNotFound) {
			t.Error(err)
		}
	})
}

func TestWhoeverFollowsARunIsToldWhenTheDaemonStops(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		c := w.start(daemon.Task{Name: "talk", Trigger: schedule.MustParse("every 1h"), Do: talker{}})
		going, err := c.RunTask(t.Context(), ref("talk"), client.RunOptions{})
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		var run task.Run
		go func() {
			var err error
			run, err = c.FollowRun(context.Background(), going.ID, func(task.Output) error { return nil })
			ended <- err
		}()
		w.sleep(500 * time.Millisecond)
		w.stop()
		if err := <-ended; err != nil || run.State != task.Canceled {
			t.Errorf("%s, %v", run.State, err)
		}
	})
}
