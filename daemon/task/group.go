package task

import (
	"maps"
	"strings"
	"time"
)

// Group is what the tasks of a group have in common.
type Group struct {
	// Limits bound how many runs of the group go and wait at the same time, those of tasks made through the API
	// included. A group has no StartRate.
	Limits
	// Timeout is how long an attempt may take, of the program's tasks that name no timeout. Zero: as long as it likes.
	Timeout time.Duration
	// Labels are those of all tasks of the group that the program declares, beside their own: if both have one
	// of the same name, the task's counts.
	Labels map[string]string
}

// Check returns what is wrong, with each field after prefix, such as "groups.imports.".
func (g Group) Check(prefix string) []Violation {
	found := g.CheckGroup(prefix)
	d := Declaration{Name: "any", Labels: g.Labels, Policy: Policy{Timeout: g.Timeout}}
	for _, v := range d.Check() {
		v.Field = prefix + strings.TrimPrefix(v.Field, "policy.")
		found = append(found, v)
	}
	return found
}

// In returns a declaration of a task of the group, with what the group adds to it. It shares nothing that is changed
// with d.
func (d Declaration) In(g Group) Declaration {
	if d.Policy.Timeout == 0 {
		d.Policy.Timeout = g.Timeout
	}
	if len(g.Labels) > 0 {
		labels := maps.Clone(g.Labels)
		maps.Copy(labels, d.Labels)
		d.Labels = labels
	}
	return d
}
