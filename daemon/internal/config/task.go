package config

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/clockd/clockd/daemon/internal/target"
	"github.com/clockd/clockd/daemon/internal/target/command"
	"github.com/clockd/clockd/daemon/internal/target/httpcall"
	"github.com/clockd/clockd/daemon/task"
)

// How things are written, for messages.
const (
	commandForm = "[echo, hi]"
	httpForm    = "{url: https://host/path}"
)

// Parse reads the text of a file. name is the name of the file, for messages. The error is always an
// *Error.
func Parse(name string, data []byte) (*File, error) {
	root, err := document(data)
	if err != nil {
		r := &reader{file: name}
		var at *syntaxError
		if errors.As(err, &at) {
			r.problem(at.line, "", "%s", at.description)
		} else {
			r.problem(0, "", "%s", err)
		}
		return nil, r.err()
	}
	for _, placing := range []bool{false, true} {
		r := &reader{file: name, placing: placing}
		f := r.read(root)
		if err = r.err(); err == nil {
			return f, nil
		}
	}
	return nil, err
}

func (r *reader) read(root *node) *File {
	r.lines, r.former = map[string]int{}, map[string]field{}
	file := &File{name: r.file, lines: map[string]int{}}
	fields, ok := r.fields(r.at("", 1, root), `"tasks: []"`, "namespace", "revision", "store", "listen", "limits", "groups", "calendars", "tasks")
	if !ok {
		return file
	}
	if f, ok := fields.get("namespace"); ok {
		if name, ok := r.name(f); ok {
			if err := task.CheckName(name); err != nil {
				r.wrong(f, "%s", err)
			}
			file.Namespace = name
		}
	}
	file.Store = r.filled(fields, "store", "for the default")
	file.Listen = r.filled(fields, "listen", "for the default")
	for _, f := range fields {
		file.lines[f.key] = f.line
	}
	if f, ok := fields.get("revision"); ok {
		file.Revision, _ = r.number(f, 0, math.MaxInt64)
	}
	if f, ok := fields.get("limits"); ok {
		file.Limits = r.limits(f)
	}
	if f, ok := fields.get("groups"); ok {
		file.Groups = r.groups(f)
	}
	// First, because tasks name them wherever in the file they stand.
	if f, ok := fields.get("calendars"); ok {
		file.Calendars = r.calendars(f)
	}
	f, ok := fields.get("tasks")
	if !ok {
		r.problem(root.lineOr(1), "tasks", "missing; for a daemon without tasks write \"tasks: []\"")
		return file
	}
	items, _ := r.items(f, `"tasks: []"`)
	names := make(map[string]field, len(items))
	if len(items) > 0 {
		file.Tasks = make([]Task, 0, len(items))
	}
	kept := len(r.kept)
	for _, item := range items {
		r.kept = r.kept[:kept]
		if r.placing {
			// Only within a task is a line looked for by its path.
			r.lines = map[string]int{item.path: item.line}
		}
		t, named := r.task(item)
		if t.Declaration.Name != "" {
			if before, taken := names[t.Declaration.Name]; taken {
				r.wrong(named, "%q is the name of %s on line %d too: names are unique", t.Declaration.Name, before.path, before.line)
			} else {
				names[t.Declaration.Name] = field{path: item.path, line: named.line}
			}
		}
		file.Tasks = append(file.Tasks, t)
	}
	for _, name := range slices.Sorted(maps.Keys(r.former)) {
		if task, ok := names[name]; ok {
			r.wrong(r.former[name], "%q is the name of %s on line %d: a former name belongs to no task any more", name, task.path, task.line)
		}
	}
	return file
}

// task reads one task. named is where its name is.
func (r *reader) task(item field) (t Task, named field) {
	fields, ok := r.fields(item, "{name: hello, trigger: every 10s, command: [echo, hi]}",
		"name", "former_names", "description", "group", "labels", "trigger", "command", "http", "timeout", "overlap", "catch_up",
		"catch_up_window", "delivery", "retry", "pause_after_failures", "retention")
	if !ok {
		return Task{}, item
	}
	d := &t.Declaration
	named, ok = fields.get("name")
	if !ok {
		r.problem(item.line, item.path+".name", "missing: every task has a name")
	} else if name, ok := r.name(named); ok {
		if err := task.CheckName(name); err != nil {
			r.wrong(named, "%s", err)
		} else {
			d.Name = name
		}
	}
	if f, ok := fields.get("former_names"); ok {
		t.FormerNames = r.formerNames(f)
	}
	if f, ok := fields.get("description"); ok {
		d.Description, _ = r.verbatim(f)
	}
	if f, ok := fields.get("group"); ok {
		if name, ok := r.name(f); ok {
			if err := task.CheckName(name); err != nil {
				r.wrong(f, "%s", err)
			} else {
				d.Group = name
			}
		}
	}
	if f, ok := fields.get("labels"); ok {
		d.Labels = r.labels(f)
	}
	if f, ok := fields.get("trigger"); ok {
		d.Trigger = r.trigger(f)
	} else {
		r.problem(item.line, item.path+".trigger", `missing: every task has a trigger, such as "every 10s"`)
	}
	r.policy(fields, &d.Policy)
	t.Target = r.target(item, fields)
	if t.Target != nil {
		d.Target = t.Target.Describe()
	}
	// With what its group adds: labels may be too many together.
	for _, v := range d.In(r.groupOf[d.Group]).Check() {
		// What is wrong with the name is said.
		if v.Field != "name" {
			path := item.path + "." + strings.TrimPrefix(v.Field, "policy.")
			r.problem(r.nearest(path, item.line), path, "%s", v.Description)
		}
	}
	return t, named
}

// labels reads labels of a task or a group.
func (r *reader) labels(f field) map[string]string {
	labels := r.strings(f, "{team: infra}")
	if _, ok := labels[""]; ok {
		r.wrong(f, "a label without a name")
		delete(labels, "")
	}
	return labels
}

// formerNames reads what a task was called before.
func (r *reader) formerNames(f field) []string {
	items, ok := r.items(f, "[hello]")
	if !ok {
		return nil
	}
	names := make([]string, 0, len(items))
	for _, item := range items {
		name, ok := r.name(item)
		if !ok {
			continue
		}
		if err := task.CheckName(name); err != nil {
			r.wrong(item, "%s", err)
			continue
		}
		if before, twice := r.former[name]; twice {
			r.wrong(item, "%q is in %s on line %d too: a task can be renamed to one other", name, before.path, before.line)
			continue
		}
		r.former[name] = item
		names = append(names, name)
	}
	return names
}

// target reads the command or the http of a task. It is nil if a problem was noted.
func (r *reader) target(item field, fields fieldSet) target.Target {
	c, isCommand := fields.get("command")
	h, isHTTP := fields.get("http")
	switch {
	case !isCommand && !isHTTP:
		r.problem(item.line, item.path, "command or http is missing: write command: %s or http: %s", commandForm, httpForm)
		return nil
	case isCommand && isHTTP:
		second, first := c, h
		if h.line > c.line {
			second, first = h, c
		}
		r.wrong(second, "a task has either a command or an http, and line %d has the other", first.line)
	}
	var t target.Target
	if isCommand {
		t = r.command(c)
	}
	if isHTTP {
		t = r.http(h)
	}
	return t
}

func (r *reader) command(f field) target.Target {
	var config command.Config
	isList, isMapping := f.node.is(sequenceNode), f.node.is(mappingNode)
	switch {
	case isMapping:
		fields, _ := r.fields(f, "{args: "+commandForm+"}", "args", "env", "dir", "stdin", "output_limit", "kill_delay")
		if args, ok := fields.get("args"); ok {
			config.Args = r.args(args)
		}
		if env, ok := fields.get("env"); ok {
			config.Env = r.strings(env, "{TZ: UTC}")
		}
		config.Dir = r.filled(fields, "dir", "for the daemon's working directory")
		if stdin, ok := fields.get("stdin"); ok {
			config.Stdin, _ = r.verbatim(stdin)
		}
		if limit, ok := fields.get("output_limit"); ok {
			config.OutputLimit, _ = r.size(limit)
		}
		if delay, ok := fields.get("kill_delay"); ok {
			config.KillDelay, _ = r.duration(delay)
		}
	case isList:
		config.Args = r.args(f)
	case f.node == nil:
		return nil
	default:
		r.wrong(f, `a list is needed, such as %s, not %s; for a shell write [sh, -c, "..."]`, commandForm, what(f.node))
		return nil
	}
	t, err := command.New(config)
	r.refused(f, err, func(name string) string {
		if index, ok := strings.CutPrefix(name, "args"); ok && isList {
			return f.path + index
		}
		return f.path + "." + name
	})
	return t
}

// args reads a list of program and arguments. What can not be read keeps its place, so that others keep
// theirs.
func (r *reader) args(f field) []string {
	items, ok := r.items(f, commandForm)
	if !ok {
		return []string{"?"}
	}
	args := make([]string, len(items))
	for i, item := range items {
		if text, ok := r.verbatim(item); ok {
			args[i] = text
		} else {
			args[i] = "?"
		}
	}
	return args
}

func (r *reader) http(f field) target.Target {
	var config httpcall.Config
	fields, ok := r.fields(f, httpForm, "method", "url", "headers", "body", "expect_status", "output_limit")
	if !ok {
		return nil
	}
	config.Method = r.filled(fields, "method", "for POST or GET")
	if url, ok := fields.get("url"); ok {
		if config.URL, ok = r.verbatim(url); !ok {
			config.URL = "http://unread" // what is wrong with it is said
		}
	}
	if body, ok := fields.get("body"); ok {
		config.Body, _ = r.verbatim(body)
	}
	if headers, ok := fields.get("headers"); ok {
		config.Headers = r.strings(headers, `{Accept: text/plain}`)
	}
	if statuses, ok := fields.get("expect_status"); ok {
		items, isList := r.items(statuses, "[200, 202]")
		if isList && len(items) == 0 {
			r.wrong(statuses, "empty: no status would be right; leave it out for 200 to 299")
		}
		for _, item := range items {
			status, ok := r.number(item, 200, 599)
			if !ok {
				status = 200
			}
			config.ExpectStatus = append(config.ExpectStatus, int(status))
		}
	}
	if limit, ok := fields.get("output_limit"); ok {
		config.OutputLimit, _ = r.size(limit)
	}
	t, err := httpcall.New(config)
	r.refused(f, err, func(name string) string { return f.path + "." + name })
	return t
}

// refused notes what the New of a target says. path turns its names of fields into ours.
func (r *reader) refused(f field, err error, path func(name string) string) {
	if err == nil {
		return
	}
	var invalid *task.InvalidError
	if !errors.As(err, &invalid) {
		r.wrong(f, "%s", fmt.Sprint(err))
		return
	}
	for _, v := range invalid.Violations {
		at := path(v.Field)
		r.problem(r.nearest(at, f.line), at, "%s", v.Description)
	}
}
