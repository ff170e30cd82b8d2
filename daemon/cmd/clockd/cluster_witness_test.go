package main

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"net"
	"net/http"
	"path"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/clockd/clockd/daemon/internal/history"
	"github.com/clockd/clockd/daemon/task"
)

// processHeader is what a process says of itself with each request of a task.
const processHeader = "X-Process"

// witness is what the tasks of a cluster call: it writes down each attempt, from outside the daemons.
type witness struct {
	url    string
	server http.Server
	mu     sync.Mutex
	starts []history.Start
	places int
	going  int
	ended  chan struct{} // closed when going falls, if somebody waits
}

func newWitness(t *testing.T) *witness {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &witness{url: "http://" + l.Addr().String()}
	w.server.Handler = http.HandlerFunc(w.serve)
	served := make(chan error, 1)
	go func() { served <- w.server.Serve(l) }()
	t.Cleanup(func() {
		_ = w.server.Close()
		if err := <-served; err != http.ErrServerClosed {
			t.Error(err)
		}
	})
	return w
}

// answer is what an attempt is answered, so that its output says which it was.
type answer struct {
	Process string `json:"process"`
	Attempt int    `json:"attempt"`
}

// serve answers one attempt. The path is for how long, and whether one in so many fails: /DURATION/N. An attempt takes
// anything up to the duration, by its number, and of those with a short one most take nothing.
func (w *witness) serve(rw http.ResponseWriter, r *http.Request) {
	if err := w.attempt(rw, r); err != nil {
		http.Error(rw, err.Error(), http.StatusBadRequest)
	}
}

func (w *witness) attempt(rw http.ResponseWriter, r *http.Request) error {
	run, err := task.ParseRunID(r.Header.Get("Clockd-Run-Id"))
	if err != nil {
		return err
	}
	number, err := strconv.Atoi(r.Header.Get("Clockd-Attempt"))
	if err != nil {
		return err
	}
	folder, last := path.Split(r.URL.Path)
	most, err := time.ParseDuration(path.Base(folder))
	if err != nil {
		return err
	}
	fails, err := strconv.Atoi(last)
	if err != nil {
		return err
	}
	i := w.begin(history.Start{Run: run, Task: r.Header.Get("Clockd-Task-Name"), Attempt: number, Process: r.Header.Get(processHeader)})
	h := fnv.New32a()
	fmt.Fprintf(h, "%d %d", run, number)
	chance := h.Sum32()
	if most > 0 {
		timer := time.NewTimer(time.Duration(chance>>8) % most)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-r.Context().Done():
			w.end(i, false)
			return nil // nobody listens
		}
	}
	w.end(i, true)
	rw.Header().Set("Content-Type", "application/json")
	if fails > 0 && chance%uint32(fails) == 0 {
		rw.WriteHeader(http.StatusInternalServerError)
	}
	return json.NewEncoder(rw).Encode(answer{Process: r.Header.Get(processHeader), Attempt: number})
}

func (w *witness) begin(s history.Start) (i int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s.Begin = time.Now()
	w.places++
	w.going++
	s.BeginPlace = w.places
	w.starts = append(w.starts, s)
	return len(w.starts) - 1
}

func (w *witness) end(i int, answered bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.places++
	w.going--
	s := &w.starts[i]
	s.End, s.EndPlace, s.Answered = time.Now(), w.places, answered
	if w.ended != nil {
		close(w.ended)
		w.ended = nil
	}
}

// seen returns all attempts, when none goes any more.
func (w *witness) seen(t *testing.T) []history.Start {
	t.Helper()
	ctx := soon(t)
	for {
		w.mu.Lock()
		if w.going == 0 {
			defer w.mu.Unlock()
			return slices.Clone(w.starts)
		}
		if w.ended == nil {
			w.ended = make(chan struct{})
		}
		ended := w.ended
		w.mu.Unlock()
		select {
		case <-ended:
		case <-ctx.Done():
			t.Fatal("attempts go on though no run does")
		}
	}
}
