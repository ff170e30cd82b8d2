package postgres

import (
	"fmt"
	"time"

	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/store/internal/codec"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgtype"
)

// The columns of a query, in the order in which the row types below read them: t is of tasks, c of clocks, r of open_runs or
// runs.
const (
	// taskColumns are for taskRow.
	taskColumns = `t.pk, t.id, t.name, t.state, t.version, t.create_time, t.update_time, t.orphan_time, t.orphan_reason, t.origin, t.revision,
		t.description, t.task_group, t.labels, t.declared_trigger, t.policy, t.target_kind, t.target_summary, t.spec,
		t.override_trigger, t.override_actor, t.override_reason, t.override_create_time, t.override_expire_time,
		t.on_declared_change, t.declaration_changed, t.pause_actor, t.pause_reason, t.pause_create_time, t.pause_resume_time`
	// clockColumns are for clockRow.
	clockColumns = `c.next_fire_time, c.recorded_time, c.excluded_time, c.anchor_time, c.last_fire_time, c.last_end_time, c.fires, c.fire_count,
		c.failure_count, c.last_run, c.change`
	// countColumns are for countDest.
	countColumns = `c.succeeded, c.failed, c.timed_out, c.canceled, c.lost,
		c.skipped_overlap, c.skipped_paused, c.skipped_orphaned, c.skipped_excluded, c.skipped_limit, c.missed, c.merged`
	// fullColumns are for fullRow.
	fullColumns = taskColumns + `, ` + clockColumns + `, ` + countColumns
	// runColumns are for runRow: a run without Input and Output.
	runColumns = `r.run, r.task, r.node, r.state, r.cause, r.reason, r.attempt, r.fires,
		r.scheduled_time, r.jittered_time, r.first_scheduled_time, r.next_attempt_time, r.start_time, r.end_time,
		r.error, r.actor, r.worker, r.earlier, r.change`
	// wholeColumns are for runRow.wholeDest.
	wholeColumns = runColumns + `, t.id, t.name, r.input, r.output`
)

// taskRow is a row of taskColumns. Rows are read into the same one again and again.
type taskRow struct {
	pk                               int64
	id                               pgtype.UUID
	name                             string
	state, version                   int64
	createTime, updateTime           pgtype.Timestamptz
	orphanTime                       pgtype.Timestamptz
	orphanReason                     string
	origin, revision                 int64
	description, group               string
	labels                           []byte
	trigger                          string
	policy                           []byte
	kind, summary                    string
	spec                             []byte
	overrideTrigger                  pgtype.Text
	overrideActor, overrideReason    pgtype.Text
	overrideTime, overrideExpireTime pgtype.Timestamptz
	onDeclaredChange                 pgtype.Int8
	declarationChanged               pgtype.Bool
	pauseActor, pauseReason          pgtype.Text
	pauseTime, pauseResumeTime       pgtype.Timestamptz
}

func (t *taskRow) dest() []any {
	return append(make([]any, 0, 54), // room for fullRow
		&t.pk, &t.id, &t.name, &t.state, &t.version, &t.createTime, &t.updateTime, &t.orphanTime, &t.orphanReason, &t.origin, &t.revision,
		&t.description, &t.group, &t.labels, &t.trigger, &t.policy, &t.kind, &t.summary, &t.spec,
		&t.overrideTrigger, &t.overrideActor, &t.overrideReason, &t.overrideTime, &t.overrideExpireTime,
		&t.onDeclaredChange, &t.declarationChanged, &t.pauseActor, &t.pauseReason, &t.pauseTime, &t.pauseResumeTime,
	)
}

// task returns the task that was read, without what the table clocks says. A text that can not be read is refused, not
// guessed.
func (t *taskRow) task(namespace string) (task.Task, error) {
	fail := func(err error) (task.Task, error) {
		return task.Task{}, fmt.Errorf("task %q as it is stored: %w", t.name, err)
	}
	out := task.Task{
		ID:        t.id.Bytes,
		Namespace: namespace,
		Declaration: task.Declaration{
			Name: unescape(t.name), Description: unescape(t.description), Group: unescape(t.group),
			Target: task.Target{Kind: unescape(t.kind), Summary: unescape(t.summary)},
		},
		OrphanTime:   instant(t.orphanTime),
		OrphanReason: unescape(t.orphanReason),
		Origin:       task.Origin(t.origin),
		Revision:     t.revision,
		State:        task.State(t.state),
		Version:      t.version,
		CreateTime:   instant(t.createTime),
		UpdateTime:   instant(t.updateTime),
	}
	d := &out.Declaration
	var err error
	if d.Policy, err = codec.DecodePolicy(t.policy); err != nil {
		return fail(err)
	}
	if d.Spec, err = codec.DecodeSpec(t.spec); err != nil {
		return fail(err)
	}
	if d.Trigger, err = codec.DecodeTrigger(unescape(t.trigger)); err != nil {
		return fail(err)
	}
	if d.Labels, err = codec.DecodeLabels(t.labels); err != nil {
		return fail(err)
	}
	if t.overrideTrigger.Valid {
		o := &task.Override{
			Actor:              unescape(t.overrideActor.String),
			Reason:             unescape(t.overrideReason.String),
			CreateTime:         instant(t.overrideTime),
			OnDeclaredChange:   task.OnDeclaredChange(t.onDeclaredChange.Int64),
			DeclarationChanged: t.declarationChanged.Bool,
			ExpireTime:         instant(t.overrideExpireTime),
		}
		if o.Trigger, err = codec.DecodeTrigger(unescape(t.overrideTrigger.String)); err != nil {
			return fail(fmt.Errorf("override: %w", err))
		}
		out.Override = o
	}
	if t.pauseActor.Valid {
		out.Pause = &task.Pause{
			Actor: unescape(t.pauseActor.String), Reason: unescape(t.pauseReason.String),
			CreateTime: instant(t.pauseTime), ResumeTime: instant(t.pauseResumeTime),
		}
	}
	return out, nil
}

// clockRow is a row of clockColumns.
type clockRow struct {
	nextFire, recorded, excluded pgtype.Timestamptz
	anchor, lastFire, lastEnd    pgtype.Timestamptz
	fires                        []byte
	fireCount, failureCount      int64
	lastRun                      pgtype.Int8
	change                       int64
}

func (c *clockRow) dest() []any {
	return []any{
		&c.nextFire, &c.recorded, &c.excluded, &c.anchor, &c.lastFire, &c.lastEnd, &c.fires, &c.fireCount,
		&c.failureCount, &c.lastRun, &c.change,
	}
}

func (c *clockRow) clock() (task.Clock, error) {
	fires, err := codec.DecodeFires(c.fires)
	if err != nil {
		return task.Clock{}, err
	}
	return task.Clock{
		NextFireTime: instant(c.nextFire),
		RecordedTime: instant(c.recorded),
		ExcludedTime: instant(c.excluded),
		FireCount:    c.fireCount,
		Progress: schedule.Progress{
			Anchor: instant(c.anchor), LastFire: instant(c.lastFire), LastEnd: instant(c.lastEnd), Fires: fires,
		},
	}, nil
}

// countDest is for countColumns.
func countDest(c *task.Counts) []any {
	return []any{
		&c.Succeeded, &c.Failed, &c.TimedOut, &c.Canceled, &c.Lost,
		&c.SkippedOverlap, &c.SkippedPaused, &c.SkippedOrphaned, &c.SkippedExcluded, &c.SkippedLimit, &c.Missed, &c.Merged,
	}
}

// fullRow is a row of fullColumns.
type fullRow struct {
	taskRow
	clockRow
	counts task.Counts
}

func (f *fullRow) dest() []any {
	return append(append(f.taskRow.dest(), f.clockRow.dest()...), countDest(&f.counts)...)
}

// task returns the task that was read, without LastRun. Its Change does not count what of its last run has changed since
// that was recorded: see withLast.
func (f *fullRow) task(namespace string) (task.Task, error) {
	t, err := f.taskRow.task(namespace)
	if err != nil {
		return task.Task{}, err
	}
	if t.Clock, err = f.clock(); err != nil {
		return task.Task{}, fmt.Errorf("task %q as it is stored: %w", f.name, err)
	}
	t.FailureCount, t.Counts, t.Change = f.failureCount, f.counts, f.change
	return t, nil
}

// withLast makes r the last run of t.
func withLast(t *task.Task, r *task.Run) {
	t.LastRun = r
	t.Change = max(t.Change, r.Change)
}

// runRow is a row of runColumns, and what else was asked for.
type runRow struct {
	run, task                           int64
	node                                pgtype.UUID
	state, cause, reason                int64
	attempt, fires                      int64
	scheduled, jittered, firstScheduled pgtype.Timestamptz
	nextAttempt, start, end             pgtype.Timestamptz
	errorText, actor                    string
	worker                              pgtype.Text
	earlier                             []byte
	change                              int64

	taskID        pgtype.UUID
	taskName      string
	optionalName  pgtype.Text // of a run whose task may be gone
	input, output []byte
}

func (r *runRow) dest() []any {
	return append(make([]any, 0, 26), // room for wholeDest, and what callers append
		&r.run, &r.task, &r.node, &r.state, &r.cause, &r.reason, &r.attempt, &r.fires,
		&r.scheduled, &r.jittered, &r.firstScheduled, &r.nextAttempt, &r.start, &r.end,
		&r.errorText, &r.actor, &r.worker, &r.earlier, &r.change,
	)
}

// wholeDest is for wholeColumns.
func (r *runRow) wholeDest() []any {
	return append(r.dest(), &r.taskID, &r.taskName, &r.input, &r.output)
}

// value returns the run that was read. It shares nothing with the row.
func (r *runRow) value() (task.Run, error) {
	earlier, err := codec.DecodeAttempts(r.earlier)
	if err != nil {
		return task.Run{}, fmt.Errorf("run %d as it is stored: %w", r.run, err)
	}
	return task.Run{
		ID:                 task.RunID(r.run),
		TaskID:             r.taskID.Bytes,
		TaskName:           unescape(r.taskName),
		State:              task.RunState(r.state),
		Reason:             task.Reason(r.reason),
		Cause:              task.Cause(r.cause),
		ScheduledTime:      instant(r.scheduled),
		JitteredTime:       instant(r.jittered),
		NextAttemptTime:    instant(r.nextAttempt),
		StartTime:          instant(r.start),
		EndTime:            instant(r.end),
		Fires:              r.fires,
		FirstScheduledTime: instant(r.firstScheduled),
		Attempt:            int(r.attempt),
		Earlier:            earlier,
		Input:              codec.Present(r.input),
		Output:             codec.Present(r.output),
		Error:              unescape(r.errorText),
		Actor:              unescape(r.actor),
		Worker:             unescape(r.worker.String),
		Node:               r.node.Bytes,
		Change:             r.change,
	}, nil
}

// instant reads what timestamp has written.
func instant(v pgtype.Timestamptz) time.Time {
	if !v.Valid {
		return time.Time{}
	}
	return v.Time.UTC()
}

// timestamp is the stored form of an instant: NULL for the zero time.
func timestamp(t time.Time) pgtype.Timestamptz {
	return pgtype.Timestamptz{Time: task.Instant(t), Valid: !t.IsZero()}
}

// orNull is the stored form of a text that is missing more often than not.
func orNull(s string) pgtype.Text { return pgtype.Text{String: escape(s), Valid: s != ""} }

// uuidValue is the stored form of an id that is never missing.
func uuidValue(id uuid.UUID) pgtype.UUID { return pgtype.UUID{Bytes: id, Valid: true} }
