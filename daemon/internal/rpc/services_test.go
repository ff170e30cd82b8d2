package rpc_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
	"github.com/clockd/clockd/daemon/wire"
	clockdv1 "github.com/clockd/clockd/gen/clockd/v1"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

const requestID = "6ba7b811-9dad-51d1-80b4-00c04fd430c8"

func same(t *testing.T, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func must[A any](answer A, err error) func(t *testing.T) A {
	return func(t *testing.T) A {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return answer
	}
}

func TestGetTaskFindsATaskByIDAndByName(t *testing.T) {
	e := newEngine("a", "b")
	d := open(t, e)
	want := wire.TaskToProto(e.tasks[1])
	byName := must(d.tasks.GetTask(t.Context(), &clockdv1.GetTaskRequest{Task: &clockdv1.GetTaskRequest_TaskName{TaskName: "b"}}))(t)
	same(t, want, byName.GetTask())
	byID := must(d.tasks.GetTask(t.Context(), &clockdv1.GetTaskRequest{Task: &clockdv1.GetTaskRequest_TaskId{TaskId: want.GetId()}}))(t)
	same(t, want, byID.GetTask())
}

func TestRunTaskHandsOnAllThatTheCallerSaid(t *testing.T) {
	e := newEngine("a")
	d := open(t, e)
	ctx := metadata.AppendToOutgoingContext(t.Context(), wire.ActorMetadata, "ada")
	got := must(d.tasks.RunTask(ctx, &clockdv1.RunTaskRequest{
		Task:  &clockdv1.RunTaskRequest_TaskName{TaskName: "a"},
		Input: structpb.NewStringValue("<in>"), RequestId: requestID, Wait: true, Overlap: clockdv1.Overlap_OVERLAP_ALLOW,
	}))(t)
	allow := task.OverlapAllow
	same(t, task.Call{Actor: "ada", Peer: "in-process", Input: []byte(`"<in>"`), RequestID: uuid.MustParse(requestID), Wait: true, Overlap: &allow}, e.asked)
	same(t, wire.RunToProto(e.runs[0]), got.GetRun())

	must(d.tasks.RunTask(ctx, &clockdv1.RunTaskRequest{Task: &clockdv1.RunTaskRequest_TaskName{TaskName: "a"}}))(t)
	same(t, task.Call{Actor: "ada", Peer: "in-process"}, e.asked)
}

func TestUpdateTriggerAnswersWithTheTaskAndItsFiresAfterAndBefore(t *testing.T) {
	e := newEngine("a")
	d := open(t, e)
	trigger := schedule.Trigger{Kind: schedule.Cron{Expression: "0 3 * * *", TimeZone: "Europe/Berlin"}, MaxFires: 3}
	ctx := metadata.AppendToOutgoingContext(t.Context(), wire.ActorMetadata, "ada")
	got := must(d.tasks.UpdateTrigger(ctx, &clockdv1.UpdateTriggerRequest{
		Task:    &clockdv1.UpdateTriggerRequest_TaskName{TaskName: "a"},
		Trigger: wire.TriggerToProto(trigger), Etag: "1", Reason: "too often",
		OnDeclaredChange: clockdv1.OnDeclaredChange_ON_DECLARED_CHANGE_KEEP, ValidateOnly: true,
		ExpireTime: timestamppb.New(start.Add(time.Hour)),
	}))(t)
	same(t, task.TriggerChange{
		Edit:    task.Edit{Etag: "1", Actor: "ada", Peer: "in-process", Reason: "too often"},
		Trigger: trigger, OnDeclaredChange: task.Keep, ValidateOnly: true, ExpireTime: start.Add(time.Hour),
	}, e.asked)
	same(t, &clockdv1.UpdateTriggerResponse{
		Task: wire.TaskToProto(e.tasks[0]),
		NextFires: []*clockdv1.Fire{
			{Time: timestamppb.New(start.Add(time.Minute))},
			{Time: timestamppb.New(start.Add(2 * time.Minute)), DstShift: clockdv1.DstShift_DST_SHIFT_OVERLAP},
		},
		PreviousFires: []*clockdv1.Fire{{Time: timestamppb.New(start.Add(time.Hour)), DstShift: clockdv1.DstShift_DST_SHIFT_GAP}},
	}, got)
}

func TestResetPauseAndResumeSayWhoAndWhy(t *testing.T) {
	e := newEngine("a")
	d := open(t, e)
	ctx := metadata.AppendToOutgoingContext(t.Context(), wire.ActorMetadata, "ada")

	paused := must(d.tasks.PauseTask(ctx, &clockdv1.PauseTaskRequest{
		Task: &clockdv1.PauseTaskRequest_TaskName{TaskName: "a"}, Etag: "1", Reason: "broken",
		ResumeTime: timestamppb.New(start.Add(time.Hour)),
	}))(t).GetTask()
	edit := task.Edit{Etag: "1", Actor: "ada", Peer: "in-process", Reason: "broken"}
	same(t, task.PauseChange{Edit: edit, ResumeTime: start.Add(time.Hour)}, e.asked)
	same(t, &clockdv1.Pause{
		Actor: "ada", Reason: "broken", CreateTime: timestamppb.New(start), ResumeTime: timestamppb.New(start.Add(time.Hour)),
	}, paused.GetPause())
	same(t, clockdv1.TaskState_TASK_STATE_PAUSED, paused.GetState())

	resumed := must(d.tasks.ResumeTask(ctx, &clockdv1.ResumeTaskRequest{
		Task: &clockdv1.ResumeTaskRequest_TaskName{TaskName: "a"}, Etag: paused.GetEtag(), Reason: "mended",
	}))(t).GetTask()
	same(t, task.Edit{Etag: "2", Actor: "ada", Peer: "in-process", Reason: "mended"}, e.asked)
	same(t, clockdv1.TaskState_TASK_STATE_ACTIVE, resumed.GetState())

	reset := must(d.tasks.ResetTrigger(ctx, &clockdv1.ResetTriggerRequest{
		Task: &clockdv1.ResetTriggerRequest_TaskId{TaskId: resumed.GetId()}, Etag: "3", Reason: "enough",
	}))(t).GetTask()
	same(t, task.Edit{Etag: "3", Actor: "ada", Peer: "in-process", Reason: "enough"}, e.asked)
	same(t, "4", reset.GetEtag())
}

func TestPreviewTriggerLooksAtATriggerOrATask(t *testing.T) {
	e := newEngine("a")
	d := open(t, e)
	got := must(d.tasks.PreviewTrigger(t.Context(), &clockdv1.PreviewTriggerRequest{
		Subject:   &clockdv1.PreviewTriggerRequest_Trigger{Trigger: wire.TriggerToProto(hourly())},
		StartTime: timestamppb.New(start.Add(999)), Count: 1000,
	}))(t)
	same(t, previewed{Trigger: hourly(), Start: start, Count: 1000}, e.asked)
	same(t, &clockdv1.PreviewTriggerResponse{
		Fires:       []*clockdv1.Fire{{Time: timestamppb.New(start), DstShift: clockdv1.DstShift_DST_SHIFT_GAP}},
		End:         clockdv1.PreviewEnd_PREVIEW_END_OVER,
		Description: "every hour",
	}, got)

	got = must(d.tasks.PreviewTrigger(t.Context(), &clockdv1.PreviewTriggerRequest{
		Subject: &clockdv1.PreviewTriggerRequest_TaskName{TaskName: "a"},
	}))(t)
	same(t, previewed{Ref: task.ByName("a"), Count: 5}, e.asked)
	same(t, clockdv1.PreviewEnd_PREVIEW_END_WAITS, got.GetEnd())

	must(d.tasks.PreviewTrigger(t.Context(), &clockdv1.PreviewTriggerRequest{
		Subject: &clockdv1.PreviewTriggerRequest_TaskId{TaskId: e.tasks[0].ID.String()},
	}))(t)
	same(t, previewed{Ref: task.ByID(e.tasks[0].ID), Count: 5}, e.asked)
}

func TestGetRunAndCancelRunReturnTheRunWhole(t *testing.T) {
	e := newEngine("a")
	d := open(t, e)
	run := must(d.tasks.RunTask(t.Context(), &clockdv1.RunTaskRequest{
		Task: &clockdv1.RunTaskRequest_TaskName{TaskName: "a"}, Input: structpb.NewNumberValue(1), Wait: true,
	}))(t).GetRun()
	got := must(d.runs.GetRun(t.Context(), &clockdv1.GetRunRequest{RunId: run.GetId()}))(t)
	same(t, run, got.GetRun())
	if got.GetRun().GetOutput().GetNumberValue() != 1 {
		t.Errorf("the output is missing: %v", got)
	}

	ctx := metadata.AppendToOutgoingContext(t.Context(), wire.ActorMetadata, "ada")
	canceled := must(d.runs.CancelRun(ctx, &clockdv1.CancelRunRequest{RunId: run.GetId(), Reason: "enough"}))(t).GetRun()
	same(t, task.Edit{Actor: "ada", Peer: "in-process", Reason: "enough"}, e.asked)
	same(t, clockdv1.RunState_RUN_STATE_CANCELED, canceled.GetState())
}

func names(n int) []string {
	var out []string
	for i := range n {
		out = append(out, fmt.Sprintf("task-%04d", i))
	}
	return out
}

func TestListTasksGivesEachTaskOnceAndNoTokenWithTheLastPage(t *testing.T) {
	for _, c := range []struct{ tasks, size, pages int }{
		{0, 3, 1}, {1, 3, 1}, {3, 3, 1}, {4, 3, 2}, {6, 3, 2}, {7, 3, 3}, {5, 1, 5},
	} {
		t.Run(fmt.Sprintf("%d tasks by %d", c.tasks, c.size), func(t *testing.T) {
			d := open(t, newEngine(names(c.tasks)...))
			var got []string
			q := &clockdv1.ListTasksRequest{PageSize: int32(c.size)}
			for page := 1; ; page++ {
				answer := must(d.tasks.ListTasks(t.Context(), q))(t)
				for _, m := range answer.GetTasks() {
					got = append(got, m.GetTaskName())
				}
				if q.PageToken = answer.GetNextPageToken(); q.PageToken == "" {
					same(t, c.pages, page)
					break
				}
			}
			same(t, names(c.tasks), got)
		})
	}
}

func TestListTasksFiltersByPrefixAndState(t *testing.T) {
	e := newEngine("a-1", "a-2", "b-1")
	e.tasks[1].State = task.Paused
	d := open(t, e)
	got := must(d.tasks.ListTasks(t.Context(), &clockdv1.ListTasksRequest{Filter: &clockdv1.TaskFilter{
		NamePrefix: "a-",
		States: []clockdv1.TaskState{
			clockdv1.TaskState_TASK_STATE_PAUSED, clockdv1.TaskState_TASK_STATE_ORPHANED, clockdv1.TaskState_TASK_STATE_PAUSED,
		},
	}}))(t)
	same(t, task.TaskQuery{NamePrefix: "a-", States: []task.State{task.Paused, task.Orphaned}, Limit: 101}, e.asked)
	if len(got.GetTasks()) != 1 || got.GetTasks()[0].GetTaskName() != "a-2" {
		t.Errorf("got %v", got)
	}
	must(d.tasks.ListTasks(t.Context(), &clockdv1.ListTasksRequest{PageSize: 5000}))(t)
	same(t, task.TaskQuery{Limit: 1001}, e.asked)
}

// withRuns adds runs of the first task, and of the second at every third.
func withRuns(e *engine, n int) *engine {
	for i := range n {
		t := e.tasks[0]
		if i%3 == 2 {
			t = e.tasks[1]
		}
		e.runs = append([]task.Run{{
			ID: task.RunID(i + 1), TaskID: t.ID, TaskName: t.Declaration.Name, State: task.Succeeded, Cause: task.ByFire,
			ScheduledTime: start, Input: []byte("1"), Output: []byte("2"), Fires: 1,
		}}, e.runs...)
	}
	return e
}

func TestListRunsGivesTheRunsOfATaskTheNewestFirst(t *testing.T) {
	e := withRuns(newEngine("a", "b"), 10)
	d := open(t, e)
	list := func(q *clockdv1.ListRunsRequest) (ids []string, pages int) {
		for {
			answer := must(d.runs.ListRuns(t.Context(), q))(t)
			pages++
			for _, run := range answer.GetRuns() {
				if run.GetInput() != nil || run.GetOutput() != nil {
					t.Errorf("run %s has its input or output", run.GetId())
				}
				ids = append(ids, run.GetId())
			}
			if q.PageToken = answer.GetNextPageToken(); q.PageToken == "" {
				return ids, pages
			}
		}
	}
	ids, pages := list(&clockdv1.ListRunsRequest{PageSize: 4})
	same(t, []string{"10", "9", "8", "7", "6", "5", "4", "3", "2", "1"}, ids)
	same(t, 3, pages)
	ids, pages = list(&clockdv1.ListRunsRequest{PageSize: 2, Task: &clockdv1.ListRunsRequest_TaskName{TaskName: "b"}})
	same(t, []string{"9", "6", "3"}, ids)
	same(t, 2, pages)
	ids, _ = list(&clockdv1.ListRunsRequest{Task: &clockdv1.ListRunsRequest_TaskId{TaskId: e.tasks[1].ID.String()}})
	same(t, []string{"9", "6", "3"}, ids)
	ids, _ = list(&clockdv1.ListRunsRequest{States: []clockdv1.RunState{clockdv1.RunState_RUN_STATE_FAILED}})
	same(t, []string(nil), ids)
}

// Clients refuse messages of more than 4 MiB: the page ends before that, and its token goes on.
func TestAPageNeverGrowsPastWhatAClientTakes(t *testing.T) {
	e := withRuns(newEngine(names(60)...), 60)
	for i := range e.tasks {
		e.tasks[i].Declaration.Description = strings.Repeat("x", 200<<10)
		e.runs[i].Error = strings.Repeat("x", 200<<10)
	}
	d := openOurs(t, e)
	seen := map[string]bool{}
	q := &clockdv1.ListTasksRequest{PageSize: 1000}
	for done := false; !done; done = q.PageToken == "" {
		answer := must(d.tasks.ListTasks(t.Context(), q))(t)
		for _, m := range answer.GetTasks() {
			seen[m.GetTaskName()] = true
		}
		q.PageToken = answer.GetNextPageToken()
	}
	r := &clockdv1.ListRunsRequest{PageSize: 1000}
	for done := false; !done; done = r.PageToken == "" {
		answer := must(d.runs.ListRuns(t.Context(), r))(t)
		for _, run := range answer.GetRuns() {
			seen[run.GetId()] = true
		}
		r.PageToken = answer.GetNextPageToken()
	}
	if len(seen) != 120 {
		t.Errorf("saw %d of 120", len(seen))
	}
}

func TestTheActorIsWhatTheCallerSaysOrItsAddress(t *testing.T) {
	e := newEngine("a")
	d := open(t, e)
	for name, c := range map[string]struct {
		said []string
		want string
	}{
		"nothing said":   {nil, "in-process"},
		"nothing in it":  {[]string{"  "}, "in-process"},
		"a name":         {[]string{" ada "}, "ada"},
		"the first one":  {[]string{"ada", "bob"}, "ada"},
		"256 bytes":      {[]string{strings.Repeat("x", 256)}, strings.Repeat("x", 256)},
		"longer than it": {[]string{strings.Repeat("x", 300)}, strings.Repeat("x", 256)},
	} {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			for _, s := range c.said {
				ctx = metadata.AppendToOutgoingContext(ctx, wire.ActorMetadata, s)
			}
			must(d.tasks.PauseTask(ctx, &clockdv1.PauseTaskRequest{Task: &clockdv1.PauseTaskRequest_TaskName{TaskName: "a"}}))(t)
			same(t, task.PauseChange{Edit: task.Edit{Actor: c.want, Peer: "in-process"}}, e.asked)
		})
	}
}

func TestANilRequestIsAnEmptyOne(t *testing.T) {
	d := open(t, newEngine("a"))
	_, err := d.tasks.GetTask(context.Background(), nil)
	refused(t, err, "task")
	must(d.tasks.ListTasks(context.Background(), nil))(t)
}
