// Package config reads the daemon's YAML file: its tasks, and the options that may stand there. It says
// everything that is wrong at once, each problem with its file, line and path. It opens no store and
// starts nothing.
//
//	namespace: example            # default: default
//	revision: 7                   # optional: a file with a lower one does not change what this one declared
//	store: sqlite:clockd.db       # optional
//	listen: 127.0.0.1:7433        # optional
//	worker_lease: 15s             # optional: how long a worker is trusted without an answer, 100ms to 1h
//	node_lease: 15s               # optional: how long daemons that share a store trust this one likewise, 1s to 1h
//	limits:                       # optional, for all tasks together; what is left out is not limited
//	  max_running: 100            # runs at the same time
//	  max_waiting: 5000           # runs that wait for a place; default: 10000
//	  start_rate: 50              # starts per second; may be a fraction
//	groups:                       # optional: what the tasks of a group have in common
//	  imports:
//	    max_running: 2            # limits of these alone
//	    max_waiting: 100
//	    timeout: 10m              # of its tasks that name none
//	    labels: {team: data}      # of its tasks, beside their own; if both have one, the task's counts
//	calendars:                    # optional: exclusions that triggers name, as in exclude(calendar holidays)
//	  holidays:
//	    - dates 2026-12-24..2026-12-26 Europe/Berlin
//	    - dates: {first: 2027-01-01, time_zone: Europe/Berlin}
//	tasks:                        # required; [] is a daemon without tasks
//	  - name: hello               # required and unique: see task.CheckName
//	    former_names: [hi]        # what it was called before: it keeps its override, pause and history
//	    description: greets
//	    group: examples
//	    labels: {team: infra}
//	    trigger: every 10s        # required: the text form of schedule.Parse, or the fields of clockd.v1.Trigger
//	    command: [echo, hi]       # a command, http, grpc or worker: exactly one of them is required
//	    http: {url: https://host/x}
//	    grpc: {address: "host:9000", method: package.Service/Method}
//	    worker: {}                # workers do it that say that they run the task
//	    timeout: 30s              # default: as long as it likes
//	    overlap: skip             # or allow, queue, cancel
//	    catch_up: one             # or all, none
//	    catch_up_window: 2h       # default: however long ago
//	    delivery: at_least_once   # or at_most_once
//	    retry: {max_attempts: 5, backoff: 10s, max_backoff: 5m, jitter: 0.2} # default: one attempt
//	    pause_after_failures: 5   # runs in a row; default: never
//	    retention: {keep: all, max_runs: 1000, max_age: 720h} # or failures, none; default: the last 1000 runs
//
// A command is a list of program and arguments, or a mapping with args, env, dir, stdin, output_limit
// (bytes) and kill_delay. An http has method, url, headers, body, expect_status (a list) and output_limit. A grpc
// has address, method, body (JSON, as text), metadata, tls and output_limit; a tls, which {} is enough for, has ca_file,
// cert_file, key_file and server_name. Package command, package httpcall and package grpccall have their meaning and
// defaults. A relative dir, program or file is relative to the working directory of the daemon, not to the file.
//
// The fields of a trigger have the names of the API, in snake_case or as in JSON, so what clockctl
// prints as JSON can be pasted. Enumerations may go without their prefix and in small letters
// (fixed-delay, monday). Durations are written as Go writes them: 1h30m.
//
// A calendar is a list of exclusions, each in the text form of schedule.ParseExclusion or as the fields of
// clockd.v1.Exclusion. It can not hold another calendar. A trigger may name only those that the file
// declares; in it, exclusions have the form of the trigger. Custom kinds of triggers are code, which the
// daemon that reads files does not have: they are refused.
//
// # What of YAML is read
//
// Keys that are not known, keys that are there twice, several documents, anchors, aliases, merge keys,
// tags other than !!str, and directives are refused. YAML 1.2 holds: on, off, yes and no are text. But
// because other readers take them for true and false, names must put them in quotes, and numbers too.
// In arguments, env, headers, metadata and labels a value is taken as it is written: 0755 is "0755" and 1.10 is
// "1.10". A file has at most 16 MiB of UTF-8.
package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/clockd/clockd/daemon/internal/target"
	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
)

// maxSize is how large a file may be, in bytes: some 250,000 small tasks.
const maxSize = 16 << 20

// File is what a configuration file says.
type File struct {
	// Namespace keeps tasks apart. Empty: the file does not say.
	Namespace string
	// Store says where to keep tasks and runs. Empty: the file does not say. It is not checked here.
	Store string
	// Listen is the address of the API. Empty: the file does not say. It is not checked here.
	Listen string
	// WorkerLease is how long a worker is trusted without an answer. 0: the file does not say.
	WorkerLease time.Duration
	// NodeLease is how long the other daemons on a shared store trust this one without a sign of life. 0: the file does
	// not say.
	NodeLease time.Duration
	// Revision is that of what the file declares. 0: it takes part in no order.
	Revision int64
	// Limits are those of all tasks together.
	Limits task.Limits
	// Groups are what the tasks of a group have in common, by its name. Nil: there are none. What they add to
	// tasks is not in Tasks.
	Groups map[string]task.Group
	// Calendars are lists of exclusions by name, all sound. Nil: there are none.
	Calendars map[string][]schedule.Exclusion
	// Tasks are in the order of the file. Their names are unique.
	Tasks []Task

	name  string
	lines map[string]int // of the fields above
}

// Task is one task of the file.
type Task struct {
	// Declaration is complete; its Target is what Target describes.
	Declaration task.Declaration
	// FormerNames are what it was called before. No task of the file has one of them as its name, and no two
	// tasks have the same.
	FormerNames []string
	// Target does the work.
	Target target.Target
}

// Problem returns an *Error that says what is wrong with a field of the file itself, such as "store" or
// "listen", for those who check what is not checked here.
func (f *File) Problem(path, format string, args ...any) error {
	return &Error{Problems: []Problem{{
		File: f.name, Line: f.lines[path], Path: path, Description: fmt.Sprintf(format, args...),
	}}}
}

// Load reads a file. The error is always an *Error.
func Load(path string) (*File, error) {
	data, err := read(path)
	if err != nil {
		var at *fs.PathError
		if errors.As(err, &at) {
			err = at.Err // the path is said anyway
		}
		return nil, &Error{Problems: []Problem{{File: path, Description: err.Error()}}}
	}
	return Parse(path, data)
}

func read(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return nil, errors.New("is a directory; name a file in it")
	}
	var b bytes.Buffer
	b.Grow(int(min(info.Size(), maxSize)) + bytes.MinRead) // what it says is 0 for a pipe
	// One byte more than is allowed, so that Parse can tell.
	_, err = b.ReadFrom(io.LimitReader(f, maxSize+1))
	return b.Bytes(), err
}
