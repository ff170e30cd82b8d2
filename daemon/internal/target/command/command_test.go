package command_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/clockd/clockd/daemon/internal/target"
	"github.com/clockd/clockd/daemon/internal/target/command"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type output struct {
	ExitCode      int    `json:"exit_code"`
	Signal        string `json:"signal"`
	Stdout        string `json:"stdout"`
	Stderr        string `json:"stderr"`
	StdoutDropped int64  `json:"stdout_dropped"`
	StderrDropped int64  `json:"stderr_dropped"`
}

// never is longer than any test: a wait that ends has ended for another reason.
const never = time.Hour

func attempt() target.Attempt {
	return target.Attempt{
		RunID: 42, TaskID: uuid.MustParse("6ba7b810-9dad-51d1-80b4-00c04fd430c8"), TaskName: "nightly report", Number: 3,
		ScheduledTime: time.Date(2027, 1, 2, 3, 4, 5, 678000, time.FixedZone("", 3600)),
	}
}

func do(t *testing.T, ctx context.Context, c command.Config, a target.Attempt) (output, error) {
	t.Helper()
	tg, err := command.New(c)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := tg.Do(ctx, a)
	var o output
	if raw != nil {
		if failed := json.Unmarshal(raw, &o); failed != nil {
			t.Fatalf("output %s: %v", raw, failed)
		}
	}
	return o, err
}

func sh(script string) command.Config { return command.Config{Args: []string{"sh", "-c", script}} }

func TestTheEndOfAProgramIsReported(t *testing.T) {
	tests := []struct {
		name   string
		config command.Config
		want   output
		err    string
	}{
		{name: "success", config: sh("echo out; echo err >&2"), want: output{Stdout: "out\n", Stderr: "err\n"}},
		{name: "an exit status", config: sh("exit 3"), want: output{ExitCode: 3}, err: "exit status 3"},
		{
			name: "an exit status and the last line of standard error", config: sh(`printf 'one\ntwo\n\n' >&2; exit 1`),
			want: output{ExitCode: 1, Stderr: "one\ntwo\n\n"}, err: "exit status 1: two",
		},
		{
			name: "a last line with control characters", config: sh(`printf '\033[31mred\033[0m\001\n' >&2; exit 1`),
			want: output{ExitCode: 1, Stderr: "\x1b[31mred\x1b[0m\x01\n"}, err: "exit status 1: [31mred[0m",
		},
		{name: "a signal", config: sh("kill -USR1 $$"), want: output{ExitCode: 138, Signal: "SIGUSR1"}, err: "killed by SIGUSR1"},
		{name: "a signal and standard error", config: sh("echo ouch >&2; kill -KILL $$"), want: output{ExitCode: 137, Signal: "SIGKILL", Stderr: "ouch\n"}, err: "killed by SIGKILL: ouch"},
		{name: "no shell looks at the arguments", config: command.Config{Args: []string{"echo", "$HOME", "*", "a  b;c"}}, want: output{Stdout: "$HOME * a  b;c\n"}},
		{name: "bytes that are not UTF-8", config: sh(`printf 'a\377\376b\000<'`), want: output{Stdout: "a\ufffd\ufffdb\x00<"}},
		{name: "standard input is empty by default", config: command.Config{Args: []string{"cat"}}},
		{name: "standard input", config: command.Config{Args: []string{"cat"}, Stdin: "täglich\n"}, want: output{Stdout: "täglich\n"}},
		{name: "standard input that nobody reads", config: command.Config{Args: []string{"true"}, Stdin: strings.Repeat("x", 1<<20)}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := do(t, t.Context(), tt.config, attempt())
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if text := errorText(err); text != tt.err {
				t.Errorf("error %q, want %q", text, tt.err)
			}
		})
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestALongLastLineIsCutInTheErrorAndKeptInTheOutput(t *testing.T) {
	got, err := do(t, t.Context(), sh("head -c 5000 /dev/zero | tr '\\0' x >&2; exit 1"), attempt())
	if text := errorText(err); text != "exit status 1: "+strings.Repeat("x", 199)+"…" {
		t.Errorf("error %q", text)
	}
	if len(got.Stderr) != 5000 {
		t.Errorf("%d bytes of standard error", len(got.Stderr))
	}
}

func TestARunsInputReplacesStdin(t *testing.T) {
	a := attempt()
	a.Input = []byte(`{"day":"mon"}`)
	got, err := do(t, t.Context(), command.Config{Args: []string{"cat"}, Stdin: "configured"}, a)
	if err != nil || got.Stdout != `{"day":"mon"}` {
		t.Errorf("output %q, error %v", got.Stdout, err)
	}
}

func TestAProgramIsToldOfItsRun(t *testing.T) {
	for _, variable := range os.Environ() {
		if name, value, _ := strings.Cut(variable, "="); strings.HasPrefix(name, "CLOCKD_") {
			t.Setenv(name, value) // to have it back at the end
			_ = os.Unsetenv(name)
		}
	}
	t.Setenv("CLOCKD_TEST_OF_DAEMON", "daemon")
	t.Setenv("CLOCKD_TEST_OF_BOTH", "daemon")
	t.Setenv("CLOCKD_ATTEMPT", "99")
	c := sh("env | grep ^CLOCKD_ | sort")
	c.Env = map[string]string{"CLOCKD_TEST_OF_BOTH": "task", "CLOCKD_TEST_OF_TASK": "a=b c"}
	got, err := do(t, t.Context(), c, attempt())
	if err != nil {
		t.Fatal(err)
	}
	want := `CLOCKD_ATTEMPT=3
CLOCKD_RUN_ID=42
CLOCKD_SCHEDULED_TIME=2027-01-02T02:04:05.000678Z
CLOCKD_TASK_ID=6ba7b810-9dad-51d1-80b4-00c04fd430c8
CLOCKD_TASK_NAME=nightly report
CLOCKD_TEST_OF_BOTH=task
CLOCKD_TEST_OF_DAEMON=daemon
CLOCKD_TEST_OF_TASK=a=b c
`
	if diff := cmp.Diff(want, got.Stdout); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestPathsAreRelativeToTheDaemon(t *testing.T) {
	home := t.TempDir()
	t.Chdir(home)
	if err := os.Mkdir("work", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("where.sh", []byte("#!/bin/sh\npwd\necho $PWD\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	got, err := do(t, t.Context(), command.Config{Args: []string{"./where.sh"}, Dir: "work"}, attempt())
	work := filepath.Join(home, "work")
	if err != nil || got.Stdout != work+"\n"+work+"\n" {
		t.Errorf("output %q, error %v", got.Stdout, err)
	}
}

func TestAProgramThatCanNotBeStartedIsAClearError(t *testing.T) {
	home := t.TempDir()
	file := func(name, content string, mode os.FileMode) string {
		path := filepath.Join(home, name)
		if err := os.WriteFile(path, []byte(content), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	orphan := file("orphan", "#!/no/such/interpreter\n", 0o700)
	plain := file("plain", "echo\n", 0o600)
	file("here", "#!/bin/sh\n", 0o700)
	t.Chdir(home)
	t.Setenv("PATH", os.Getenv("PATH")+":/opt/extra:.")
	tests := []struct {
		name   string
		config command.Config
		err    string
	}{
		{"not in PATH", command.Config{Args: []string{"no-such-program"}}, `command "no-such-program": not found in PATH (` + os.Getenv("PATH") + ")"},
		{"only in the working directory", command.Config{Args: []string{"here"}}, `command "here": found only in the working directory; write ./here to run that`},
		{"no such file", command.Config{Args: []string{"/no/such"}}, `command "/no/such": no such file or directory`},
		{"no interpreter", command.Config{Args: []string{orphan}}, `command "` + orphan + `": it is there, but the interpreter it names is not`},
		{"not executable", command.Config{Args: []string{plain}}, `command "` + plain + `": permission denied`},
		{"no such working directory", command.Config{Args: []string{"true"}, Dir: "/no/such"}, `command "true": its working directory "/no/such": no such file or directory`},
		{"a file for a working directory", command.Config{Args: []string{"true"}, Dir: plain}, `command "true": its working directory "` + plain + `" is no directory`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := do(t, t.Context(), tt.config, attempt())
			if text := errorText(err); text != tt.err {
				t.Errorf("error %q, want %q", text, tt.err)
			}
		})
	}
}

func TestTheTailOfTheOutputIsKept(t *testing.T) {
	tests := []struct {
		name   string
		script string
		limit  int
		want   output
	}{
		{"what fits is whole", "printf 0123456789", 10, output{Stdout: "0123456789"}},
		{"one byte too many", "printf 0123456789a", 10, output{Stdout: "123456789a", StdoutDropped: 1}},
		{"in small writes", "for i in 1 2 3 4 5 6 7; do echo $i; done", 5, output{Stdout: "\n6\n7\n", StdoutDropped: 9}},
		{"each stream has its own limit", "printf 0123 >&2; printf ab", 3, output{Stdout: "ab", Stderr: "123", StderrDropped: 1}},
		{"a character cut in two is dropped", "printf 'aäb'", 2, output{Stdout: "b", StdoutDropped: 3}},
		{"10 MB", "yes 0123456 | head -c 10000000", 16, output{Stdout: "0123456\n0123456\n", StdoutDropped: 10_000_000 - 16}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := sh(tt.script)
			c.OutputLimit = tt.limit
			got, err := do(t, t.Context(), c, attempt())
			if err != nil {
				t.Error(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestMuchOutputTakesLittleMemory(t *testing.T) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	got, err := do(t, t.Context(), sh("yes | head -c 10000000; yes | head -c 10000000 >&2"), attempt())
	runtime.ReadMemStats(&after)
	if err != nil || got.StdoutDropped != 10_000_000-command.DefaultOutputLimit || got.StderrDropped != got.StdoutDropped {
		t.Errorf("%d and %d bytes were dropped, error %v", got.StdoutDropped, got.StderrDropped, err)
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > 4<<20 {
		t.Errorf("%d bytes were allocated", used)
	}
}

func TestACancelAtAnyMomentLeavesNothingBehind(t *testing.T) {
	tg, err := command.New(command.Config{Args: []string{"sh", "-c", "sleep 1000 & cat; wait"}, Stdin: strings.Repeat("x", 1<<20)})
	if err != nil {
		t.Fatal(err)
	}
	var attempts sync.WaitGroup
	for i := range 40 {
		ctx, cancel := context.WithCancelCause(t.Context())
		attempts.Go(func() {
			if _, err := tg.Do(ctx, attempt()); !errors.Is(err, target.ErrCanceled) {
				t.Errorf("error %v", err)
			}
		})
		for range i * 100 {
			runtime.Gosched() // so that they are canceled before, while and after they start
		}
		cancel(target.ErrCanceled)
	}
	attempts.Wait()
}

// heard gathers what an attempt writes.
type heard struct {
	mu      sync.Mutex
	streams map[task.OutputStream]string
	wake    chan struct{}
}

func newHeard() *heard {
	return &heard{streams: map[task.OutputStream]string{}, wake: make(chan struct{}, 1)}
}

func (h *heard) Write(stream task.OutputStream, data []byte) {
	h.mu.Lock()
	h.streams[stream] += string(data)
	h.mu.Unlock()
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

func (h *heard) of(stream task.OutputStream) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.streams[stream]
}

func TestWhatAProgramWritesIsToldWhileItGoes(t *testing.T) {
	h := newHeard()
	a := attempt()
	a.Write = h.Write
	path := fifo(t)
	ended := make(chan output, 1)
	go func() {
		o, err := do(t, t.Context(), command.Config{Args: []string{"sh", "-c", `echo one; echo two >&2; read go <"$1"; echo "$go"`, "sh", path}}, a)
		if err != nil {
			t.Error(err)
		}
		ended <- o
	}()
	for h.of(task.Stdout) != "one\n" || h.of(task.Stderr) != "two\n" {
		select {
		case <-h.wake:
		case o := <-ended:
			t.Fatalf("it ended with %+v before both streams were told of", o)
		}
	}
	if err := os.WriteFile(path, []byte("three\n"), 0); err != nil {
		t.Fatal(err)
	}
	want := output{Stdout: "one\nthree\n", Stderr: "two\n"}
	if diff := cmp.Diff(want, <-ended); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if got := h.of(task.Stdout); got != want.Stdout {
		t.Errorf("told of %q", got)
	}
}

func TestAllThatAProgramWritesIsToldHoweverLittleIsKept(t *testing.T) {
	h := newHeard()
	a := attempt()
	a.Write = h.Write
	c := sh("yes 0123456 | head -c 1000000; printf abcdef >&2; exit 1")
	c.OutputLimit = 16
	got, err := do(t, t.Context(), c, a)
	if errorText(err) != "exit status 1: abcdef" || got.StdoutDropped != 1_000_000-16 {
		t.Errorf("%d bytes were dropped, error %v", got.StdoutDropped, err)
	}
	if h.of(task.Stdout) != strings.Repeat("0123456\n", 125_000) || h.of(task.Stderr) != "abcdef" {
		t.Errorf("told of %d and %d bytes", len(h.of(task.Stdout)), len(h.of(task.Stderr)))
	}
}

// fifo makes a named pipe for processes of a test to hold open. It tells when the last of them has
// gone, by its end. (Their numbers would not tell: a zombie that nobody has reaped still has one.)
func fifo(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// firstLine waits until a process writes a line to the fifo. What follows can be read from r.
func firstLine(t *testing.T, path string) (text string, r *os.File) {
	t.Helper()
	r, err := os.Open(path) // blocks until a process has it open
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	one := make([]byte, 1) // a larger buffer might take more than the line
	for {
		if _, err := r.Read(one); err != nil {
			t.Fatalf("after %q: %v", text, err)
		}
		if one[0] == '\n' {
			return text, r
		}
		text += string(one)
	}
}

func TestTheEndOfTheContextEndsTheWholeGroup(t *testing.T) {
	tests := []struct {
		name string
		// script tells the fifo $1 when it is ready, and all its processes hold it open. One that ends
		// by a trap closes standard error: its shell may or may not say there that its sleep was killed.
		script    string
		killDelay time.Duration
		exit      string
		want      output
	}{
		{
			name:   "by SIGTERM",
			script: `exec 3>"$1"; echo ready >&3; exec sleep 1000`, killDelay: never,
			exit: "canceled: killed by SIGTERM", want: output{ExitCode: 143, Signal: "SIGTERM"},
		},
		{
			name:   "a child of a child",
			script: `exec 3>"$1"; sh -c 'sleep 1000 & echo ready >&3; wait'; true`, killDelay: never,
			exit: "canceled: killed by SIGTERM", want: output{ExitCode: 143, Signal: "SIGTERM"},
		},
		{
			name:   "a child that ignores SIGTERM and holds no stream",
			script: `exec 3>"$1"; (trap '' TERM; echo ready >&3; exec sleep 1000) >/dev/null 2>&1 & wait`, killDelay: never,
			exit: "canceled: killed by SIGTERM", want: output{ExitCode: 143, Signal: "SIGTERM"},
		},
		{
			name:   "by SIGKILL if it ignores SIGTERM",
			script: `exec 3>"$1"; trap '' TERM; echo ready >&3; while :; do sleep 1000; done`, killDelay: time.Millisecond,
			exit: "canceled: killed by SIGKILL", want: output{ExitCode: 137, Signal: "SIGKILL"},
		},
		{
			name:   "a child that ignores SIGTERM and holds the streams",
			script: `exec 3>"$1"; (trap '' TERM; echo ready >&3; exec sleep 1000) & wait`, killDelay: time.Millisecond,
			exit: "canceled: killed by SIGTERM", want: output{ExitCode: 143, Signal: "SIGTERM"},
		},
		{
			name:   "a stopped one",
			script: `exec 3>"$1"; echo ready >&3; kill -STOP $$; sleep 1000`, killDelay: never,
			exit: "canceled: killed by SIGTERM", want: output{ExitCode: 143, Signal: "SIGTERM"},
		},
		{
			name:   "one that ends in good order still did not do its work",
			script: `exec 2>/dev/null 3>"$1"; trap 'echo bye; exit 0' TERM; echo ready >&3; while :; do sleep 0.01; done`, killDelay: never,
			exit: "canceled: exit status 0 after SIGTERM", want: output{Stdout: "bye\n"},
		},
		{
			name:   "one that ends with a status",
			script: `exec 2>/dev/null 3>"$1"; trap 'exit 7' TERM; echo ready >&3; while :; do sleep 0.01; done`, killDelay: never,
			exit: "canceled: exit status 7 after SIGTERM", want: output{ExitCode: 7},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := fifo(t)
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			type end struct {
				output output
				err    error
			}
			ended := make(chan end, 1)
			c := command.Config{Args: []string{"sh", "-c", tt.script, "sh", path}, KillDelay: tt.killDelay}
			go func() {
				o, err := do(t, ctx, c, attempt())
				ended <- end{o, err}
			}()
			ready, r := firstLine(t, path)
			if ready != "ready" {
				t.Fatalf("the script said %q", ready)
			}
			cancel(target.ErrCanceled)
			got := <-ended
			if !errors.Is(got.err, target.ErrCanceled) || got.err.Error() != tt.exit {
				t.Errorf("error %q, want %q", got.err, tt.exit)
			}
			if diff := cmp.Diff(tt.want, got.output); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if rest, err := io.ReadAll(r); err != nil || len(rest) > 0 {
				t.Errorf("the fifo ended with %q, %v", rest, err)
			}
		})
	}
}

func TestWhatAProgramLeavesBehindIsLeftAloneAndNotWaitedFor(t *testing.T) {
	for _, status := range []int{0, 5} {
		t.Run("exit status "+strconv.Itoa(status), func(t *testing.T) {
			path := fifo(t)
			c := command.Config{Args: []string{"sh", "-c", `
				sh -c 'exec 3<>"$1"; echo $$ >&3; exec sleep 1000' sh "$1" &
				echo started
				exit $2`, "sh", path, strconv.Itoa(status)}}
			got, err := do(t, t.Context(), c, attempt())
			if (err == nil) != (status == 0) {
				t.Errorf("error %v", err)
			}
			if diff := cmp.Diff(output{ExitCode: status, Stdout: "started\n"}, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			text, r := firstLine(t, path)
			pid, err := strconv.Atoi(text)
			if err != nil {
				t.Fatal(err)
			}
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
				t.Errorf("the process that was left behind: %v", err)
			}
			if _, err := io.ReadAll(r); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestAProcessThatLeftTheGroupCanNotHoldTheAttemptUp(t *testing.T) {
	path := fifo(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := do(t, ctx, command.Config{
			Args:      []string{"sh", "-c", `setsid sh -c 'exec 3>"$1"; echo $$ >&3; exec sleep 1000' sh "$1" & wait`, "sh", path},
			Stdin:     strings.Repeat("x", 1<<20),
			KillDelay: time.Millisecond,
		}, attempt())
		ended <- err
	}()
	text, _ := firstLine(t, path)
	pid, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	cancel(target.ErrTimeout)
	if err := <-ended; !errors.Is(err, target.ErrTimeout) {
		t.Errorf("error %v", err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Error(err)
	}
}

func TestAnAttemptThatIsCanceledBeforeItStartsStartsNothing(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(target.ErrStopping)
	made := filepath.Join(t.TempDir(), "made")
	_, err := do(t, ctx, command.Config{Args: []string{"touch", made}}, attempt())
	if !errors.Is(err, target.ErrStopping) {
		t.Errorf("error %v", err)
	}
	if _, err := os.Stat(made); !os.IsNotExist(err) {
		t.Error("the program was started")
	}
}

func TestAttemptsAtTheSameTimeDoNotMix(t *testing.T) {
	tg, err := command.New(command.Config{Args: []string{"sh", "-c", "cat; echo $CLOCKD_RUN_ID"}})
	if err != nil {
		t.Fatal(err)
	}
	const n = 16
	results := make(chan string, n)
	for i := range n {
		go func() {
			a := attempt()
			a.RunID = task.RunID(i)
			a.Input = []byte(strconv.Itoa(i))
			raw, err := tg.Do(t.Context(), a)
			if err != nil {
				t.Error(err)
			}
			var o output
			if err := json.Unmarshal(raw, &o); err != nil {
				t.Error(err)
			}
			if want := strconv.Itoa(i) + strconv.Itoa(i) + "\n"; o.Stdout != want {
				t.Errorf("output %q, want %q", o.Stdout, want)
			}
			results <- o.Stdout
		}()
	}
	for range n {
		<-results
	}
}

func TestNewRefusesEverythingThatIsWrongAtOnce(t *testing.T) {
	_, err := command.New(command.Config{
		Args:        []string{"", "a\x00b"},
		Env:         map[string]string{"": "x", "A=B": "x", "CLOCKD_RUN_ID": "1", "SECRET": "hunter2\x00"},
		Dir:         "a\x00",
		OutputLimit: 2 << 20,
		KillDelay:   -1,
	})
	want := []task.Violation{
		{Field: "args[0]", Description: "empty: it must be a program"},
		{Field: "args[1]", Description: `"a\x00b" has a NUL byte, which no program can be given`},
		{Field: "env", Description: "a variable without a name"},
		{Field: "env", Description: `"A=B" is no name of a variable: it has a "=" or a NUL byte`},
		{Field: "env.CLOCKD_RUN_ID", Description: "clockd sets this variable itself; use another name"},
		{Field: "env.SECRET", Description: "the value has a NUL byte, which no program can be given"},
		{Field: "dir", Description: `"a\x00" has a NUL byte`},
		{Field: "output_limit", Description: "2097152 is outside 1-262144 bytes"},
		{Field: "kill_delay", Description: `"-1ns" is below 0`},
	}
	var invalid *task.InvalidError
	if !errors.As(err, &invalid) {
		t.Fatalf("error %v", err)
	}
	if diff := cmp.Diff(want, invalid.Violations); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if _, err := command.New(command.Config{}); errorText(err) != "args: empty: the program is missing" {
		t.Errorf("error %v", err)
	}
}

func TestDescribeQuotesLikeAShell(t *testing.T) {
	tests := []struct {
		name string
		args []string
		want string
	}{
		{"plain words", []string{"pg_dump", "--file=/var/backup/x.sql", "user@host:5432"}, "pg_dump --file=/var/backup/x.sql user@host:5432"},
		{"an empty argument", []string{"echo", ""}, "echo ''"},
		{"spaces and signs", []string{"sh", "-c", "echo $HOME; ls *"}, "sh -c 'echo $HOME; ls *'"},
		{"a quote", []string{"echo", "it's"}, `echo 'it'\''s'`},
		{"letters of the world", []string{"echo", "größe"}, "echo 'größe'"},
		{"a line break", []string{"sh", "-c", "a\nb'\\\t"}, `sh -c $'a\nb\'\\\t'`},
		{"what would move a terminal", []string{"echo", "\x1b[2J\xff\u202e"}, `echo $'\x1b[2J\xff\xe2\x80\xae'`},
		{"200 characters", []string{strings.Repeat("ä", 198)}, "'" + strings.Repeat("ä", 198) + "'"},
		{"201 characters", []string{strings.Repeat("ä", 199)}, "'" + strings.Repeat("ä", 198) + "…"},
		{"very many", append([]string{"echo"}, make([]string, 100000)...), "echo" + strings.Repeat(" ''", 65) + "…"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tg, err := command.New(command.Config{Args: tt.args, Env: map[string]string{"SECRET": "hunter2"}, Stdin: "hunter2"})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(task.Target{Kind: "command", Summary: tt.want}, tg.Describe()); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}
