package rpc_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/clockd/clockd/daemon/internal/rpc"
	"github.com/clockd/clockd/daemon/task"
	"github.com/clockd/clockd/daemon/wire"
	clockdv1 "github.com/clockd/clockd/gen/clockd/v1"
	"github.com/google/uuid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// heard reads a stream to its end, and returns how it ended.
func heard[A any](t *testing.T) func(stream grpc.ServerStreamingClient[A], err error) ([]*A, error) {
	return func(stream grpc.ServerStreamingClient[A], err error) ([]*A, error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		var all []*A
		for {
			a, err := stream.Recv()
			if err != nil {
				return all, err
			}
			all = append(all, a)
		}
	}
}

func at(change int64) task.WatchPosition {
	return task.WatchPosition{Store: uuid.UUID{1}, Change: change, OldestOpen: 3}
}

func TestWatchTasksTellsWhatIsAndThenWhatChanges(t *testing.T) {
	for server, open := range servers {
		t.Run(server, func(t *testing.T) {
			e := newEngine("a", "b")
			gone := uuid.UUID{7}
			e.taskChanges = []task.TaskChanges{
				{Tasks: e.tasks[:1], Reset: true, Position: at(1)},
				{Tasks: e.tasks[1:], Synced: true, Position: at(2)},
				{Tasks: e.tasks[:1], Position: at(3)},
				{Deleted: []uuid.UUID{gone}, Position: at(4)},
			}
			e.end = task.ErrStopping
			d := open(t, e)
			q := &clockdv1.WatchTasksRequest{Filter: &clockdv1.TaskFilter{NamePrefix: "p"}}
			got, err := heard[clockdv1.WatchTasksResponse](t)(d.tasks.WatchTasks(t.Context(), q))
			if !errors.Is(wire.FromError(err), task.ErrStopping) {
				t.Errorf("ended with %v", err)
			}
			same(t, task.TaskWatch{NamePrefix: "p"}, e.asked)
			var tokens []string
			for _, a := range got {
				tokens = append(tokens, a.GetResumeToken())
				a.ResumeToken = ""
			}
			a, b := wire.TaskToProto(e.tasks[0]), wire.TaskToProto(e.tasks[1])
			same(t, []*clockdv1.WatchTasksResponse{
				{Tasks: []*clockdv1.TaskMetadata{a}, Reset_: true},
				{Tasks: []*clockdv1.TaskMetadata{b}, Synced: true},
				{Tasks: []*clockdv1.TaskMetadata{a}},
				{DeletedTaskIds: []string{gone.String()}},
			}, got)
			// Before all was told there is nothing to go on from; afterwards each has a place of its own.
			if len(tokens) != 4 || tokens[0] != "" || slices.Contains(tokens[1:], "") || tokens[1] == tokens[2] || tokens[2] == tokens[3] {
				t.Fatalf("tokens %q", tokens)
			}
			for i, token := range tokens[1:] {
				q.ResumeToken = token
				if _, err := heard[clockdv1.WatchTasksResponse](t)(d.tasks.WatchTasks(t.Context(), q)); !errors.Is(wire.FromError(err), task.ErrStopping) {
					t.Error(err)
				}
				same(t, task.TaskWatch{NamePrefix: "p", Resume: at(int64(i + 2))}, e.asked)
			}
			q.Filter.NamePrefix = "q"
			refused(t, ended(d.tasks.WatchTasks(t.Context(), q)), "resume_token")
		})
	}
}

func TestWatchRunsTellsOfTheRunsOfATask(t *testing.T) {
	e := withRuns(newEngine("a", "b"), 3)
	e.runChanges = []task.RunChanges{
		{Runs: e.runs, Reset: true, Synced: true, Position: at(1)},
		{TakenBack: []task.RunID{9}, Position: at(2)},
	}
	e.end = task.ErrStopping
	d := open(t, e)
	q := &clockdv1.WatchRunsRequest{Task: &clockdv1.WatchRunsRequest_TaskName{TaskName: "b"}}
	got, err := heard[clockdv1.WatchRunsResponse](t)(d.runs.WatchRuns(t.Context(), q))
	if !errors.Is(wire.FromError(err), task.ErrStopping) || len(got) != 2 {
		t.Fatalf("ended with %v after %v", err, got)
	}
	same(t, of{task.ByName("b"), task.RunWatch{}}, e.asked)
	for _, run := range got[0].GetRuns() {
		if run.GetInput() != nil || run.GetOutput() != nil {
			t.Errorf("run %s has its input or output", run.GetId())
		}
	}
	if len(got[0].GetRuns()) != 3 || !got[0].GetReset_() || !got[0].GetSynced() {
		t.Errorf("first %v", got[0])
	}
	same(t, []string{"9"}, got[1].GetDeletedRunIds())

	q.ResumeToken = got[1].GetResumeToken()
	if err := ended(d.runs.WatchRuns(t.Context(), q)); !errors.Is(wire.FromError(err), task.ErrStopping) {
		t.Error(err)
	}
	same(t, of{task.ByName("b"), task.RunWatch{Resume: at(2)}}, e.asked)
	for _, other := range []*clockdv1.WatchRunsRequest{
		{}, {Task: &clockdv1.WatchRunsRequest_TaskName{TaskName: "a"}}, {Task: &clockdv1.WatchRunsRequest_TaskId{TaskId: requestID}},
	} {
		other.ResumeToken = q.ResumeToken
		refused(t, ended(d.runs.WatchRuns(t.Context(), other)), "resume_token")
	}
	refused(t, ended(d.tasks.WatchTasks(t.Context(), &clockdv1.WatchTasksRequest{ResumeToken: q.ResumeToken})), "resume_token")
}

// What was sent whole decides, and not how far the daemon itself had come.
func TestAWatchThatIsTooSlowIsToldWhereToGoOn(t *testing.T) {
	e := newEngine("a")
	e.end = &task.TooSlowError{Position: at(99)}
	d := open(t, e)
	slow := func(q *clockdv1.WatchTasksRequest, changes ...task.TaskChanges) (last, token string) {
		t.Helper()
		e.taskChanges = changes
		got, err := heard[clockdv1.WatchTasksResponse](t)(d.tasks.WatchTasks(t.Context(), q))
		var slow *task.TooSlowError
		if status.Code(err) != codes.Aborted || !errors.As(wire.FromError(err), &slow) {
			t.Fatalf("ended with %v", err)
		}
		if len(got) > 0 {
			last = got[len(got)-1].GetResumeToken()
		}
		return last, slow.ResumeToken
	}
	last, token := slow(&clockdv1.WatchTasksRequest{},
		task.TaskChanges{Reset: true, Synced: true, Position: at(1)}, task.TaskChanges{Tasks: e.tasks, Position: at(2)})
	if last == "" || token != last {
		t.Errorf("the last token is %q, the end says %q", last, token)
	}
	if last, again := slow(&clockdv1.WatchTasksRequest{ResumeToken: token}, task.TaskChanges{Tasks: e.tasks, Position: at(3)}); last != token || again != token {
		t.Errorf("before it is synced: %q and %q, want %q", last, again, token)
	}
	if last, again := slow(&clockdv1.WatchTasksRequest{ResumeToken: token}, task.TaskChanges{Reset: true, Position: at(3)}); last != "" || again != "" {
		t.Errorf("after a reset: %q and %q", last, again)
	}
	if _, again := slow(&clockdv1.WatchTasksRequest{}); again != "" {
		t.Errorf("before anything: %q", again)
	}
}

// A reset of a watch of runs is for those that were open: what has ended since the token is told only to who comes with
// that. So it holds until all has been told.
func TestAWatchThatIsCutOffAfterAResetGoesOnFromWhereItBegan(t *testing.T) {
	e := withRuns(newEngine("a"), 1)
	e.end = task.ErrStopping
	d := open(t, e)
	tokens := func(q *clockdv1.WatchRunsRequest, changes ...task.RunChanges) (tokens []string) {
		t.Helper()
		e.runChanges = changes
		got, _ := heard[clockdv1.WatchRunsResponse](t)(d.runs.WatchRuns(t.Context(), q))
		for _, a := range got {
			tokens = append(tokens, a.GetResumeToken())
		}
		return tokens
	}
	began := tokens(&clockdv1.WatchRunsRequest{}, task.RunChanges{Reset: true, Synced: true, Position: at(1)})[0]
	got := tokens(&clockdv1.WatchRunsRequest{ResumeToken: began},
		task.RunChanges{Runs: e.runs, Reset: true, Position: at(1)}, task.RunChanges{Runs: e.runs, Position: at(1)}, task.RunChanges{Synced: true, Position: at(2)})
	if len(got) != 3 || got[0] != began || got[1] != began || got[2] == began || got[2] == "" {
		t.Errorf("began with %q, and was sent %q", began, got)
	}
	other := task.WatchPosition{Store: uuid.UUID{2}} // of a store that does not know the token
	if got := tokens(&clockdv1.WatchRunsRequest{ResumeToken: began}, task.RunChanges{Runs: e.runs, Reset: true, Position: other}); len(got) != 1 || got[0] != "" {
		t.Errorf("from another store it was sent %q", got)
	}
}

func TestWhatIsToldTogetherIsCutIntoResponsesOfOneMegabyte(t *testing.T) {
	e := newEngine(names(60)...)
	for i := range e.tasks {
		e.tasks[i].Declaration.Description = strings.Repeat("x", 100<<10)
	}
	e.tasks[30].Declaration.Description = strings.Repeat("x", 2<<20) // goes alone
	deleted := make([]uuid.UUID, 60_000)
	for i := range deleted {
		deleted[i] = uuid.UUID{byte(i), byte(i >> 8), byte(i >> 16), 1}
	}
	e.taskChanges = []task.TaskChanges{{Tasks: e.tasks, Reset: true, Synced: true, Position: at(1)}, {Deleted: deleted, Position: at(2)}}
	e.end = task.ErrStopping
	d := openOurs(t, e)
	got, err := heard[clockdv1.WatchTasksResponse](t)(d.tasks.WatchTasks(t.Context(), &clockdv1.WatchTasksRequest{}))
	if !errors.Is(wire.FromError(err), task.ErrStopping) {
		t.Fatal(err)
	}
	var seen []string
	gone, synced := 0, -1
	for i, a := range got {
		if n := proto.Size(a); n > 1<<20 && len(a.GetTasks()) != 1 {
			t.Errorf("response %d has %d bytes", i, n)
		}
		if a.GetReset_() != (i == 0) {
			t.Errorf("response %d: reset is %t", i, a.GetReset_())
		}
		if a.GetSynced() {
			synced = i
		}
		// No token may say more than was told: that of a part is that of what came before the whole.
		switch {
		case synced < 0 && a.GetResumeToken() != "":
			t.Errorf("response %d has a token", i)
		case synced >= 0 && i < len(got)-1 && a.GetResumeToken() != got[synced].GetResumeToken():
			t.Errorf("response %d has another token", i)
		case i == len(got)-1 && a.GetResumeToken() == got[synced].GetResumeToken():
			t.Error("the last part has the token of the first")
		}
		for _, m := range a.GetTasks() {
			seen = append(seen, m.GetTaskName())
		}
		gone += len(a.GetDeletedTaskIds())
		if len(a.GetTasks()) > 0 && len(a.GetDeletedTaskIds()) > 0 {
			t.Errorf("response %d has both", i)
		}
	}
	same(t, names(60), seen)
	if gone != len(deleted) || synced < 5 || len(got) < synced+3 {
		t.Errorf("%d deleted, synced with response %d of %d", gone, synced, len(got))
	}
}

func TestFollowRunTellsWhatARunWritesAndHowItEnded(t *testing.T) {
	e := withRuns(newEngine("a", "b"), 1)
	long := bytes.Repeat([]byte("x"), 600<<10)
	e.output = []task.Output{
		{Stream: task.Stdout, Data: []byte("a\xff"), Attempt: 1},
		{Stream: task.Stderr, Data: long, Dropped: 7, Attempt: 2},
		{Stream: task.Stdout, Dropped: 9, Attempt: 2},
	}
	e.end = errEnded
	d := open(t, e)
	stream, err := d.runs.FollowRun(t.Context(), &clockdv1.FollowRunRequest{RunId: "1"})
	if err != nil {
		t.Fatal(err)
	}
	var data []byte
	var dropped []int64
	for {
		a, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		if a.GetRun() != nil {
			same(t, wire.RunToProto(e.runs[0]), a.GetRun())
			break
		}
		if n := len(a.GetChunk().GetData()); n > 256<<10 {
			t.Errorf("a chunk of %d bytes", n)
		}
		data = append(data, a.GetChunk().GetData()...)
		dropped = append(dropped, a.GetChunk().GetDropped())
	}
	if !bytes.Equal(data, append([]byte("a\xff"), long...)) {
		t.Errorf("%d bytes arrive", len(data))
	}
	same(t, []int64{0, 7, 0, 0, 9}, dropped)
	if more, err := stream.Recv(); err == nil {
		t.Errorf("more comes: %v", more)
	}
}

func TestACallerThatGoesEndsItsStreamAndNothingIsLogged(t *testing.T) {
	e := withRuns(newEngine("a", "b"), 1)
	e.taskChanges = []task.TaskChanges{{Reset: true, Synced: true, Position: at(1)}}
	d := open(t, e)
	ctx, cancel := context.WithCancel(t.Context())
	watch, err := d.tasks.WatchTasks(ctx, &clockdv1.WatchTasksRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := watch.Recv(); err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := watch.Recv(); status.Code(err) != codes.Canceled {
		t.Errorf("got %v", err)
	}

	// A stream can break a moment before its context ends.
	tasks, _ := services(e, d.log)
	for name, broken := range map[string]error{
		"gone": status.Error(codes.Unavailable, "transport is closing"), "canceled": status.Error(codes.Canceled, "x"),
	} {
		err := tasks.WatchTasks(nil, &stream[clockdv1.WatchTasksResponse]{ctx: t.Context(), fail: broken})
		if !errors.Is(wire.FromError(err), context.Canceled) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if log := entries(t, d.log); len(log) != 0 {
		t.Errorf("the log has %v", log)
	}

	// What cannot be sent is our fault.
	err = tasks.WatchTasks(nil, &stream[clockdv1.WatchTasksResponse]{ctx: t.Context(), fail: status.Error(codes.Internal, "secret")})
	if status.Code(err) != codes.Internal || strings.Contains(err.Error(), "secret") || len(entries(t, d.log)) != 1 {
		t.Errorf("got %v, the log has %v", err, entries(t, d.log))
	}
}

func TestFollowRunTellsHowFarTheRunHasCome(t *testing.T) {
	e := withRuns(newEngine("a"), 1)
	e.output = []task.Output{{Progress: &task.Progress{Attempt: 2, Fraction: 0.5, Message: "half"}}, {Stream: task.Stdout, Data: []byte("x"), Attempt: 2}}
	e.end = errEnded
	d := open(t, e)
	got, err := heard[clockdv1.FollowRunResponse](t)(d.runs.FollowRun(t.Context(), &clockdv1.FollowRunRequest{RunId: e.runs[0].ID.String()}))
	if err != io.EOF || len(got) != 3 {
		t.Fatalf("%v after %v", err, got)
	}
	same(t, &clockdv1.FollowRunResponse{Progress: &clockdv1.RunProgress{Attempt: 2, Fraction: 0.5, Message: "half"}}, got[0])
	if string(got[1].GetChunk().GetData()) != "x" || got[1].GetProgress() != nil || got[2].GetRun() == nil {
		t.Errorf("then %v", got[1:])
	}
}

// A panic in the middle of a stream, after something was sent.
func TestAPanicCostsItsStreamOnly(t *testing.T) {
	for server, open := range servers {
		t.Run(server, func(t *testing.T) {
			e := &panicking{engine: newEngine("a")}
			d := open(t, e)
			got, err := heard[clockdv1.WatchTasksResponse](t)(d.tasks.WatchTasks(t.Context(), &clockdv1.WatchTasksRequest{}))
			st := status.Convert(err)
			id, _ := strings.CutPrefix(st.Message(), "internal error ")
			if len(got) != 1 || st.Code() != codes.Internal || strings.Contains(fmt.Sprint(st.Proto()), "secret") || !strings.Contains(d.log.String(), id) {
				t.Errorf("after %d responses: %v", len(got), st)
			}
			must(d.tasks.ListTasks(t.Context(), nil))(t)
		})
	}
}

// panicking panics after it has told of a task.
type panicking struct{ *engine }

var _ rpc.Engine = (*panicking)(nil)

func (p *panicking) WatchTasks(_ context.Context, _ task.TaskWatch, send func(task.TaskChanges) error) error {
	if err := send(task.TaskChanges{Tasks: p.tasks}); err != nil {
		return err
	}
	panic("secret")
}
