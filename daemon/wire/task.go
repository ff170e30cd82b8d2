package wire

import (
	"strconv"

	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
	clockdv1 "github.com/clockd/clockd/gen/clockd/v1"
	"google.golang.org/protobuf/types/known/durationpb"
)

// TaskToProto returns the API's form of a task. The API does not show Clock.Progress, Clock.RecordedTime and
// OrphanTime, nor the input and output of the last run.
func TaskToProto(t task.Task) *clockdv1.TaskMetadata {
	d := t.Declaration
	pb := &clockdv1.TaskMetadata{
		Id:              uuidToProto(t.ID),
		TaskName:        clean(d.Name),
		Trigger:         TriggerToProto(t.Trigger()),
		DeclaredTrigger: TriggerToProto(d.Trigger),
		Override:        overrideToProto(t.Override),
		State:           taskStates.to(t.State),
		NextFireTime:    TimeToProto(t.Clock.NextFireTime),
		FireCount:       t.Clock.FireCount,
		Etag:            t.Etag(),
		Pause:           pauseToProto(t.Pause),
		Namespace:       clean(t.Namespace),
		Description:     clean(d.Description),
		Group:           clean(d.Group),
		Policy:          policyToProto(d.Policy),
		Target:          &clockdv1.Target{Kind: clean(d.Target.Kind), Summary: clean(d.Target.Summary)},
		CreateTime:      TimeToProto(t.CreateTime),
		UpdateTime:      TimeToProto(t.UpdateTime),
	}
	if t.LastRun != nil {
		last := *t.LastRun
		last.Input, last.Output = nil, nil
		pb.LastRun = RunToProto(last)
	}
	if len(d.Labels) > 0 {
		pb.Labels = make(map[string]string, len(d.Labels))
		for k, v := range d.Labels {
			pb.Labels[clean(k)] = clean(v)
		}
	}
	return pb
}

// TaskFromProto returns the task of an answer, with the Version that its etag stands for. What the API does
// not show is zero: see [TaskToProto]. If something cannot be read, which a newer daemon may bring about (a
// kind of trigger that this version does not know), the error is a task.InvalidError and the rest of the
// task is there. Triggers are not compiled: whether they are sound was decided by the daemon.
func TaskFromProto(pb *clockdv1.TaskMetadata) (task.Task, error) {
	var r reader
	p := &path{name: "task"}
	t := task.Task{
		ID:        r.uuid(p.field("id"), pb.GetId()),
		Namespace: pb.GetNamespace(),
		Declaration: task.Declaration{
			Name:        pb.GetTaskName(),
			Description: pb.GetDescription(),
			Group:       pb.GetGroup(),
			Trigger:     r.storedTrigger(p.field("declared_trigger"), pb.GetDeclaredTrigger()),
			Policy:      r.policy(p.field("policy"), pb.GetPolicy()),
			Target:      task.Target{Kind: pb.GetTarget().GetKind(), Summary: pb.GetTarget().GetSummary()},
		},
		Override:   r.override(p.field("override"), pb.GetOverride()),
		Pause:      r.pause(p.field("pause"), pb.GetPause()),
		State:      taskStates.from(&r, p.field("state"), pb.GetState()),
		Version:    r.version(p.field("etag"), pb.GetEtag()),
		CreateTime: r.time(p.field("create_time"), pb.GetCreateTime()),
		UpdateTime: r.time(p.field("update_time"), pb.GetUpdateTime()),
		Clock: task.Clock{
			NextFireTime: r.time(p.field("next_fire_time"), pb.GetNextFireTime()),
			FireCount:    pb.GetFireCount(),
		},
	}
	if pb.GetLastRun() != nil {
		last := r.run(p.field("last_run"), pb.GetLastRun())
		t.LastRun = &last
	}
	if len(pb.GetLabels()) > 0 {
		t.Declaration.Labels = make(map[string]string, len(pb.GetLabels()))
		for k, v := range pb.GetLabels() {
			t.Declaration.Labels[k] = v
		}
	}
	return t, r.err()
}

// storedTrigger reads a trigger that a daemon holds in good order.
func (r *reader) storedTrigger(p *path, pb *clockdv1.Trigger) schedule.Trigger {
	if pb == nil {
		r.add(p, "missing")
		return schedule.Trigger{}
	}
	r.triggers = 0 // the guard is for each
	return r.trigger(p, pb, 0)
}

func (r *reader) version(p *path, etag string) int64 {
	n, err := strconv.ParseInt(etag, 10, 64)
	if err != nil {
		r.add(p, "%q is not an etag of this version: a decimal number is needed", truncate(etag, maxField))
		return 0
	}
	return n
}

func overrideToProto(o *task.Override) *clockdv1.TriggerOverride {
	if o == nil {
		return nil
	}
	return &clockdv1.TriggerOverride{
		Trigger:            TriggerToProto(o.Trigger),
		Actor:              clean(o.Actor),
		Reason:             clean(o.Reason),
		CreateTime:         TimeToProto(o.CreateTime),
		OnDeclaredChange:   onDeclaredChanges.to(o.OnDeclaredChange),
		DeclarationChanged: o.DeclarationChanged,
	}
}

func (r *reader) override(p *path, pb *clockdv1.TriggerOverride) *task.Override {
	if pb == nil {
		return nil
	}
	return &task.Override{
		Trigger:            r.storedTrigger(p.field("trigger"), pb.GetTrigger()),
		Actor:              pb.GetActor(),
		Reason:             pb.GetReason(),
		CreateTime:         r.time(p.field("create_time"), pb.GetCreateTime()),
		OnDeclaredChange:   onDeclaredChanges.from(r, p.field("on_declared_change"), pb.GetOnDeclaredChange()),
		DeclarationChanged: pb.GetDeclarationChanged(),
	}
}

func pauseToProto(p *task.Pause) *clockdv1.Pause {
	if p == nil {
		return nil
	}
	return &clockdv1.Pause{Actor: clean(p.Actor), Reason: clean(p.Reason), CreateTime: TimeToProto(p.CreateTime)}
}

func (r *reader) pause(p *path, pb *clockdv1.Pause) *task.Pause {
	if pb == nil {
		return nil
	}
	return &task.Pause{
		Actor:      pb.GetActor(),
		Reason:     pb.GetReason(),
		CreateTime: r.time(p.field("create_time"), pb.GetCreateTime()),
	}
}

func policyToProto(p task.Policy) *clockdv1.Policy {
	pb := &clockdv1.Policy{
		Overlap:  overlaps.to(p.Overlap),
		CatchUp:  catchUps.to(p.CatchUp),
		Delivery: deliveries.to(p.Delivery),
	}
	if p.Timeout != 0 {
		pb.Timeout = durationpb.New(p.Timeout)
	}
	return pb
}

func (r *reader) policy(p *path, pb *clockdv1.Policy) task.Policy {
	return task.Policy{
		Overlap:  overlaps.from(r, p.field("overlap"), pb.GetOverlap()),
		CatchUp:  catchUps.from(r, p.field("catch_up"), pb.GetCatchUp()),
		Delivery: deliveries.from(r, p.field("delivery"), pb.GetDelivery()),
		Timeout:  r.duration(p.field("timeout"), pb.GetTimeout()),
	}
}
