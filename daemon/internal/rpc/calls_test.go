package rpc_test

import (
	"context"
	"io"

	"github.com/clockd/clockd/daemon/task"
	"github.com/clockd/clockd/daemon/wire"
	clockdv1 "github.com/clockd/clockd/gen/clockd/v1"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// calls makes a good request to each method.
func calls(d *door) map[string]func(ctx context.Context) error {
	trigger := wire.TriggerToProto(hourly())
	return map[string]func(ctx context.Context) error{
		"ListTasks": func(ctx context.Context) error {
			_, err := d.tasks.ListTasks(ctx, &clockdv1.ListTasksRequest{})
			return err
		},
		"GetTask": func(ctx context.Context) error {
			_, err := d.tasks.GetTask(ctx, &clockdv1.GetTaskRequest{Task: &clockdv1.GetTaskRequest_TaskName{TaskName: "gone"}})
			return err
		},
		"RunTask": func(ctx context.Context) error {
			_, err := d.tasks.RunTask(ctx, &clockdv1.RunTaskRequest{Task: &clockdv1.RunTaskRequest_TaskName{TaskName: "gone"}})
			return err
		},
		"UpdateTrigger": func(ctx context.Context) error {
			_, err := d.tasks.UpdateTrigger(ctx, &clockdv1.UpdateTriggerRequest{
				Task: &clockdv1.UpdateTriggerRequest_TaskName{TaskName: "gone"}, Trigger: trigger,
			})
			return err
		},
		"ResetTrigger": func(ctx context.Context) error {
			_, err := d.tasks.ResetTrigger(ctx, &clockdv1.ResetTriggerRequest{Task: &clockdv1.ResetTriggerRequest_TaskName{TaskName: "gone"}})
			return err
		},
		"PauseTask": func(ctx context.Context) error {
			_, err := d.tasks.PauseTask(ctx, &clockdv1.PauseTaskRequest{Task: &clockdv1.PauseTaskRequest_TaskName{TaskName: "gone"}})
			return err
		},
		"ResumeTask": func(ctx context.Context) error {
			_, err := d.tasks.ResumeTask(ctx, &clockdv1.ResumeTaskRequest{Task: &clockdv1.ResumeTaskRequest_TaskName{TaskName: "gone"}})
			return err
		},
		"PreviewTrigger": func(ctx context.Context) error {
			_, err := d.tasks.PreviewTrigger(ctx, &clockdv1.PreviewTriggerRequest{Subject: &clockdv1.PreviewTriggerRequest_Trigger{Trigger: trigger}})
			return err
		},
		"PreviewTrigger of a task": func(ctx context.Context) error {
			_, err := d.tasks.PreviewTrigger(ctx, &clockdv1.PreviewTriggerRequest{Subject: &clockdv1.PreviewTriggerRequest_TaskName{TaskName: "gone"}})
			return err
		},
		"ListRuns": func(ctx context.Context) error {
			_, err := d.runs.ListRuns(ctx, &clockdv1.ListRunsRequest{})
			return err
		},
		"ListRuns of a task": func(ctx context.Context) error {
			_, err := d.runs.ListRuns(ctx, &clockdv1.ListRunsRequest{Task: &clockdv1.ListRunsRequest_TaskName{TaskName: "gone"}})
			return err
		},
		"GetRun": func(ctx context.Context) error {
			_, err := d.runs.GetRun(ctx, &clockdv1.GetRunRequest{RunId: "7"})
			return err
		},
		"CancelRun": func(ctx context.Context) error {
			_, err := d.runs.CancelRun(ctx, &clockdv1.CancelRunRequest{RunId: "7"})
			return err
		},
		"CreateTask": func(ctx context.Context) error {
			_, err := d.tasks.CreateTask(ctx, &clockdv1.CreateTaskRequest{Task: spec("new")})
			return err
		},
		"UpdateTask": func(ctx context.Context) error {
			_, err := d.tasks.UpdateTask(ctx, &clockdv1.UpdateTaskRequest{
				Task: &clockdv1.UpdateTaskRequest_TaskName{TaskName: "gone"}, Update: &clockdv1.TaskSpec{Group: "x"},
			})
			return err
		},
		"DeleteTask": func(ctx context.Context) error {
			_, err := d.tasks.DeleteTask(ctx, &clockdv1.DeleteTaskRequest{Task: &clockdv1.DeleteTaskRequest_TaskName{TaskName: "gone"}})
			return err
		},
		"BackfillTask": func(ctx context.Context) error {
			_, err := d.tasks.BackfillTask(ctx, &clockdv1.BackfillTaskRequest{
				Task: &clockdv1.BackfillTaskRequest_TaskName{TaskName: "gone"}, StartTime: timestamppb.New(start),
			})
			return err
		},
		"ListAuditEvents": func(ctx context.Context) error {
			_, err := d.tasks.ListAuditEvents(ctx, &clockdv1.ListAuditEventsRequest{Task: &clockdv1.ListAuditEventsRequest_TaskName{TaskName: "gone"}})
			return err
		},
		"DiffConfig": func(ctx context.Context) error {
			_, err := d.tasks.DiffConfig(ctx, &clockdv1.DiffConfigRequest{Config: []byte("x"), FileName: "x.yaml"})
			return err
		},
		"WatchTasks": func(ctx context.Context) error {
			return ended(d.tasks.WatchTasks(ctx, &clockdv1.WatchTasksRequest{}))
		},
		"WatchRuns": func(ctx context.Context) error {
			return ended(d.runs.WatchRuns(ctx, &clockdv1.WatchRunsRequest{}))
		},
		"WatchRuns of a task": func(ctx context.Context) error {
			return ended(d.runs.WatchRuns(ctx, &clockdv1.WatchRunsRequest{Task: &clockdv1.WatchRunsRequest_TaskName{TaskName: "gone"}}))
		},
		"FollowRun": func(ctx context.Context) error {
			return ended(d.runs.FollowRun(ctx, &clockdv1.FollowRunRequest{RunId: "7"}))
		},
		"ListNodes": func(ctx context.Context) error {
			_, err := d.nodes.ListNodes(ctx, &clockdv1.ListNodesRequest{})
			return err
		},
		"DeclareTask": func(ctx context.Context) error {
			_, err := d.nodes.DeclareTask(ctx, &clockdv1.DeclareTaskRequest{Task: declaration("declared")})
			return err
		},
		"Work": func(ctx context.Context) error {
			stream, err := d.workers.Work(ctx)
			if err != nil {
				return err
			}
			hello := helloOf(1)
			hello.Tasks = []*clockdv1.TaskSpec{{TaskName: "announced", Trigger: trigger}}
			_ = stream.Send(&clockdv1.WorkRequest{Message: &clockdv1.WorkRequest_Hello{Hello: hello}})
			_ = stream.CloseSend()
			for err == nil {
				_, err = stream.Recv() // whatever became of what was sent, it says
			}
			if err == io.EOF {
				return nil
			}
			return err
		},
	}
}

// declaration is one of a task as a program has it.
func declaration(name string) *clockdv1.TaskMetadata {
	return wire.DeclarationToProto(task.Declaration{Name: name, Trigger: hourly(), Target: task.Target{Kind: "function"}})
}

// spec is that of a task that can be made.
func spec(name string) *clockdv1.TaskSpec {
	return &clockdv1.TaskSpec{
		TaskName: name, Trigger: wire.TriggerToProto(hourly()),
		Target: &clockdv1.TaskSpec_Http{Http: &clockdv1.HttpTarget{Url: "http://localhost/"}},
	}
}

// ended reads a stream to its end.
func ended[A any](stream grpc.ServerStreamingClient[A], err error) error {
	for err == nil {
		_, err = stream.Recv()
	}
	if err == io.EOF {
		return nil
	}
	return err
}
