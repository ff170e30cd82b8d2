package postgres

import (
	"bytes"
	"context"
	"encoding/gob"
	"fmt"
	"sync"
	"time"

	"github.com/clockd/clockd/daemon/store"
	"github.com/jackc/pgx/v5"
)

// What observers are told goes through the table feed, in which every commit that somebody may want to know of notes what it
// has changed. Each Store whose observer wants to know reads it in the order of the commits, its own included. Commits
// write it only while the row store says that somebody watches, which they read once they have their turn: so whoever
// has said so in a turn of its own misses nothing that comes after that, until the time that he has said.
const (
	// watchedFor is how long commits write the feed after somebody has said that he watches. It is renewed at a third. A Store
	// that can not for all this time, because the database is out of reach, has missed something: see Loser.
	watchedFor = time.Minute
	// fedFor is how long the feed is kept. It is more, so that what is read within watchedFor is there.
	fedFor = 2 * watchedFor
	// feedPause is how often the feed is looked at for what other nodes commit.
	feedPause = 100 * time.Millisecond
	// feedPage is how many commits are read at a time.
	feedPage = 256
	// tellTimeout is how long a method waits for its commit to be told.
	tellTimeout = 5 * time.Second

	// greatest, because another node may have said so for longer. The clock is read once the row is locked.
	sqlWatch = `UPDATE store SET
		tasks_watched_until = CASE WHEN $1 THEN greatest(tasks_watched_until, clock_timestamp() + $3::interval) ELSE tasks_watched_until END,
		runs_watched_until = CASE WHEN $2 THEN greatest(runs_watched_until, clock_timestamp() + $3::interval) ELSE runs_watched_until END
		RETURNING clock_timestamp()`
	sqlFeed     = `SELECT change, changes FROM feed WHERE change > $1 ORDER BY change LIMIT $2`
	sqlTrimFeed = `DELETE FROM feed WHERE time < clock_timestamp() - $1::interval`
)

// Loser is an Observer that can be told that commits were not told, and will not be: whoever watches starts anew. An Observer
// that is none is left with the gap.
type Loser interface {
	store.Observer
	// Lost must not block and must not call the store.
	Lost()
}

// follower reads the feed for the observer of a Store.
type follower struct {
	wake chan struct{} // size one

	mu       *sync.Mutex    // guards all below
	observer store.Observer // nil: none
	// active says that the feed is read; last is the number of the last commit that was told, or need not be.
	active bool
	last   int64
	// since is when the Store said last that somebody watches tasks, and runs, by the clock of the store. Zero: nobody does.
	since [2]time.Time
	// renewed is the same by the clock here.
	renewed time.Time
	// waiting are closed once all that was committed before is told.
	waiting []chan struct{}
}

func newFollower() follower { return follower{wake: make(chan struct{}, 1), mu: new(sync.Mutex)} }

// Observe implements store.Store.
func (s *Store) Observe(o store.Observer) {
	s.feed.mu.Lock()
	defer s.feed.mu.Unlock()
	s.feed.observer = o
}

// wants is what the observer wants.
func (f *follower) wants() (tasks, runs bool) {
	f.mu.Lock()
	o := f.observer
	f.mu.Unlock()
	if o == nil {
		return false, false
	}
	return o.Wants()
}

// due reports whether a transaction is to say that somebody watches.
func (f *follower) due(tasks, runs bool) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return (tasks || runs) && (!f.active || tasks && f.since[0].IsZero() || runs && f.since[1].IsZero() || time.Since(f.renewed) > watchedFor/3)
}

// read makes the follower read what comes after a commit, unless it reads already. It is called while the row store is locked,
// or a commit that came later could be taken for the first that is to be told.
func (f *follower) read(change int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.active {
		f.active, f.last = true, change
	}
}

// said notes that somebody watches, as the row store says since an instant of its clock. If the last time that was said is
// too long ago, others may have committed what nobody was told.
func (s *Store) said(tasks, runs bool, at time.Time) {
	f := &s.feed
	f.mu.Lock()
	lost := false
	for i, wanted := range []bool{tasks, runs} {
		if wanted {
			lost = lost || !f.since[i].IsZero() && at.Sub(f.since[i]) > watchedFor
			f.since[i] = at
		}
	}
	f.renewed = time.Now()
	loser, is := f.observer.(Loser)
	f.mu.Unlock()
	if lost && is {
		s.log.Warn("the database was out of reach for so long that changes were missed: watches start anew", "at_least", watchedFor)
		loser.Lost()
	}
}

// told returns when all that was committed before is told, or the database has not answered for a while: then it is told
// later.
func (s *Store) told() {
	f := &s.feed
	done := make(chan struct{})
	f.mu.Lock()
	if !f.active {
		f.mu.Unlock()
		return
	}
	f.waiting = append(f.waiting, done)
	f.mu.Unlock()
	poke(f.wake)
	limit := time.NewTimer(tellTimeout)
	defer limit.Stop()
	select {
	case <-done:
	case <-limit.C:
	}
}

// follow tells the observer what is committed, until ctx ends.
func (s *Store) follow(ctx context.Context) {
	f := &s.feed
	timer := time.NewTicker(feedPause)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-f.wake:
		case <-timer.C:
		}
		f.mu.Lock()
		active, waiting := f.active, f.waiting
		f.waiting = nil
		f.mu.Unlock()
		if active {
			if err := s.followOnce(ctx); err != nil {
				s.log.Debug("the feed can not be read now: what was committed is told later", "error", err)
				f.mu.Lock()
				f.waiting = append(f.waiting, waiting...)
				f.mu.Unlock()
				continue
			}
		}
		for _, done := range waiting {
			close(done)
		}
	}
}

// followOnce tells what has been committed, and says now and then that somebody watches. If nobody does, it ends the reading.
func (s *Store) followOnce(ctx context.Context) error {
	f := &s.feed
	f.mu.Lock()
	tasks, runs := false, false
	if f.observer != nil {
		tasks, runs = f.observer.Wants() // with the mutex: whoever wants something from now on is noted after this
	}
	for i, wanted := range []bool{tasks, runs} {
		if !wanted {
			f.since[i] = time.Time{}
		}
	}
	f.active = tasks || runs
	f.mu.Unlock()
	if !tasks && !runs {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	if f.due(tasks, runs) {
		if err := s.watch(ctx, tasks, runs); err != nil {
			return err
		}
	}
	for more := true; more; {
		var err error
		if more, err = s.readFeed(ctx, tasks, runs); err != nil {
			return err
		}
	}
	return nil
}

// watch says that somebody watches, and deletes what is old.
func (s *Store) watch(ctx context.Context, tasks, runs bool) error {
	var at time.Time
	b := new(pgx.Batch)
	b.Queue(sqlWatch, tasks, runs, watchedFor).QueryRow(func(row pgx.Row) error { return row.Scan(&at) })
	b.Queue(sqlTrimFeed, fedFor)
	if err := s.pool.SendBatch(ctx, b).Close(); err != nil {
		return s.fault(err)
	}
	s.said(tasks, runs, at)
	return nil
}

// readFeed tells a page of the feed.
func (s *Store) readFeed(ctx context.Context, tasks, runs bool) (more bool, err error) {
	f := &s.feed
	f.mu.Lock()
	last, o := f.last, f.observer
	f.mu.Unlock()
	rows, err := s.pool.Query(ctx, sqlFeed, last, feedPage)
	if err != nil {
		return false, s.fault(err)
	}
	n := 0
	var change int64
	var text []byte
	_, err = pgx.ForEachRow(rows, []any{&change, &text}, func() error {
		n++
		f.mu.Lock()
		f.last = change
		f.mu.Unlock()
		var c fedCommit
		if err := gob.NewDecoder(bytes.NewReader(text)).Decode(&c); err != nil {
			return s.unreadable(fmt.Errorf("commit %d of the feed: %w", change, err))
		}
		commit, err := c.commit(change, tasks, runs)
		if err != nil {
			return s.unreadable(err)
		}
		if o != nil && len(commit.Changes) > 0 {
			o.Committed(commit)
		}
		return nil
	})
	return n == feedPage, s.fault(err)
}
