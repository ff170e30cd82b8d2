package feed

import (
	"sync"

	"github.com/clockd/clockd/daemon/task"
)

const (
	// keep is how many bytes of each stream of a run are kept: as many as of a command's output by default.
	keep = 64 << 10
	// piece is how many bytes a follower gets at once.
	piece = 32 << 10
)

// Tail is the end of what one run has written to its streams, and how far it has come. Its methods may be called at the same time.
type Tail struct {
	mu      sync.Mutex
	streams [2]*stream // stdout and stderr; nil: nothing was written
	// progress is the last that was reported, reports how often that was done.
	progress task.Progress
	reports  uint64
	ended    bool
	err      error // why nobody may follow any more
	// changed is closed at the next change. Nil: nobody waits for it.
	changed chan struct{}
}

// Write appends what an attempt, counted from 1, has written. It waits for nobody, and does not keep data. Attempts
// write one after the other; what is written after the run was closed, or to another stream, is dropped.
func (t *Tail) Write(to task.OutputStream, attempt int, data []byte) {
	if len(data) == 0 || to < task.Stdout || to > task.Stderr {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended {
		return
	}
	s := t.streams[to-task.Stdout]
	if s == nil {
		s = &stream{}
		t.streams[to-task.Stdout] = s
	}
	s.write(attempt, data)
	t.wake()
}

// Report says how far an attempt has come. It waits for nobody. Only the newest is kept; what an attempt before that
// one says, and what is said after the run was closed, is dropped.
func (t *Tail) Report(p task.Progress) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended || t.reports > 0 && p.Attempt < t.progress.Attempt {
		return
	}
	t.progress = p
	t.reports++
	t.wake()
}

func (t *Tail) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ended = true
	t.wake()
}

func (t *Tail) stop(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.err = err
	t.wake()
}

func (t *Tail) wake() {
	if t.changed != nil {
		close(t.changed)
		t.changed = nil
	}
}

// follower is what somebody has read, or missed.
type follower struct {
	bytes   [2]int64 // of each stream
	reports uint64
	// told says that the last that it got was how far the run has come.
	told bool
}

// tailState is what a follower finds who has read everything.
type tailState struct {
	ended   bool
	err     error
	changed <-chan struct{}
}

// next returns what the follower reads next: how far the run has come, if that is news, and what it has written, of the
// earlier attempt first, in turns. It has neither Data nor Progress if there is nothing.
func (t *Tail) next(f *follower) (task.Output, tailState) {
	t.mu.Lock()
	defer t.mu.Unlock()
	from, first := -1, 0
	for i, s := range t.streams {
		if s == nil || f.bytes[i] == s.total {
			continue
		}
		if attempt, _ := s.at(max(f.bytes[i], s.start())); from < 0 || attempt < first {
			from, first = i, attempt
		}
	}
	if f.reports != t.reports && (from < 0 || !f.told) {
		f.reports, f.told = t.reports, true
		p := t.progress
		return task.Output{Progress: &p}, tailState{}
	}
	f.told = false
	if from < 0 {
		if !t.ended && t.err == nil && t.changed == nil {
			t.changed = make(chan struct{})
		}
		return task.Output{}, tailState{ended: t.ended, err: t.err, changed: t.changed}
	}
	s := t.streams[from]
	begin := max(f.bytes[from], s.start())
	attempt, end := s.at(begin)
	o := task.Output{Stream: task.Stdout + task.OutputStream(from), Attempt: attempt, Dropped: begin - f.bytes[from]}
	o.Data = s.read(begin, min(end, begin+piece))
	f.bytes[from] = begin + int64(len(o.Data))
	return o, tailState{}
}

// stream keeps the last bytes of a stream, in memory that grows with what is written. It belongs to a Tail's mutex.
type stream struct {
	kept []byte // a ring once it has keep bytes: byte n of the stream is at n%keep
	// total is how many bytes were written.
	total int64
	// attempts are those that have bytes in kept, and where each begins.
	attempts []beginning
}

type beginning struct {
	attempt int
	at      int64
}

// start is the first byte that is kept.
func (s *stream) start() int64 { return s.total - int64(len(s.kept)) }

func (s *stream) write(attempt int, data []byte) {
	if n := len(s.attempts); n == 0 || s.attempts[n-1].attempt != attempt {
		s.attempts = append(s.attempts, beginning{attempt, s.total})
	}
	s.total += int64(len(data))
	if room := keep - len(s.kept); room > 0 {
		// Until the ring is full nothing has been dropped, so that byte n is at n.
		fits := min(room, len(data))
		s.kept = append(s.kept, data[:fits]...)
		data = data[fits:]
	}
	if len(data) > keep {
		data = data[len(data)-keep:]
	}
	for at := s.total - int64(len(data)); len(data) > 0; {
		n := copy(s.kept[at%keep:], data)
		at, data = at+int64(n), data[n:]
	}
	gone := 0
	for gone+1 < len(s.attempts) && s.attempts[gone+1].at <= s.start() {
		gone++
	}
	s.attempts = append(s.attempts[:0], s.attempts[gone:]...)
}

// at returns whose byte that is, and the first byte behind it that is not theirs.
func (s *stream) at(n int64) (attempt int, end int64) {
	end = s.total
	for i := len(s.attempts) - 1; i >= 0; i-- {
		if b := s.attempts[i]; b.at <= n {
			return b.attempt, end
		} else {
			end = b.at
		}
	}
	return attempt, end
}

// read copies the bytes from begin to end, which must be kept.
func (s *stream) read(begin, end int64) []byte {
	data := make([]byte, 0, end-begin)
	for begin < end {
		from := begin % keep
		n := min(end-begin, int64(len(s.kept))-from)
		data = append(data, s.kept[from:from+n]...)
		begin += n
	}
	return data
}
