package config

import (
	"errors"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/clockd/clockd/daemon/task"
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
	fields, ok := r.fields(r.at("", 1, root), `"tasks: []"`, "namespace", "revision", "store", "listen", "worker_lease", "node_lease", "limits", "groups", "calendars", "tasks")
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
	file.WorkerLease = r.lease(fields, "worker_lease", task.MinWorkerLease, task.MaxWorkerLease)
	file.NodeLease = r.lease(fields, "node_lease", task.MinNodeLease, task.MaxNodeLease)
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
		"name", "former_names", "description", "group", "labels", "trigger", "command", "http", "grpc", "worker", "timeout", "overlap",
		"catch_up", "catch_up_window", "delivery", "retry", "pause_after_failures", "retention")
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
