package rpc_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clockd/clockd/daemon/internal/peer"
	"github.com/clockd/clockd/daemon/internal/rpc"
	"github.com/clockd/clockd/daemon/task"
	"github.com/clockd/clockd/daemon/wire"
	clockdv1 "github.com/clockd/clockd/gen/clockd/v1"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	grpcpeer "google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
)

// held are the methods that only the node that holds a task can answer.
var held = []string{
	"RunTask", "UpdateTrigger", "ResetTrigger", "PauseTask", "ResumeTask", "UpdateTask", "DeleteTask", "BackfillTask", "CancelRun",
	"FollowRun", "DeclareTask", "Work",
}

func pause(ctx context.Context, n *node) error {
	return second(n.door.tasks.PauseTask(ctx, &clockdv1.PauseTaskRequest{Task: &clockdv1.PauseTaskRequest_TaskName{TaskName: "gone"}}))
}

// runGone starts a run of the task, without an id of the request.
func runGone(ctx context.Context, n *node) error {
	return second(n.door.tasks.RunTask(ctx, &clockdv1.RunTaskRequest{Task: &clockdv1.RunTaskRequest_TaskName{TaskName: "gone"}}))
}

func TestWhatAnotherNodeHoldsIsDoneByThatNode(t *testing.T) {
	for _, method := range held {
		t.Run(method, func(t *testing.T) {
			c := newCluster(t, 2, nil)
			asked, holder := c.nodes[0], c.nodes[1]
			c.held(holder)
			ctx := metadata.AppendToOutgoingContext(t.Context(), wire.ActorMetadata, "ada")
			if err := calls(asked.door)[method](ctx); err != nil {
				t.Fatal(err)
			}
			if n := c.changes(holder); n != 1 {
				t.Errorf("the holder was asked %d times", n)
			}
			if n := c.changes(asked); n != 1 {
				t.Errorf("the other was asked %d times", n)
			}
			edit := reflect.ValueOf(holder.last())
			if edit.Kind() != reflect.Struct || !edit.FieldByName("Actor").IsValid() {
				return // it keeps no record of who asked
			}
			if actor, peer := edit.FieldByName("Actor").String(), edit.FieldByName("Peer").String(); actor != "ada" || peer != "in-process" {
				t.Errorf("actor %q, peer %q", actor, peer)
			}
		})
	}
}

func TestWhatAWorkerDeclaresIsDeclaredWhereTheTaskIsHeld(t *testing.T) {
	c := newCluster(t, 2, nil)
	c.held(c.nodes[1])
	if err := calls(c.nodes[0].door)["Work"](t.Context()); err != nil {
		t.Fatal(err)
	}
	got, ok := c.nodes[1].last().(task.Announcement)
	if !ok || got.Worker != helloOf(1).GetWorkerName() || got.Peer != "in-process" || got.Revision != helloOf(1).GetRevision() || got.Declaration.Name != "announced" {
		t.Errorf("the holder was asked %+v", c.nodes[1].last())
	}
	if len(c.nodes[1].hub.Workers()) != 0 {
		t.Error("the worker is connected to the holder")
	}
}

// The caller is not at the end of a connection here, so that it has an address to tell of.
func TestWhoMadeACallAndFromWhereIsKeptWhenItIsPassedOn(t *testing.T) {
	c := newCluster(t, 2, nil)
	c.held(c.nodes[1])
	services := registrar{}
	rpc.New(rpc.Config{Engine: c.nodes[0].engine, Workers: newHub(), Peers: c.nodes[0].peers, Logger: (&journal{}).logger()}).Register(services)
	tasks := services[clockdv1.TaskService_ServiceDesc.ServiceName].(clockdv1.TaskServiceServer)
	from := grpcpeer.NewContext(t.Context(), &grpcpeer.Peer{Addr: &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 7}})
	for name, tt := range map[string]struct {
		said metadata.MD
		want task.Edit
	}{
		"nothing":      {nil, task.Edit{Actor: "192.0.2.1:7", Peer: "192.0.2.1:7"}},
		"ASCII":        {metadata.Pairs(wire.ActorMetadata, "ada"), task.Edit{Actor: "ada", Peer: "192.0.2.1:7"}},
		"no ASCII":     {metadata.Pairs(wire.ActorMetadata, "café"), task.Edit{Actor: "café", Peer: "192.0.2.1:7"}},
		"binary":       {metadata.Pairs(wire.ActorMetadata+"-bin", "日本"), task.Edit{Actor: "日本", Peer: "192.0.2.1:7"}},
		"a false peer": {metadata.Pairs(wire.PeerMetadata, "10.0.0.1:1"), task.Edit{Actor: "192.0.2.1:7", Peer: "192.0.2.1:7"}},
	} {
		t.Run(name, func(t *testing.T) {
			ctx := metadata.NewIncomingContext(from, tt.said)
			must(tasks.PauseTask(ctx, &clockdv1.PauseTaskRequest{Task: &clockdv1.PauseTaskRequest_TaskName{TaskName: "gone"}}))(t)
			same(t, task.PauseChange{Edit: tt.want}, c.nodes[1].last())
		})
	}
}

func TestACallPassesFromOneNodeToAnotherOnceAtMost(t *testing.T) {
	for _, method := range held {
		t.Run(method, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCluster(t, 2, nil)
				c.holds(func(asked *node) *node { // each takes the other for the holder
					if asked == c.nodes[0] {
						return c.nodes[1]
					}
					return c.nodes[0]
				})
				err := calls(c.nodes[0].door)[method](t.Context())
				if !errors.Is(wire.FromError(err), task.ErrHeld) {
					t.Errorf("got %v", err)
				}
				if first, other := c.changes(c.nodes[0]), c.changes(c.nodes[1]); first != 4 || other != 3 {
					t.Errorf("the first was asked %d times, the other %d", first, other)
				}
			})
		})
	}
}

func TestAHolderThatHasChangedIsFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3, nil)
		asked := 0
		c.holds(func(n *node) *node {
			if n == c.nodes[0] {
				if asked++; asked == 1 {
					return c.nodes[1]
				}
			}
			return c.nodes[2]
		})
		if err := pause(t.Context(), c.nodes[0]); err != nil || c.changes(c.nodes[2]) != 1 {
			t.Errorf("%v; the holder was asked %d times", err, c.changes(c.nodes[2]))
		}
	})
}

func TestANodeThatStopsLeavesTheCallToTheNext(t *testing.T) {
	for _, gone := range []error{task.ErrStopping, task.ErrGivenUp} {
		synctest.Test(t, func(t *testing.T) {
			c := newCluster(t, 2, nil)
			c.nodes[1].fail = gone
			c.holds(func(n *node) *node {
				if c.nodes[1].calls > 0 {
					return nil // it has been taken over
				}
				return c.nodes[1]
			})
			if err := pause(t.Context(), c.nodes[0]); err != nil {
				t.Errorf("%v: %v", gone, err)
			}
		})
	}
}

func TestWhatTheHolderAnswersComesBackAsItIs(t *testing.T) {
	c := newCluster(t, 2, nil)
	for name, fail := range map[string]error{
		"violations": &task.InvalidError{Violations: []task.Violation{{Field: "a", Description: "b"}, {Field: "c", Description: "d"}}},
		"data":       &task.StaleError{Task: "gone", Have: "2", Want: "1"},
		"a class":    task.ErrOrphaned,
		"retry":      task.ErrUnavailable,
		"a defect":   errors.New("secret"),
	} {
		t.Run(name, func(t *testing.T) {
			c.nodes[1].fail = fail
			c.held(nil)
			direct := status.Convert(pause(t.Context(), c.nodes[1]))
			c.held(c.nodes[1])
			got := status.Convert(pause(t.Context(), c.nodes[0]))
			id := func(st *status.Status) string {
				for _, d := range st.Details() {
					if info, ok := d.(*errdetails.ErrorInfo); ok {
						return info.GetMetadata()["id"]
					}
				}
				return ""
			}
			if id(got) != "" { // of an entry in a log, and each has its own
				if !strings.Contains(c.nodes[1].log.String(), id(got)) || strings.Contains(c.nodes[0].log.String(), id(got)) {
					t.Errorf("id %s is not in the log of the node that has met with the error", id(got))
				}
				return
			}
			if diff := cmp.Diff(direct.Proto(), got.Proto(), protocmp.Transform()); diff != "" {
				t.Errorf("-direct +passed on\n%s", diff)
			}
		})
	}
}

func TestAHolderThatDoesNotAnswerIsNamed(t *testing.T) {
	for _, method := range held {
		t.Run(method, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCluster(t, 2, nil)
				holder := c.nodes[1]
				c.held(holder)
				holder.server.Stop()
				err := calls(c.nodes[0].door)[method](t.Context())
				var known *task.HeldError
				want := task.HeldTask{TaskID: holder.engine.tasks[0].ID, Node: holder.self, Address: holder.address}
				if !errors.As(wire.FromError(err), &known) || !cmp.Equal([]task.HeldTask{want}, known.Tasks) || status.Code(err) != codes.Unavailable {
					t.Fatalf("got %v", err)
				}
				retry := false
				for _, d := range status.Convert(err).Details() {
					_, is := d.(*errdetails.RetryInfo)
					retry = retry || is
				}
				if log := c.nodes[0].log.String(); !retry || !strings.Contains(log, holder.address) {
					t.Errorf("retry %v, log %s", retry, log)
				}
			})
		})
	}
}

// A breaking way to the other nodes loses the first answers.
type breaking struct {
	*peer.Peers
	mu       sync.Mutex
	lose     int // answers
	requests []proto.Message
}

func (b *breaking) Invoke(ctx context.Context, address, fullMethod string, request, answer proto.Message) error {
	err := b.Peers.Invoke(ctx, address, fullMethod, request, answer)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.requests = append(b.requests, request)
	if b.lose--; b.lose >= 0 {
		return status.Error(codes.Unavailable, "connection reset by peer")
	}
	return err
}

func TestARunThatWasPassedOnIsAskedForAgainOnlyUnderTheSameID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ways []*breaking
		c := newCluster(t, 2, func(p *peer.Peers) rpc.Peers {
			ways = append(ways, &breaking{Peers: p, lose: 1})
			return ways[len(ways)-1]
		})
		c.held(c.nodes[1])
		request := &clockdv1.RunTaskRequest{Task: &clockdv1.RunTaskRequest_TaskName{TaskName: "gone"}}
		must(c.nodes[0].door.tasks.RunTask(t.Context(), request))(t)
		var ids []string
		for _, r := range ways[0].requests {
			ids = append(ids, r.(*clockdv1.RunTaskRequest).GetRequestId())
		}
		if len(ids) != 2 || ids[0] == "" || ids[0] != ids[1] {
			t.Errorf("asked under %q", ids)
		}

		ways[0].lose, ways[0].requests = 1, nil
		err := pause(t.Context(), c.nodes[0])
		if !errors.Is(wire.FromError(err), task.ErrHeld) || len(ways[0].requests) != 1 {
			t.Errorf("a change that may have been made was asked for %d times: %v", len(ways[0].requests), err)
		}
	})
}

func TestWhatNobodyHoldsYetIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 1, nil)
		asked := 0
		c.holds(func(*node) *node {
			if asked++; asked <= 3 {
				return nobody
			}
			return nil
		})
		if err := runGone(t.Context(), c.nodes[0]); err != nil || asked != 4 {
			t.Errorf("asked %d times: %v", asked, err)
		}

		n := c.nodes[0]
		c.held(&node{engine: &engine{self: n.self}, address: n.address}) // what it has just let go, or is about to take
		if err := runGone(t.Context(), n); !errors.Is(wire.FromError(err), task.ErrHeld) || strings.Contains(n.log.String(), "passed on") || c.changes(n) != 10 {
			t.Errorf("asked %d times for what it holds itself: %v", c.changes(n), err)
		}

		c.held(nobody)
		began := time.Now()
		err := runGone(t.Context(), c.nodes[0])
		if took := time.Since(began); !errors.Is(wire.FromError(err), task.ErrHeld) || took < time.Second || took > 2*time.Second {
			t.Errorf("after %s: %v", took, err)
		}

		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if err := runGone(ctx, c.nodes[0]); status.Code(err) != codes.DeadlineExceeded {
			t.Errorf("a caller in a hurry: %v", err)
		}
	})
}

func TestAHolderWithoutAnAddressIsNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 1, nil)
		c.held(&node{engine: &engine{self: task.IDOf("node", "shy")}})
		began := time.Now()
		err := runGone(t.Context(), c.nodes[0])
		if took := time.Since(began); took > 0 || !strings.Contains(fmt.Sprint(err), "--advertise") {
			t.Errorf("after %s: %v", took, err)
		}
	})
}

func TestTheDeadlineOfTheCallerHoldsAtTheHolder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 2, nil)
		c.held(c.nodes[1])
		left := make(chan time.Duration, 1)
		c.nodes[1].engine.holder = func(ctx context.Context) *task.HeldError {
			if deadline, ok := ctx.Deadline(); ok {
				left <- time.Until(deadline)
			}
			<-ctx.Done()
			return nil
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if err := runGone(ctx, c.nodes[0]); !errors.Is(wire.FromError(err), context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		select {
		case d := <-left:
			if d > 5*time.Second || d < 4*time.Second {
				t.Errorf("the holder has %s", d)
			}
		default:
			t.Error("the holder knows of no deadline")
		}
		synctest.Wait()
	})
}

func TestARunIsFollowedWhereItIsHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 2, nil)
		holder := c.nodes[1]
		c.held(holder)
		for i := range 100 {
			holder.output = append(holder.output, task.Output{Stream: task.Stdout, Data: fmt.Appendf(nil, "%d ", i), Attempt: 1})
		}
		var want string
		for i := range 100 {
			want += fmt.Sprintf("%d ", i)
		}
		follow := func() (string, *clockdv1.Run, error) {
			stream, err := c.nodes[0].door.runs.FollowRun(t.Context(), &clockdv1.FollowRunRequest{RunId: "7"})
			var said strings.Builder
			var run *clockdv1.Run
			for err == nil {
				var part *clockdv1.FollowRunResponse
				if part, err = stream.Recv(); err == nil {
					said.Write(part.GetChunk().GetData())
					run = part.GetRun()
				}
			}
			if err == io.EOF {
				err = nil
			}
			return said.String(), run, err
		}
		if said, run, err := follow(); said != want || run.GetId() != "7" || err != nil {
			t.Errorf("it said %q: %v, %v", said, run, err)
		}

		// What was said can not be said again: a caller begins anew.
		holder.end = task.ErrStopping
		if said, run, err := follow(); said != want || run != nil || !errors.Is(wire.FromError(err), task.ErrStopping) || c.changes(holder) != 2 {
			t.Errorf("it said %q: %v, %v", said, run, err)
		}
		holder.end = nil // it goes on
		stop := time.AfterFunc(time.Second, holder.server.Stop)
		defer stop.Stop()
		if said, run, err := follow(); said != want || run != nil || !errors.Is(wire.FromError(err), task.ErrHeld) || c.changes(holder) != 3 {
			t.Errorf("it said %q: %v, %v", said, run, err)
		}
	})
}

func TestACallerThatGoesEndsTheStreamAtTheHolder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 2, nil)
		holder := c.nodes[1]
		c.held(holder)
		holder.end, holder.output = nil, []task.Output{{Stream: task.Stdout, Data: []byte("x"), Attempt: 1}}
		ended := make(chan struct{})
		holder.engine.holder = func(ctx context.Context) *task.HeldError {
			context.AfterFunc(ctx, func() { close(ended) })
			return nil
		}
		ctx, cancel := context.WithCancel(t.Context())
		stream, err := c.nodes[0].door.runs.FollowRun(ctx, &clockdv1.FollowRunRequest{RunId: "7"})
		if err != nil {
			t.Fatal(err)
		}
		must(stream.Recv())(t)
		cancel()
		<-ended // or the bubble is stuck
	})
}

func TestNodesAreListedAndTheOneThatAnswersIsMarked(t *testing.T) {
	c := newCluster(t, 1, nil)
	n := c.nodes[0]
	n.engine.nodes = []task.Node{
		{ID: task.IDOf("node", "other"), Name: "b", State: task.GivenUp, EndTime: start},
		{ID: n.self, Name: "a", Address: n.address, State: task.Alive, Lease: time.Second, LeaseExpireTime: start},
	}
	answer, err := n.door.nodes.ListNodes(t.Context(), &clockdv1.ListNodesRequest{})
	if err != nil {
		t.Fatal(err)
	}
	want := &clockdv1.ListNodesResponse{}
	for _, n := range n.engine.nodes {
		want.Nodes = append(want.Nodes, wire.NodeToProto(n))
	}
	want.Nodes[1].Self = true
	if diff := cmp.Diff(want, answer, protocmp.Transform()); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestANodeTakesNoteOfWhatTheProgramOfAnotherDeclares(t *testing.T) {
	e := newEngine()
	d := open(t, e)
	answer, err := d.nodes.DeclareTask(t.Context(), &clockdv1.DeclareTaskRequest{Task: declaration("x"), Revision: 7})
	if err != nil || answer.GetTask().GetTaskName() != "x" {
		t.Fatalf("%v, %v", answer, err)
	}
	same(t, declared{task.Declaration{Name: "x", Trigger: hourly(), Target: task.Target{Kind: "function"}}, 7}, e.asked)

	refused(t, second(d.nodes.DeclareTask(t.Context(), &clockdv1.DeclareTaskRequest{})), "task")
	refused(t, second(d.nodes.DeclareTask(t.Context(), &clockdv1.DeclareTaskRequest{Task: declaration(" "), Revision: -1, WorkerName: "\x00"})),
		"task.task_name", "revision", "worker_name")
	refused(t, second(d.nodes.DeclareTask(t.Context(), &clockdv1.DeclareTaskRequest{Task: declaration("x"), WorkerName: "w"})), "task.spec")
}
