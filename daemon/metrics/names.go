package metrics

// The names of the metrics. They are API: what they mean does not change. Spans are in seconds.
const (
	// RunsTotal counts runs that have ended, by how: state is succeeded, failed, timed_out, canceled, lost, skipped
	// or missed; reason is why a run was skipped or missed (overlap, paused, late, orphaned, excluded, limit), and
	// empty for the others.
	RunsTotal = "clockd_runs_total"
	// FiresTotal counts planned instants of triggers once it is settled what has become of them, each once. A
	// call is none. outcome is ran, for the instant that the run of others was made at too; merged, for those
	// others; canceled, if the run never started; missed; or skipped_overlap, skipped_paused, skipped_orphaned,
	// skipped_excluded, skipped_limit.
	FiresTotal = "clockd_fires_total"
	// StartLateness is how long after its instant, jitter and backoff included, the last attempt of a run started:
	// of runs that have ended. Those that were caught up are as late as the daemon was away.
	StartLateness = "clockd_start_lateness_seconds"
	// RunDuration is how long the last attempt of a run took.
	RunDuration = "clockd_run_duration_seconds"
	// MissedLate is how long ago an instant was when it was recorded as missed: of the first instant, if one
	// record stands for several.
	MissedLate = "clockd_missed_late_seconds"
	// Running is how many runs make an attempt.
	Running = "clockd_running"
	// Waiting is how many runs of the tasks of a group wait for a place; an empty group is those of no group. reason is
	// limit for a place among those that may go at once, and worker for one at a worker.
	Waiting = "clockd_waiting"
	// StoreUp is 1 while the store takes and gives data, and 0 while it does not.
	StoreUp = "clockd_store_up"
)

// The names of their labels.
const (
	LabelState   = "state"
	LabelReason  = "reason"
	LabelOutcome = "outcome"
	LabelGroup   = "group"
)
