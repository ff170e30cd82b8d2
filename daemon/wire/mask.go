package wire

import (
	"maps"
	"slices"
	"strings"

	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
	clockdv1 "github.com/clockd/clockd/gen/clockd/v1"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
)

// maxPaths is how many paths are read of a mask. There are fewer than that to name.
const maxPaths = 64

// policyCopies says how a field of the policy is taken from one into another.
var policyCopies = map[string]func(to, from *task.Policy){
	"policy":                      func(to, from *task.Policy) { *to = *from },
	"policy.overlap":              func(to, from *task.Policy) { to.Overlap = from.Overlap },
	"policy.catch_up":             func(to, from *task.Policy) { to.CatchUp = from.CatchUp },
	"policy.delivery":             func(to, from *task.Policy) { to.Delivery = from.Delivery },
	"policy.timeout":              func(to, from *task.Policy) { to.Timeout = from.Timeout },
	"policy.catch_up_window":      func(to, from *task.Policy) { to.CatchUpWindow = from.CatchUpWindow },
	"policy.retry":                func(to, from *task.Policy) { to.Retry = from.Retry },
	"policy.retry.max_attempts":   func(to, from *task.Policy) { to.Retry.MaxAttempts = from.Retry.MaxAttempts },
	"policy.retry.backoff":        func(to, from *task.Policy) { to.Retry.Backoff = from.Retry.Backoff },
	"policy.retry.max_backoff":    func(to, from *task.Policy) { to.Retry.MaxBackoff = from.Retry.MaxBackoff },
	"policy.retry.jitter":         func(to, from *task.Policy) { to.Retry.Jitter = from.Retry.Jitter },
	"policy.pause_after_failures": func(to, from *task.Policy) { to.PauseAfterFailures = from.PauseAfterFailures },
	"policy.retention":            func(to, from *task.Policy) { to.Retention = from.Retention },
	"policy.retention.keep":       func(to, from *task.Policy) { to.Retention.Keep = from.Retention.Keep },
	"policy.retention.max_runs":   func(to, from *task.Policy) { to.Retention.MaxRuns = from.Retention.MaxRuns },
	"policy.retention.max_age":    func(to, from *task.Policy) { to.Retention.MaxAge = from.Retention.MaxAge },
}

// declarationCopies says the same of the fields of a declaration.
var declarationCopies = map[string]func(to, from *task.Declaration){
	"description": func(to, from *task.Declaration) { to.Description = from.Description },
	"group":       func(to, from *task.Declaration) { to.Group = from.Group },
	"labels":      func(to, from *task.Declaration) { to.Labels = maps.Clone(from.Labels) },
	"trigger":     func(to, from *task.Declaration) { to.Trigger = from.Trigger },
	"command":     func(to, from *task.Declaration) { to.Spec = from.Spec },
	"http":        func(to, from *task.Declaration) { to.Spec = from.Spec },
	"grpc":        func(to, from *task.Declaration) { to.Spec = from.Spec },
	"worker":      func(to, from *task.Declaration) { to.Spec = from.Spec },
}

// targets are the fields of the oneof that says what a run does.
var targets = []string{"command", "grpc", "http", "worker"}

// copies returns how the field at a path is taken from one declaration into another, or nil.
func copies(path string) func(to, from *task.Declaration) {
	if f := policyCopies[path]; f != nil {
		return func(to, from *task.Declaration) { f(&to.Policy, &from.Policy) }
	}
	return declarationCopies[path]
}

// UpdateFromProto returns the change that a caller wants made to a task that lives in the store, as
// task.TaskUpdate.Apply, and everything that is wrong with it. Of pb the fields that the mask names are looked
// at, or, without a mask, those that are set; of the policy each for itself. A name that is not that of the
// task is for the change to refuse. field is the path of pb, maskField that of the mask.
func UpdateFromProto(field string, pb *clockdv1.TaskSpec, maskField string, mask *fieldmaskpb.FieldMask) (func(*task.Declaration) error, []task.Violation) {
	r, root := reader{asked: true}, &path{name: field}
	if pb == nil {
		pb = &clockdv1.TaskSpec{}
	}
	r.extra(root, pb)
	paths := mask.GetPaths()
	if len(paths) == 0 {
		paths = setFields(pb)
		if len(paths) == 0 && len(r.found) == 0 {
			r.add(root, "nothing is set, and %s is empty: say what to change", maskField)
		}
	} else {
		r.mask(&path{name: maskField}, paths)
	}
	if len(r.found) > 0 {
		return nil, r.violations()
	}

	given := r.named(root, pb, paths)
	checked := task.Declaration{Name: "x"}
	for _, p := range paths {
		copies(p)(&checked, &given)
	}
	r.declared(root, checked)
	if len(r.found) > 0 {
		return nil, r.violations()
	}
	return func(d *task.Declaration) error {
		if given.Name != "" && given.Name != d.Name {
			return task.Invalid(field+".task_name", "%q is not the name of the task, which is %q and never changes: leave it out", given.Name, d.Name)
		}
		for _, p := range paths {
			copies(p)(d, &given)
		}
		return nil
	}, nil
}

// mask checks the paths of a mask.
func (r *reader) mask(at *path, paths []string) {
	if len(paths) > maxPaths {
		r.add(at, "%d paths, at most %d are allowed", len(paths), maxPaths)
		return
	}
	for _, p := range paths {
		switch {
		case copies(p) != nil:
		case p == "task_name":
			r.add(at, `"task_name" never changes: leave it out`)
		default:
			known := slices.AppendSeq(slices.Collect(maps.Keys(declarationCopies)), maps.Keys(policyCopies))
			slices.Sort(known)
			r.add(at, "%q is no field that can be changed: one of %s is needed", truncate(p, maxField), strings.Join(known, ", "))
		}
	}
	named := slices.DeleteFunc(slices.Clone(targets), func(t string) bool { return !slices.Contains(paths, t) })
	if len(named) > 1 {
		r.add(at, "%q and %q exclude each other: name one of them", named[0], named[1])
	}
}

// named reads the fields at these paths. What is not named is left out, and not looked at.
func (r *reader) named(root *path, pb *clockdv1.TaskSpec, paths []string) task.Declaration {
	d := task.Declaration{
		Name: pb.GetTaskName(), Description: pb.GetDescription(), Group: pb.GetGroup(), Labels: pb.GetLabels(),
	}
	for _, p := range slices.Compact(slices.Sorted(slices.Values(paths))) {
		switch p {
		case "trigger":
			d.Trigger = r.askedTrigger(root.field("trigger"), pb.GetTrigger(), schedule.Check)
		case "command", "grpc", "http", "worker":
			if set := pb.ProtoReflect().WhichOneof(pb.ProtoReflect().Descriptor().Oneofs().ByName("target")); set == nil || string(set.Name()) != p {
				r.add(root.field(p), "missing, and the mask names it")
				continue
			}
			d.Spec = r.target(root, pb)
		}
	}
	if slices.ContainsFunc(paths, func(p string) bool { return p == "policy" || strings.HasPrefix(p, "policy.") }) {
		d.Policy = r.namedPolicy(root, pb.GetPolicy(), paths)
	}
	return d
}

// namedPolicy reads all of the policy, and keeps what is wrong with the fields at these paths.
func (r *reader) namedPolicy(root *path, pb *clockdv1.Policy, paths []string) task.Policy {
	whole := reader{asked: true}
	policy := whole.policy(root.field("policy"), pb)
	for _, v := range whole.violations() {
		if v.Field == "" || slices.ContainsFunc(paths, func(p string) bool { return within(v.Field, root.field(p).String()) }) {
			r.found = append(r.found, v)
		}
	}
	if len(whole.guessed) > 0 && r.guessed == nil {
		r.guessed = map[string]bool{}
	}
	maps.Copy(r.guessed, whole.guessed)
	return policy
}

// within reports whether a field is the one at a path, or inside it or around it.
func within(field, path string) bool {
	return field == path || strings.HasPrefix(field, path+".") || strings.HasPrefix(path, field+".")
}

// setFields returns the paths of all that is set, in the order of the message: of the policy and what it holds
// the innermost.
func setFields(pb *clockdv1.TaskSpec) []string {
	var paths []string
	var walk func(prefix string, m protoreflect.Message)
	walk = func(prefix string, m protoreflect.Message) {
		fields := m.Descriptor().Fields()
		for i := range fields.Len() {
			f := fields.Get(i)
			switch at := prefix + string(f.Name()); {
			case !m.Has(f) || at == "task_name":
			case at == "policy" || at == "policy.retry" || at == "policy.retention":
				walk(at+".", m.Get(f).Message())
			default:
				paths = append(paths, at)
			}
		}
	}
	walk("", pb.ProtoReflect())
	return paths
}
