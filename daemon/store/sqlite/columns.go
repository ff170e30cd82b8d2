package sqlite

import (
	"database/sql"
	"fmt"
	"time"

	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/store/internal/codec"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
)

// The columns of a query, in the order in which the row types below read them.
const (
	// hotColumns are what a decision about a task needs.
	hotColumns = `t.pk, t.id, t.name, t.state, t.version,
		s.next_fire_time, s.recorded_time, s.fire_count, s.anchor_time, s.last_fire_time, s.last_end_time, s.fires, s.last_run, s.failure_count,
		s.excluded_time`
	// coldColumns are the rest of it. r is its last run, or all NULL.
	coldColumns = leanColumns + `,
		max(s.change, n.change, coalesce(r.change, 0)), ` + countColumns
	// leanColumns are what of it stands in the table tasks.
	leanColumns = `t.create_time, t.update_time, t.orphan_time, t.description, t.task_group, t.labels, t.declared_trigger,
		t.overlap, t.catch_up, t.delivery, t.timeout, t.target_kind, t.target_summary,
		t.override_trigger, t.override_actor, t.override_reason, t.override_create_time, t.on_declared_change, t.declaration_changed,
		t.pause_actor, t.pause_reason, t.pause_create_time,
		t.orphan_reason, t.origin, t.revision, t.spec, t.policy, t.override_expire_time, t.pause_resume_time`
	// fullColumns are a task with its last run.
	fullColumns = hotColumns + `, ` + coldColumns + `, ` + runColumns
	// runColumns are a run without Input and Output.
	runColumns = `r.run, r.prev_run, r.state, r.cause, r.reason, r.attempt, r.fires,
		r.scheduled_time, r.jittered_time, r.first_scheduled_time, r.start_time, r.end_time, r.error, r.actor, r.earlier,
		r.next_attempt_time, r.change, r.worker`
)

// hotRow is a row of hotColumns. Rows are read into the same one again and again, so that reading a
// thousand allocates little else than what they hold.
type hotRow struct {
	pk                        int64
	id                        uuid.UUID
	name                      string
	state                     int64
	version                   int64
	nextFire, recorded        sql.NullInt64
	excluded                  sql.NullInt64
	fireCount                 int64
	anchor, lastFire, lastEnd sql.NullInt64
	fires                     []byte
	lastRun                   sql.NullInt64
	failureCount              int64

	// edits is not read. It is there while an Update needs to know.
	edits *edits
}

// edits is what a transaction has done to a task: what it added to the counts, and the number of its commit once it has
// written to the clock.
type edits struct {
	counted task.Counts
	stamp   int64
}

func (h *hotRow) dest() []any {
	return []any{
		&h.pk, &h.id, &h.name, &h.state, &h.version,
		&h.nextFire, &h.recorded, &h.fireCount, &h.anchor, &h.lastFire, &h.lastEnd, &h.fires, &h.lastRun, &h.failureCount, &h.excluded,
	}
}

func (h *hotRow) clock() (task.Clock, error) {
	fires, err := codec.DecodeFires(h.fires)
	if err != nil {
		return task.Clock{}, fmt.Errorf("task %q: %w", h.name, err)
	}
	return task.Clock{
		NextFireTime: instant(h.nextFire),
		RecordedTime: instant(h.recorded),
		ExcludedTime: instant(h.excluded),
		FireCount:    h.fireCount,
		Progress: schedule.Progress{
			Anchor:   instant(h.anchor),
			LastFire: instant(h.lastFire),
			LastEnd:  instant(h.lastEnd),
			Fires:    fires,
		},
	}, nil
}

// taskRow is a row of hotColumns and coldColumns.
type taskRow struct {
	hotRow
	createTime, updateTime, orphanTime  sql.NullInt64
	description, group                  string
	labels                              []byte
	trigger                             string
	overlap, catchUp, delivery, timeout int64
	target                              task.Target
	overrideTrigger                     sql.NullString
	overrideActor, overrideReason       sql.NullString
	overrideTime, onDeclaredChange      sql.NullInt64
	declarationChanged                  sql.NullBool
	pauseActor, pauseReason             sql.NullString
	pauseTime                           sql.NullInt64
	orphanReason                        string
	origin, revision                    int64
	spec, policy                        []byte
	expireTime, resumeTime              sql.NullInt64
	change                              int64
	counts                              task.Counts
}

func (t *taskRow) dest() []any {
	dest := append(t.leanDest(), &t.change)
	for _, n := range counters(&t.counts) {
		dest = append(dest, n.value)
	}
	return dest
}

// leanDest is dest without change and counts.
func (t *taskRow) leanDest() []any {
	return append(
		t.hotRow.dest(),
		&t.createTime, &t.updateTime, &t.orphanTime, &t.description, &t.group, &t.labels, &t.trigger,
		&t.overlap, &t.catchUp, &t.delivery, &t.timeout, &t.target.Kind, &t.target.Summary,
		&t.overrideTrigger, &t.overrideActor, &t.overrideReason, &t.overrideTime, &t.onDeclaredChange, &t.declarationChanged,
		&t.pauseActor, &t.pauseReason, &t.pauseTime,
		&t.orphanReason, &t.origin, &t.revision, &t.spec, &t.policy, &t.expireTime, &t.resumeTime,
	)
}

// task returns the task that was read. A text that cannot be read is refused, not guessed.
func (t *taskRow) task(namespace string) (task.Task, error) {
	fail := func(err error) (task.Task, error) {
		return task.Task{}, fmt.Errorf("task %q as it is stored: %w", t.name, err)
	}
	out := task.Task{
		ID:        t.id,
		Namespace: namespace,
		Declaration: task.Declaration{
			Name: t.name, Description: t.description, Group: t.group, Target: t.target,
		},
		OrphanTime:   instant(t.orphanTime),
		OrphanReason: t.orphanReason,
		Origin:       task.Origin(t.origin),
		Revision:     t.revision,
		State:        task.State(t.state),
		Version:      t.version,
		CreateTime:   instant(t.createTime),
		UpdateTime:   instant(t.updateTime),
		FailureCount: t.failureCount,
		Counts:       t.counts,
		Change:       t.change,
	}
	policy, err := codec.DecodePolicy(t.policy)
	if err != nil {
		return fail(err)
	}
	// These have columns.
	policy.Overlap, policy.CatchUp = task.Overlap(t.overlap), task.CatchUp(t.catchUp)
	policy.Delivery, policy.Timeout = task.Delivery(t.delivery), time.Duration(t.timeout)
	out.Declaration.Policy = policy
	if out.Declaration.Spec, err = codec.DecodeSpec(t.spec); err != nil {
		return fail(err)
	}
	if out.Declaration.Trigger, err = codec.DecodeTrigger(t.trigger); err != nil {
		return fail(err)
	}
	if out.Declaration.Labels, err = codec.DecodeLabels(t.labels); err != nil {
		return fail(err)
	}
	if t.overrideTrigger.Valid {
		o := &task.Override{
			Actor:              t.overrideActor.String,
			Reason:             t.overrideReason.String,
			CreateTime:         instant(t.overrideTime),
			OnDeclaredChange:   task.OnDeclaredChange(t.onDeclaredChange.Int64),
			DeclarationChanged: t.declarationChanged.Bool,
			ExpireTime:         instant(t.expireTime),
		}
		if o.Trigger, err = codec.DecodeTrigger(t.overrideTrigger.String); err != nil {
			return fail(fmt.Errorf("override: %w", err))
		}
		out.Override = o
	}
	if t.pauseActor.Valid {
		out.Pause = &task.Pause{Actor: t.pauseActor.String, Reason: t.pauseReason.String, CreateTime: instant(t.pauseTime), ResumeTime: instant(t.resumeTime)}
	}
	out.Clock, err = t.clock()
	return out, err
}

// coldValues are the values for the statements that write a task, and the task as reading it back will give it, the
// clock included. Counts and Change are not in it.
func coldValues(t *task.Task) (values []any, stored task.Task, err error) {
	fail := func(what string, err error) ([]any, task.Task, error) {
		return nil, task.Task{}, fmt.Errorf("task %q: %s%w", t.Declaration.Name, what, err)
	}
	stored = *t
	stored.LastRun, stored.Counts, stored.Change = nil, task.Counts{}, 0
	stored.CreateTime, stored.UpdateTime = task.Instant(t.CreateTime), task.Instant(t.UpdateTime)
	stored.OrphanTime = task.Instant(t.OrphanTime)
	stored.Clock = codec.CloneClock(t.Clock)
	d := &stored.Declaration
	trigger, declared, err := codec.EncodeTrigger(d.Trigger)
	if err != nil {
		return fail("", err)
	}
	d.Trigger = declared
	labels, kept, err := codec.EncodeLabels(d.Labels)
	if err != nil {
		return fail("", err)
	}
	d.Labels = kept
	rest := d.Policy // what has no column
	rest.Overlap, rest.CatchUp, rest.Delivery, rest.Timeout = 0, 0, 0, 0
	policy, err := codec.EncodePolicy(rest)
	if err != nil {
		return fail("", err)
	}
	spec, target, err := codec.EncodeSpec(d.Spec)
	if err != nil {
		return fail("", err)
	}
	d.Spec = target
	values = append(
		make([]any, 0, 40), // room for what callers append
		micros(t.CreateTime), micros(t.UpdateTime), micros(t.OrphanTime), t.OrphanReason, int64(t.Origin), t.Revision,
		d.Description, d.Group, orNull(labels), trigger,
		int64(d.Policy.Overlap), int64(d.Policy.CatchUp), int64(d.Policy.Delivery), int64(d.Policy.Timeout), orNull(policy),
		d.Target.Kind, d.Target.Summary, orNull(spec),
	)
	if t.Override != nil {
		o := *t.Override
		o.CreateTime, o.ExpireTime = task.Instant(o.CreateTime), task.Instant(o.ExpireTime)
		if trigger, o.Trigger, err = codec.EncodeTrigger(o.Trigger); err != nil {
			return fail("override: ", err)
		}
		stored.Override = &o
		values = append(values, trigger, o.Actor, o.Reason, micros(o.CreateTime), int64(o.OnDeclaredChange), o.DeclarationChanged,
			micros(o.ExpireTime))
	} else {
		values = append(values, nil, nil, nil, nil, nil, nil, nil)
	}
	if t.Pause != nil {
		p := *t.Pause
		p.CreateTime, p.ResumeTime = task.Instant(p.CreateTime), task.Instant(p.ResumeTime)
		stored.Pause = &p
	}
	return append(values, pauseValues(t.Pause)...), stored, nil
}

// pauseValues are the last of coldValues.
func pauseValues(p *task.Pause) []any {
	if p == nil {
		return []any{nil, nil, nil, nil}
	}
	return []any{p.Actor, p.Reason, micros(p.CreateTime), micros(p.ResumeTime)}
}

// fullRow is a row of fullColumns.
type fullRow struct {
	taskRow
	last runRow
}

func (f *fullRow) dest() []any { return append(f.taskRow.dest(), f.last.dest()...) }

// runRow is a row of runColumns, and what else was asked for. All may be NULL, for a task that has none.
type runRow struct {
	run, prev                            sql.NullInt64
	state, cause, reason, attempt, fires sql.NullInt64
	scheduled, jittered, firstScheduled  sql.NullInt64
	started, ended                       sql.NullInt64
	errorText, actor, worker             sql.NullString
	earlier                              []byte
	nextAttempt, change                  sql.NullInt64
	input, output                        []byte
	taskID                               uuid.UUID
	taskName                             string
}

func (r *runRow) dest() []any {
	return []any{
		&r.run, &r.prev, &r.state, &r.cause, &r.reason, &r.attempt, &r.fires,
		&r.scheduled, &r.jittered, &r.firstScheduled, &r.started, &r.ended, &r.errorText, &r.actor, &r.earlier,
		&r.nextAttempt, &r.change, &r.worker,
	}
}

// narrowDest is for runColumns and the id and name of the task.
func (r *runRow) narrowDest() []any { return append(r.dest(), &r.taskID, &r.taskName) }

// wholeDest is for runColumns, the id and name of the task, the input and the output.
func (r *runRow) wholeDest() []any { return append(r.narrowDest(), &r.input, &r.output) }

func (r *runRow) value() (task.Run, error) {
	earlier, err := codec.DecodeAttempts(r.earlier)
	if err != nil {
		return task.Run{}, fmt.Errorf("run %d as it is stored: %w", r.run.Int64, err)
	}
	return task.Run{
		ID:                 task.RunID(r.run.Int64),
		TaskID:             r.taskID,
		TaskName:           r.taskName,
		State:              task.RunState(r.state.Int64),
		Reason:             task.Reason(r.reason.Int64),
		Cause:              task.Cause(r.cause.Int64),
		ScheduledTime:      instant(r.scheduled),
		JitteredTime:       instant(r.jittered),
		NextAttemptTime:    instant(r.nextAttempt),
		StartTime:          instant(r.started),
		EndTime:            instant(r.ended),
		Fires:              r.fires.Int64,
		FirstScheduledTime: instant(r.firstScheduled),
		Attempt:            int(r.attempt.Int64),
		Earlier:            earlier,
		Input:              codec.Present(r.input),
		Output:             codec.Present(r.output),
		Error:              r.errorText.String,
		Actor:              r.actor.String,
		Worker:             r.worker.String,
		Change:             r.change.Int64,
	}, nil
}

// micros is the stored form of an instant.
func micros(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixMicro()
}

func instant(v sql.NullInt64) time.Time {
	if !v.Valid {
		return time.Time{}
	}
	return time.UnixMicro(v.Int64).UTC()
}

// orNull is the stored form of a text that is missing more often than not.
func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// blob is the stored form of JSON that may be missing.
func blob(b []byte) any {
	if len(b) == 0 {
		return nil
	}
	return b
}
