package command

import (
	"unicode/utf8"

	"github.com/clockd/clockd/daemon/task"
)

// A tail keeps the last bytes that are written to it, in memory that grows with what is written up to
// the limit. It belongs to one goroutine at a time.
type tail struct {
	limit int
	// told gets everything that is written, as output of stream. Nil: nobody wants it.
	told   func(stream task.OutputStream, data []byte)
	stream task.OutputStream

	kept    []byte // a ring once it has limit bytes
	next    int    // where the oldest byte of the ring is, and the next one goes
	dropped int64
}

func (t *tail) Write(p []byte) (int, error) {
	n := len(p)
	if t.told != nil {
		t.told(t.stream, p)
	}
	if room := t.limit - len(t.kept); room > 0 {
		fits := min(room, len(p))
		t.kept = append(t.kept, p[:fits]...)
		p = p[fits:]
	}
	t.dropped += int64(len(p))
	if len(p) > t.limit {
		p = p[len(p)-t.limit:]
	}
	for len(p) > 0 {
		copied := copy(t.kept[t.next:], p)
		t.next = (t.next + copied) % t.limit
		p = p[copied:]
	}
	return n, nil
}

// text returns what was kept and how many bytes came before it. It does not begin in the middle of a
// character that the limit has cut in two.
func (t *tail) text() (string, int64) {
	kept := string(t.kept[t.next:]) + string(t.kept[:t.next])
	if t.dropped == 0 {
		return kept, 0
	}
	for i := range min(utf8.UTFMax, len(kept)) {
		if utf8.RuneStart(kept[i]) {
			return kept[i:], t.dropped + int64(i)
		}
	}
	return kept, t.dropped // no UTF-8 at all
}
