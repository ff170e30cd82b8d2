package wire

import (
	"maps"
	"slices"

	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
	clockdv1 "github.com/clockd/clockd/gen/clockd/v1"
	"google.golang.org/protobuf/proto"
)

// maxTarget is how much a command or a request may say, in bytes: with all else that a task shows it
// must fit into one message.
const maxTarget = 256 << 10

// SpecToProto returns the API's form of the declaration of a task that lives in the store. Its Target, which
// sums up its Spec, is not part of that. Defaults are written out.
func SpecToProto(d task.Declaration) *clockdv1.TaskSpec {
	pb := SetSpecToProto(d)
	pb.Trigger = TriggerToProto(d.Trigger)
	pb.Policy = policyToProto(d.Policy)
	return pb
}

// SetSpecToProto is [SpecToProto] without what is not set: a zero trigger, and all that is the default in the
// policy. In a request to change a task, that leaves them as they are.
func SetSpecToProto(d task.Declaration) *clockdv1.TaskSpec {
	pb := &clockdv1.TaskSpec{
		TaskName:    clean(d.Name),
		Description: clean(d.Description),
		Group:       clean(d.Group),
		Labels:      cleanMap(d.Labels),
		Policy:      setPolicyToProto(d.Policy),
	}
	if !schedule.Equal(d.Trigger, schedule.Trigger{}) {
		pb.Trigger = TriggerToProto(d.Trigger)
	}
	switch {
	case d.Spec == nil:
	case d.Spec.Command != nil:
		c := d.Spec.Command
		pb.Target = &clockdv1.TaskSpec_Command{Command: &clockdv1.CommandTarget{
			Args: cleanAll(c.Args), Env: cleanMap(c.Env), Dir: clean(c.Dir), Stdin: clean(c.Stdin),
			OutputLimit: int32Of(c.OutputLimit), KillDelay: spanToProto(c.KillDelay),
		}}
	case d.Spec.HTTP != nil:
		h := d.Spec.HTTP
		target := &clockdv1.HttpTarget{
			Method: clean(h.Method), Url: clean(h.URL), Headers: cleanMap(h.Headers), Body: clean(h.Body),
			OutputLimit: int32Of(h.OutputLimit),
		}
		for _, s := range h.ExpectStatus {
			target.ExpectStatus = append(target.ExpectStatus, int32Of(s))
		}
		pb.Target = &clockdv1.TaskSpec_Http{Http: target}
	case d.Spec.Worker != nil:
		pb.Target = &clockdv1.TaskSpec_Worker{Worker: &clockdv1.WorkerTarget{}}
	case d.Spec.GRPC != nil:
		g := d.Spec.GRPC
		target := &clockdv1.GrpcTarget{
			Address: clean(g.Address), Method: clean(g.Method), Body: clean(g.Body), Metadata: cleanMap(g.Metadata),
			OutputLimit: int32Of(g.OutputLimit),
		}
		if t := g.TLS; t != nil {
			target.Tls = &clockdv1.TlsOptions{
				CaFile: clean(t.CAFile), CertFile: clean(t.CertFile), KeyFile: clean(t.KeyFile), ServerName: clean(t.ServerName),
			}
		}
		pb.Target = &clockdv1.TaskSpec_Grpc{Grpc: target}
	}
	return pb
}

// SpecFromProto returns the declaration of a task that a caller wants made, and everything that is wrong with
// it: what cannot be read, what schedule.Check finds in the trigger, and what Declaration.Check finds. Of the
// target only the shape is checked: whether there is such a method, and whether the daemon may run commands at
// all, is for those who run it. If there is a violation, the declaration is not to be used. field is the path
// of the message; violations have whole paths below it.
func SpecFromProto(field string, pb *clockdv1.TaskSpec) (task.Declaration, []task.Violation) {
	r, root := reader{asked: true}, &path{name: field}
	if pb == nil {
		r.add(root, "missing: say what to make")
		return task.Declaration{}, r.found
	}
	r.extra(root, pb)
	d := task.Declaration{
		Name:        pb.GetTaskName(),
		Description: pb.GetDescription(),
		Group:       pb.GetGroup(),
		Labels:      maps.Clone(pb.GetLabels()),
		Trigger:     r.askedTrigger(root.field("trigger"), pb.GetTrigger(), schedule.Check),
		Policy:      r.policy(root.field("policy"), pb.GetPolicy()),
		Spec:        r.target(root, pb),
	}
	r.declared(root, d)
	return d, r.violations()
}

// AnnouncedFromProto is [SpecFromProto] for what a worker declares: a task that a worker runs, whether or not it says so.
func AnnouncedFromProto(field string, pb *clockdv1.TaskSpec) (task.Declaration, []task.Violation) {
	if pb != nil && pb.GetTarget() == nil {
		said := pb
		pb = proto.CloneOf(said)
		pb.Target = &clockdv1.TaskSpec_Worker{Worker: &clockdv1.WorkerTarget{}}
	}
	d, found := SpecFromProto(field, pb)
	if d.Spec != nil && d.Spec.Worker == nil {
		found = append(found, task.Violation{Field: field, Description: "a task that a worker declares is run by a worker: leave out the target, or say worker"})
	}
	return d, found
}

// declared adds what is wrong with a declaration beside its trigger and target, but for fields that are
// placeholders.
func (r *reader) declared(root *path, d task.Declaration) {
	for _, v := range d.Check() {
		if v.Field == "name" {
			v.Field = "task_name"
		}
		if at := root.field(v.Field); !r.guessed[at.String()] {
			r.add(at, "%s", v.Description)
		}
	}
}

// target reads what a run does, out of the spec at p.
func (r *reader) target(p *path, pb *clockdv1.TaskSpec) *task.TargetSpec {
	switch k := pb.GetTarget().(type) {
	case *clockdv1.TaskSpec_Command:
		at := p.field("command")
		r.targetSize(at, k.Command)
		r.extra(at, k.Command)
		return &task.TargetSpec{Command: &task.CommandSpec{
			Args:        slices.Clone(k.Command.GetArgs()),
			Env:         maps.Clone(k.Command.GetEnv()),
			Dir:         k.Command.GetDir(),
			Stdin:       k.Command.GetStdin(),
			OutputLimit: int(k.Command.GetOutputLimit()),
			KillDelay:   r.duration(at.field("kill_delay"), k.Command.GetKillDelay()),
		}}
	case *clockdv1.TaskSpec_Http:
		at := p.field("http")
		r.targetSize(at, k.Http)
		r.extra(at, k.Http)
		h := &task.HTTPSpec{
			Method:      k.Http.GetMethod(),
			URL:         k.Http.GetUrl(),
			Headers:     maps.Clone(k.Http.GetHeaders()),
			Body:        k.Http.GetBody(),
			OutputLimit: int(k.Http.GetOutputLimit()),
		}
		for _, s := range k.Http.GetExpectStatus() {
			h.ExpectStatus = append(h.ExpectStatus, int(s))
		}
		return &task.TargetSpec{HTTP: h}
	case *clockdv1.TaskSpec_Worker:
		r.extra(p.field("worker"), k.Worker)
		return &task.TargetSpec{Worker: &task.WorkerSpec{}}
	case *clockdv1.TaskSpec_Grpc:
		at := p.field("grpc")
		r.targetSize(at, k.Grpc)
		r.extra(at, k.Grpc)
		g := &task.GRPCSpec{
			Address:     k.Grpc.GetAddress(),
			Method:      k.Grpc.GetMethod(),
			Body:        k.Grpc.GetBody(),
			Metadata:    maps.Clone(k.Grpc.GetMetadata()),
			OutputLimit: int(k.Grpc.GetOutputLimit()),
		}
		if t := k.Grpc.GetTls(); t != nil {
			r.extra(at.field("tls"), t)
			g.TLS = &task.TLSSpec{CAFile: t.GetCaFile(), CertFile: t.GetCertFile(), KeyFile: t.GetKeyFile(), ServerName: t.GetServerName()}
		}
		return &task.TargetSpec{GRPC: g}
	}
	r.add(p, "exactly one of command, http, grpc and worker must be set")
	return nil
}

func (r *reader) targetSize(p *path, pb proto.Message) {
	if n := proto.Size(pb); r.asked && n > maxTarget {
		r.add(p, "%d bytes, at most %d are allowed", n, maxTarget)
	}
}
