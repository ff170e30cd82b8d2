package rpc_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/clockd/clockd/daemon/internal/rpc"
	"github.com/clockd/clockd/daemon/task"
	clockdv1 "github.com/clockd/clockd/gen/clockd/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/structpb"
)

func TestOurServerLogsEachCallAsLoudAsItMatters(t *testing.T) {
	for name, c := range map[string]struct {
		fail  error
		level string
	}{
		"done":              {nil, "DEBUG"},
		"the caller's own":  {task.ErrTaskNotFound, "DEBUG"},
		"store unavailable": {task.ErrUnavailable, "WARN"},
		"a defect":          {errors.New("secret"), "ERROR"},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEngine("a")
			e.fail = c.fail
			d := openOurs(t, e)
			_ = second(d.tasks.RunTask(t.Context(), &clockdv1.RunTaskRequest{
				Task: &clockdv1.RunTaskRequest_TaskName{TaskName: "a"}, Input: structpb.NewStringValue("payload"), Wait: true,
			}))
			log := entries(t, d.log)
			last := log[len(log)-1]
			if last["level"] != c.level || last["grpc.method"] != "RunTask" {
				t.Errorf("got %v", last)
			}
			if strings.Contains(d.log.String(), "payload") {
				t.Errorf("the log has the payload: %s", d.log)
			}
		})
	}
}

// A service that a user mounts on our server has no helper of ours: the interceptors contain its panics.
func TestOurServerContainsPanicsOfOtherServicesAndStreams(t *testing.T) {
	log := &journal{}
	panics := grpc.ServiceDesc{
		ServiceName: "other.Service", HandlerType: (*any)(nil),
		Streams: []grpc.StreamDesc{{
			StreamName: "Stream", ServerStreams: true, ClientStreams: true,
			Handler: func(any, grpc.ServerStream) error { panic("secret") },
		}},
	}
	d := serveWith(t, newEngine("a"), log, func(s *grpc.Server) { s.RegisterService(&panics, struct{}{}) }, rpc.ServerOptions(log.logger())...)
	stream, err := d.conn.NewStream(t.Context(), &panics.Streams[0], "/other.Service/Stream")
	if err != nil {
		t.Fatal(err)
	}
	st := status.Convert(stream.RecvMsg(&clockdv1.GetTaskResponse{}))
	id, _ := strings.CutPrefix(st.Message(), "internal error ")
	if st.Code() != codes.Internal || strings.Contains(fmt.Sprint(st.Proto()), "secret") {
		t.Errorf("got %v", st)
	}
	if first := entries(t, log)[0]; first["error_id"] != id || first["error"] != "panic: secret" || !strings.Contains(fmt.Sprint(first["stack"]), "options_test.go") {
		t.Errorf("the log has %v", first)
	}
	must(d.tasks.ListTasks(t.Context(), nil))(t)
}
