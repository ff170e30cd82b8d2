package rpc_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/clockd/clockd/daemon/task"
	"github.com/clockd/clockd/daemon/wire"
	clockdv1 "github.com/clockd/clockd/gen/clockd/v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

func TestCreateTaskHandsOnTheWholeDeclaration(t *testing.T) {
	e := newEngine("a")
	d := open(t, e)
	ctx := metadata.AppendToOutgoingContext(t.Context(), wire.ActorMetadata, "ada")
	pb := spec("b")
	pb.Policy = &clockdv1.Policy{PauseAfterFailures: 3}
	got := must(d.tasks.CreateTask(ctx, &clockdv1.CreateTaskRequest{Task: pb, Reason: "needed", ValidateOnly: true}))(t)
	want := task.Declaration{
		Name: "b", Trigger: hourly(), Policy: task.Policy{PauseAfterFailures: 3},
		Spec: &task.TargetSpec{HTTP: &task.HTTPSpec{URL: "http://localhost/"}},
	}
	same(t, task.TaskCreate{
		Edit: task.Edit{Actor: "ada", Peer: "in-process", Reason: "needed"}, Declaration: want, ValidateOnly: true,
	}, e.asked)
	same(t, wire.TaskToProto(e.tasks[1]), got.GetTask())
	if got.GetTask().GetOrigin() != clockdv1.Origin_ORIGIN_CREATED || got.GetTask().GetSpec().GetHttp().GetUrl() != "http://localhost/" {
		t.Errorf("got %v", got)
	}
}

func TestATaskThatExistsIsNamed(t *testing.T) {
	d := open(t, newEngine("a"))
	_, err := d.tasks.CreateTask(t.Context(), &clockdv1.CreateTaskRequest{Task: spec("a")})
	var there *task.ExistsError
	if !errors.As(wire.FromError(err), &there) || there.Name != "a" {
		t.Errorf("got %v", err)
	}
}

func TestUpdateTaskChangesWhatTheMaskNames(t *testing.T) {
	e := newEngine("a")
	e.tasks[0].Declaration.Group = "old"
	d := open(t, e)
	ctx := metadata.AppendToOutgoingContext(t.Context(), wire.ActorMetadata, "ada")
	got := must(d.tasks.UpdateTask(ctx, &clockdv1.UpdateTaskRequest{
		Task:   &clockdv1.UpdateTaskRequest_TaskName{TaskName: "a"},
		Update: &clockdv1.TaskSpec{TaskName: "a", Description: "left out", Policy: &clockdv1.Policy{Retry: &clockdv1.Retry{Backoff: durationpb.New(time.Minute)}}},
		Etag:   "1", Reason: "slower", ValidateOnly: true,
		UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"group", "policy.retry.backoff"}},
	}))(t)
	same(t, task.TaskUpdate{Edit: task.Edit{Etag: "1", Actor: "ada", Peer: "in-process", Reason: "slower"}, ValidateOnly: true}, e.asked)
	same(t, task.Declaration{
		Name: "a", Trigger: hourly(), Policy: task.Policy{Retry: task.Retry{Backoff: time.Minute}},
	}, e.tasks[0].Declaration)
	same(t, "2", got.GetTask().GetEtag())
}

func TestDeleteTaskSaysWhoAndWhy(t *testing.T) {
	e := newEngine("a")
	d := open(t, e)
	ctx := metadata.AppendToOutgoingContext(t.Context(), wire.ActorMetadata, "ada")
	must(d.tasks.DeleteTask(ctx, &clockdv1.DeleteTaskRequest{
		Task: &clockdv1.DeleteTaskRequest_TaskName{TaskName: "a"}, Etag: "1", Reason: "done",
	}))(t)
	same(t, task.Edit{Etag: "1", Actor: "ada", Peer: "in-process", Reason: "done"}, e.asked)
}

func TestBackfillTaskHandsOnTheRange(t *testing.T) {
	e := newEngine("a")
	d := open(t, e)
	ctx := metadata.AppendToOutgoingContext(t.Context(), wire.ActorMetadata, "ada")
	got := must(d.tasks.BackfillTask(ctx, &clockdv1.BackfillTaskRequest{
		Task:      &clockdv1.BackfillTaskRequest_TaskName{TaskName: "a"},
		StartTime: timestamppb.New(start), EndTime: timestamppb.New(start.Add(2 * time.Hour)), Interval: durationpb.New(time.Second),
		Reason: "lost", ValidateOnly: true, Overlap: clockdv1.Overlap_OVERLAP_ALLOW,
	}))(t)
	same(t, task.Backfill{
		Edit:  task.Edit{Actor: "ada", Peer: "in-process", Reason: "lost"},
		Start: start, End: start.Add(2 * time.Hour), Interval: time.Second, Allow: true, ValidateOnly: true,
	}, e.asked)
	same(t, &clockdv1.BackfillTaskResponse{
		Count: 2, FireTimes: []*timestamppb.Timestamp{timestamppb.New(start), timestamppb.New(start.Add(time.Hour))},
		Runs: []*clockdv1.Run{{
			Id: "1", State: clockdv1.RunState_RUN_STATE_SCHEDULED, Cause: clockdv1.RunCause_RUN_CAUSE_BACKFILL, ScheduledTime: timestamppb.New(start),
		}},
	}, got)

	must(d.tasks.BackfillTask(ctx, &clockdv1.BackfillTaskRequest{
		Task: &clockdv1.BackfillTaskRequest_TaskName{TaskName: "a"}, StartTime: timestamppb.New(start),
	}))(t)
	same(t, task.Backfill{Edit: task.Edit{Actor: "ada", Peer: "in-process"}, Start: start}, e.asked)
}

func TestDiffConfigHandsOnTheFile(t *testing.T) {
	e := newEngine()
	e.diffs = []task.TaskDiff{{TaskName: "a", Action: task.TaskDeclared, Reason: "new", After: []byte(`{"trigger":"forever"}`)}, {TaskName: "b", Action: task.TaskOrphaned}}
	d := open(t, e)
	got := must(d.tasks.DiffConfig(t.Context(), &clockdv1.DiffConfigRequest{Config: []byte("tasks:\xff"), FileName: "clockd.yaml"}))(t)
	same(t, [2]string{"clockd.yaml", "tasks:\xff"}, e.asked)
	same(t, &clockdv1.DiffConfigResponse{Diffs: []*clockdv1.TaskDiff{wire.DiffToProto(e.diffs[0]), wire.DiffToProto(e.diffs[1])}}, got)
}

// withEvents adds n events.
func withEvents(e *engine, n int, reason string) *engine {
	for i := range n {
		e.events = append(e.events, task.Event{ID: int64(n - i), Time: start, Action: task.TaskPaused, TaskName: "a", Reason: reason})
	}
	return e
}

func TestListAuditEventsGivesTheNewestFirstAndNoTokenWithTheLastPage(t *testing.T) {
	for _, c := range []struct{ events, size, pages int }{{0, 3, 1}, {3, 3, 1}, {4, 3, 2}, {7, 3, 3}, {3, 1, 3}} {
		t.Run(fmt.Sprintf("%d events by %d", c.events, c.size), func(t *testing.T) {
			e := withEvents(newEngine(), c.events, "")
			d := open(t, e)
			var got, want []string
			for i := range c.events {
				want = append(want, fmt.Sprint(c.events-i))
			}
			q := &clockdv1.ListAuditEventsRequest{PageSize: int32(c.size)}
			for page := 1; ; page++ {
				answer := must(d.tasks.ListAuditEvents(t.Context(), q))(t)
				for _, event := range answer.GetEvents() {
					got = append(got, event.GetId())
				}
				if q.PageToken = answer.GetNextPageToken(); q.PageToken == "" {
					same(t, c.pages, page)
					break
				}
			}
			same(t, want, got)
		})
	}
}

// The task may be deleted, so that only the engine knows what its name stands for.
func TestListAuditEventsLeavesTheTaskToTheEngine(t *testing.T) {
	e := withEvents(newEngine(), 5, "")
	d := open(t, e)
	list := func(q *clockdv1.ListAuditEventsRequest) *clockdv1.ListAuditEventsResponse {
		t.Helper()
		return must(d.tasks.ListAuditEvents(t.Context(), q))(t)
	}
	list(&clockdv1.ListAuditEventsRequest{})
	same(t, of{task.Ref{}, task.AuditQuery{Limit: 101}}, e.asked)
	page := list(&clockdv1.ListAuditEventsRequest{Task: &clockdv1.ListAuditEventsRequest_TaskName{TaskName: "gone"}, PageSize: 2})
	same(t, of{task.ByName("gone"), task.AuditQuery{Limit: 3}}, e.asked)
	list(&clockdv1.ListAuditEventsRequest{
		Task: &clockdv1.ListAuditEventsRequest_TaskName{TaskName: "gone"}, PageSize: 5000, PageToken: page.GetNextPageToken(),
	})
	same(t, of{task.ByName("gone"), task.AuditQuery{Before: 4, Limit: 1001}}, e.asked)
	refused(t, second(d.tasks.ListAuditEvents(t.Context(), &clockdv1.ListAuditEventsRequest{PageToken: page.GetNextPageToken()})), "page_token")

	e.asked = nil
	got := list(&clockdv1.ListAuditEventsRequest{Task: &clockdv1.ListAuditEventsRequest_TaskName{TaskName: " no name"}})
	if len(got.GetEvents()) != 0 || e.asked != nil {
		t.Errorf("got %v, asked %v", got, e.asked)
	}
}

func TestAPageOfEventsNeverGrowsPastWhatAClientTakes(t *testing.T) {
	d := openOurs(t, withEvents(newEngine(), 60, strings.Repeat("x", 200<<10)))
	seen := map[string]bool{}
	q := &clockdv1.ListAuditEventsRequest{PageSize: 1000}
	for done := false; !done; done = q.PageToken == "" {
		answer := must(d.tasks.ListAuditEvents(t.Context(), q))(t)
		for _, event := range answer.GetEvents() {
			seen[event.GetId()] = true
		}
		q.PageToken = answer.GetNextPageToken()
	}
	same(t, 60, len(seen))
}
