package daemon_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clockd/clockd/client"
	"github.com/clockd/clockd/daemon"
	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func TestNewSaysEverythingThatIsWrong(t *testing.T) {
	nothing := daemon.Func(func(context.Context, daemon.Run) (any, error) { return nil, nil })
	_, err := daemon.New(daemon.Config{
		Namespace: " spaced", ClaimAhead: time.Hour, StopGrace: -time.Second,
		Tasks: []daemon.Task{
			{Trigger: schedule.MustParse("once"), Do: nothing},
			{
				Name: "odd", Description: "\xff", Group: "g\x00", Labels: map[string]string{"": "x"},
				Trigger: schedule.MustParse("once"), Do: nothing, Policy: task.Policy{Overlap: 99},
			},
			{Name: "idle", Trigger: schedule.MustParse("once")},
			{Name: "twice", Trigger: schedule.MustParse("once"), Do: nothing},
			{Name: "twice", Trigger: schedule.Trigger{Kind: schedule.Cron{Expression: "61 * * * *"}}, Do: nothing, Policy: task.Policy{Timeout: -1}},
		},
	})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		`namespace: " spaced" starts with a space`,
		`claim ahead: 1h0m0s is outside 1ms to 10s`,
		`stop grace: -1s is less than 1ms`,
		`tasks[0]: name: a name is missing`,
		`task "idle": Do is missing`,
		`task "twice": tasks[4] has the same name as tasks[3]`,
		`task "twice": policy.timeout: -1ns is negative`,
		`task "odd": group: "g\x00" has a control character`,
		`task "odd": description: "\xff" is not valid UTF-8`,
		`task "odd": labels: a name is missing`,
		`task "odd": policy.overlap: 99 is unknown`,
		`task "twice": trigger.cron.expression: minute "61" is outside 0-59`,
		`task "twice": trigger.cron.time_zone: `,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in\n%v", want, err)
		}
	}
}

func TestTheZeroConfigWorks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, err := daemon.New(daemon.Config{Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- d.Run(ctx) }()
		for got, err := range d.Client().Tasks(t.Context(), client.TaskFilter{}) {
			t.Errorf("task %v, %v", got, err)
		}
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if err := d.Run(t.Context()); err == nil {
			t.Error("a second Run did not fail")
		}
		if _, err := d.Client().Task(t.Context(), task.ByName("x")); status.Code(err) != codes.Canceled && status.Code(err) != codes.Unavailable {
			t.Errorf("a call after the end: %v", err)
		}
	})
}

func TestACallBeforeRunWaitsForIt(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		d, err := daemon.New(daemon.Config{Tasks: []daemon.Task{at("job", "every 1h", 0)}, Logger: w.log})
		if err != nil {
			t.Fatal(err)
		}
		answered := make(chan error, 1)
		go func() {
			_, err := d.Client().Task(t.Context(), task.ByName("job"))
			answered <- err
		}()
		w.sleep(time.Second)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- d.Run(ctx) }()
		if err := <-answered; err != nil {
			t.Error(err)
		}
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func TestADaemonThatNeverRanLeavesNothingBehind(t *testing.T) {
	synctest.Test(t, func(*testing.T) { // fails if a goroutine is left
		d, err := daemon.New(daemon.Config{})
		if err != nil {
			t.Fatal(err)
		}
		_ = d
	})
}
