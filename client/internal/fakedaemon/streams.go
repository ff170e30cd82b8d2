package fakedaemon

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/clockd/clockd/daemon/task"
	"github.com/clockd/clockd/daemon/wire"
	clockdv1 "github.com/clockd/clockd/gen/clockd/v1"
	"github.com/google/uuid"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
)

// A change is one thing that a watch tells.
type change struct {
	task      *task.Task
	deleted   uuid.UUID
	run       *task.Run
	takenBack task.RunID
	of        uuid.UUID // the task of what was taken back
}

// tell lets the watchers know. The caller holds mu.
func (s *Server) tell(c change) {
	s.changes = append(s.changes, c)
	s.stir()
}

func (s *Server) stir() {
	close(s.stirred)
	s.stirred = make(chan struct{})
}

// TakeBack removes a run as one that never was.
func (s *Server) TakeBack(id task.RunID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, run := range s.runs {
		if run.ID == id {
			s.runs = slices.Delete(s.runs, i, i+1)
			s.tell(change{takenBack: id, of: run.TaskID})
			return
		}
	}
}

// Write makes a run write something, for those who follow it.
func (s *Server) Write(id task.RunID, pieces ...task.Output) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.output[id] = append(s.output[id], pieces...)
	s.stir()
}

// EndStreams ends the streams that are open now with this error: see [Server.Hook] for what is sent.
func (s *Server) EndStreams(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken++
	s.breaks = err
	s.stir()
}

func (s *Server) interceptStream(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	return answer(handler(srv, &noted{ServerStream: stream, method: info.FullMethod, server: s}))
}

// noted is a stream whose request goes past the hook.
type noted struct {
	grpc.ServerStream
	method string
	server *Server
}

func (n *noted) RecvMsg(m any) error {
	if err := n.ServerStream.RecvMsg(m); err != nil {
		return err
	}
	if _, ok := m.(proto.Message); !ok {
		return nil
	}
	return n.server.arrived(n.Context(), n.method, m)
}

// stream calls step until it says that it has nothing to tell, then waits, until the stream ends. step holds mu.
// more is false at the end of the stream.
func (s *Server) stream(ctx context.Context, step func() (send func() error, more bool)) error {
	s.mu.Lock()
	broken := s.broken
	s.mu.Unlock()
	for {
		s.mu.Lock()
		if s.broken > broken {
			defer s.mu.Unlock()
			return s.breaks
		}
		send, more := step()
		stirred := s.stirred
		s.mu.Unlock()
		if send != nil {
			if err := send(); err != nil {
				return err
			}
		}
		if !more {
			return nil
		}
		if send != nil {
			continue
		}
		select {
		case <-stirred:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// begin reads a resume token: the number of changes that were told.
func (s *Server) begin(token string) (at int, err error) {
	if token == "" {
		return -1, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := fmt.Sscanf(token, "seen-%d", &at); err != nil || at < 0 || at > len(s.changes) {
		return 0, task.Invalid("resume_token", "%q is not one of ours", token)
	}
	return at, nil
}

// WatchTasks tells what is in one response, then each change in one of its own.
func (s *Server) WatchTasks(req *clockdv1.WatchTasksRequest, stream grpc.ServerStreamingServer[clockdv1.WatchTasksResponse]) error {
	at, err := s.begin(req.GetResumeToken())
	if err != nil {
		return err
	}
	prefix := req.GetFilter().GetNamePrefix()
	synced := false
	return s.stream(stream.Context(), func() (func() error, bool) {
		resp := &clockdv1.WatchTasksResponse{}
		switch {
		case at < 0:
			at = len(s.changes)
			resp.Reset_, resp.Synced, synced = true, true, true
			for _, t := range s.tasks {
				if strings.HasPrefix(t.Declaration.Name, prefix) {
					resp.Tasks = append(resp.Tasks, wire.TaskToProto(t))
				}
			}
		case at < len(s.changes):
			c := s.changes[at]
			at++
			switch {
			case c.task != nil && strings.HasPrefix(c.task.Declaration.Name, prefix):
				resp.Tasks = append(resp.Tasks, wire.TaskToProto(*c.task))
			case c.deleted != uuid.Nil:
				resp.DeletedTaskIds = append(resp.DeletedTaskIds, c.deleted.String())
			default:
				return func() error { return nil }, true
			}
		case !synced:
			resp.Synced, synced = true, true
		default:
			return nil, true
		}
		resp.ResumeToken = fmt.Sprintf("seen-%d", at)
		return func() error { return stream.Send(resp) }, true
	})
}

// WatchRuns tells of the runs that have not ended in one response, then each change in one of its own.
func (s *Server) WatchRuns(req *clockdv1.WatchRunsRequest, stream grpc.ServerStreamingServer[clockdv1.WatchRunsResponse]) error {
	at, err := s.begin(req.GetResumeToken())
	if err != nil {
		return err
	}
	of := uuid.Nil
	if req.GetTask() != nil {
		s.mu.Lock()
		t, err := s.find(req)
		if err == nil {
			of = t.ID
		}
		s.mu.Unlock()
		if err != nil {
			return err
		}
	}
	mine := func(id uuid.UUID) bool { return of == uuid.Nil || id == of }
	synced := false
	return s.stream(stream.Context(), func() (func() error, bool) {
		resp := &clockdv1.WatchRunsResponse{}
		switch {
		case at < 0:
			at = len(s.changes)
			resp.Reset_, resp.Synced, synced = true, true, true
			for _, run := range s.runs {
				if mine(run.TaskID) && !run.State.Ended() {
					resp.Runs = append(resp.Runs, bare(run))
				}
			}
		case at < len(s.changes):
			c := s.changes[at]
			at++
			switch {
			case c.run != nil && mine(c.run.TaskID):
				resp.Runs = append(resp.Runs, bare(*c.run))
			case c.takenBack != 0 && mine(c.of):
				resp.DeletedRunIds = append(resp.DeletedRunIds, c.takenBack.String())
			default:
				return func() error { return nil }, true
			}
		case !synced:
			resp.Synced, synced = true, true
		default:
			return nil, true
		}
		resp.ResumeToken = fmt.Sprintf("seen-%d", at)
		return func() error { return stream.Send(resp) }, true
	})
}

// bare is a run without its input and output.
func bare(run task.Run) *clockdv1.Run {
	run.Input, run.Output = nil, nil
	return wire.RunToProto(run)
}

// FollowRun tells what was written with [Server.Write] until the run has ended. A run that waits starts by being
// followed: it writes a line to each stream and ends at once, well unless its input is the string "fail".
func (s *Server) FollowRun(req *clockdv1.FollowRunRequest, stream grpc.ServerStreamingServer[clockdv1.FollowRunResponse]) error {
	s.mu.Lock()
	run, err := s.run(req.GetRunId())
	if err == nil && run.State == task.Scheduled && run.Reason == 0 {
		ended := *run
		ended.State, ended.StartTime, ended.EndTime, ended.Attempt = task.Succeeded, Now, Now, 1
		ended.Output = []byte(`{"exit_code":0,"stderr":"careful\n","stdout":"working\n"}`)
		if string(ended.Input) == `"fail"` {
			ended.State, ended.Error = task.Failed, "exit status 3"
			ended.Output = []byte(`{"exit_code":3,"stderr":"careful\n","stdout":"working\n"}`)
		}
		s.output[ended.ID] = []task.Output{
			{Stream: task.Stdout, Data: []byte("working\n"), Attempt: 1}, {Stream: task.Stderr, Data: []byte("careful\n"), Attempt: 1},
		}
		s.putRun(ended)
	}
	s.mu.Unlock()
	if err != nil {
		return err
	}
	told := 0
	return s.stream(stream.Context(), func() (func() error, bool) {
		run, err := s.run(req.GetRunId())
		if err != nil {
			return func() error { return err }, true
		}
		resp := &clockdv1.FollowRunResponse{}
		switch {
		case told < len(s.output[run.ID]):
			resp.Chunk = wire.OutputToProto(s.output[run.ID][told])
			told++
		case run.State.Ended():
			resp.Run = wire.RunToProto(*run)
			return func() error { return stream.Send(resp) }, false
		default:
			return nil, true
		}
		return func() error { return stream.Send(resp) }, true
	})
}
