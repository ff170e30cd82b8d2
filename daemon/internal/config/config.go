// Package config reads the daemon's YAML file: its tasks, and the options that may stand there. It says
// everything that is wrong at once, each problem with its file, line and path. It opens no store and
// starts nothing.
//
//	namespace: example            # default: default
//	store: sqlite:clockd.db       # optional
//	listen: 127.0.0.1:7433        # optional
//	calendars:                    # optional: exclusions that triggers name, as in exclude(calendar holidays)
//	  holidays:
//	    - dates 2026-12-24..2026-12-26 Europe/Berlin
//	    - dates: {first: 2027-01-01, time_zone: Europe/Berlin}
//	tasks:                        # required; [] is a daemon without tasks
//	  - name: hello               # required and unique: see task.CheckName
//	    description: greets
//	    group: examples
//	    labels: {team: infra}
//	    trigger: every 10s        # required: the text form of schedule.Parse, or the fields of clockd.v1.Trigger
//	    command: [echo, hi]       # a command or an http, one of them is required
//	    http: {url: https://host/x}
//	    timeout: 30s              # default: as long as it likes
//	    overlap: skip             # or allow
//	    catch_up: one             # or all, none
//	    delivery: at_least_once   # or at_most_once
//
// A command is a list of program and arguments, or a mapping with args, env, dir, stdin, output_limit
// (bytes) and kill_delay. An http has method, url, headers, body, expect_status (a list) and output_limit.
// Package command and package httpcall have their meaning and defaults. A relative dir or program is
// relative to the working directory of the daemon, not to the file.
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
// In arguments, env, headers and labels a value is taken as it is written: 0755 is "0755" and 1.10 is
// "1.10". A file has at most 16 MiB of UTF-8.
package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

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
	if info, err := f.Stat(); err != nil {
		return nil, err
	} else if info.IsDir() {
		return nil, errors.New("is a directory; name a file in it")
	}
	// One byte more than is allowed, so that Parse can tell.
	return io.ReadAll(io.LimitReader(f, maxSize+1))
}
