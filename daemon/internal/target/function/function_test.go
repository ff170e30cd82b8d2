package function_test

import (
	"context"
	"encoding/json"
	"errors"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clockd/clockd/daemon/internal/target"
	"github.com/clockd/clockd/daemon/internal/target/function"
	"github.com/clockd/clockd/daemon/task"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func returns(value any, err error) function.Func {
	return func(context.Context, target.Attempt) (any, error) { return value, err }
}

type explosive struct{}

func (explosive) MarshalJSON() ([]byte, error) { panic("no JSON of me") }

func TestWhatTheFunctionReturnsIsTheOutput(t *testing.T) {
	failure := errors.New("disk full")
	tests := []struct {
		name   string
		value  any
		err    error
		output string
	}{
		{name: "nil is no output"},
		{name: "a string", value: "done", output: `"done"`},
		{name: "a struct", value: struct {
			N int `json:"n"`
		}{3}, output: `{"n":3}`},
		{name: "raw JSON is taken as it is", value: json.RawMessage(`{"big":12345678901234567890}`), output: `{"big":12345678901234567890}`},
		{name: "a nil pointer is null", value: (*int)(nil), output: "null"},
		{name: "an error alone", err: failure},
		{name: "an output beside an error", value: 7, err: failure, output: "7"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			output, err := function.New("f", returns(tt.value, tt.err)).Do(t.Context(), target.Attempt{})
			if err != tt.err {
				t.Errorf("error %v, want %v", err, tt.err)
			}
			if string(output) != tt.output || (tt.output == "") != (output == nil) {
				t.Errorf("output %q, want %q", output, tt.output)
			}
		})
	}
}

func TestTheFunctionIsToldOfTheAttempt(t *testing.T) {
	want := target.Attempt{RunID: 7, TaskName: "report", Number: 2, Input: []byte(`{"day":1}`)}
	f := function.New("f", func(_ context.Context, a target.Attempt) (any, error) {
		return []any{a.RunID, a.TaskName, a.Number, json.RawMessage(a.Input)}, nil
	})
	output, err := f.Do(t.Context(), want)
	if err != nil || string(output) != `[7,"report",2,{"day":1}]` {
		t.Errorf("output %s, error %v", output, err)
	}
}

func TestAValueThatIsNotJSONFailsTheAttempt(t *testing.T) {
	_, err := function.New("f", returns(make(chan int), nil)).Do(t.Context(), target.Attempt{})
	if err == nil || !strings.Contains(err.Error(), "what the function returned, a chan int, is not JSON") {
		t.Errorf("error %v", err)
	}

	failure := errors.New("disk full")
	_, err = function.New("f", returns(func() {}, failure)).Do(t.Context(), target.Attempt{})
	if !errors.Is(err, failure) || !strings.Contains(err.Error(), "is not JSON") {
		t.Errorf("error %v does not have both", err)
	}
}

func TestAPanicEndsTheAttemptWithItsStack(t *testing.T) {
	tests := []struct {
		name  string
		f     function.Func
		value string
		frame string
	}{
		{"of a string", func(context.Context, target.Attempt) (any, error) { panic("out of cheese") }, "out of cheese", "TestAPanicEndsTheAttemptWithItsStack"},
		{"of an error", func(context.Context, target.Attempt) (any, error) { panic(errors.New("redo from start")) }, "redo from start", "TestAPanicEndsTheAttemptWithItsStack"},
		{"of nil", func(context.Context, target.Attempt) (any, error) { panic(nil) }, "panic called with nil argument", "TestAPanicEndsTheAttemptWithItsStack"},
		{"while marshalling", returns(explosive{}, nil), "no JSON of me", "explosive.MarshalJSON"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			output, err := function.New("f", tt.f).Do(t.Context(), target.Attempt{})
			var panicked *target.PanicError
			if !errors.As(err, &panicked) {
				t.Fatalf("error %v is no PanicError", err)
			}
			if !strings.Contains(panicked.Value, tt.value) {
				t.Errorf("value %q, want %q in it", panicked.Value, tt.value)
			}
			if !strings.Contains(string(panicked.Stack), tt.frame) {
				t.Errorf("the stack does not show %s:\n%s", tt.frame, panicked.Stack)
			}
			if output != nil {
				t.Errorf("output %q", output)
			}
		})
	}
}

func TestGoexitEndsTheAttemptWithAnError(t *testing.T) {
	f := function.New("f", func(context.Context, target.Attempt) (any, error) {
		runtime.Goexit()
		return nil, nil
	})
	output, err := f.Do(t.Context(), target.Attempt{})
	if err == nil || !strings.Contains(err.Error(), "runtime.Goexit") || output != nil {
		t.Errorf("output %q, error %v", output, err)
	}
}

func TestDoWaitsForAFunctionThatIgnoresItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		started, release := make(chan struct{}), make(chan struct{})
		f := function.New("f", func(context.Context, target.Attempt) (any, error) {
			close(started)
			<-release
			return "late", nil
		})
		ended := make(chan string, 1)
		go func() {
			output, _ := f.Do(ctx, target.Attempt{})
			ended <- string(output)
		}()
		<-started
		cancel(target.ErrTimeout)
		<-time.After(time.Hour) // of the bubble: nothing else is left to happen
		select {
		case output := <-ended:
			t.Fatalf("Do returned %s while the function was going", output)
		default:
		}
		close(release)
		if output := <-ended; output != `"late"` {
			t.Errorf("output %s", output)
		}
	})
}

func TestAnAttemptThatIsCanceledBeforeItStartsCallsNothing(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(target.ErrStopping)
	f := function.New("f", func(context.Context, target.Attempt) (any, error) {
		t.Error("the function was called")
		return nil, nil
	})
	if _, err := f.Do(ctx, target.Attempt{}); !errors.Is(err, target.ErrStopping) {
		t.Errorf("error %v", err)
	}
}

func TestDescribeSaysTheName(t *testing.T) {
	want := task.Target{Kind: "function", Summary: "main.report"}
	if got := function.New("main.report", returns(nil, nil)).Describe(); got != want {
		t.Errorf("%v, want %v", got, want)
	}
}
