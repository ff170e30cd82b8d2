package wire

import (
	"maps"
	"strconv"

	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
	clockdv1 "github.com/clockd/clockd/gen/clockd/v1"
)

// TaskToProto returns the API's form of a task. The API does not show Clock.Progress, Clock.RecordedTime and
// Change, nor the input and output of the last run.
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
		Orphanage:       orphanageToProto(t),
		FailureCount:    t.FailureCount,
		RunCounts:       countsToProto(t.Counts),
		Namespace:       clean(t.Namespace),
		Description:     clean(d.Description),
		Group:           clean(d.Group),
		Policy:          policyToProto(d.Policy),
		Target:          &clockdv1.Target{Kind: clean(d.Target.Kind), Summary: clean(d.Target.Summary)},
		Origin:          origins.to(t.Origin),
		Revision:        t.Revision,
		CreateTime:      TimeToProto(t.CreateTime),
		UpdateTime:      TimeToProto(t.UpdateTime),
	}
	if d.Spec != nil {
		pb.Spec = SpecToProto(d)
	}
	if t.LastRun != nil {
		last := *t.LastRun
		last.Input, last.Output = nil, nil
		pb.LastRun = RunToProto(last)
	}
	pb.Labels = cleanMap(d.Labels)
	return pb
}

// TaskFromProto returns the task of an answer, with the Version that its etag stands for. What the API does
// not show is zero: see [TaskToProto]. If something cannot be read, which a newer daemon may bring about (a
// kind of trigger that this version does not know), the error is a task.InvalidError and the rest of the
// task is there. Triggers are not compiled: whether they are sound was decided by the daemon.
func TaskFromProto(pb *clockdv1.TaskMetadata) (task.Task, error) {
	var r reader
	t := r.task(&path{name: "task"}, pb)
	return t, r.err()
}

func (r *reader) task(p *path, pb *clockdv1.TaskMetadata) task.Task {
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
			Labels:      maps.Clone(pb.GetLabels()),
		},
		Override:     r.override(p.field("override"), pb.GetOverride()),
		Pause:        r.pause(p.field("pause"), pb.GetPause()),
		OrphanTime:   r.time(p.field("orphanage.create_time"), pb.GetOrphanage().GetCreateTime()),
		OrphanReason: pb.GetOrphanage().GetReason(),
		Origin:       origins.from(r, p.field("origin"), pb.GetOrigin()),
		Revision:     pb.GetRevision(),
		FailureCount: pb.GetFailureCount(),
		Counts:       countsFromProto(pb.GetRunCounts()),
		State:        taskStates.from(r, p.field("state"), pb.GetState()),
		Version:      r.version(p.field("etag"), pb.GetEtag()),
		CreateTime:   r.time(p.field("create_time"), pb.GetCreateTime()),
		UpdateTime:   r.time(p.field("update_time"), pb.GetUpdateTime()),
		Clock: task.Clock{
			NextFireTime: r.time(p.field("next_fire_time"), pb.GetNextFireTime()),
			FireCount:    pb.GetFireCount(),
		},
	}
	if pb.GetLastRun() != nil {
		last := r.run(p.field("last_run"), pb.GetLastRun())
		t.LastRun = &last
	}
	if pb.GetSpec() != nil {
		// All else of it stands in the task too.
		t.Declaration.Spec = r.target(p.field("spec"), pb.GetSpec())
	}
	return t
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
		ExpireTime:         TimeToProto(o.ExpireTime),
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
		ExpireTime:         r.time(p.field("expire_time"), pb.GetExpireTime()),
	}
}

func pauseToProto(p *task.Pause) *clockdv1.Pause {
	if p == nil {
		return nil
	}
	return &clockdv1.Pause{
		Actor:      clean(p.Actor),
		Reason:     clean(p.Reason),
		CreateTime: TimeToProto(p.CreateTime),
		ResumeTime: TimeToProto(p.ResumeTime),
	}
}

func (r *reader) pause(p *path, pb *clockdv1.Pause) *task.Pause {
	if pb == nil {
		return nil
	}
	return &task.Pause{
		Actor:      pb.GetActor(),
		Reason:     pb.GetReason(),
		CreateTime: r.time(p.field("create_time"), pb.GetCreateTime()),
		ResumeTime: r.time(p.field("resume_time"), pb.GetResumeTime()),
	}
}

func orphanageToProto(t task.Task) *clockdv1.Orphanage {
	if t.OrphanTime.IsZero() && t.OrphanReason == "" {
		return nil
	}
	return &clockdv1.Orphanage{Reason: clean(t.OrphanReason), CreateTime: TimeToProto(t.OrphanTime)}
}

func countsToProto(c task.Counts) *clockdv1.RunCounts {
	return &clockdv1.RunCounts{
		Succeeded: c.Succeeded, Failed: c.Failed, TimedOut: c.TimedOut, Canceled: c.Canceled, Lost: c.Lost,
		SkippedOverlap: c.SkippedOverlap, SkippedPaused: c.SkippedPaused, SkippedOrphaned: c.SkippedOrphaned,
		SkippedExcluded: c.SkippedExcluded, SkippedLimit: c.SkippedLimit,
		Missed: c.Missed, Merged: c.Merged,
	}
}

func countsFromProto(pb *clockdv1.RunCounts) task.Counts {
	return task.Counts{
		Succeeded: pb.GetSucceeded(), Failed: pb.GetFailed(), TimedOut: pb.GetTimedOut(), Canceled: pb.GetCanceled(), Lost: pb.GetLost(),
		SkippedOverlap: pb.GetSkippedOverlap(), SkippedPaused: pb.GetSkippedPaused(), SkippedOrphaned: pb.GetSkippedOrphaned(),
		SkippedExcluded: pb.GetSkippedExcluded(), SkippedLimit: pb.GetSkippedLimit(),
		Missed: pb.GetMissed(), Merged: pb.GetMerged(),
	}
}
