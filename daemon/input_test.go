package daemon_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/clockd/clockd/client"
	"github.com/clockd/clockd/daemon"
	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/types/known/durationpb"
)

func TestAnInputThatDoesNotFitIsRefusedAndNotRecorded(t *testing.T) {
	type window struct {
		Name  string
		Limit struct{ Days int8 }
	}
	running(t, daemon.Config{Tasks: []daemon.Task{
		never("json", func(daemon.Input[window]) {}), never("number", func(daemon.Input[int]) {}),
		never("message", func(daemon.Input[*durationpb.Duration]) {}), never("rough", func(daemon.Input[rough]) {}),
		never("raw", func(context.Context, daemon.Run) (any, error) { return nil, nil }),
	}}, func(t *testing.T, d *daemon.Daemon, _ func()) {
		for _, tt := range []struct {
			task  string
			input any
			want  task.Violation
		}{
			{"json", map[string]any{"nmae": "x"}, task.Violation{Field: "input", Description: `unknown field "nmae"`}},
			{"json", map[string]any{"limit": map[string]any{"days": 300}}, task.Violation{Field: "input.Limit.Days", Description: "a number 300 does not fit int8"}},
			{"json", 5, task.Violation{Field: "input", Description: "a number does not fit daemon_test.window"}},
			{"number", "five", task.Violation{Field: "input", Description: "a string does not fit int"}},
			{"message", "five", task.Violation{Field: "input", Description: `no google.protobuf.Duration: (line 1:1): invalid google.protobuf.Duration value "five"`}},
			{"rough", 1, task.Violation{Field: "input", Description: "decoding it as daemon_test.rough: panic: of no use"}},
		} {
			_, err := d.Client().RunTask(t.Context(), ref(tt.task), client.RunOptions{Input: tt.input})
			var invalid *task.InvalidError
			if !errors.As(err, &invalid) {
				t.Errorf("%s: %v", tt.task, err)
			} else if diff := cmp.Diff([]task.Violation{tt.want}, invalid.Violations); diff != "" {
				t.Errorf("%s: -want +got:\n%s", tt.task, diff)
			}
		}
		for run := range d.Client().Runs(t.Context(), client.RunFilter{}) {
			t.Errorf("recorded: %+v", run)
		}
		if run := result(t, d, "json", map[string]any{"limit": map[string]any{"days": 100}}); run.State != task.Succeeded {
			t.Errorf("%+v", run)
		}
		if run := result(t, d, "raw", "anything"); run.State != task.Succeeded {
			t.Errorf("%+v", run)
		}
	})
}

type rough struct{}

func (*rough) UnmarshalJSON([]byte) error { panic("of no use") }

func TestAtAFireThereIsNoInput(t *testing.T) {
	var j journal
	job := never("job", func(in daemon.Input[[]int], m daemon.Run) {
		j.write(fmt.Sprint(in.Value, in.Given, m.Input == nil))
	})
	job.Trigger = schedule.MustParse("once")
	running(t, daemon.Config{Tasks: []daemon.Task{job}}, func(t *testing.T, _ *daemon.Daemon, _ func()) {
		time.Sleep(time.Second)
		if got := j.read(); got != "[] false true" {
			t.Errorf("journal %q", got)
		}
	})
}

func TestWhatAFunctionWritesCanBeFollowed(t *testing.T) {
	running(t, daemon.Config{Tasks: []daemon.Task{never("job", func(run daemon.Run) {
		time.Sleep(time.Second)
		fmt.Fprintln(run.Output, "first")
		log := slog.New(slog.NewTextHandler(run.Output, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		}}))
		log.Info("second")
	})}}, func(t *testing.T, d *daemon.Daemon, _ func()) {
		run, err := d.Client().RunTask(t.Context(), ref("job"), client.RunOptions{})
		if err != nil {
			t.Fatal(err)
		}
		var text strings.Builder
		_, err = d.Client().FollowRun(t.Context(), run.ID, func(o task.Output) error {
			text.Write(o.Data)
			if o.Stream != task.Stdout {
				t.Errorf("stream %v", o.Stream)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if got := text.String(); got != "first\nlevel=INFO msg=second\n" {
			t.Errorf("read %q", got)
		}
	})
}
