package rpc_test

import (
	"cmp"
	"context"
	"errors"
	"net"
	"strings"
	"testing"

	"github.com/clockd/clockd/daemon/internal/rpc"
	"github.com/clockd/clockd/daemon/task"
	"github.com/clockd/clockd/daemon/wire"
	clockdv1 "github.com/clockd/clockd/gen/clockd/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
)

// A registrar is no server: it hands the services out, to be called as functions.
type registrar map[string]any

func (r registrar) RegisterService(desc *grpc.ServiceDesc, service any) {
	r[desc.ServiceName] = service
}

func services(e rpc.Engine, log *journal) (clockdv1.TaskServiceServer, clockdv1.RunServiceServer) {
	r := registrar{}
	rpc.New(rpc.Config{Engine: e, Workers: newHub(), Logger: log.logger()}).Register(r)
	return r[clockdv1.TaskService_ServiceDesc.ServiceName].(clockdv1.TaskServiceServer),
		r[clockdv1.RunService_ServiceDesc.ServiceName].(clockdv1.RunServiceServer)
}

// A stream is one end of a call as a function.
type stream[A any] struct {
	grpc.ServerStreamingServer[A]
	ctx  context.Context
	sent []*A
	fail error
}

func (s *stream[A]) Context() context.Context { return s.ctx }

func (s *stream[A]) Send(a *A) error {
	s.sent = append(s.sent, a)
	return s.fail
}

func TestAServiceCalledAsAFunctionKeepsItsPromises(t *testing.T) {
	e := newEngine("a")
	tasks, runs := services(e, &journal{})
	ctx := context.Background()
	refused(t, second(tasks.GetTask(ctx, nil)), "task")
	refused(t, second(tasks.RunTask(ctx, nil)), "task")
	refused(t, second(tasks.UpdateTrigger(ctx, nil)), "task", "trigger")
	refused(t, second(tasks.ResetTrigger(ctx, nil)), "task")
	refused(t, second(tasks.PauseTask(ctx, nil)), "task")
	refused(t, second(tasks.ResumeTask(ctx, nil)), "task")
	refused(t, second(tasks.PreviewTrigger(ctx, nil)), "subject")
	refused(t, second(runs.GetRun(ctx, nil)), "run_id")
	refused(t, second(runs.CancelRun(ctx, nil)), "run_id")
	refused(t, second(tasks.CreateTask(ctx, nil)), "task")
	refused(t, second(tasks.UpdateTask(ctx, nil)), "task", "update")
	refused(t, second(tasks.DeleteTask(ctx, nil)), "task")
	refused(t, second(tasks.BackfillTask(ctx, nil)), "task", "start_time")
	refused(t, runs.FollowRun(nil, &stream[clockdv1.FollowRunResponse]{ctx: ctx}), "run_id")
	must(tasks.ListAuditEvents(ctx, nil))(t)
	must(tasks.DiffConfig(ctx, nil))(t)
	e.end = task.ErrStopping
	for name, err := range map[string]error{
		"WatchTasks": tasks.WatchTasks(nil, &stream[clockdv1.WatchTasksResponse]{ctx: ctx}),
		"WatchRuns":  runs.WatchRuns(nil, &stream[clockdv1.WatchRunsResponse]{ctx: ctx}),
	} {
		if err := wire.FromError(err); !errors.Is(err, task.ErrStopping) {
			t.Errorf("%s: %v", name, err)
		}
	}
	must(tasks.ListTasks(ctx, nil))(t)
	must(runs.ListRuns(ctx, nil))(t)

	// Strings that a server would have refused.
	_, err := tasks.GetTask(ctx, &clockdv1.GetTaskRequest{Task: &clockdv1.GetTaskRequest_TaskName{TaskName: "caf\xe9"}})
	if reason := wire.FromError(err); reason == nil || e.asked == task.ByName("caf\xe9") {
		t.Errorf("got %v, asked %v", reason, e.asked)
	}
	refused(t, second(tasks.PauseTask(ctx, &clockdv1.PauseTaskRequest{
		Task: &clockdv1.PauseTaskRequest_TaskName{TaskName: "a"}, Reason: "caf\xe9",
	})), "reason")
}

func TestTheDefaultActorIsTheAddressOfThePeer(t *testing.T) {
	e := newEngine("a")
	tasks, _ := services(e, &journal{})
	with := func(a net.Addr) context.Context { return peer.NewContext(context.Background(), &peer.Peer{Addr: a}) }
	said := func(s string) context.Context {
		return metadata.NewIncomingContext(with(nil), metadata.Pairs(wire.ActorMetadata, s))
	}
	for name, c := range map[string]struct {
		ctx  context.Context
		want string
		peer string // empty: the same
	}{
		"no peer":                {context.Background(), "in-process", ""},
		"no address":             {with(nil), "in-process", ""},
		"TCP":                    {with(&net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 7}), "192.0.2.1:7", ""},
		"an unnamed Unix socket": {with(&net.UnixAddr{Net: "unix"}), "unix socket", ""},
		"a named Unix socket":    {with(&net.UnixAddr{Net: "unix", Name: "/run/x.sock"}), "/run/x.sock", ""},
		"an actor behind a port": {
			metadata.NewIncomingContext(with(&net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 7}), metadata.Pairs(wire.ActorMetadata, "ada")),
			"ada", "192.0.2.1:7",
		},
		"control characters":   {said("a\x00d\na"), "ada", "in-process"},
		"not UTF-8":            {said("caf\xe9"), "caf\uFFFD", "in-process"},
		"no character is torn": {said(strings.Repeat("x", 255) + "é"), strings.Repeat("x", 255), "in-process"},
	} {
		t.Run(name, func(t *testing.T) {
			must(tasks.PauseTask(c.ctx, &clockdv1.PauseTaskRequest{Task: &clockdv1.PauseTaskRequest_TaskName{TaskName: "a"}}))(t)
			same(t, task.PauseChange{Edit: task.Edit{Actor: c.want, Peer: cmp.Or(c.peer, c.want)}}, e.asked)
		})
	}
}

func TestNewWithoutWhatItNeedsPanics(t *testing.T) {
	for name, c := range map[string]rpc.Config{
		"no engine": {Workers: newHub()}, "no workers": {Engine: newEngine()},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("nothing happened")
				}
			}()
			rpc.New(c)
		})
	}
}
