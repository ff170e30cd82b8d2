package wire

import (
	"strings"

	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
	clockdv1 "github.com/clockd/clockd/gen/clockd/v1"
)

// An enum pairs the values of a domain type with those of the API's. Where several API values mean the same,
// the first is the one that is sent.
type enum[D ~int, P protoEnum] []pair[D, P]

type pair[D ~int, P protoEnum] struct {
	domain D
	proto  P
}

type protoEnum interface {
	~int32
	String() string
}

// to returns the API's value. For a number that is no value of the domain type it returns -1, which no
// version knows: UNSPECIFIED would be read as the default.
func (e enum[D, P]) to(d D) P {
	for _, p := range e {
		if p.domain == d {
			return p.proto
		}
	}
	return -1
}

// from returns the domain's value, or the placeholder -1 and a violation.
func (e enum[D, P]) from(r *reader, at *path, v P) D {
	for _, p := range e {
		if p.proto == v {
			return p.domain
		}
	}
	var known []string
	for _, p := range e {
		if p.proto != 0 {
			known = append(known, p.proto.String())
		}
	}
	if v == 0 {
		r.guess(at, "%s says nothing: one of %s is needed", v, strings.Join(known, ", "))
	} else {
		r.guess(at, "%d is unknown: one of %s is needed", int32(v), strings.Join(known, ", "))
	}
	return -1
}

var (
	firstFires = enum[schedule.FirstFire, clockdv1.FirstFire]{
		{schedule.Wait, clockdv1.FirstFire_FIRST_FIRE_WAIT},
		{schedule.Wait, clockdv1.FirstFire_FIRST_FIRE_UNSPECIFIED},
		{schedule.Immediate, clockdv1.FirstFire_FIRST_FIRE_IMMEDIATE},
	}
	pacings = enum[schedule.Pacing, clockdv1.Pacing]{
		{schedule.FixedRate, clockdv1.Pacing_PACING_FIXED_RATE},
		{schedule.FixedRate, clockdv1.Pacing_PACING_UNSPECIFIED},
		{schedule.FixedDelay, clockdv1.Pacing_PACING_FIXED_DELAY},
	}
	taskStates = enum[task.State, clockdv1.TaskState]{
		{task.Active, clockdv1.TaskState_TASK_STATE_ACTIVE},
		{task.Paused, clockdv1.TaskState_TASK_STATE_PAUSED},
		{task.Exhausted, clockdv1.TaskState_TASK_STATE_EXHAUSTED},
		{task.Orphaned, clockdv1.TaskState_TASK_STATE_ORPHANED},
	}
	onDeclaredChanges = enum[task.OnDeclaredChange, clockdv1.OnDeclaredChange]{
		{task.Yield, clockdv1.OnDeclaredChange_ON_DECLARED_CHANGE_YIELD},
		{task.Yield, clockdv1.OnDeclaredChange_ON_DECLARED_CHANGE_UNSPECIFIED},
		{task.Keep, clockdv1.OnDeclaredChange_ON_DECLARED_CHANGE_KEEP},
	}
	overlaps = enum[task.Overlap, clockdv1.Overlap]{
		{task.OverlapSkip, clockdv1.Overlap_OVERLAP_SKIP},
		{task.OverlapSkip, clockdv1.Overlap_OVERLAP_UNSPECIFIED},
		{task.OverlapAllow, clockdv1.Overlap_OVERLAP_ALLOW},
		{task.OverlapQueue, clockdv1.Overlap_OVERLAP_QUEUE},
		{task.OverlapCancel, clockdv1.Overlap_OVERLAP_CANCEL},
	}
	catchUps = enum[task.CatchUp, clockdv1.CatchUp]{
		{task.CatchUpOne, clockdv1.CatchUp_CATCH_UP_ONE},
		{task.CatchUpOne, clockdv1.CatchUp_CATCH_UP_UNSPECIFIED},
		{task.CatchUpAll, clockdv1.CatchUp_CATCH_UP_ALL},
		{task.CatchUpNone, clockdv1.CatchUp_CATCH_UP_NONE},
	}
	deliveries = enum[task.Delivery, clockdv1.Delivery]{
		{task.AtLeastOnce, clockdv1.Delivery_DELIVERY_AT_LEAST_ONCE},
		{task.AtLeastOnce, clockdv1.Delivery_DELIVERY_UNSPECIFIED},
		{task.AtMostOnce, clockdv1.Delivery_DELIVERY_AT_MOST_ONCE},
	}
	keeps = enum[task.Kept, clockdv1.Keep]{
		{task.KeepAll, clockdv1.Keep_KEEP_ALL},
		{task.KeepAll, clockdv1.Keep_KEEP_UNSPECIFIED},
		{task.KeepFailures, clockdv1.Keep_KEEP_FAILURES},
		{task.KeepNone, clockdv1.Keep_KEEP_NONE},
	}
	origins = enum[task.Origin, clockdv1.Origin]{
		{task.Declared, clockdv1.Origin_ORIGIN_DECLARED},
		{task.Declared, clockdv1.Origin_ORIGIN_UNSPECIFIED}, // of a daemon that knows nothing else
		{task.Created, clockdv1.Origin_ORIGIN_CREATED},
		{task.Announced, clockdv1.Origin_ORIGIN_WORKER},
	}
	actions = enum[task.Action, clockdv1.AuditAction]{
		{task.TaskDeclared, clockdv1.AuditAction_AUDIT_ACTION_TASK_DECLARED},
		{task.DeclarationChanged, clockdv1.AuditAction_AUDIT_ACTION_DECLARATION_CHANGED},
		{task.DeclarationRefused, clockdv1.AuditAction_AUDIT_ACTION_DECLARATION_REFUSED},
		{task.OverrideYielded, clockdv1.AuditAction_AUDIT_ACTION_OVERRIDE_YIELDED},
		{task.OverrideExpired, clockdv1.AuditAction_AUDIT_ACTION_OVERRIDE_EXPIRED},
		{task.TaskOrphaned, clockdv1.AuditAction_AUDIT_ACTION_TASK_ORPHANED},
		{task.TaskRenamed, clockdv1.AuditAction_AUDIT_ACTION_TASK_RENAMED},
		{task.TaskCreated, clockdv1.AuditAction_AUDIT_ACTION_TASK_CREATED},
		{task.TaskUpdated, clockdv1.AuditAction_AUDIT_ACTION_TASK_UPDATED},
		{task.TaskDeleted, clockdv1.AuditAction_AUDIT_ACTION_TASK_DELETED},
		{task.TriggerUpdated, clockdv1.AuditAction_AUDIT_ACTION_TRIGGER_UPDATED},
		{task.TriggerReset, clockdv1.AuditAction_AUDIT_ACTION_TRIGGER_RESET},
		{task.TaskPaused, clockdv1.AuditAction_AUDIT_ACTION_TASK_PAUSED},
		{task.TaskResumed, clockdv1.AuditAction_AUDIT_ACTION_TASK_RESUMED},
		{task.RunRequested, clockdv1.AuditAction_AUDIT_ACTION_RUN_REQUESTED},
		{task.RunCanceled, clockdv1.AuditAction_AUDIT_ACTION_RUN_CANCELED},
		{task.BackfillRequested, clockdv1.AuditAction_AUDIT_ACTION_BACKFILL_REQUESTED},
	}
	streams = enum[task.OutputStream, clockdv1.OutputStream]{
		{task.Stdout, clockdv1.OutputStream_OUTPUT_STREAM_STDOUT},
		{task.Stderr, clockdv1.OutputStream_OUTPUT_STREAM_STDERR},
	}
	runStates = enum[task.RunState, clockdv1.RunState]{
		{task.Scheduled, clockdv1.RunState_RUN_STATE_SCHEDULED},
		{task.Running, clockdv1.RunState_RUN_STATE_RUNNING},
		{task.Succeeded, clockdv1.RunState_RUN_STATE_SUCCEEDED},
		{task.Failed, clockdv1.RunState_RUN_STATE_FAILED},
		{task.TimedOut, clockdv1.RunState_RUN_STATE_TIMED_OUT},
		{task.Canceled, clockdv1.RunState_RUN_STATE_CANCELED},
		{task.Lost, clockdv1.RunState_RUN_STATE_LOST},
		{task.Skipped, clockdv1.RunState_RUN_STATE_SKIPPED},
		{task.Missed, clockdv1.RunState_RUN_STATE_MISSED},
	}
	causes = enum[task.Cause, clockdv1.RunCause]{
		{task.ByFire, clockdv1.RunCause_RUN_CAUSE_FIRE},
		{task.ByCall, clockdv1.RunCause_RUN_CAUSE_CALL},
		{task.ByBackfill, clockdv1.RunCause_RUN_CAUSE_BACKFILL},
	}
	reasons = enum[task.Reason, clockdv1.RunReason]{
		{0, clockdv1.RunReason_RUN_REASON_UNSPECIFIED},
		{task.ReasonOverlap, clockdv1.RunReason_RUN_REASON_OVERLAP},
		{task.ReasonPaused, clockdv1.RunReason_RUN_REASON_PAUSED},
		{task.ReasonLate, clockdv1.RunReason_RUN_REASON_LATE},
		{task.ReasonOrphaned, clockdv1.RunReason_RUN_REASON_ORPHANED},
		{task.ReasonExcluded, clockdv1.RunReason_RUN_REASON_EXCLUDED},
		{task.ReasonLimit, clockdv1.RunReason_RUN_REASON_LIMIT},
		{task.ReasonWorker, clockdv1.RunReason_RUN_REASON_WORKER},
	}
	dstShifts = enum[schedule.DSTShift, clockdv1.DstShift]{
		{schedule.NoShift, clockdv1.DstShift_DST_SHIFT_UNSPECIFIED},
		{schedule.Gap, clockdv1.DstShift_DST_SHIFT_GAP},
		{schedule.Overlap, clockdv1.DstShift_DST_SHIFT_OVERLAP},
	}
	nodeStates = enum[task.NodeState, clockdv1.NodeState]{
		{task.Alive, clockdv1.NodeState_NODE_STATE_ALIVE},
		{task.Left, clockdv1.NodeState_NODE_STATE_LEFT},
		{task.GivenUp, clockdv1.NodeState_NODE_STATE_GIVEN_UP},
	}
	previewEnds = enum[task.PreviewEnd, clockdv1.PreviewEnd]{
		{task.PreviewCount, clockdv1.PreviewEnd_PREVIEW_END_COUNT},
		{task.PreviewOver, clockdv1.PreviewEnd_PREVIEW_END_OVER},
		{task.PreviewWaits, clockdv1.PreviewEnd_PREVIEW_END_WAITS},
	}
)

// TaskStateToProto returns the API's form of a state.
func TaskStateToProto(s task.State) clockdv1.TaskState { return taskStates.to(s) }

// TaskStateFromProto returns a state. UNSPECIFIED is none.
func TaskStateFromProto(field string, pb clockdv1.TaskState) (task.State, []task.Violation) {
	return enumFromProto(taskStates, field, pb)
}

// RunStateToProto returns the API's form of a state.
func RunStateToProto(s task.RunState) clockdv1.RunState { return runStates.to(s) }

// RunStateFromProto returns a state. UNSPECIFIED is none.
func RunStateFromProto(field string, pb clockdv1.RunState) (task.RunState, []task.Violation) {
	return enumFromProto(runStates, field, pb)
}

// OnDeclaredChangeToProto returns the API's form.
func OnDeclaredChangeToProto(c task.OnDeclaredChange) clockdv1.OnDeclaredChange {
	return onDeclaredChanges.to(c)
}

// OnDeclaredChangeFromProto returns the domain's form. UNSPECIFIED is the default, task.Yield.
func OnDeclaredChangeFromProto(field string, pb clockdv1.OnDeclaredChange) (task.OnDeclaredChange, []task.Violation) {
	return enumFromProto(onDeclaredChanges, field, pb)
}

// ActionToProto returns the API's form of an action.
func ActionToProto(a task.Action) clockdv1.AuditAction { return actions.to(a) }

// OverlapToProto returns the API's form of the policy of a call. Nil, the task's own, is UNSPECIFIED.
func OverlapToProto(o *task.Overlap) clockdv1.Overlap {
	if o == nil {
		return clockdv1.Overlap_OVERLAP_UNSPECIFIED
	}
	return overlaps.to(*o)
}

// OverlapFromProto returns the policy of a call. UNSPECIFIED is nil, the task's own.
func OverlapFromProto(field string, pb clockdv1.Overlap) (*task.Overlap, []task.Violation) {
	if pb == clockdv1.Overlap_OVERLAP_UNSPECIFIED {
		return nil, nil
	}
	o, found := enumFromProto(overlaps, field, pb)
	if found != nil {
		return nil, found
	}
	return &o, nil
}

func enumFromProto[D ~int, P protoEnum](e enum[D, P], field string, pb P) (D, []task.Violation) {
	var r reader
	d := e.from(&r, &path{name: field}, pb)
	if r.found != nil {
		return 0, r.found
	}
	return d, nil
}
