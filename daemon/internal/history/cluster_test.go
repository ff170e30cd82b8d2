package history_test

import (
	"testing"
	"time"

	"github.com/clockd/clockd/daemon/internal/history"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
)

// ruin is a history of a cluster in which process "0.1" was killed at second 100 with one attempt of one run going,
// which process "1.1" has taken over after took and started again.
func ruin(took time.Duration) history.History {
	second := func(n float64) time.Time { return time.Unix(0, 0).UTC().Add(time.Duration(n * float64(time.Second))) }
	dead, heir := uuid.New(), uuid.New()
	at := second(100).Add(took)
	return history.History{
		Runs: []task.Run{{
			ID: 7, TaskName: "t", State: task.Succeeded, Cause: task.ByFire, ScheduledTime: second(99), Fires: 1,
			Attempt: 2, StartTime: at, EndTime: at.Add(time.Second), Node: heir,
			Earlier: []task.Attempt{{Number: 1, StartTime: second(99), EndTime: at, State: task.Lost, Node: dead}},
		}},
		Starts: []history.Start{
			{Run: 7, Task: "t", Attempt: 1, Process: "0.1", Begin: second(99), End: second(100), BeginPlace: 1, EndPlace: 2},
			{Run: 7, Task: "t", Attempt: 2, Process: "1.1", Begin: at, End: at.Add(time.Second), BeginPlace: 3, EndPlace: 4, Answered: true},
		},
		Cluster: &history.Cluster{
			Nodes: map[uuid.UUID]string{dead: "0.1", heir: "1.1"}, Within: 20 * time.Second, Skew: 100 * time.Millisecond,
			Processes: []history.Process{
				{Name: "0.1", Ready: second(1), End: second(100), Outages: []history.Outage{{Kind: "been killed", Begin: second(100)}}},
				{Name: "1.1", Ready: second(1)},
				{Name: "2.1", Ready: second(1)},
			},
		},
	}
}

// told are the faults of a kind.
func told(h history.History, p history.Promise) int {
	n := 0
	for _, f := range history.Check(&h) {
		if f.Promise == p {
			n++
		}
	}
	return n
}

func TestATakeoverIsJudgedByWhatWasDoneMeanwhile(t *testing.T) {
	harm := func(h *history.History, process int, from, until float64) {
		at := func(n float64) (out time.Time) {
			if n > 0 {
				out = time.Unix(0, 0).UTC().Add(time.Duration(n * float64(time.Second)))
			}
			return out
		}
		o := history.Outage{Kind: "been cut off", Begin: at(from), End: at(until)}
		if process < 0 {
			h.Cluster.StoreDown = append(h.Cluster.StoreDown, o)
			return
		}
		h.Cluster.Processes[process].Outages = append(h.Cluster.Processes[process].Outages, o)
	}
	for name, c := range map[string]struct {
		took   time.Duration
		change func(h *history.History)
		late   int
		judged bool
		from   time.Duration
	}{
		"in time": {took: 19 * time.Second, judged: true, from: 19 * time.Second},
		"late":    {took: 21 * time.Second, judged: true, from: 21 * time.Second, late: 1},
		"another came to grief meanwhile": {
			took: 30 * time.Second, judged: true, from: 18 * time.Second,
			change: func(h *history.History) { harm(h, 1, 112, 113) },
		},
		"another came to grief meanwhile, and it is late even so": {
			took: 34 * time.Second, judged: true, from: 22 * time.Second, late: 1,
			change: func(h *history.History) { harm(h, 1, 112, 113) },
		},
		"another came to grief when it should have been over": {
			took: 30 * time.Second, judged: true, from: 30 * time.Second, late: 1,
			change: func(h *history.History) { harm(h, 1, 125, 126) },
		},
		"all came to grief": {
			took: 30 * time.Second, from: 15 * time.Second,
			change: func(h *history.History) { harm(h, 1, 112, 120); harm(h, 2, 115, 0) },
		},
		"the store was down": {
			took: 30 * time.Second, judged: true, from: 20 * time.Second,
			change: func(h *history.History) { harm(h, -1, 105, 110) },
		},
		"something was done long before": {
			took: 10 * time.Second, judged: true, from: 10 * time.Second,
			change: func(h *history.History) { harm(h, 0, 20, 21); harm(h, 1, 30, 31) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := ruin(c.took)
			if c.change != nil {
				c.change(&h)
			}
			all := h.Takeovers()
			if len(all) != 1 {
				t.Fatalf("%d takeovers", len(all))
			}
			if o := all[0]; o.Judged != c.judged || o.Took != c.from || o.Attempt != 1 {
				t.Errorf("got %+v, want judged %t, took %s", o, c.judged, c.from)
			}
			if n := told(h, history.TakenOver); n != c.late {
				t.Errorf("%d are told of as late, want %d", n, c.late)
			}
		})
	}
}

func TestAnAttemptThatStartsAfterItWasGivenUpIsCaught(t *testing.T) {
	h := ruin(10 * time.Second)
	h.Starts[0].Begin, h.Starts[0].End = h.Starts[1].Begin.Add(time.Second), h.Starts[1].Begin.Add(2*time.Second)
	if n := told(h, history.Fenced); n != 1 {
		t.Errorf("%d are told of, want 1", n)
	}
	// One that was stopped on the way from its last look to the start goes on when it wakes: nothing can be done about it.
	h.Cluster.Processes[0].Outages[0] = history.Outage{Kind: "been stopped", Begin: h.Runs[0].StartTime.Add(-20 * time.Second), End: h.Starts[0].Begin.Add(-time.Millisecond)}
	if n := told(h, history.Fenced); n != 0 {
		t.Errorf("one that has just woken up is told of %d times", n)
	}
}

func TestAnAttemptThatIsNotRecordedIsCaught(t *testing.T) {
	h := ruin(10 * time.Second)
	h.Tasks = []task.Task{{Declaration: task.Declaration{Name: "t"}}}
	third := h.Starts[1]
	third.Attempt = 3
	before := told(h, history.Witnessed)
	h.Starts = append(h.Starts, third)
	if n := told(h, history.Witnessed); n != before+1 {
		t.Errorf("%d are told of, want one more than %d", n, before)
	}
}
