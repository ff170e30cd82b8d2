package client_test

import (
	"context"
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/clockd/clockd/client"
	"github.com/clockd/clockd/client/internal/fakedaemon"
	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
	clockdv1 "github.com/clockd/clockd/gen/clockd/v1"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

func TestEachCallSendsWhatItWasGiven(t *testing.T) {
	id := task.IDOf("default", "backup")
	requestID := uuid.MustParse("5a3c6a4e-7f0e-4c39-9f2a-0d4c55a6a001")
	allow := task.OverlapAllow
	edit := client.EditOptions{Etag: "1", Reason: "why"}
	later := fakedaemon.Now.Add(time.Hour)
	made := task.Declaration{
		Name: "made", Trigger: hourly, Policy: task.Policy{Timeout: time.Minute},
		Spec: &task.TargetSpec{Command: &task.CommandSpec{Args: []string{"true"}}},
	}
	pbHourly := &clockdv1.Trigger{Kind: &clockdv1.Trigger_Every{Every: &clockdv1.Every{
		Interval:  durationpb.New(time.Hour),
		FirstFire: clockdv1.FirstFire_FIRST_FIRE_WAIT, Pacing: clockdv1.Pacing_PACING_FIXED_RATE,
	}}}
	tests := map[string]struct {
		call func(ctx context.Context, c *client.Client) error
		want proto.Message
	}{
		"TasksPage": {
			func(ctx context.Context, c *client.Client) error {
				f := client.TaskFilter{NamePrefix: "b", States: []task.State{task.Active, task.Paused}}
				_, _, err := c.TasksPage(ctx, f, 7, "at-0")
				return err
			},
			&clockdv1.ListTasksRequest{PageSize: 7, PageToken: "at-0", Filter: &clockdv1.TaskFilter{
				NamePrefix: "b", States: []clockdv1.TaskState{clockdv1.TaskState_TASK_STATE_ACTIVE, clockdv1.TaskState_TASK_STATE_PAUSED},
			}},
		},
		"TasksPage of everything": {
			func(ctx context.Context, c *client.Client) error {
				_, _, err := c.TasksPage(ctx, client.TaskFilter{}, math.MaxInt, "")
				return err
			},
			&clockdv1.ListTasksRequest{PageSize: 1000},
		},
		"Task by name": {
			func(ctx context.Context, c *client.Client) error { _, err := c.Task(ctx, backup); return err },
			&clockdv1.GetTaskRequest{Task: &clockdv1.GetTaskRequest_TaskName{TaskName: "backup"}},
		},
		"Task by id": {
			func(ctx context.Context, c *client.Client) error {
				_, err := c.Task(ctx, task.Ref{ID: id, Name: "ignored"})
				return err
			},
			&clockdv1.GetTaskRequest{Task: &clockdv1.GetTaskRequest_TaskId{TaskId: id.String()}},
		},
		"RunTask": {
			func(ctx context.Context, c *client.Client) error {
				_, err := c.RunTask(ctx, backup, client.RunOptions{
					Input: map[string]any{"deep": true}, RequestID: requestID, Wait: true, Overlap: &allow,
				})
				return err
			},
			&clockdv1.RunTaskRequest{
				Task: &clockdv1.RunTaskRequest_TaskName{TaskName: "backup"},
				Input: structpb.NewStructValue(&structpb.Struct{Fields: map[string]*structpb.Value{
					"deep": structpb.NewBoolValue(true),
				}}),
				RequestId: requestID.String(), Wait: true, Overlap: clockdv1.Overlap_OVERLAP_ALLOW,
			},
		},
		"UpdateTrigger": {
			func(ctx context.Context, c *client.Client) error {
				_, err := c.UpdateTrigger(ctx, backup, hourly, client.UpdateOptions{
					Etag: "1", Reason: "why", OnDeclaredChange: task.Keep, ValidateOnly: true, ExpireTime: later,
				})
				return err
			},
			&clockdv1.UpdateTriggerRequest{
				Task: &clockdv1.UpdateTriggerRequest_TaskName{TaskName: "backup"}, Trigger: pbHourly, Etag: "1",
				Reason: "why", OnDeclaredChange: clockdv1.OnDeclaredChange_ON_DECLARED_CHANGE_KEEP, ValidateOnly: true,
				ExpireTime: timestamppb.New(later),
			},
		},
		"UpdateTrigger with a custom kind, jitter and exclusions": {
			func(ctx context.Context, c *client.Client) error {
				_, err := c.UpdateTrigger(ctx, backup, schedule.Trigger{
					Kind:       schedule.Custom{TypeURL: "type.googleapis.com/acme.v1.Tide", Value: "\xff"},
					Jitter:     time.Minute,
					Exclusions: []schedule.Exclusion{schedule.Calendar{Name: "holidays"}},
				}, client.UpdateOptions{})
				return err
			},
			&clockdv1.UpdateTriggerRequest{
				Task: &clockdv1.UpdateTriggerRequest_TaskName{TaskName: "backup"},
				Trigger: &clockdv1.Trigger{
					Kind:       &clockdv1.Trigger_Custom{Custom: &anypb.Any{TypeUrl: "type.googleapis.com/acme.v1.Tide", Value: []byte{0xff}}},
					Jitter:     durationpb.New(time.Minute),
					Exclusions: []*clockdv1.Exclusion{{Kind: &clockdv1.Exclusion_Calendar{Calendar: "holidays"}}},
				},
				OnDeclaredChange: clockdv1.OnDeclaredChange_ON_DECLARED_CHANGE_YIELD,
			},
		},
		"ResetTrigger": {
			func(ctx context.Context, c *client.Client) error {
				_, err := c.ResetTrigger(ctx, backup, edit)
				return err
			},
			&clockdv1.ResetTriggerRequest{Task: &clockdv1.ResetTriggerRequest_TaskName{TaskName: "backup"}, Etag: "1", Reason: "why"},
		},
		"PauseTask": {
			func(ctx context.Context, c *client.Client) error {
				_, err := c.PauseTask(ctx, backup, client.PauseOptions{Etag: "1", Reason: "why", ResumeTime: later})
				return err
			},
			&clockdv1.PauseTaskRequest{
				Task: &clockdv1.PauseTaskRequest_TaskName{TaskName: "backup"}, Etag: "1", Reason: "why", ResumeTime: timestamppb.New(later),
			},
		},
		"ResumeTask": {
			func(ctx context.Context, c *client.Client) error {
				_, err := c.ResumeTask(ctx, backup, edit)
				return err
			},
			&clockdv1.ResumeTaskRequest{Task: &clockdv1.ResumeTaskRequest_TaskName{TaskName: "backup"}, Etag: "1", Reason: "why"},
		},
		"PreviewTrigger": {
			func(ctx context.Context, c *client.Client) error {
				_, err := c.PreviewTrigger(ctx, hourly, fakedaemon.Now, 3)
				return err
			},
			&clockdv1.PreviewTriggerRequest{
				Subject:   &clockdv1.PreviewTriggerRequest_Trigger{Trigger: pbHourly},
				StartTime: timestamppb.New(fakedaemon.Now), Count: 3,
			},
		},
		"PreviewTask": {
			func(ctx context.Context, c *client.Client) error {
				_, err := c.PreviewTask(ctx, task.ByID(id), time.Time{}, 0)
				return err
			},
			&clockdv1.PreviewTriggerRequest{Subject: &clockdv1.PreviewTriggerRequest_TaskId{TaskId: id.String()}},
		},
		"RunsPage": {
			func(ctx context.Context, c *client.Client) error {
				_, _, err := c.RunsPage(ctx, client.RunFilter{Task: backup, States: []task.RunState{task.Lost}}, 7, "at-0")
				return err
			},
			&clockdv1.ListRunsRequest{
				Task: &clockdv1.ListRunsRequest_TaskName{TaskName: "backup"}, PageSize: 7, PageToken: "at-0",
				States: []clockdv1.RunState{clockdv1.RunState_RUN_STATE_LOST},
			},
		},
		"Run": {
			func(ctx context.Context, c *client.Client) error { _, err := c.Run(ctx, 3); return err },
			&clockdv1.GetRunRequest{RunId: "3"},
		},
		"CreateTask": {
			func(ctx context.Context, c *client.Client) error {
				_, err := c.CreateTask(ctx, made, client.CreateOptions{Reason: "why", ValidateOnly: true})
				return err
			},
			&clockdv1.CreateTaskRequest{
				Task: &clockdv1.TaskSpec{
					TaskName: "made", Trigger: pbHourly, Policy: &clockdv1.Policy{Timeout: durationpb.New(time.Minute)},
					Target: &clockdv1.TaskSpec_Command{Command: &clockdv1.CommandTarget{Args: []string{"true"}}},
				},
				Reason: "why", ValidateOnly: true,
			},
		},
		"UpdateTask, all that is set": {
			func(ctx context.Context, c *client.Client) error {
				_, err := c.UpdateTask(ctx, task.ByName("ping"), task.Declaration{Policy: task.Policy{Timeout: time.Minute}}, client.UpdateTaskOptions{})
				return err
			},
			&clockdv1.UpdateTaskRequest{
				Task:   &clockdv1.UpdateTaskRequest_TaskName{TaskName: "ping"},
				Update: &clockdv1.TaskSpec{Policy: &clockdv1.Policy{Timeout: durationpb.New(time.Minute)}},
			},
		},
		"UpdateTask, what is named": {
			func(ctx context.Context, c *client.Client) error {
				_, err := c.UpdateTask(ctx, task.ByName("ping"), task.Declaration{Trigger: hourly}, client.UpdateTaskOptions{
					Fields: []string{"group", "trigger"}, Etag: "3", Reason: "why", ValidateOnly: true,
				})
				return err
			},
			&clockdv1.UpdateTaskRequest{
				Task: &clockdv1.UpdateTaskRequest_TaskName{TaskName: "ping"}, Update: &clockdv1.TaskSpec{Trigger: pbHourly},
				Etag: "3", Reason: "why", ValidateOnly: true, UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"group", "trigger"}},
			},
		},
		"DeleteTask": {
			func(ctx context.Context, c *client.Client) error {
				return c.DeleteTask(ctx, task.ByName("ping"), client.EditOptions{Etag: "3", Reason: "why"})
			},
			&clockdv1.DeleteTaskRequest{Task: &clockdv1.DeleteTaskRequest_TaskName{TaskName: "ping"}, Etag: "3", Reason: "why"},
		},
		"BackfillTask": {
			func(ctx context.Context, c *client.Client) error {
				_, err := c.BackfillTask(ctx, backup, fakedaemon.Now.Add(-48*time.Hour), fakedaemon.Now.Add(-time.Hour), client.BackfillOptions{
					Interval: time.Second, Allow: true, Reason: "why", ValidateOnly: true,
				})
				return err
			},
			&clockdv1.BackfillTaskRequest{
				Task:      &clockdv1.BackfillTaskRequest_TaskName{TaskName: "backup"},
				StartTime: timestamppb.New(fakedaemon.Now.Add(-48 * time.Hour)), EndTime: timestamppb.New(fakedaemon.Now.Add(-time.Hour)),
				Interval: durationpb.New(time.Second), Reason: "why", ValidateOnly: true, Overlap: clockdv1.Overlap_OVERLAP_ALLOW,
			},
		},
		"BackfillTask until now": {
			func(ctx context.Context, c *client.Client) error {
				_, err := c.BackfillTask(ctx, backup, fakedaemon.Now.Add(-48*time.Hour), time.Time{}, client.BackfillOptions{})
				return err
			},
			&clockdv1.BackfillTaskRequest{
				Task: &clockdv1.BackfillTaskRequest_TaskName{TaskName: "backup"}, StartTime: timestamppb.New(fakedaemon.Now.Add(-48 * time.Hour)),
			},
		},
		"AuditEventsPage": {
			func(ctx context.Context, c *client.Client) error {
				_, _, err := c.AuditEventsPage(ctx, client.AuditFilter{Task: backup}, 7, "at-0")
				return err
			},
			&clockdv1.ListAuditEventsRequest{Task: &clockdv1.ListAuditEventsRequest_TaskName{TaskName: "backup"}, PageSize: 7, PageToken: "at-0"},
		},
		"DiffConfig": {
			func(ctx context.Context, c *client.Client) error {
				_, err := c.DiffConfig(ctx, "clockd.yaml", []byte("tasks: []"))
				return err
			},
			&clockdv1.DiffConfigRequest{Config: []byte("tasks: []"), FileName: "clockd.yaml"},
		},
		"WatchTasks": {
			func(ctx context.Context, c *client.Client) error {
				return first(c.WatchTasks(ctx, client.TaskWatch{NamePrefix: "b", ResumeToken: "seen-0"}))
			},
			&clockdv1.WatchTasksRequest{Filter: &clockdv1.TaskFilter{NamePrefix: "b"}, ResumeToken: "seen-0"},
		},
		"WatchTasks of everything": {
			func(ctx context.Context, c *client.Client) error { return first(c.WatchTasks(ctx, client.TaskWatch{})) },
			&clockdv1.WatchTasksRequest{},
		},
		"WatchRuns": {
			func(ctx context.Context, c *client.Client) error {
				return first(c.WatchRuns(ctx, client.RunWatch{Task: backup, ResumeToken: "seen-0"}))
			},
			&clockdv1.WatchRunsRequest{Task: &clockdv1.WatchRunsRequest_TaskName{TaskName: "backup"}, ResumeToken: "seen-0"},
		},
		"FollowRun": {
			func(ctx context.Context, c *client.Client) error { return follow(ctx, c, 3) },
			&clockdv1.FollowRunRequest{RunId: "3"},
		},
		"CancelRun": {
			func(ctx context.Context, c *client.Client) error { _, err := c.CancelRun(ctx, 3, "why"); return err },
			&clockdv1.CancelRunRequest{RunId: "3", Reason: "why"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *fakedaemon.Server, c *client.Client) {
				// "PauseTask" and its kind meet a task of version 1.
				s.Add(fakedaemon.SampleMore())
				if err := tt.call(t.Context(), c); err != nil {
					t.Fatal(err)
				}
				calls := s.Calls()
				if len(calls) != 1 {
					t.Fatalf("%d calls", len(calls))
				}
				if diff := cmp.Diff(tt.want, calls[0].Request, protocmp.Transform()); diff != "" {
					t.Errorf("-want +got\n%s", diff)
				}
			})
		})
	}
}

func TestAnswersComeInTheWordsOfTheDomain(t *testing.T) {
	tasks, runs := fakedaemon.Sample()
	moreTasks, moreRuns := fakedaemon.SampleMore()
	tasks, runs = append(tasks, moreTasks...), append(runs, moreRuns...)
	bubble(t, func(t *testing.T, s *fakedaemon.Server, c *client.Client) {
		ctx := t.Context()
		s.Add(moreTasks, moreRuns)
		for _, want := range tasks {
			got, err := c.Task(ctx, task.ByID(want.ID))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("task %q: -want +got\n%s", want.Declaration.Name, diff)
			}
		}
		for _, want := range runs {
			got, err := c.Run(ctx, want.ID)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("run %s: -want +got\n%s", want.ID, diff)
			}
		}
		update, err := c.UpdateTrigger(ctx, backup, hourly, client.UpdateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if !schedule.Equal(update.Task.Trigger(), hourly) || len(update.NextFires) != 10 || len(update.PreviousFires) != 10 || !update.NextFires[0].Time.Equal(fakedaemon.Now.Add(time.Hour)) {
			t.Errorf("update %v, next %v", update.Task.Trigger(), update.NextFires)
		}
		preview, err := c.PreviewTrigger(ctx, schedule.Trigger{Kind: schedule.Forever{}}, fakedaemon.Now, 9)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(task.Preview{
			Fires: []task.Fire{{Time: fakedaemon.Now}}, End: task.PreviewWaits,
			Description: "as soon as it is in force, and again whenever its last run has ended",
		}, preview); diff != "" {
			t.Errorf("preview: -want +got\n%s", diff)
		}
	})
}

func TestEachCallOfRunTaskHasARequestIDOfItsOwn(t *testing.T) {
	bubble(t, func(t *testing.T, s *fakedaemon.Server, c *client.Client) {
		seen := map[uuid.UUID]bool{}
		for range 3 {
			if _, err := c.RunTask(t.Context(), backup, client.RunOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		for _, call := range s.Calls() {
			id, err := uuid.Parse(call.Request.(*clockdv1.RunTaskRequest).GetRequestId())
			if err != nil || id == uuid.Nil || seen[id] {
				t.Errorf("request id %s, %v", id, err)
			}
			seen[id] = true
		}
	})
}

func TestInputsArriveAsTheyWereGiven(t *testing.T) {
	type report struct {
		Name  string   `json:"name"`
		Pages []int    `json:"pages"`
		Note  *string  `json:"note"`
		Ratio *float64 `json:"ratio,omitempty"`
	}
	tests := map[string]struct {
		input any
		want  string
	}{
		"nothing":       {nil, ""},
		"null":          {json.RawMessage("null"), "null"},
		"a struct":      {report{Name: "a<b", Pages: []int{1, 2}}, `{"name":"a<b","note":null,"pages":[1,2]}`},
		"ready JSON":    {json.RawMessage(` { "b" : 1.50 , "a" : [ ] } `), `{"a":[],"b":1.5}`},
		"a big integer": {int64(1) << 53, "9007199254740992"},
		"a small one":   {json.RawMessage("[-9007199254740992,-0]"), "[-9007199254740992,-0]"},
		"a fraction":    {json.RawMessage("[1.5e300,0.1]"), "[1.5e+300,0.1]"},
		"32 deep":       {json.RawMessage(strings.Repeat("[", 32) + strings.Repeat("]", 32)), strings.Repeat("[", 32) + strings.Repeat("]", 32)},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, _ *fakedaemon.Server, c *client.Client) {
				run, err := c.RunTask(t.Context(), backup, client.RunOptions{Input: tt.input})
				if err != nil {
					t.Fatal(err)
				}
				if string(run.Input) != tt.want {
					t.Errorf("%s, want %s", run.Input, tt.want)
				}
			})
		})
	}
}

func TestInputsThatWouldArriveAsOthersAreRefused(t *testing.T) {
	tests := map[string]any{
		"no form in JSON":       func() {},
		"not a number":          math.NaN(),
		"broken JSON":           json.RawMessage("{"),
		"an integer beyond":     int64(1)<<53 + 1,
		"an integer within":     []any{map[string]uint64{"id": math.MaxUint64}},
		"an exact power of two": json.RawMessage("1152921504606846976"),
		"a number out of range": json.RawMessage("1e400"),
		"33 deep":               json.RawMessage(strings.Repeat("[", 33) + strings.Repeat("]", 33)),
	}
	for name, input := range tests {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *fakedaemon.Server, c *client.Client) {
				_, err := c.RunTask(t.Context(), backup, client.RunOptions{Input: input})
				if !isInvalid(err) || !strings.HasPrefix(err.Error(), "input: ") {
					t.Errorf("error %v", err)
				}
				if calls := s.Calls(); len(calls) != 0 {
					t.Errorf("it was sent: %v", calls)
				}
			})
		})
	}
}
