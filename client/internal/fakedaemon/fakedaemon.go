// Package fakedaemon answers the API from a small fixed state, for the tests of the SDK and of clockctl.
// It has no clock, starts nothing and decides as little as it can: what a daemon really does is tested
// with the real one. Time stands still at [Now].
package fakedaemon

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
	"github.com/clockd/clockd/daemon/wire"
	clockdv1 "github.com/clockd/clockd/gen/clockd/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// Now is the instant at which the fake lives.
var Now = time.Date(2027, 1, 31, 12, 0, 0, 0, time.UTC)

// A Call is one request that arrived.
type Call struct {
	// Method is the name of the RPC, such as "ListTasks".
	Method string
	// Actor is what the caller's metadata says.
	Actor string
	// Request is the message.
	Request proto.Message
}

// Server is a fake daemon. Its methods may be called at the same time.
type Server struct {
	clockdv1.UnimplementedTaskServiceServer
	clockdv1.UnimplementedRunServiceServer
	clockdv1.UnimplementedWorkerServiceServer
	clockdv1.UnimplementedNodeServiceServer

	mu      sync.Mutex
	tasks   []task.Task // by name
	runs    []task.Run  // the newest last
	events  []task.Event
	workers []*clockdv1.Worker
	nodes   []*clockdv1.Node
	output  map[task.RunID][]task.Output
	calls   []Call
	hook    func(ctx context.Context, method string) error
	changes []change
	broken  int           // how often EndStreams was called
	breaks  error         // what it said last
	stirred chan struct{} // closed, and replaced, when a stream may have something to tell
}

// New returns a Server with these tasks and runs.
func New(tasks []task.Task, runs []task.Run) *Server {
	s := &Server{output: map[task.RunID][]task.Output{}, stirred: make(chan struct{})}
	s.Add(tasks, runs)
	s.changes = nil
	return s
}

// Add makes the server know these tasks and runs too, and tells its watchers. A task or run that it knows under
// the same id is replaced.
func (s *Server) Add(tasks []task.Task, runs []task.Run) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range tasks {
		s.put(t)
	}
	for _, run := range runs {
		s.putRun(run)
	}
}

// Record adds audit events, the newest last. Ids are given in their order.
func (s *Server) Record(events ...task.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range events {
		s.record(e)
	}
}

// record, put, remove and putRun are for those who hold mu.
func (s *Server) record(e task.Event) {
	e.ID = int64(len(s.events) + 1)
	s.events = append(s.events, e)
}

func (s *Server) put(t task.Task) {
	at, found := slices.BinarySearchFunc(s.tasks, t.Declaration.Name, func(t task.Task, name string) int {
		return strings.Compare(t.Declaration.Name, name)
	})
	if found {
		s.tasks[at] = t
	} else {
		s.tasks = slices.Insert(s.tasks, at, t)
	}
	s.tell(change{task: &t})
}

func (s *Server) remove(t task.Task) {
	s.tasks = slices.DeleteFunc(s.tasks, func(o task.Task) bool { return o.ID == t.ID })
	s.tell(change{deleted: t.ID})
}

func (s *Server) putRun(run task.Run) {
	at := slices.IndexFunc(s.runs, func(o task.Run) bool { return o.ID == run.ID })
	if at < 0 {
		s.runs = append(s.runs, run)
	} else {
		s.runs[at] = run
	}
	s.tell(change{run: &run})
}

// Server returns a gRPC server that has the services. The caller serves and stops it.
func (s *Server) Server() *grpc.Server {
	g := grpc.NewServer(grpc.UnaryInterceptor(s.intercept), grpc.StreamInterceptor(s.interceptStream))
	clockdv1.RegisterTaskServiceServer(g, s)
	clockdv1.RegisterRunServiceServer(g, s)
	clockdv1.RegisterWorkerServiceServer(g, s)
	clockdv1.RegisterNodeServiceServer(g, s)
	return g
}

// Hook makes f see every call before it is answered; an error of f is the answer. A status is sent as it
// is, other errors as a daemon sends them.
func (s *Server) Hook(f func(ctx context.Context, method string) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hook = f
}

// Calls returns the calls that arrived so far, in their order.
func (s *Server) Calls() []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

func (s *Server) intercept(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	if err := s.arrived(ctx, info.FullMethod, req); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	resp, err := handler(ctx, req)
	return resp, answer(err)
}

// arrived notes a call, and returns what the hook answers.
func (s *Server) arrived(ctx context.Context, fullMethod string, req any) error {
	method := fullMethod[strings.LastIndex(fullMethod, "/")+1:]
	s.mu.Lock()
	s.calls = append(s.calls, Call{
		Method:  method,
		Actor:   actor(ctx),
		Request: proto.Clone(req.(proto.Message)),
	})
	hook := s.hook
	s.mu.Unlock()
	if hook == nil {
		return nil
	}
	return answer(hook(ctx, method))
}

// actor is who the caller says it is.
func actor(ctx context.Context) string {
	return strings.Join(metadata.ValueFromIncomingContext(ctx, wire.ActorMetadata), " ")
}

// answer is the error as it leaves a daemon. What is a status already stays.
func answer(err error) error {
	if _, ok := status.FromError(err); ok {
		return err
	}
	return wire.ToStatus(err, func(error) string { return "7f3a" }).Err()
}

// find returns the task that a request names. The caller holds mu, as in all handlers.
func (s *Server) find(req interface {
	GetTaskId() string
	GetTaskName() string
},
) (*task.Task, error) {
	ref := task.ByName(req.GetTaskName())
	for i := range s.tasks {
		t := &s.tasks[i]
		if req.GetTaskId() != "" && t.ID.String() == req.GetTaskId() || req.GetTaskName() != "" && t.Declaration.Name == ref.Name {
			return t, nil
		}
	}
	name := req.GetTaskId() + req.GetTaskName()
	if name == "" {
		return nil, task.Invalid("task", "task_id or task_name is required")
	}
	return nil, &task.NotFoundError{Class: task.ErrTaskNotFound, Name: name}
}

// page cuts a page out of a list; its token is the index at which the next begins.
func page[T any](list []T, size int32, token string) (items []T, next string, err error) {
	if size < 0 {
		return nil, "", task.Invalid("page_size", "%d is negative", size)
	}
	if size == 0 {
		size = 100
	}
	from := 0
	if token != "" {
		if _, err := fmt.Sscanf(token, "at-%d", &from); err != nil || from > len(list) {
			return nil, "", task.Invalid("page_token", "%q is not one of ours", token)
		}
	}
	to := min(len(list), from+int(size))
	if to < len(list) {
		next = fmt.Sprintf("at-%d", to)
	}
	return list[from:to], next, nil
}

// extensions are what triggers may name: a calendar of two days, and a custom kind that fires every twelve
// hours and twenty-five minutes, whatever its value.
var extensions = func() *schedule.Extensions {
	x, err := schedule.NewExtensions(map[string][]schedule.Exclusion{
		"holidays": {schedule.Dates{
			First: schedule.Date{Year: 2027, Month: 2, Day: 1}, Last: schedule.Date{Year: 2027, Month: 2, Day: 2}, TimeZone: "Europe/Berlin",
		}},
	}, map[string]schedule.NewSource{
		"type.googleapis.com/acme.v1.Tide": func(string) (schedule.Source, error) { return tide{}, nil },
	})
	if err != nil {
		panic(err)
	}
	return x
}()

type tide struct{}

// Next counts from the zero time.
func (tide) Next(after time.Time) (time.Time, error) {
	const between = 12*time.Hour + 25*time.Minute
	return after.Truncate(between).Add(between), nil
}

// fires returns the next fires of a trigger that has been in force since Now. Those of a task, which is not
// nil, have their jitter.
func fires(t schedule.Trigger, start time.Time, count int, of *task.Task) (task.Preview, error) {
	c, err := extensions.Compile(t)
	if err != nil {
		return task.Preview{}, under("trigger", err)
	}
	p := task.Preview{End: task.PreviewCount, Description: t.Describe()}
	progress := schedule.Progress{Anchor: start}
	since := start
	next, status := c.First(progress)
	for range count {
		switch status {
		case schedule.Over:
			p.End = task.PreviewOver
			return p, nil
		case schedule.Waits:
			p.End = task.PreviewWaits
			return p, nil
		}
		shift, _ := c.DSTShift(next, progress)
		fire := task.Fire{Time: next, DSTShift: shift, Excluded: c.Excluded(since, next, progress, 1000)}
		since = next
		progress = c.Count(next, 0, progress)
		next, status = c.Next(next, progress)
		if fire.JitterLimit = c.JitterLimit(fire.Time, next); fire.JitterLimit > 0 && of != nil {
			fire.JitteredTime = c.Jittered(of.ID, fire.Time, next)
		}
		p.Fires = append(p.Fires, fire)
	}
	return p, nil
}

// under puts the field before the paths of the violations.
func under(field string, err error) error {
	invalid, ok := err.(*task.InvalidError)
	if !ok {
		return err
	}
	moved := &task.InvalidError{}
	for _, v := range invalid.Violations {
		v.Field = strings.TrimSuffix(field+"."+v.Field, ".")
		moved.Violations = append(moved.Violations, v)
	}
	return moved
}
