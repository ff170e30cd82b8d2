package config

import (
	"errors"
	"fmt"
	"strings"

	"github.com/clockd/clockd/daemon/internal/target"
	"github.com/clockd/clockd/daemon/internal/target/command"
	"github.com/clockd/clockd/daemon/internal/target/httpcall"
	"github.com/clockd/clockd/daemon/task"
	"github.com/goccy/go-yaml/ast"
)

// How things are written, for messages.
const (
	commandForm = "[echo, hi]"
	httpForm    = "{url: https://host/path}"
)

// Parse reads the text of a file. name is the name of the file, for messages. The error is always an
// *Error.
func Parse(name string, data []byte) (*File, error) {
	r := &reader{file: name, lines: map[string]int{}}
	root, err := document(data)
	if err != nil {
		var at *syntaxError
		if errors.As(err, &at) {
			r.problem(at.line, "", "%s", at.description)
		} else {
			r.problem(0, "", "%s", err)
		}
		return nil, r.err()
	}
	f := r.read(root)
	if err := r.err(); err != nil {
		return nil, err
	}
	return f, nil
}

func (r *reader) read(root ast.Node) *File {
	file := &File{name: r.file, lines: map[string]int{}}
	fields, ok := r.fields(r.at("", 1, root), `"tasks: []"`, "namespace", "store", "listen", "calendars", "tasks")
	if !ok {
		return file
	}
	if f, ok := fields["namespace"]; ok {
		if name, ok := r.name(f); ok {
			if err := task.CheckName(name); err != nil {
				r.wrong(f, "%s", err)
			}
			file.Namespace = name
		}
	}
	file.Store = r.filled(fields, "store", "for the default")
	file.Listen = r.filled(fields, "listen", "for the default")
	for name, f := range fields {
		file.lines[name] = f.line
	}
	// First, because tasks name them wherever in the file they stand.
	if f, ok := fields["calendars"]; ok {
		file.Calendars = r.calendars(f)
	}
	f, ok := fields["tasks"]
	if !ok {
		r.problem(lineOf(root, 1), "tasks", "missing; for a daemon without tasks write \"tasks: []\"")
		return file
	}
	items, _ := r.items(f, `"tasks: []"`)
	names := make(map[string]field, len(items))
	for _, item := range items {
		// Only within a task is a line looked for by its path.
		r.lines = map[string]int{item.path: item.line}
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
	return file
}

// task reads one task. named is where its name is.
func (r *reader) task(item field) (t Task, named field) {
	fields, ok := r.fields(item, "{name: hello, trigger: every 10s, command: [echo, hi]}",
		"name", "description", "group", "labels", "trigger", "command", "http", "timeout", "overlap", "catch_up", "delivery")
	if !ok {
		return Task{}, item
	}
	d := &t.Declaration
	named, ok = fields["name"]
	if !ok {
		r.problem(item.line, item.path+".name", "missing: every task has a name")
	} else if name, ok := r.name(named); ok {
		if err := task.CheckName(name); err != nil {
			r.wrong(named, "%s", err)
		} else {
			d.Name = name
		}
	}
	if f, ok := fields["description"]; ok {
		d.Description, _ = r.verbatim(f)
	}
	if f, ok := fields["group"]; ok {
		if name, ok := r.name(f); ok {
			if err := task.CheckName(name); err != nil {
				r.wrong(f, "%s", err)
			}
			d.Group = name
		}
	}
	if f, ok := fields["labels"]; ok {
		d.Labels = r.strings(f, "{team: infra}")
		if _, ok := d.Labels[""]; ok {
			r.wrong(f, "a label without a name")
		}
	}
	if f, ok := fields["trigger"]; ok {
		d.Trigger = r.trigger(f)
	} else {
		r.problem(item.line, item.path+".trigger", `missing: every task has a trigger, such as "every 10s"`)
	}
	r.policy(fields, &d.Policy)
	t.Target = r.target(item, fields)
	if t.Target != nil {
		d.Target = t.Target.Describe()
	}
	return t, named
}

func (r *reader) policy(fields map[string]field, p *task.Policy) {
	if f, ok := fields["timeout"]; ok {
		p.Timeout, _ = r.duration(f)
	}
	if f, ok := fields["overlap"]; ok {
		p.Overlap = choice(r, f, []string{"skip", "allow"}, []task.Overlap{task.OverlapSkip, task.OverlapAllow})
	}
	if f, ok := fields["catch_up"]; ok {
		p.CatchUp = choice(r, f, []string{"one", "all", "none"}, []task.CatchUp{task.CatchUpOne, task.CatchUpAll, task.CatchUpNone})
	}
	if f, ok := fields["delivery"]; ok {
		p.Delivery = choice(r, f, []string{"at_least_once", "at_most_once"}, []task.Delivery{task.AtLeastOnce, task.AtMostOnce})
	}
}

// target reads the command or the http of a task. It is nil if a problem was noted.
func (r *reader) target(item field, fields map[string]field) target.Target {
	c, isCommand := fields["command"]
	h, isHTTP := fields["http"]
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
	_, isList := f.node.(*ast.SequenceNode)
	_, isMapping := f.node.(*ast.MappingNode)
	switch {
	case isMapping:
		fields, _ := r.fields(f, "{args: "+commandForm+"}", "args", "env", "dir", "stdin", "output_limit", "kill_delay")
		if args, ok := fields["args"]; ok {
			config.Args = r.args(args)
		}
		if env, ok := fields["env"]; ok {
			config.Env = r.strings(env, "{TZ: UTC}")
		}
		config.Dir = r.filled(fields, "dir", "for the daemon's working directory")
		if stdin, ok := fields["stdin"]; ok {
			config.Stdin, _ = r.verbatim(stdin)
		}
		if limit, ok := fields["output_limit"]; ok {
			config.OutputLimit, _ = r.size(limit)
		}
		if delay, ok := fields["kill_delay"]; ok {
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
	if url, ok := fields["url"]; ok {
		if config.URL, ok = r.verbatim(url); !ok {
			config.URL = "http://unread" // what is wrong with it is said
		}
	}
	if body, ok := fields["body"]; ok {
		config.Body, _ = r.verbatim(body)
	}
	if headers, ok := fields["headers"]; ok {
		config.Headers = r.strings(headers, `{Accept: text/plain}`)
	}
	if statuses, ok := fields["expect_status"]; ok {
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
	if limit, ok := fields["output_limit"]; ok {
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
