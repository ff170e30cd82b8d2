package rpc_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/clockd/clockd/daemon/internal/rpc"
	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
	"github.com/clockd/clockd/daemon/wire"
	clockdv1 "github.com/clockd/clockd/gen/clockd/v1"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// refused checks that a call ended with INVALID_ARGUMENT and these fields in its violations.
func refused(t *testing.T, err error, want ...string) {
	t.Helper()
	st := status.Convert(err)
	var got []string
	for _, d := range st.Details() {
		if bad, ok := d.(*errdetails.BadRequest); ok {
			for _, v := range bad.GetFieldViolations() {
				got = append(got, v.GetField())
				if v.GetDescription() == "" {
					t.Errorf("%s: nothing is said", v.GetField())
				}
			}
		}
	}
	if st.Code() != codes.InvalidArgument || reason(st) != wire.ReasonInvalid || !cmp.Equal(want, got) {
		t.Errorf("got %s %s %q, want %q", st.Code(), reason(st), got, want)
	}
}

func reason(st *status.Status) string {
	for _, d := range st.Details() {
		if info, ok := d.(*errdetails.ErrorInfo); ok && info.GetDomain() == wire.Domain {
			return info.GetReason()
		}
	}
	return ""
}

// servers are the two kinds of server that the services must keep their promises on.
var servers = map[string]func(*testing.T, rpc.Engine) *door{
	"our own server":      openOurs,
	"a user's own server": func(t *testing.T, e rpc.Engine) *door { return open(t, e) },
}

func TestEveryErrorOfTheEngineLeavesAsTheAPISays(t *testing.T) {
	for server, open := range servers {
		e := newEngine()
		d := open(t, e)
		for _, c := range []struct {
			err    error
			code   codes.Code
			reason string
		}{
			{task.TaskNotFound(task.ByName("x")), codes.NotFound, "TASK_NOT_FOUND"},
			{task.RunNotFound(7), codes.NotFound, "RUN_NOT_FOUND"},
			{task.Invalid("request_id", "was used for another task"), codes.InvalidArgument, "INVALID"},
			{&task.StaleError{Task: "x", Have: "2", Want: "1"}, codes.Aborted, "ETAG_STALE"},
			{task.ErrOrphaned, codes.FailedPrecondition, "TASK_ORPHANED"},
			{task.ErrExists, codes.AlreadyExists, "TASK_EXISTS"},
			{task.ErrDeclared, codes.FailedPrecondition, "TASK_DECLARED"},
			{task.ErrNotAllowed, codes.PermissionDenied, "NOT_ALLOWED"},
			{task.ErrNoConfig, codes.FailedPrecondition, "NO_CONFIG"},
			{task.ErrTooSlow, codes.Aborted, "WATCH_TOO_SLOW"},
			{task.ErrTriggerFault, codes.FailedPrecondition, "TRIGGER_FAULT"},
			{task.ErrUnavailable, codes.Unavailable, "STORE_UNAVAILABLE"},
			{task.ErrGivenUp, codes.Unavailable, "NODE_GIVEN_UP"},
			{task.ErrStopping, codes.Unavailable, "STOPPING"},
			{context.Canceled, codes.Canceled, "CANCELLED"},
			{context.DeadlineExceeded, codes.DeadlineExceeded, "DEADLINE_EXCEEDED"},
			{errors.New("secret"), codes.Internal, "INTERNAL"},
			{status.Error(codes.PermissionDenied, "secret"), codes.Internal, "INTERNAL"},
		} {
			e.fail = c.err
			for method, call := range calls(d) {
				err := call(t.Context())
				if st := status.Convert(err); st.Code() != c.code || reason(st) != c.reason || strings.Contains(st.String(), "secret") {
					t.Errorf("%s: %s: %v: got %v", server, method, c.err, st)
				}
				if known := c.code != codes.Internal; known && !errors.Is(wire.FromError(err), class(c.err)) {
					t.Errorf("%s: %s: %v: the client reads %v", server, method, c.err, wire.FromError(err))
				}
			}
		}
	}
}

// class returns the innermost error.
func class(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			break
		}
		err = inner
	}
	if errors.Is(err, task.ErrInvalid) {
		return task.ErrInvalid
	}
	return err
}

func TestATaskOrRunThatIsNotThereIsNamed(t *testing.T) {
	e := newEngine()
	e.end = errEnded // of FollowRun and the watches
	d := open(t, e)
	for method, call := range calls(d) {
		err := wire.FromError(call(t.Context()))
		var missing *task.NotFoundError
		switch {
		case method == "WatchTasks" || method == "WatchRuns":
			if status.Code(err) != codes.Internal { // which errEnded is to them
				t.Errorf("%s: %v", method, err)
			}
		case slices.Contains([]string{"ListTasks", "ListRuns", "PreviewTrigger", "CreateTask", "ListAuditEvents", "DiffConfig", "Work", "ListNodes", "DeclareTask"}, method):
			if err != nil {
				t.Errorf("%s: %v", method, err)
			}
		case !errors.As(err, &missing):
			t.Errorf("%s: got %v", method, err)
		case missing.Class == task.ErrRunNotFound && missing.Name != "7", missing.Class == task.ErrTaskNotFound && missing.Name != "gone":
			t.Errorf("%s: names %q", method, missing.Name)
		}
	}
}

func TestAStaleEtagSaysWhatItIsNow(t *testing.T) {
	d := open(t, newEngine("a"))
	for name, err := range map[string]error{
		"UpdateTrigger": second(d.tasks.UpdateTrigger(t.Context(), &clockdv1.UpdateTriggerRequest{
			Task: &clockdv1.UpdateTriggerRequest_TaskName{TaskName: "a"}, Trigger: wire.TriggerToProto(hourly()), Etag: "0",
		})),
		"ResetTrigger": second(d.tasks.ResetTrigger(t.Context(), &clockdv1.ResetTriggerRequest{Task: &clockdv1.ResetTriggerRequest_TaskName{TaskName: "a"}, Etag: "0"})),
		"UpdateTask": second(d.tasks.UpdateTask(t.Context(), &clockdv1.UpdateTaskRequest{
			Task: &clockdv1.UpdateTaskRequest_TaskName{TaskName: "a"}, Update: &clockdv1.TaskSpec{Group: "x"}, Etag: "0",
		})),
		"DeleteTask": second(d.tasks.DeleteTask(t.Context(), &clockdv1.DeleteTaskRequest{Task: &clockdv1.DeleteTaskRequest_TaskName{TaskName: "a"}, Etag: "0"})),
		"PauseTask":  second(d.tasks.PauseTask(t.Context(), &clockdv1.PauseTaskRequest{Task: &clockdv1.PauseTaskRequest_TaskName{TaskName: "a"}, Etag: "0"})),
		"ResumeTask": second(d.tasks.ResumeTask(t.Context(), &clockdv1.ResumeTaskRequest{Task: &clockdv1.ResumeTaskRequest_TaskName{TaskName: "a"}, Etag: "0"})),
	} {
		var stale *task.StaleError
		if !errors.As(wire.FromError(err), &stale) || *stale != (task.StaleError{Task: "a", Have: "1", Want: "0"}) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func second[A any](_ A, err error) error { return err }

func TestEverythingWrongWithARequestIsSaidAtOnce(t *testing.T) {
	d := open(t, newEngine("a"))
	ctx := t.Context()
	long := strings.Repeat("x", 1025)
	for name, c := range map[string]struct {
		err  error
		want []string
	}{
		"ListTasks": {second(d.tasks.ListTasks(ctx, &clockdv1.ListTasksRequest{
			PageSize: -1, PageToken: "x",
			Filter: &clockdv1.TaskFilter{NamePrefix: "\x00", States: []clockdv1.TaskState{1, 0, 9, 9}},
		})), []string{"filter.name_prefix", "filter.states[1]", "filter.states[2]", "page_size", "page_token"}},
		"ListTasks, a prefix longer than any name": {second(d.tasks.ListTasks(ctx, &clockdv1.ListTasksRequest{
			Filter: &clockdv1.TaskFilter{NamePrefix: strings.Repeat("x", task.MaxName+1)},
		})), []string{"filter.name_prefix"}},
		"GetTask":           {second(d.tasks.GetTask(ctx, &clockdv1.GetTaskRequest{})), []string{"task"}},
		"GetTask, no name":  {second(d.tasks.GetTask(ctx, &clockdv1.GetTaskRequest{Task: &clockdv1.GetTaskRequest_TaskName{}})), []string{"task"}},
		"GetTask, no UUID":  {second(d.tasks.GetTask(ctx, &clockdv1.GetTaskRequest{Task: &clockdv1.GetTaskRequest_TaskId{TaskId: "x"}})), []string{"task_id"}},
		"GetTask, nil UUID": {second(d.tasks.GetTask(ctx, &clockdv1.GetTaskRequest{Task: &clockdv1.GetTaskRequest_TaskId{TaskId: "00000000-0000-0000-0000-000000000000"}})), []string{"task_id"}},
		"GetTask, another form": {second(d.tasks.GetTask(ctx, &clockdv1.GetTaskRequest{
			Task: &clockdv1.GetTaskRequest_TaskId{TaskId: "{" + requestID + "}"},
		})), []string{"task_id"}},
		"RunTask": {second(d.tasks.RunTask(ctx, &clockdv1.RunTaskRequest{
			RequestId: "00000000-0000-0000-0000-000000000000", Overlap: 9,
			Input: structpb.NewListValue(&structpb.ListValue{Values: []*structpb.Value{
				structpb.NewNumberValue(math.NaN()), structpb.NewNumberValue(math.Inf(1)), {},
			}}),
		})), []string{"task", "request_id", "input[0]", "input[1]", "input[2]", "overlap"}},
		"UpdateTrigger": {second(d.tasks.UpdateTrigger(ctx, &clockdv1.UpdateTriggerRequest{
			Task: &clockdv1.UpdateTriggerRequest_TaskId{TaskId: "x"}, Reason: long, OnDeclaredChange: -1,
		})), []string{"task_id", "reason", "trigger", "on_declared_change"}},
		"UpdateTrigger, inside the trigger": {second(d.tasks.UpdateTrigger(ctx, &clockdv1.UpdateTriggerRequest{
			Trigger: &clockdv1.Trigger{Kind: &clockdv1.Trigger_AnyOf{AnyOf: &clockdv1.AnyOf{Triggers: []*clockdv1.Trigger{
				wire.TriggerToProto(hourly()),
				{Kind: &clockdv1.Trigger_Cron{Cron: &clockdv1.Cron{Expression: "61 * * * *", TimeZone: "x"}}},
			}}}},
		})), []string{"task", "trigger.any_of.triggers[1].cron.expression", "trigger.any_of.triggers[1].cron.time_zone"}},
		"UpdateTrigger, jitter and exclusions": {second(d.tasks.UpdateTrigger(ctx, &clockdv1.UpdateTriggerRequest{
			Task: &clockdv1.UpdateTriggerRequest_TaskName{TaskName: "a"}, Trigger: excluded("25:00"),
		})), []string{"trigger.exclusions[1].window.from", "trigger.jitter"}},
		"PreviewTrigger, jitter and exclusions": {second(d.tasks.PreviewTrigger(ctx, &clockdv1.PreviewTriggerRequest{
			Subject: &clockdv1.PreviewTriggerRequest_Trigger{Trigger: excluded("25:00")},
		})), []string{"trigger.exclusions[1].window.from", "trigger.jitter"}},
		"ResetTrigger":      {second(d.tasks.ResetTrigger(ctx, &clockdv1.ResetTriggerRequest{Reason: long})), []string{"task", "reason"}},
		"PauseTask":         {second(d.tasks.PauseTask(ctx, &clockdv1.PauseTaskRequest{Reason: "\x00"})), []string{"task", "reason"}},
		"ResumeTask":        {second(d.tasks.ResumeTask(ctx, &clockdv1.ResumeTaskRequest{Reason: long})), []string{"task", "reason"}},
		"PreviewTrigger":    {second(d.tasks.PreviewTrigger(ctx, &clockdv1.PreviewTriggerRequest{Count: -1, StartTime: &timestamppb.Timestamp{Nanos: -1}})), []string{"count", "start_time", "subject"}},
		"PreviewTrigger, 2": {second(d.tasks.PreviewTrigger(ctx, &clockdv1.PreviewTriggerRequest{Count: 1001, Subject: &clockdv1.PreviewTriggerRequest_Trigger{}})), []string{"count", "trigger"}},
		"PreviewTrigger, 3": {second(d.tasks.PreviewTrigger(ctx, &clockdv1.PreviewTriggerRequest{Count: 1001, Subject: &clockdv1.PreviewTriggerRequest_TaskId{TaskId: "x"}})), []string{"count", "task_id"}},
		"ListRuns": {second(d.runs.ListRuns(ctx, &clockdv1.ListRunsRequest{
			Task: &clockdv1.ListRunsRequest_TaskId{TaskId: "x"}, PageSize: -1, PageToken: "x", States: []clockdv1.RunState{0, 99},
		})), []string{"task_id", "states[0]", "states[1]", "page_size", "page_token"}},
		"PauseTask, a time that is none": {second(d.tasks.PauseTask(ctx, &clockdv1.PauseTaskRequest{ResumeTime: &timestamppb.Timestamp{Nanos: -1}})), []string{"task", "resume_time"}},
		"UpdateTrigger, a time that is none": {second(d.tasks.UpdateTrigger(ctx, &clockdv1.UpdateTriggerRequest{
			Trigger: wire.TriggerToProto(hourly()), ExpireTime: &timestamppb.Timestamp{Nanos: -1},
		})), []string{"task", "expire_time"}},
		"CreateTask": {second(d.tasks.CreateTask(ctx, &clockdv1.CreateTaskRequest{Reason: long, Task: &clockdv1.TaskSpec{
			TaskName: " ", Policy: &clockdv1.Policy{Retry: &clockdv1.Retry{Backoff: durationpb.New(-1)}},
		}})), []string{"reason", "task.trigger", "task", "task.task_name", "task.policy.retry.backoff"}},
		"UpdateTask": {second(d.tasks.UpdateTask(ctx, &clockdv1.UpdateTaskRequest{
			Reason: long, UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"color"}},
		})), []string{"task", "reason", "update_mask"}},
		"UpdateTask, its fields": {second(d.tasks.UpdateTask(ctx, &clockdv1.UpdateTaskRequest{
			Update: &clockdv1.TaskSpec{Policy: &clockdv1.Policy{Overlap: 99}, Trigger: &clockdv1.Trigger{}},
		})), []string{"task", "update.trigger", "update.policy.overlap"}},
		"UpdateTask, another name": {second(d.tasks.UpdateTask(ctx, &clockdv1.UpdateTaskRequest{
			Task: &clockdv1.UpdateTaskRequest_TaskName{TaskName: "a"}, Update: &clockdv1.TaskSpec{TaskName: "b", Group: "x"},
		})), []string{"update.task_name"}},
		"DeleteTask": {second(d.tasks.DeleteTask(ctx, &clockdv1.DeleteTaskRequest{Reason: long})), []string{"task", "reason"}},
		"BackfillTask": {second(d.tasks.BackfillTask(ctx, &clockdv1.BackfillTaskRequest{
			Reason: long, EndTime: &timestamppb.Timestamp{Nanos: -1}, Interval: durationpb.New(-1), Overlap: clockdv1.Overlap_OVERLAP_QUEUE,
		})), []string{"task", "reason", "end_time", "start_time", "interval", "overlap"}},
		"BackfillTask, an empty range": {second(d.tasks.BackfillTask(ctx, &clockdv1.BackfillTaskRequest{
			Task:      &clockdv1.BackfillTaskRequest_TaskName{TaskName: "a"},
			StartTime: timestamppb.New(start), EndTime: timestamppb.New(start), Interval: &durationpb.Duration{Seconds: math.MaxInt64}, Overlap: 99,
		})), []string{"end_time", "interval", "overlap"}},
		"ListAuditEvents": {second(d.tasks.ListAuditEvents(ctx, &clockdv1.ListAuditEventsRequest{
			Task: &clockdv1.ListAuditEventsRequest_TaskId{TaskId: "x"}, PageSize: -1, PageToken: "x",
		})), []string{"task_id", "page_size", "page_token"}},
		"DiffConfig": {second(d.tasks.DiffConfig(ctx, &clockdv1.DiffConfigRequest{
			Config: make([]byte, 3<<20+1), FileName: "a\n",
		})), []string{"file_name", "config"}},
		"DiffConfig, a long name": {second(d.tasks.DiffConfig(ctx, &clockdv1.DiffConfigRequest{FileName: long})), []string{"file_name"}},
		"WatchTasks": {ended(d.tasks.WatchTasks(ctx, &clockdv1.WatchTasksRequest{
			ResumeToken: "x", Filter: &clockdv1.TaskFilter{NamePrefix: "\x00", States: []clockdv1.TaskState{1}},
		})), []string{"filter.name_prefix", "filter.states", "resume_token"}},
		"WatchRuns": {ended(d.runs.WatchRuns(ctx, &clockdv1.WatchRunsRequest{
			Task: &clockdv1.WatchRunsRequest_TaskId{TaskId: "x"}, ResumeToken: "x",
		})), []string{"task_id", "resume_token"}},
		"FollowRun": {ended(d.runs.FollowRun(ctx, &clockdv1.FollowRunRequest{RunId: "007"})), []string{"run_id"}},
		"GetRun":    {second(d.runs.GetRun(ctx, &clockdv1.GetRunRequest{RunId: "007"})), []string{"run_id"}},
		"CancelRun": {second(d.runs.CancelRun(ctx, &clockdv1.CancelRunRequest{Reason: long})), []string{"run_id", "reason"}},
	} {
		t.Run(name, func(t *testing.T) { refused(t, c.err, c.want...) })
	}
}

// No store is asked for a name that it could choke on.
// excluded is a trigger with a jitter below 0, a calendar, and a window that begins at this time.
func excluded(from string) *clockdv1.Trigger {
	pb := wire.TriggerToProto(hourly())
	pb.Jitter = durationpb.New(-time.Second)
	pb.Exclusions = []*clockdv1.Exclusion{
		{Kind: &clockdv1.Exclusion_Calendar{Calendar: "holidays"}},
		{Kind: &clockdv1.Exclusion_Window{Window: &clockdv1.Window{From: from, Until: "06:00", TimeZone: "UTC"}}},
	}
	return pb
}

// Which calendars and custom kinds there are, only the engine knows: what looks right goes to it, and what it
// says of them goes back as it is.
func TestWhatATriggerNamesIsForTheEngineToKnow(t *testing.T) {
	e := newEngine("a")
	d := open(t, e)
	pb := excluded("22:00")
	pb.Jitter = durationpb.New(time.Second)
	pb.Kind = &clockdv1.Trigger_Custom{Custom: &anypb.Any{TypeUrl: "type.googleapis.com/acme.v1.Tide", Value: []byte{0xff}}}
	asks := map[string]func() error{
		"UpdateTrigger": func() error {
			_, err := d.tasks.UpdateTrigger(t.Context(), &clockdv1.UpdateTriggerRequest{
				Task: &clockdv1.UpdateTriggerRequest_TaskName{TaskName: "a"}, Trigger: pb,
			})
			return err
		},
		"PreviewTrigger": func() error {
			_, err := d.tasks.PreviewTrigger(t.Context(), &clockdv1.PreviewTriggerRequest{Subject: &clockdv1.PreviewTriggerRequest_Trigger{Trigger: pb}})
			return err
		},
	}
	for method, ask := range asks {
		if err := ask(); err != nil {
			t.Errorf("%s: %v", method, err)
		}
		var got schedule.Trigger
		switch asked := e.asked.(type) {
		case task.TriggerChange:
			got = asked.Trigger
		case previewed:
			got = asked.Trigger
		}
		if want := (schedule.Custom{TypeURL: "type.googleapis.com/acme.v1.Tide", Value: "\xff"}); got.Kind != schedule.Kind(want) || len(got.Exclusions) != 2 || got.Jitter != time.Second {
			t.Errorf("%s: the engine gets %+v", method, got)
		}
	}
	e.fail = &schedule.InvalidError{Violations: []schedule.Violation{
		{Field: "trigger.exclusions[0].calendar", Description: `"holidays" is not declared: there are no calendars`},
		{Field: "trigger.custom.type_url", Description: "is not known: there are no custom kinds"},
	}}
	for method, ask := range asks {
		t.Run(method, func(t *testing.T) { refused(t, ask(), "trigger.exclusions[0].calendar", "trigger.custom.type_url") })
	}
}

func TestATaskWithAnImpossibleNameIsNotFound(t *testing.T) {
	for _, name := range []string{"\x00", " a", strings.Repeat("x", 201), strings.Repeat("x", 1<<20)} {
		e := newEngine()
		d := open(t, e)
		_, err := d.tasks.GetTask(t.Context(), &clockdv1.GetTaskRequest{Task: &clockdv1.GetTaskRequest_TaskName{TaskName: name}})
		if !errors.Is(wire.FromError(err), task.ErrTaskNotFound) || e.asked != nil {
			t.Errorf("%.20q: %v, asked %v", name, err, e.asked)
		}
	}
}

func TestAPageTokenServesOnlyTheRequestItBelongsTo(t *testing.T) {
	e := withRuns(newEngine(names(10)...), 10)
	d := open(t, e)
	tasks := must(d.tasks.ListTasks(t.Context(), &clockdv1.ListTasksRequest{PageSize: 2}))(t).GetNextPageToken()
	runs := must(d.runs.ListRuns(t.Context(), &clockdv1.ListRunsRequest{PageSize: 2}))(t).GetNextPageToken()
	if tasks == "" || runs == "" {
		t.Fatal("no token")
	}
	listTasks := func(token string, f *clockdv1.TaskFilter) error {
		return second(d.tasks.ListTasks(t.Context(), &clockdv1.ListTasksRequest{PageToken: token, Filter: f}))
	}
	refused(t, listTasks(tasks, &clockdv1.TaskFilter{NamePrefix: "t"}), "page_token")
	refused(t, listTasks(tasks, &clockdv1.TaskFilter{States: []clockdv1.TaskState{1}}), "page_token")
	refused(t, listTasks(runs, nil), "page_token")
	refused(t, second(d.runs.ListRuns(t.Context(), &clockdv1.ListRunsRequest{PageToken: tasks})), "page_token")
	refused(t, second(d.runs.ListRuns(t.Context(), &clockdv1.ListRunsRequest{
		PageToken: runs, Task: &clockdv1.ListRunsRequest_TaskName{TaskName: "task-0000"},
	})), "page_token")
	refused(t, second(d.runs.ListRuns(t.Context(), &clockdv1.ListRunsRequest{PageToken: runs, States: []clockdv1.RunState{3}})), "page_token")
	for i := range tasks { // each character changed, then everything after it cut
		changed := []byte(tasks)
		changed[i] = map[bool]byte{true: 'A', false: 'B'}[changed[i] != 'A']
		refused(t, listTasks(string(changed), nil), "page_token")
		if i > 0 {
			refused(t, listTasks(tasks[:i], nil), "page_token")
		}
	}
	refused(t, listTasks(strings.Repeat("A", 1<<20), nil), "page_token")

	// The states of a filter are a set.
	token := must(d.tasks.ListTasks(t.Context(), &clockdv1.ListTasksRequest{PageSize: 2, Filter: &clockdv1.TaskFilter{States: []clockdv1.TaskState{1, 2}}}))(t).GetNextPageToken()
	if err := listTasks(token, &clockdv1.TaskFilter{States: []clockdv1.TaskState{2, 1, 2}}); err != nil {
		t.Error(err)
	}
}

// entries returns the lines of the log.
func entries(t *testing.T, log *journal) []map[string]any {
	t.Helper()
	var out []map[string]any
	for line := range strings.Lines(log.String()) {
		var entry map[string]any
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Fatal(err)
		}
		out = append(out, entry)
	}
	return out
}

func TestAPanicCostsItsCallAndTellsTheLogAlone(t *testing.T) {
	for server, open := range servers {
		for name, value := range map[string]any{
			"text": "secret", "an error": errors.New("secret"), "an error of a class": fmt.Errorf("secret: %w", task.ErrTaskNotFound),
			"a status": status.Error(codes.NotFound, "secret"),
		} {
			t.Run(server+", "+name, func(t *testing.T) {
				e := newEngine("a")
				e.crash = value
				d := open(t, e)
				for method, call := range calls(d) {
					before := len(entries(t, d.log))
					st := status.Convert(call(t.Context()))
					id, ok := strings.CutPrefix(st.Message(), "internal error ")
					if st.Code() != codes.Internal || reason(st) != wire.ReasonInternal || !ok || len(id) < 8 || strings.Contains(fmt.Sprint(st.Proto()), "secret") {
						t.Errorf("%s: got %v", method, st)
					}
					entry := entries(t, d.log)[before]
					stack, _ := entry["stack"].(string)
					if text, _ := entry["error"].(string); entry["error_id"] != id || entry["level"] != "ERROR" ||
						!strings.Contains(text, "secret") || !strings.Contains(stack, "fake_test.go") ||
						!strings.Contains(fmt.Sprint(entry["method"]), strings.Fields(method)[0]) {
						t.Errorf("%s: the log has %v", method, entry)
					}
				}
				e.crash = nil
				must(d.tasks.ListTasks(t.Context(), &clockdv1.ListTasksRequest{}))(t)
			})
		}
	}
}

func TestAnUnexpectedErrorIsInTheLogWithItsID(t *testing.T) {
	e := newEngine("a")
	d := open(t, e)
	e.fail = errors.New("secret")
	st := status.Convert(second(d.tasks.ListTasks(t.Context(), nil)))
	log := entries(t, d.log)
	if len(log) != 1 || log[0]["error"] != "secret" || log[0]["level"] != "ERROR" || st.Message() != fmt.Sprintf("internal error %s", log[0]["error_id"]) {
		t.Errorf("the caller reads %q, the log has %v", st.Message(), log)
	}
	e.fail = fmt.Errorf("%w: disk full", task.ErrUnavailable)
	st = status.Convert(second(d.tasks.ListTasks(t.Context(), nil)))
	if log = entries(t, d.log); len(log) != 2 || log[1]["level"] != "WARN" || !strings.Contains(fmt.Sprint(log[1]["error"]), "disk full") ||
		strings.Contains(st.String(), "disk") {
		t.Errorf("the caller reads %v, the log has %v", st, log)
	}
	e.fail = context.Canceled
	_ = second(d.tasks.ListTasks(t.Context(), nil))
	if log = entries(t, d.log); len(log) != 2 {
		t.Errorf("a canceled call is in the log: %v", log)
	}
}

func TestHostileMessagesCostTheirCallOnly(t *testing.T) {
	nested := func(levels int) *clockdv1.Trigger {
		deep := wire.TriggerToProto(hourly())
		for range levels {
			deep = &clockdv1.Trigger{Kind: &clockdv1.Trigger_AnyOf{AnyOf: &clockdv1.AnyOf{Triggers: []*clockdv1.Trigger{deep}}}}
		}
		return deep
	}
	preview := func(d *door, trigger *clockdv1.Trigger) error {
		return second(d.tasks.PreviewTrigger(t.Context(), &clockdv1.PreviewTriggerRequest{
			Subject: &clockdv1.PreviewTriggerRequest_Trigger{Trigger: trigger},
		}))
	}
	for server, open := range servers {
		t.Run(server, func(t *testing.T) {
			d := open(t, newEngine("a"))

			// What grpc-go can read reaches the door, and is refused there.
			refused(t, preview(d, nested(4900)), "trigger"+strings.Repeat(".any_of.triggers[0]", 4)+".any_of")
			// What it cannot read ends before it.
			if code := status.Code(preview(d, nested(10000))); code != codes.Internal {
				t.Errorf("10,000 levels: %s", code)
			}
			bad := protowire.AppendString(protowire.AppendTag(nil, 2, protowire.BytesType), "caf\xe9")
			err := d.conn.Invoke(t.Context(), clockdv1.TaskService_GetTask_FullMethodName, bad, &clockdv1.GetTaskResponse{}, grpc.ForceCodec(raw{}))
			if code := status.Code(err); code != codes.Internal {
				t.Errorf("a name that is not UTF-8: %v", err)
			}
			err = second(d.tasks.RunTask(t.Context(), &clockdv1.RunTaskRequest{
				Task: &clockdv1.RunTaskRequest_TaskName{TaskName: "a"}, Input: structpb.NewStringValue(strings.Repeat("x", rpc.MaxRequest)),
			}))
			if code := status.Code(err); code != codes.ResourceExhausted {
				t.Errorf("a message of more than 4 MiB: %v", err)
			}
			if code := status.Code(wire.FromError(err)); code != codes.ResourceExhausted {
				t.Errorf("the client reads %s", code)
			}
			must(d.tasks.ListTasks(t.Context(), nil))(t)
		})
	}
}

// raw is a codec that sends bytes as they are, and drops what comes back.
type raw struct{}

func (raw) Marshal(v any) ([]byte, error) { return v.([]byte), nil }
func (raw) Unmarshal([]byte, any) error   { return nil }
func (raw) Name() string                  { return "proto" }
