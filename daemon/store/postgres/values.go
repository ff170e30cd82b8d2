package postgres

import (
	"fmt"
	"time"

	"github.com/clockd/clockd/daemon/store/internal/codec"
	"github.com/clockd/clockd/daemon/task"
	"github.com/jackc/pgx/v5/pgtype"
)

// taskWritten are the columns of the table tasks that taskValues has the values for, in their order: all but pk.
const taskWritten = `id, name, state, version, create_time, update_time, orphan_time, orphan_reason, origin, revision,
	description, task_group, labels, declared_trigger, policy, target_kind, target_summary, spec,
	override_trigger, override_actor, override_reason, override_create_time, override_expire_time,
	on_declared_change, declaration_changed, pause_actor, pause_reason, pause_create_time, pause_resume_time, deadline`

// taskValues are the values of taskWritten, and the task as reading it back will give it, the clock and FailureCount
// included. LastRun, Counts and Change are not in it.
func taskValues(t *task.Task) (values []any, stored task.Task, err error) {
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
	labels, kept, err := codec.EncodeLabels(d.Labels)
	if err != nil {
		return fail("", err)
	}
	policy, err := codec.EncodePolicy(d.Policy)
	if err != nil {
		return fail("", err)
	}
	spec, target, err := codec.EncodeSpec(d.Spec)
	if err != nil {
		return fail("", err)
	}
	d.Trigger, d.Labels, d.Spec = declared, kept, target
	values = append(make([]any, 0, 32), // room for what callers append
		uuidValue(t.ID), escape(d.Name), int64(t.State), t.Version,
		timestamp(t.CreateTime), timestamp(t.UpdateTime), timestamp(t.OrphanTime), escape(t.OrphanReason), int64(t.Origin), t.Revision,
		escape(d.Description), escape(d.Group), orNull(labels), escape(trigger), orNull(policy),
		escape(d.Target.Kind), escape(d.Target.Summary), orNull(spec))
	if t.Override != nil {
		o := *t.Override
		o.CreateTime, o.ExpireTime = task.Instant(o.CreateTime), task.Instant(o.ExpireTime)
		if trigger, o.Trigger, err = codec.EncodeTrigger(o.Trigger); err != nil {
			return fail("override: ", err)
		}
		stored.Override = &o
		values = append(values, escape(trigger), escape(o.Actor), escape(o.Reason), timestamp(o.CreateTime), timestamp(o.ExpireTime),
			int64(o.OnDeclaredChange), o.DeclarationChanged)
	} else {
		values = append(values, nil, nil, nil, nil, nil, nil, nil)
	}
	if t.Pause != nil {
		p := *t.Pause
		p.CreateTime, p.ResumeTime = task.Instant(p.CreateTime), task.Instant(p.ResumeTime)
		stored.Pause = &p
	}
	return append(append(values, pauseValues(t.Pause)...), deadline(t.Override, t.Pause)), stored, nil
}

// pauseValues are those of pause_actor, pause_reason, pause_create_time and pause_resume_time.
func pauseValues(p *task.Pause) []any {
	if p == nil {
		return []any{nil, nil, nil, nil}
	}
	return []any{escape(p.Actor), escape(p.Reason), timestamp(p.CreateTime), timestamp(p.ResumeTime)}
}

// deadline is the earlier of when the two end by themselves; NULL: neither does.
func deadline(o *task.Override, p *task.Pause) pgtype.Timestamptz {
	var first pgtype.Timestamptz
	if o != nil {
		first = timestamp(o.ExpireTime)
	}
	if p != nil && !p.ResumeTime.IsZero() && (!first.Valid || p.ResumeTime.Before(first.Time)) {
		first = timestamp(p.ResumeTime)
	}
	return first
}

// clockWritten are the columns of the table clocks that clockValues has the values for, in their order.
const clockWritten = `next_fire_time, recorded_time, excluded_time, anchor_time, last_fire_time, last_end_time, fires, fire_count`

// clockValues are the values of clockWritten.
func clockValues(c *task.Clock) []any {
	p := &c.Progress
	return []any{
		timestamp(c.NextFireTime), timestamp(c.RecordedTime), timestamp(c.ExcludedTime),
		timestamp(p.Anchor), timestamp(p.LastFire), timestamp(p.LastEnd), codec.EncodeFires(p.Fires), c.FireCount,
	}
}

// The columns that may be NULL, which most are for most tasks and runs, are not filled up: unnest takes NULL for what an
// array lacks at its end, so that one without any value costs next to nothing at either side.

// instantAt makes t the value of the i-th row in a column that may be NULL; textAt and bytesAt do the same.
func instantAt(column *pgtype.FlatArray[pgtype.Timestamptz], i int, t time.Time) {
	if !t.IsZero() {
		valueAt(column, i, timestamp(t))
	}
}

func textAt(column *pgtype.FlatArray[pgtype.Text], i int, s string) {
	if s != "" {
		valueAt(column, i, orNull(s))
	}
}

func bytesAt(column *pgtype.FlatArray[[]byte], i int, b []byte) {
	if b != nil {
		valueAt(column, i, b)
	}
}

func valueAt[T any](column *pgtype.FlatArray[T], i int, v T) {
	var null T
	for len(*column) < i {
		*column = append(*column, null)
	}
	*column = append(*column, v)
}

// clockArrays are clockValues of many tasks, an array for each column, for unnest.
type clockArrays struct {
	next, recorded, excluded, anchor, lastFire, lastEnd pgtype.FlatArray[pgtype.Timestamptz]
	fires                                               pgtype.FlatArray[[]byte]
	fireCount                                           []int64
}

// clockTypes are those of the arrays.
const clockTypes = `timestamptz[], timestamptz[], timestamptz[], timestamptz[], timestamptz[], timestamptz[], bytea[], bigint[]`

func (a *clockArrays) add(c *task.Clock) {
	p, i := &c.Progress, len(a.fireCount)
	instantAt(&a.next, i, c.NextFireTime)
	instantAt(&a.recorded, i, c.RecordedTime)
	instantAt(&a.excluded, i, c.ExcludedTime)
	instantAt(&a.anchor, i, p.Anchor)
	instantAt(&a.lastFire, i, p.LastFire)
	instantAt(&a.lastEnd, i, p.LastEnd)
	bytesAt(&a.fires, i, codec.EncodeFires(p.Fires))
	a.fireCount = append(a.fireCount, c.FireCount)
}

func (a *clockArrays) values() []any {
	return []any{a.next, a.recorded, a.excluded, a.anchor, a.lastFire, a.lastEnd, a.fires, a.fireCount}
}

// runWritten are the columns of open_runs and runs that runArrays has the values for, in their order: all that both have.
const runWritten = `run, task, node, state, cause, reason, attempt, fires,
	scheduled_time, jittered_time, first_scheduled_time, next_attempt_time, start_time, end_time,
	error, actor, worker, earlier, input, output, change`

// runTypes are those of the arrays.
const runTypes = `bigint[], bigint[], uuid[], smallint[], smallint[], smallint[], integer[], bigint[],
	timestamptz[], timestamptz[], timestamptz[], timestamptz[], timestamptz[], timestamptz[],
	text[], text[], text[], text[], bytea[], bytea[], bigint[]`

// runArrays are the values of many runs, an array for each column, for unnest.
type runArrays struct {
	run, task                           []int64
	node                                pgtype.FlatArray[pgtype.UUID]
	state, cause, reason                []int16
	attempt                             []int32
	fires                               []int64
	scheduled, jittered, firstScheduled pgtype.FlatArray[pgtype.Timestamptz]
	nextAttempt, start, end             pgtype.FlatArray[pgtype.Timestamptz]
	errorText, actor                    []string
	worker, earlier                     pgtype.FlatArray[pgtype.Text]
	input, output                       pgtype.FlatArray[[]byte]
	change                              []int64
}

// add adds a run with its ID, Node and Change, of the task with this pk.
func (a *runArrays) add(pk int64, r *task.Run) error {
	earlier, err := codec.EncodeAttempts(r.Earlier)
	if err != nil {
		return fmt.Errorf("run of task %s: %w", r.TaskID, err)
	}
	a.run, a.task, a.node = append(a.run, int64(r.ID)), append(a.task, pk), append(a.node, uuidValue(r.Node))
	a.state, a.cause, a.reason = append(a.state, int16(r.State)), append(a.cause, int16(r.Cause)), append(a.reason, int16(r.Reason))
	a.attempt, a.fires = append(a.attempt, int32(r.Attempt)), append(a.fires, r.Fires)
	i := len(a.run) - 1
	instantAt(&a.scheduled, i, r.ScheduledTime)
	instantAt(&a.jittered, i, r.JitteredTime)
	instantAt(&a.firstScheduled, i, r.FirstScheduledTime)
	instantAt(&a.nextAttempt, i, r.NextAttemptTime)
	instantAt(&a.start, i, r.StartTime)
	instantAt(&a.end, i, r.EndTime)
	a.errorText, a.actor = append(a.errorText, escape(r.Error)), append(a.actor, escape(r.Actor))
	textAt(&a.worker, i, r.Worker)
	textAt(&a.earlier, i, earlier)
	bytesAt(&a.input, i, codec.Present(r.Input))
	bytesAt(&a.output, i, codec.Present(r.Output))
	a.change = append(a.change, r.Change)
	return nil
}

// values are the arrays, in the order of runWritten.
func (a *runArrays) values() []any {
	return []any{
		a.run, a.task, a.node, a.state, a.cause, a.reason, a.attempt, a.fires,
		a.scheduled, a.jittered, a.firstScheduled, a.nextAttempt, a.start, a.end,
		a.errorText, a.actor, a.worker, a.earlier, a.input, a.output, a.change,
	}
}
