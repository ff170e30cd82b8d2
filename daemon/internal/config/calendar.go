package config

import (
	"errors"

	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
	"github.com/clockd/clockd/daemon/wire"
	clockdv1 "github.com/clockd/clockd/gen/clockd/v1"
)

const exclusionForm = `"dates 2026-12-24..2026-12-26 Europe/Berlin", or {dates: {first: 2026-12-24, time_zone: Europe/Berlin}}`

// calendars reads the calendars of a file, and prepares what triggers are compiled with.
func (r *reader) calendars(f field) map[string][]schedule.Exclusion {
	entries, _ := r.entries(f, "{holidays: [dates 2026-12-25 Europe/Berlin]}")
	all := make(map[string][]schedule.Exclusion, len(entries))
	names := make(map[string][]schedule.Exclusion, len(entries))
	sound := true
	for _, e := range entries {
		// Only within a calendar is a line looked for by its path.
		r.lines = map[string]int{e.path: e.line}
		list, ok := r.calendar(e)
		sound = sound && ok
		if _, err := schedule.NewExtensions(map[string][]schedule.Exclusion{e.key: nil}, nil); err == nil {
			names[e.key] = nil
		}
		all[e.key] = list
	}
	if !sound {
		all = names // what is wrong with a calendar is said; it is declared all the same
	}
	var err error
	if r.extensions, err = schedule.NewExtensions(all, nil); err != nil {
		r.lines = map[string]int{f.path: f.line}
		r.refusedBy(err, nil, f, "") // there are too many
		r.unresolved = true
	}
	if len(all) == 0 {
		return nil
	}
	return all
}

// calendar reads the exclusions of one calendar, and checks them.
func (r *reader) calendar(e entry) (list []schedule.Exclusion, ok bool) {
	m := messageReader{reader: r, said: map[string]bool{}}
	items, ok := r.items(e.field, "[dates 2026-12-25 Europe/Berlin]")
	if !ok {
		m.said[e.path] = true
	}
	list = make([]schedule.Exclusion, len(items))
	for i, item := range items {
		// What can not be read keeps its place, so that others keep theirs.
		list[i] = m.exclusion(item)
	}
	_, err := schedule.NewExtensions(map[string][]schedule.Exclusion{e.key: list}, nil)
	r.refusedBy(err, m.covers, field{path: e.path, line: e.keyLine}, "")
	return list, err == nil && len(m.said) == 0
}

// exclusion reads either form of an exclusion. What is wrong is noted in said too.
func (m *messageReader) exclusion(f field) schedule.Exclusion {
	switch {
	case f.node == nil:
		m.said[f.path] = true
		return nil
	case f.node.kind == mappingNode:
		pb := &clockdv1.Exclusion{}
		m.message(f, pb.ProtoReflect())
		e, found := wire.ExclusionFromProto(f.path, pb)
		m.violations(f, found)
		for _, v := range found {
			if _, ok := m.said[v.Field]; !ok {
				m.said[v.Field] = false // it holds a placeholder
			}
		}
		return e
	case f.node.kind == nullNode, f.node.kind == sequenceNode:
		m.bad(f, "an exclusion is needed, such as %s, not %s", exclusionForm, what(f.node))
		return nil
	}
	text, ok := m.verbatim(f)
	if !ok {
		m.said[f.path] = true
		return nil
	}
	e, err := schedule.ParseExclusion(text)
	if err != nil {
		m.said[f.path] = true
		m.unparsed(f, text, err)
	}
	return e
}

// refusedBy notes what package schedule says of what was read at f, in fields below the path under, but for
// those that are covered by what was said already. Nil: none is.
func (r *reader) refusedBy(err error, covered func(path string) bool, f field, under string) {
	var invalid *schedule.InvalidError
	switch {
	case err == nil:
		return
	case !errors.As(err, &invalid):
		r.wrong(f, "%s", err)
		return
	}
	for _, v := range invalid.Violations {
		path := v.Field
		if under != "" {
			path = under
			if v.Field != "" {
				path += "." + v.Field
			}
		}
		if covered == nil || !covered(path) {
			r.problem(r.nearest(path, f.line), path, "%s", v.Description)
		}
	}
}

// violations notes what a check of a message found. What could not be read is missing from the message:
// that needs no second word.
func (m *messageReader) violations(f field, found []task.Violation) {
	for _, v := range found {
		if !m.covers(v.Field) {
			m.problem(m.nearest(v.Field, f.line), v.Field, "%s", v.Description)
		}
	}
}
