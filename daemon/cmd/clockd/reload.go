package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"time"

	"github.com/clockd/clockd/daemon"
	"github.com/clockd/clockd/daemon/internal/config"
	"github.com/clockd/clockd/daemon/task"
)

// look is how often the config file is looked at. A change is taken up once two looks have seen the same file, so
// that one which is being written is not.
const look = time.Second

// reloader puts a config file that has changed, or that SIGHUP asks to be read again, in force. Its daemon is ready.
type reloader struct {
	daemon *daemon.Daemon
	path   string
	// started is the file with which the daemon was started.
	started *config.File
	log     *slog.Logger
	manager *manager
	said    standing
}

// run watches the file until ctx ends; without one it answers SIGHUP only. It looks rather than being told: that works on every file system, and for
// every way in which editors and configuration management put a file in place.
func (r *reloader) run(ctx context.Context, hangups <-chan os.Signal) {
	tick := time.NewTicker(look)
	defer tick.Stop()
	taken := stat(r.path)
	seen := taken
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangups:
			taken = stat(r.path)
			seen = taken
			r.reload(ctx, "SIGHUP")
		case <-tick.C:
			now := stat(r.path)
			settled := same(now, seen)
			seen = now
			if settled && now != nil && !same(now, taken) {
				taken = now
				r.reload(ctx, "the file has changed")
			}
		}
	}
}

// stat is what tells one state of a file from another; nil: it is not there.
func stat(path string) fs.FileInfo {
	info, err := os.Stat(path)
	if err != nil {
		return nil
	}
	return info
}

func same(a, b fs.FileInfo) bool {
	if a == nil || b == nil {
		return a == b
	}
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}

// reload reads the file and puts it in force, and keeps the service manager informed. One that is wrong changes nothing.
func (r *reloader) reload(ctx context.Context, why string) {
	r.manager.reloading(r.log)
	text := ""
	if err := r.apply(ctx, why); err != nil {
		r.log.Error("config not reloaded: what was in force stays in force", "file", r.path, "because", why, "error", err)
		text = "; the config file was not taken up: see the log"
	}
	r.manager.ready(r.log, r.said.text()+text)
}

func (r *reloader) apply(ctx context.Context, why string) error {
	if r.path == "" {
		return errors.New("the daemon was started without --config")
	}
	if info := stat(r.path); info != nil && !info.Mode().IsRegular() {
		// To open a pipe waits for whoever writes to it.
		return fmt.Errorf("%q is no regular file", r.path)
	}
	file, err := config.Load(r.path)
	if err != nil {
		return err
	}
	for _, f := range []struct {
		name    string
		was, is any
	}{
		{"namespace", r.started.Namespace, file.Namespace},
		{"store", r.started.Store, file.Store},
		{"node_lease", r.started.NodeLease, file.NodeLease},
		{"listen", r.started.Listen, file.Listen},
		{"worker_lease", r.started.WorkerLease, file.WorkerLease},
	} {
		if f.was != f.is {
			if f.name == "store" { // whose URLs may have a password
				f.was, f.is = storeName(r.started.Store), storeName(file.Store)
			}
			r.log.Warn("config field takes effect at the next start only", "field", f.name, "at_start", f.was, "file", f.is)
		}
	}
	if err := r.daemon.Reload(ctx, program(file)); err != nil {
		return err
	}
	r.said.tasks = len(file.Tasks)
	r.log.Info("config reloaded", "file", r.path, "because", why, "tasks", len(file.Tasks), "revision", file.Revision)
	return nil
}

// parseConfig reads a config file that a caller has sent.
func parseConfig(name string, data []byte) (daemon.Config, error) {
	file, err := config.Parse(name, data)
	if err != nil {
		return daemon.Config{}, asInvalid(err)
	}
	return program(file), nil
}

// asInvalid makes the problems of a file violations of the request that brought it.
func asInvalid(err error) error {
	var problems *config.Error
	if !errors.As(err, &problems) {
		return err
	}
	out := &task.InvalidError{}
	for _, p := range problems.Problems {
		out.Violations = append(out.Violations, task.Violation{Field: "config", Description: p.String()})
	}
	return out
}
