package daemon_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/clockd/clockd/client"
	"github.com/clockd/clockd/daemon"
	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/task"
	clockdv1 "github.com/clockd/clockd/gen/clockd/v1"
	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"
)

// What a client takes that nobody has configured: gRPC's default.
const defaultMessage = 4 << 20

func TestAnyClientCanReadTheLargestRun(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		numbers := make([]int, 120_000) // two bytes of JSON each, and eleven in a protobuf Value
		w.start(daemon.Task{Name: "large", Trigger: schedule.MustParse("every 1h"), Do: daemon.Func(
			func(context.Context, daemon.Run) (any, error) {
				return numbers, errors.New(strings.Repeat("no ", 1<<20))
			})})
		run, err := w.d.Client().RunTask(t.Context(), ref("large"), client.RunOptions{Input: numbers, Wait: true})
		if err != nil {
			t.Fatal(err)
		}
		if len(run.Error) > 5000 || len(run.Output) < 200_000 {
			t.Errorf("an error of %d bytes, an output of %d", len(run.Error), len(run.Output))
		}
		got, err := clockdv1.NewRunServiceClient(w.d.Conn()).GetRun(t.Context(), &clockdv1.GetRunRequest{RunId: run.ID.String()})
		if err != nil {
			t.Fatalf("a client with a limit of %d bytes: %v", defaultMessage, err)
		}
		if n := len(got.GetRun().GetOutput().GetListValue().GetValues()); n != len(numbers) {
			t.Errorf("%d numbers came back", n)
		}
	})
}

func TestAnOutputThatIsTooLargeFailsTheRun(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.start(daemon.Task{Name: "larger", Trigger: schedule.MustParse("once"), Do: daemon.Func(
			func(context.Context, daemon.Run) (any, error) { return strings.Repeat("x", 1<<20), nil })})
		w.sleep(time.Second)
		if run := w.runs("larger")[0]; run.State != task.Failed || !strings.Contains(run.Error, "at most 262144 are kept") {
			t.Errorf("%s: %s", run.State, run.Error)
		}
	})
}

func TestARunThatEndsTheDaemonAgainAndAgainIsGivenUp(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		poison := at("poison", "every 1h", time.Minute)
		w.start(poison)
		w.stop()
		run, _, err := w.store.Call(t.Context(), ref("poison"), uuid.Nil, func(tk task.Task) (task.Run, task.Event, error) {
			return task.Run{TaskID: tk.ID, State: task.Scheduled, Cause: task.ByCall, ScheduledTime: midnight, Attempt: 1}, task.Event{}, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		run.State, run.Attempt, run.StartTime = task.Running, 10, midnight
		for n := range 9 {
			run.Earlier = append(run.Earlier, task.Attempt{Number: n + 1, StartTime: midnight, EndTime: midnight, State: task.Lost})
		}
		if _, err := w.store.Record(t.Context(), []store.Report{{Run: run, FromAttempt: 1}}, nil); err != nil {
			t.Fatal(err)
		}
		w.start(poison)
		if got := w.runs("poison")[0]; got.State != task.Lost || !strings.Contains(got.Error, "10 times") {
			t.Errorf("%s: %s", got.State, got.Error)
		}
	})
}

func TestATaskThatAnotherProgramClaimedInVainComesBack(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.start(at("job", "every 10s", 0))
		w.stop()
		// What a claim by a program that does not declare the task leaves behind.
		_, err := w.store.Update(t.Context(), []uuid.UUID{task.IDOf("default", "job")}, func(_ uuid.UUID, stored *task.Task) (store.Change, error) {
			stored.State, stored.Clock.NextFireTime = task.Orphaned, time.Time{}
			return store.Change{Task: stored}, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		w.start(at("job", "every 10s", 0))
		w.sleep(15 * time.Second)
		if got := w.task("job"); got.State != task.Active || len(w.runs("job")) == 0 {
			t.Errorf("state %d, %d runs", got.State, len(w.runs("job")))
		}
	})
}

func TestAnyClientCanReadARunOfAThousandAttempts(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		job := at("job", "every 1h", 0)
		job.Policy.Retry = task.Retry{MaxAttempts: task.MaxRetryAttempts, Backoff: time.Millisecond, MaxBackoff: time.Millisecond}
		job.Do = daemon.Func(func(_ context.Context, r daemon.Run) (any, error) {
			return nil, fmt.Errorf("attempt %d: %s", r.Attempt, strings.Repeat("no ", 2000))
		})
		c := w.start(job)
		if _, err := c.RunTask(t.Context(), ref("job"), client.RunOptions{Input: strings.Repeat("in ", 50_000)}); err != nil {
			t.Fatal(err)
		}
		w.sleep(time.Minute)
		tasks := clockdv1.NewTaskServiceClient(w.d.Conn())
		if _, err := tasks.ListTasks(t.Context(), &clockdv1.ListTasksRequest{}); err != nil {
			t.Errorf("a client with a limit of %d bytes: %v", defaultMessage, err)
		}
		id := w.runs("job")[0].ID
		got, err := clockdv1.NewRunServiceClient(w.d.Conn()).GetRun(t.Context(), &clockdv1.GetRunRequest{RunId: id.String()})
		if err != nil {
			t.Fatalf("a client with a limit of %d bytes: %v", defaultMessage, err)
		}
		if n := proto.Size(got); n > 512<<10 {
			t.Errorf("it takes %d bytes", n)
		}
		run, err := c.Run(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		last := run.Earlier[len(run.Earlier)-1]
		if run.Attempt != task.MaxRetryAttempts || len(run.Earlier) != run.Attempt-1 || !strings.HasPrefix(last.Error, "attempt 999: no") {
			t.Errorf("attempt %d after %d, the last of which said %.20q", run.Attempt, len(run.Earlier), last.Error)
		}
	})
}
