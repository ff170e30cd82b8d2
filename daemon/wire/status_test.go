package wire_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
	"github.com/clockd/clockd/daemon/wire"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/durationpb"
)

// trailer returns how many bytes a status takes in the trailer.
func trailer(t *testing.T, st *status.Status) int {
	t.Helper()
	raw, err := proto.Marshal(st.Proto())
	if err != nil {
		t.Fatal(err)
	}
	return len(url.PathEscape(st.Message())) + base64.RawStdEncoding.EncodedLen(len(raw))
}

// sent is an error after it went over the wire.
func sent(t *testing.T, err error) (*status.Status, error) {
	t.Helper()
	st := wire.ToStatus(err, func(error) string { return "ID7" })
	if n := trailer(t, st); n > 7168 {
		t.Errorf("a trailer of %d bytes", n)
	}
	st = status.FromProto(overTheWire(t, st.Proto()))
	return st, wire.FromError(st.Err())
}

// held is a task in the hands of another node.
var held = &task.HeldError{Tasks: []task.HeldTask{{
	TaskID: task.IDOf("default", "report"), Node: task.IDOf("node", "a"), Address: "10.0.0.7:7433",
}}}

// classes says what the API promises for each class of errors.
var classes = map[string]struct {
	err     error
	code    codes.Code
	reason  string
	message string
	details []proto.Message // beside ErrorInfo
	data    map[string]string
}{
	"ErrTaskNotFound": {
		task.TaskNotFound(task.ByName("report")), codes.NotFound, "TASK_NOT_FOUND", `task "report": not found`,
		[]proto.Message{&errdetails.ResourceInfo{ResourceType: "clockd.v1.Task", ResourceName: "report", Description: "not found"}},
		nil,
	},
	"ErrRunNotFound": {
		task.RunNotFound(7), codes.NotFound, "RUN_NOT_FOUND", `run "7": not found`,
		[]proto.Message{&errdetails.ResourceInfo{ResourceType: "clockd.v1.Run", ResourceName: "7", Description: "not found"}},
		nil,
	},
	"ErrInvalid": {
		task.Invalid("trigger.max_fires", "%d is below 0", -1), codes.InvalidArgument, "INVALID", "trigger.max_fires: -1 is below 0",
		[]proto.Message{&errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{
			{Field: "trigger.max_fires", Description: "-1 is below 0"},
		}}},
		nil,
	},
	"ErrStale": {
		&task.StaleError{Task: "report", Have: "8", Want: "7"}, codes.Aborted, "ETAG_STALE",
		`task "report" has changed: its etag is "8", the request has "7"; read the task again and decide anew`,
		nil,
		map[string]string{"task": "report", "have": "8", "want": "7"},
	},
	"ErrExists": {
		&task.ExistsError{Name: "report"}, codes.AlreadyExists, "TASK_EXISTS", `task "report" exists; choose another name, or update it`,
		[]proto.Message{&errdetails.ResourceInfo{ResourceType: "clockd.v1.Task", ResourceName: "report", Description: "exists"}},
		nil,
	},
	"ErrDeclared": {
		fmt.Errorf("task %q: %w", "report", task.ErrDeclared), codes.FailedPrecondition, "TASK_DECLARED",
		`task "report": task is declared by a program`, nil, nil,
	},
	"ErrNotAllowed": {
		fmt.Errorf("task.command: %w", task.ErrNotAllowed), codes.PermissionDenied, "NOT_ALLOWED", "task.command: not allowed", nil, nil,
	},
	"ErrNoConfig": {
		task.ErrNoConfig, codes.FailedPrecondition, "NO_CONFIG", "daemon takes no config file", nil, nil,
	},
	"ErrTooSlow": {
		&task.TooSlowError{Position: task.WatchPosition{Change: 7}, ResumeToken: "AbC-_1"}, codes.Aborted, "WATCH_TOO_SLOW",
		"watch is too slow: more has changed since change 7 than is kept for it; resume it from there", nil,
		map[string]string{"resume_token": "AbC-_1"},
	},
	"ErrOtherNamespace": {
		fmt.Errorf("%w: the worker asks for %q", task.ErrOtherNamespace, "x"), codes.FailedPrecondition, "OTHER_NAMESPACE",
		`other namespace: the worker asks for "x"`, nil, nil,
	},
	"ErrReplaced": {
		task.ErrReplaced, codes.Aborted, "WORKER_REPLACED", "worker has connected anew", nil, nil,
	},
	"ErrWorkerLost": {
		fmt.Errorf("%w: it has not answered for 15s", task.ErrWorkerLost), codes.DeadlineExceeded, "WORKER_LOST",
		"worker is lost: it has not answered for 15s", nil, nil,
	},
	"ErrOrphaned": {
		fmt.Errorf("task %q: %w", "report", task.ErrOrphaned), codes.FailedPrecondition, "TASK_ORPHANED", `task "report": task is orphaned`,
		nil, nil,
	},
	"ErrTriggerFault": {
		fmt.Errorf("task %q: %w: %w", "report", task.ErrTriggerFault, task.Invalid("trigger.exclusions[0].calendar", "%q is not declared", "holidays")),
		codes.FailedPrecondition, "TRIGGER_FAULT",
		`task "report": trigger can not be used: trigger.exclusions[0].calendar: "holidays" is not declared`,
		nil, nil,
	},
	"ErrHeld": {
		fmt.Errorf("wrapped: %w", held), codes.Unavailable, "TASK_HELD", "wrapped: " + held.Error(),
		[]proto.Message{&errdetails.RetryInfo{RetryDelay: durationpb.New(time.Second)}},
		map[string]string{"task": held.Tasks[0].TaskID.String(), "node": held.Tasks[0].Node.String(), "address": "10.0.0.7:7433"},
	},
	"ErrGivenUp": {
		task.ErrGivenUp, codes.Unavailable, "NODE_GIVEN_UP", "node was given up",
		[]proto.Message{&errdetails.RetryInfo{RetryDelay: durationpb.New(time.Second)}},
		nil,
	},
	"ErrUnavailable": {
		fmt.Errorf("%w: pq: password of admin is wrong", task.ErrUnavailable), codes.Unavailable, "STORE_UNAVAILABLE",
		"store unavailable: nothing was changed; wait and call again; the cause is in the daemon's log under ID7",
		[]proto.Message{&errdetails.RetryInfo{RetryDelay: durationpb.New(time.Second)}},
		map[string]string{"id": "ID7"},
	},
	"ErrStarting": {
		task.ErrStarting, codes.Unavailable, "STARTING", "daemon is starting",
		[]proto.Message{&errdetails.RetryInfo{RetryDelay: durationpb.New(time.Second)}},
		nil,
	},
	"ErrStopping": {
		task.ErrStopping, codes.Unavailable, "STOPPING", "daemon is stopping",
		[]proto.Message{&errdetails.RetryInfo{RetryDelay: durationpb.New(time.Second)}},
		nil,
	},
	"context.Canceled": {
		fmt.Errorf("waiting: %w", context.Canceled), codes.Canceled, "CANCELLED", "the call was canceled", nil, nil,
	},
	"context.DeadlineExceeded": {
		context.DeadlineExceeded, codes.DeadlineExceeded, "DEADLINE_EXCEEDED", "the deadline of the call has passed", nil, nil,
	},
}

// sentinels are the values of the exported classes, by name.
var sentinels = map[string]error{
	"ErrTaskNotFound": task.ErrTaskNotFound, "ErrRunNotFound": task.ErrRunNotFound, "ErrInvalid": task.ErrInvalid,
	"ErrExists": task.ErrExists, "ErrDeclared": task.ErrDeclared, "ErrNotAllowed": task.ErrNotAllowed, "ErrNoConfig": task.ErrNoConfig,
	"ErrTooSlow": task.ErrTooSlow, "ErrStale": task.ErrStale,
	"ErrOtherNamespace": task.ErrOtherNamespace, "ErrReplaced": task.ErrReplaced, "ErrWorkerLost": task.ErrWorkerLost,
	"ErrHeld": task.ErrHeld, "ErrGivenUp": task.ErrGivenUp,
	"ErrOrphaned": task.ErrOrphaned, "ErrTriggerFault": task.ErrTriggerFault, "ErrUnavailable": task.ErrUnavailable,
	"ErrStarting": task.ErrStarting, "ErrStopping": task.ErrStopping, "context.Canceled": context.Canceled, "context.DeadlineExceeded": context.DeadlineExceeded,
}

func TestEveryClassOfErrorsGoesOverTheWireAndBack(t *testing.T) {
	for name, c := range classes {
		t.Run(name, func(t *testing.T) {
			st, got := sent(t, c.err)
			if st.Code() != c.code || st.Message() != c.message {
				t.Errorf("got %s: %s", st.Code(), st.Message())
			}
			want := append([]proto.Message{&errdetails.ErrorInfo{Reason: c.reason, Domain: "clockd", Metadata: c.data}}, c.details...)
			var details []proto.Message
			for _, d := range st.Details() {
				details = append(details, d.(proto.Message))
			}
			if diff := cmp.Diff(want, details, protocmp.Transform()); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
			for other, class := range sentinels {
				if is := errors.Is(got, class); is != (other == name) {
					t.Errorf("errors.Is(err, %s) is %v", other, is)
				}
			}
			if got.Error() != c.message {
				t.Errorf("the client reads %q", got)
			}
			if back, ok := status.FromError(fmt.Errorf("client: %w", got)); !ok || back.Code() != c.code {
				t.Errorf("status.FromError finds %v", back)
			}
			if again := wire.FromError(got); again != got {
				t.Errorf("a second FromError makes %v", again)
			}

			// The class alone, without any data.
			if _, got := sent(t, sentinels[name]); !errors.Is(got, sentinels[name]) {
				t.Errorf("the bare class becomes %v", got)
			}
		})
	}
}

func TestNoExportedClassOfErrorsIsForgotten(t *testing.T) {
	files, err := filepath.Glob("../task/*.go")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	found := 0
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for name, object := range declared(file) {
			if !strings.HasPrefix(name, "Err") || object != token.VAR {
				continue
			}
			found++
			if _, ok := classes[name]; !ok {
				t.Errorf("task.%s is in no row of the table: give it a code and a reason in status.go", name)
			}
		}
	}
	if found == 0 {
		t.Error("found no class at all")
	}
}

func declared(file *ast.File) map[string]token.Token {
	out := map[string]token.Token{}
	for _, d := range file.Decls {
		if g, ok := d.(*ast.GenDecl); ok {
			for _, s := range g.Specs {
				if v, ok := s.(*ast.ValueSpec); ok {
					for _, n := range v.Names {
						out[n.Name] = g.Tok
					}
				}
			}
		}
	}
	return out
}

func TestTheDataOfErrorsIsTheSameOnBothSides(t *testing.T) {
	_, got := sent(t, fmt.Errorf("reading: %w", task.RunNotFound(7)))
	var missing *task.NotFoundError
	if !errors.As(got, &missing) || *missing != (task.NotFoundError{Class: task.ErrRunNotFound, Name: "7"}) {
		t.Errorf("got %+v", missing)
	}

	want := &task.StaleError{Task: "a", Have: "2", Want: "1"}
	_, got = sent(t, fmt.Errorf("x: %w", want))
	var stale *task.StaleError
	if !errors.As(got, &stale) || *stale != *want {
		t.Errorf("got %+v", stale)
	}

	_, got = sent(t, fmt.Errorf("x: %w", &task.ExistsError{Name: "report"}))
	var there *task.ExistsError
	if !errors.As(got, &there) || *there != (task.ExistsError{Name: "report"}) {
		t.Errorf("got %+v", there)
	}
	_, got = sent(t, fmt.Errorf("x: %w", &task.TooSlowError{Position: task.WatchPosition{Change: 1}, ResumeToken: "T"}))
	var slow *task.TooSlowError
	if !errors.As(got, &slow) || *slow != (task.TooSlowError{ResumeToken: "T"}) { // the position is in the token
		t.Errorf("got %+v", slow)
	}

	for _, want := range []*task.HeldError{held, {Tasks: []task.HeldTask{{TaskID: task.IDOf("default", "report")}}}} {
		_, got = sent(t, fmt.Errorf("x: %w", want))
		var there *task.HeldError
		if !errors.As(got, &there) || !cmp.Equal(want, there) {
			t.Errorf("got %+v", there)
		}
	}

	list := []task.Violation{{Field: "a[0].b", Description: "c"}, {Field: "", Description: "ü"}}
	_, got = sent(t, fmt.Errorf("x: %w", &task.InvalidError{Violations: list}))
	if diff := cmp.Diff(list, violations(t, got)); diff != "" {
		t.Error(diff)
	}

	// An error of the class that lists nothing: the whole request.
	_, got = sent(t, &schedule.SyntaxError{Column: 3, Message: "no"})
	if diff := cmp.Diff([]task.Violation{{Description: "column 3: no"}}, violations(t, got)); diff != "" {
		t.Error(diff)
	}
}

func TestAnUnexpectedErrorLeavesNothingButAnID(t *testing.T) {
	for name, err := range map[string]error{
		"a driver's error":        errors.New("secret"),
		"a status from elsewhere": status.Error(codes.PermissionDenied, "secret"),
		"a wrapped one":           fmt.Errorf("secret: %w", status.Error(codes.NotFound, "secret")),
	} {
		t.Run(name, func(t *testing.T) {
			var noted error
			st := wire.ToStatus(err, func(e error) string { noted = e; return "ID7" })
			want := &errdetails.ErrorInfo{Reason: "INTERNAL", Domain: "clockd", Metadata: map[string]string{"id": "ID7"}}
			if st.Code() != codes.Internal || st.Message() != "internal error ID7" || len(st.Details()) != 1 ||
				!proto.Equal(want, st.Details()[0].(proto.Message)) {
				t.Errorf("got %v", st.Proto())
			}
			if noted != err {
				t.Errorf("noted %v", noted)
			}
			got := wire.FromError(st.Err())
			for name, class := range sentinels {
				if errors.Is(got, class) {
					t.Errorf("the client takes it for %s", name)
				}
			}
			if got.Error() != "internal error ID7" || status.Code(got) != codes.Internal {
				t.Errorf("the client reads %v", got)
			}
		})
	}
	if st := wire.ToStatus(errors.New("x"), nil); st.Message() != "internal error" {
		t.Errorf("without an id: %q", st.Message())
	}
}

func TestOnlyErrorsWhoseTextStaysAreNoted(t *testing.T) {
	for name, c := range classes {
		noted := false
		wire.ToStatus(c.err, func(error) string { noted = true; return "" })
		if noted != (name == "ErrUnavailable") {
			t.Errorf("%s: noted is %v", name, noted)
		}
	}
}

func TestNoErrorIsNoStatus(t *testing.T) {
	if st := wire.ToStatus(nil, nil); st.Err() != nil {
		t.Errorf("got %v", st)
	}
	if err := wire.FromError(nil); err != nil {
		t.Errorf("got %v", err)
	}
}

func TestWhatTheDaemonDidNotSayComesBackAsItCame(t *testing.T) {
	other, err := status.New(codes.NotFound, "x").WithDetails(&errdetails.ErrorInfo{Reason: "TASK_NOT_FOUND", Domain: "other"})
	if err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"no status at all":     errors.New("x"),
		"nobody listens":       status.Error(codes.Unavailable, "connection refused"),
		"too large":            status.Error(codes.ResourceExhausted, "x"),
		"of another domain":    other.Err(),
		"not ours to judge":    status.Error(codes.NotFound, "no such service"),
		"internal of a proxy ": status.Error(codes.Internal, "x"),
	} {
		if got := wire.FromError(err); got != err {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestACallThatEndedOnTheClientsSideHasTheClassOfItsContext(t *testing.T) {
	if err := wire.FromError(status.Error(codes.Canceled, "x")); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if err := wire.FromError(status.Error(codes.DeadlineExceeded, "")); !errors.Is(err, context.DeadlineExceeded) || err.Error() == "" {
		t.Errorf("got %v", err)
	}
}

func TestAReasonOfANewerDaemonKeepsItsMessage(t *testing.T) {
	st, err := status.New(codes.ResourceExhausted, "too many").WithDetails(&errdetails.ErrorInfo{Reason: "NEW", Domain: "clockd"})
	if err != nil {
		t.Fatal(err)
	}
	if got := wire.FromError(st.Err()); got.Error() != "too many" || status.Code(got) != codes.ResourceExhausted {
		t.Errorf("got %v", got)
	}
}

func TestAStatusThatOmitsItsDetailsIsStillOfItsClass(t *testing.T) {
	for name, c := range classes {
		st, err := status.New(c.code, "").WithDetails(protoadapt.MessageV1Of(&errdetails.ErrorInfo{Reason: c.reason, Domain: "clockd"}))
		if err != nil {
			t.Fatal(err)
		}
		if got := wire.FromError(st.Err()); !errors.Is(got, sentinels[name]) || got.Error() == "" {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestAStatusStaysSmallAndReadable(t *testing.T) {
	long := strings.Repeat("☃", 1<<15) + "\xff"
	many := &task.InvalidError{}
	for i := range 1000 {
		many.Violations = append(many.Violations, task.Violation{Field: fmt.Sprintf("f[%d]", i), Description: "no"})
	}
	longOnes := &task.InvalidError{}
	for range 40 {
		longOnes.Violations = append(longOnes.Violations, task.Violation{Field: long, Description: long})
	}
	for name, c := range map[string]struct {
		err  error
		more string // the last violation
	}{
		"name":       {task.TaskNotFound(task.ByName(long)), ""},
		"etag":       {&task.StaleError{Task: long, Have: long, Want: long}, ""},
		"exists":     {&task.ExistsError{Name: long}, ""},
		"too slow":   {&task.TooSlowError{ResumeToken: strings.Repeat("A", 1000)}, ""},
		"text":       {fmt.Errorf("%s: %w", long, task.ErrOrphaned), ""},
		"no list":    {fmt.Errorf("%s: %w", long, task.ErrInvalid), ""},
		"many":       {many, "… and 968 more"},
		"long":       {longOnes, "… and 37 more"},
		"bad bytes":  {task.TaskNotFound(task.ByName(strings.Repeat("\xff", 1000))), ""},
		"just fits":  {task.TaskNotFound(task.ByName(strings.Repeat("a", 256))), ""},
		"unexpected": {errors.New(long), ""},
	} {
		t.Run(name, func(t *testing.T) {
			st, got := sent(t, c.err)
			if !utf8.ValidString(st.Message()) || len(st.Message()) > 512 {
				t.Errorf("%d bytes: %q", len(st.Message()), st.Message())
			}
			if c.more != "" {
				list := violations(t, got)
				if last := list[len(list)-1]; last.Description != c.more {
					t.Errorf("the last violation is %q", last)
				}
			}
			var missing *task.NotFoundError
			if errors.As(got, &missing) && name == "just fits" && missing.Name != strings.Repeat("a", 256) {
				t.Errorf("cut to %q", missing.Name)
			}
		})
	}
}
