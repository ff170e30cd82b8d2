package cli

import (
	"context"
	"errors"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/clockd/clockd/client"
	"github.com/clockd/clockd/daemon/task"
)

// What a terminal is told. Lines that are too wide are not broken, since a broken one would push the others down;
// what the window had before the watch comes back after it.
const (
	screenBegin = "\x1b[?1049h\x1b[?25l\x1b[?7l" // another screen, no cursor, no line breaks
	screenEnd   = "\x1b[?7h\x1b[?25h\x1b[?1049l"
	frameBegin  = "\x1b[H" // to the corner; nothing is cleared before it is written over, or it would flicker
	lineEnd     = "\x1b[K" // clears the rest of the line
	frameEnd    = "\x1b[J" // clears what is below
)

// redrawDelay is how long changes are gathered before they are shown, so that a burst of them is one frame.
const redrawDelay = 50 * time.Millisecond

// live shows a table of tasks or runs that follows what happens, until ctx ends or a watch fails.
func (s *session) live(ref task.Ref, name string, ofRuns bool) error {
	ctx, cancel := context.WithCancel(s.ctx)
	changes := make(chan func(*board))
	failed := make(chan error, 2)
	var watches sync.WaitGroup
	defer watches.Wait()
	defer cancel()
	// tell hands a change to the goroutine that has the board.
	tell := func(change func(*board)) {
		select {
		case changes <- change:
		case <-ctx.Done():
		}
	}
	away := func(why error) {
		if errors.Is(why, task.ErrTooSlow) { // which is about us
			return
		}
		now := s.env.Now()
		tell(func(b *board) {
			switch {
			case why == nil:
				b.away = time.Time{}
			case b.away.IsZero():
				b.away = now
			}
		})
	}
	if !ofRuns {
		watches.Go(func() {
			for c, err := range s.client.WatchTasks(ctx, client.TaskWatch{NamePrefix: name, Away: away}) {
				if err != nil {
					failed <- err
					return
				}
				tell(func(b *board) { b.takeTasks(c) })
			}
		})
	}
	watches.Go(func() {
		for c, err := range s.client.WatchRuns(ctx, client.RunWatch{Task: ref, Away: away}) {
			if err != nil {
				failed <- err
				return
			}
			tell(func(b *board) { b.takeRuns(c) })
		}
	})

	b := newBoard(s.address, ofRuns)
	b.only = name
	// Nothing is drawn before there is an answer: if nobody listens, that is said as by every other command. And it
	// is drawn when both watches have told what is, unless that takes long.
	select {
	case change := <-changes:
		change(b)
	case err := <-failed:
		return err
	}
	patience := time.NewTimer(time.Second)
	for b.away.IsZero() && !b.told() {
		select {
		case change := <-changes:
			change(b)
			continue
		case err := <-failed:
			patience.Stop()
			return err
		case <-patience.C:
		}
		break
	}
	patience.Stop()
	screen := &screen{out: s.env.Stdout}
	defer screen.end()
	for {
		now := s.env.Now()
		width, height, ok := s.env.Terminal()
		if !ok {
			return errors.New("the terminal is gone")
		}
		if err := screen.show(b.frame(width, height, now), width, height); err != nil {
			return err
		}
		// The next full second: what counts down does so in step with the clock.
		second := time.NewTimer(now.Truncate(time.Second).Add(time.Second).Sub(now))
		select {
		case change := <-changes:
			change(b)
			if err := gather(b, changes, failed, time.NewTimer(redrawDelay)); err != nil {
				second.Stop()
				return err
			}
		case err := <-failed:
			second.Stop()
			return err
		case <-second.C:
		}
		second.Stop()
	}
}

// gather takes changes until it is time to draw.
func gather(b *board, changes <-chan func(*board), failed <-chan error, until *time.Timer) error {
	defer until.Stop()
	for {
		select {
		case change := <-changes:
			change(b)
		case err := <-failed:
			return err
		case <-until.C:
			return nil
		}
	}
}

// A screen shows frames in a terminal, each in one write, and only what differs from the last.
type screen struct {
	out           io.Writer
	begun         bool
	last          []string
	width, height int
}

func (s *screen) show(lines []string, width, height int) error {
	var b strings.Builder
	if !s.begun {
		s.begun = true
		b.WriteString(screenBegin)
	}
	whole := s.width != width || s.height != height // or first
	s.width, s.height = width, height
	b.WriteString(frameBegin)
	for i, line := range lines {
		if whole || i >= len(s.last) || s.last[i] != line {
			b.WriteString("\x1b[" + strconv.Itoa(i+1) + ";1H" + line + lineEnd)
		}
	}
	if whole || len(lines) < len(s.last) {
		if len(lines) < height { // else the last line would be cleared
			b.WriteString("\x1b[" + strconv.Itoa(len(lines)+1) + ";1H" + frameEnd)
		}
	}
	s.last = lines
	if b.String() == frameBegin {
		return nil
	}
	_, err := io.WriteString(s.out, b.String())
	return err
}

// end gives the terminal back as it was.
func (s *screen) end() {
	if s.begun {
		// Nothing is left to do if the terminal is gone.
		_, _ = io.WriteString(s.out, screenEnd)
	}
}
