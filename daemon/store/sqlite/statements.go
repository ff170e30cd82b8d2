package sqlite

import (
	"strconv"
	"strings"

	"github.com/clockd/clockd/daemon/task"
)

// The statements of the reads and writes. Each finds what it needs through an index or a rowid: a test
// asks EXPLAIN QUERY PLAN.
const (
	withRest = ` CROSS JOIN clocks s ON s.pk = t.pk CROSS JOIN counts n ON n.pk = t.pk`
	withLast = ` LEFT JOIN runs r ON r.run = s.last_run`
	fromTask = ` FROM tasks t` + withRest + withLast
	fromRun  = ` FROM runs r CROSS JOIN tasks t ON t.pk = r.task`
	ofTask   = `, t.id, t.name`
	whole    = ofTask + `, r.input, r.output`

	// A page of all tasks for who wants to know only what they are.
	sqlTasksLean = `SELECT ` + hotColumns + `, ` + leanColumns + ` FROM tasks t INDEXED BY tasks_name CROSS JOIN clocks s ON s.pk = t.pk
		WHERE t.name >= ?1 AND t.name < ?2 ORDER BY t.name LIMIT ?3`

	sqlTaskByID    = `SELECT ` + hotColumns + `, ` + coldColumns + fromTask + ` WHERE t.id = ?`
	sqlTaskByName  = `SELECT ` + hotColumns + `, ` + coldColumns + fromTask + ` WHERE t.name = ?`
	sqlTaskByPK    = `SELECT ` + hotColumns + `, ` + coldColumns + fromTask + ` WHERE t.pk = ?`
	sqlFullByID    = `SELECT ` + fullColumns + fromTask + ` WHERE t.id = ?`
	sqlFullByName  = `SELECT ` + fullColumns + fromTask + ` WHERE t.name = ?`
	sqlFullByPK    = `SELECT ` + fullColumns + fromTask + ` WHERE t.pk = ?`
	sqlHotByPK     = `SELECT ` + hotColumns + ` FROM tasks t CROSS JOIN clocks s ON s.pk = t.pk WHERE t.pk = ?`
	sqlLastRunByID = `SELECT s.pk, s.last_run FROM tasks t CROSS JOIN clocks s ON s.pk = t.pk WHERE t.id = ?`
	sqlIDByName    = `SELECT id FROM tasks WHERE name = ?`

	sqlInsertTask = `INSERT INTO tasks (create_time, update_time, orphan_time, orphan_reason, origin, revision,
		description, task_group, labels, declared_trigger,
		overlap, catch_up, delivery, timeout, policy, target_kind, target_summary, spec,
		override_trigger, override_actor, override_reason, override_create_time, on_declared_change, declaration_changed, override_expire_time,
		pause_actor, pause_reason, pause_create_time, pause_resume_time, id, name, state, version, pk)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
	sqlUpdateTask = `UPDATE tasks SET create_time = ?, update_time = ?, orphan_time = ?, orphan_reason = ?, origin = ?, revision = ?,
		description = ?, task_group = ?, labels = ?, declared_trigger = ?,
		overlap = ?, catch_up = ?, delivery = ?, timeout = ?, policy = ?, target_kind = ?, target_summary = ?, spec = ?,
		override_trigger = ?, override_actor = ?, override_reason = ?, override_create_time = ?, on_declared_change = ?,
		declaration_changed = ?, override_expire_time = ?,
		pause_actor = ?, pause_reason = ?, pause_create_time = ?, pause_resume_time = ?, version = ? WHERE pk = ?`
	sqlRenameTask  = `UPDATE tasks SET id = ?, name = ? WHERE pk = ?`
	sqlDeleteTask  = `DELETE FROM tasks WHERE pk = ?`
	sqlUpdateState = `UPDATE tasks SET state = ? WHERE pk = ?`
	sqlUpdatePause = `UPDATE tasks SET pause_actor = ?, pause_reason = ?, pause_create_time = ?, pause_resume_time = ? WHERE pk = ?`

	sqlInsertSched = `INSERT INTO clocks (next_fire_time, recorded_time, excluded_time, fire_count, anchor_time, last_fire_time, last_end_time, fires,
		last_run, change, failure_count, pk) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
	sqlUpdateSched = `UPDATE clocks SET next_fire_time = ?, recorded_time = ?, excluded_time = ?, fire_count = ?, anchor_time = ?, last_fire_time = ?, last_end_time = ?,
		fires = ?, last_run = ?, change = ? WHERE pk = ?`
	// The same without next_fire_time: its index is left alone.
	sqlUpdateProgress = `UPDATE clocks SET recorded_time = ?, excluded_time = ?, fire_count = ?, anchor_time = ?, last_fire_time = ?, last_end_time = ?,
		fires = ?, last_run = ?, change = ? WHERE pk = ?`
	sqlPark        = `UPDATE clocks SET next_fire_time = NULL, change = ? WHERE pk = ?`
	sqlSetHead     = `UPDATE clocks SET last_run = ?, change = ? WHERE pk = ?`
	sqlDeleteSched = `DELETE FROM clocks WHERE pk = ?`

	sqlSetFailures = `UPDATE clocks SET failure_count = ? WHERE pk = ?`

	sqlInsertCounts = `INSERT INTO counts (pk) VALUES (?)`
	sqlDeleteCounts = `DELETE FROM counts WHERE pk = ?`

	sqlReserve       = `UPDATE store SET change = ?`
	sqlMarkDeleted   = `UPDATE store SET deleted = ?, next_task = ?`
	sqlMarkTakenBack = `UPDATE store SET taken_back = ?`
	// Ids are the greatest stored plus one after a restart: those that were deleted must not come again.
	sqlRaiseRuns   = `UPDATE store SET next_run = ?`
	sqlRaiseEvents = `UPDATE store SET next_event = ?`

	// min() would read the whole table: without a WHERE the planner does not see that the index has it.
	sqlNextFire = `SELECT next_fire_time FROM clocks WHERE next_fire_time IS NOT NULL ORDER BY next_fire_time LIMIT 1`
	// clocks first and by its index, or a claim would sort everything that is due.
	sqlDue = `SELECT ` + hotColumns + ` FROM clocks s INDEXED BY clocks_due CROSS JOIN tasks t ON t.pk = s.pk
		WHERE s.next_fire_time <= ? ORDER BY s.next_fire_time, s.pk LIMIT ?`

	sqlInsertRun = `INSERT INTO runs (run, task, prev_run, state, cause, reason, attempt, fires,
		scheduled_time, jittered_time, next_attempt_time, first_scheduled_time, start_time, end_time,
		error, actor, earlier, input, output, worker, change)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
	sqlInsertFire = `INSERT INTO runs (run, task, prev_run, state, cause, reason, attempt, fires, scheduled_time, error, actor, change)
		VALUES (?, ?, ?, ?, ?, 0, ?, ?, ?, '', '', ?)`
	sqlInsertJittered = `INSERT INTO runs (run, task, prev_run, state, cause, reason, attempt, fires, scheduled_time, error, actor, change, jittered_time)
		VALUES (?, ?, ?, ?, ?, 0, ?, ?, ?, '', '', ?, ?)`
	sqlReportEnd = `UPDATE runs SET state = ?, reason = ?, next_attempt_time = ?, start_time = ?, end_time = ?, attempt = ?, earlier = ?,
		output = ?, error = ?, actor = ?, worker = ?, change = ?
		WHERE run = ? AND attempt = ? AND state < 3`
	// The same of one that has nothing to say but when.
	sqlReportPlainEnd = `UPDATE runs SET state = ?, reason = 0, next_attempt_time = NULL, start_time = ?, end_time = ?, earlier = NULL,
		output = NULL, error = '', actor = '', worker = NULL, change = ?
		WHERE run = ? AND attempt = ? AND state < 3`
	// The task may be gone while its runs are still there. Of those that end, sqlTasksOf tells.
	ofStoredTask = ` AND EXISTS (SELECT 1 FROM tasks WHERE pk = task)`
	// What there is to know to count the ends of runs: of one, and of a JSON array of them.
	sqlTaskOf  = `SELECT 0, r.task, r.fires, s.failure_count FROM runs r CROSS JOIN clocks s ON s.pk = r.task WHERE r.run = ?`
	sqlTasksOf = `SELECT j.key, r.task, r.fires, s.failure_count
		FROM json_each(?) j CROSS JOIN runs r ON r.run = j.value CROSS JOIN clocks s ON s.pk = r.task`
	sqlRun       = `SELECT ` + runColumns + whole + fromRun + ` WHERE r.run = ?`
	sqlRunBrief  = `SELECT ` + runColumns + ofTask + fromRun + ` WHERE r.run = ?`
	sqlRunTask   = `SELECT r.task, s.last_run = r.run FROM runs r CROSS JOIN clocks s ON s.pk = r.task WHERE r.run = ?`
	sqlRunOfTask = `SELECT prev_run, state, reason, fires FROM runs WHERE run = ? AND task = ?`
	sqlDeleteRun = `DELETE FROM runs WHERE run = ?`
	sqlMendChain = `UPDATE runs SET prev_run = ? WHERE run = ?`
	// The lowest that has not ended.
	sqlOldestOpen = `SELECT r.run FROM runs r INDEXED BY runs_unfinished CROSS JOIN tasks t ON t.pk = r.task
		WHERE r.state < 3 ORDER BY r.run LIMIT 1`
	sqlOpenOfTask = `SELECT run FROM runs INDEXED BY runs_unfinished WHERE state < 3 AND task = ? AND run > ? ORDER BY run LIMIT ?`
	// The planner would rather walk the whole history by rowid.
	sqlUnfinished = `SELECT ` + runColumns + whole + ` FROM runs r INDEXED BY runs_unfinished CROSS JOIN tasks t ON t.pk = r.task
		WHERE r.state < 3 AND r.run > ? ORDER BY r.run LIMIT ?`

	// A request whose run has gone with its task was never made.
	sqlRequest       = `SELECT q.run FROM requests q CROSS JOIN runs r ON r.run = q.run CROSS JOIN tasks t ON t.pk = r.task WHERE q.id = ?`
	sqlInsertRequest = `INSERT OR REPLACE INTO requests (id, run) VALUES (?, ?)`
	sqlDropRequest   = `DELETE FROM requests WHERE run = ?`

	// The newest run not newer than this one.
	sqlNewest = `SELECT run FROM runs WHERE run <= ? ORDER BY run DESC LIMIT 1`
	// The oldest run not older than this one.
	sqlOldest = `SELECT run FROM runs WHERE run >= ? ORDER BY run LIMIT 1`
	// A page of what has changed: a window of ids, of all tasks or of one.
	sqlChangedWindow = `SELECT ` + runColumns + ofTask + fromRun + `
		WHERE r.run >= ? AND r.run < ? AND r.change > ? ORDER BY r.run LIMIT ?`
	sqlChangedOfTask = `SELECT ` + runColumns + ofTask + fromRun + `
		WHERE r.run >= ? AND r.run < ? AND r.change > ? AND r.task = ? ORDER BY r.run LIMIT ?`
	// A page of all runs: a window of ids, of which those in a state of the mask are returned.
	sqlRunsWindow = `SELECT ` + runColumns + ofTask + fromRun + `
		WHERE r.run <= ? AND r.run > ? AND (? >> r.state) & 1 ORDER BY r.run DESC LIMIT ?`
	// The same of those that have not ended, however far apart they lie.
	sqlRunsOpen = `SELECT ` + runColumns + ofTask + ` FROM runs r INDEXED BY runs_unfinished CROSS JOIN tasks t ON t.pk = r.task
		WHERE r.state < 3 AND r.run <= ? AND (? >> r.state) & 1 ORDER BY r.run DESC LIMIT ?`
	// The newest run of a task within a window of ids.
	sqlRunsEntry = `SELECT run FROM runs WHERE run < ? AND run > ? AND task = ? ORDER BY run DESC LIMIT 1`
	// A page of a task: along the chain from the run ?1, at most ?2 of them. The last is returned in any
	// case, to say where it goes on.
	sqlRunsChain = `WITH RECURSIVE chain (run, looked) AS (
			SELECT ?1, 1
			UNION ALL
			SELECT p.prev_run, c.looked + 1 FROM chain c CROSS JOIN runs p ON p.run = c.run
			WHERE p.prev_run IS NOT NULL AND c.looked < ?2)
		SELECT ` + runColumns + ofTask + `, c.looked FROM chain c CROSS JOIN runs r ON r.run = c.run CROSS JOIN tasks t ON t.pk = r.task
		WHERE (?3 >> r.state) & 1 OR c.looked = ?2 LIMIT ?4`

	sqlInsertRemains = `INSERT INTO remains (task, last_run) VALUES (?, ?)`
	sqlRemains       = `SELECT task, last_run FROM remains ORDER BY task LIMIT 1`
	sqlMoveRemains   = `UPDATE remains SET last_run = ? WHERE task = ?`
	sqlDropRemains   = `DELETE FROM remains WHERE task = ?`

	sqlInsertEvent = `INSERT INTO audit (event, time, action, task_id, task_name, run, actor, peer, reason, before, after)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
	eventColumns    = `event, time, action, task_id, task_name, run, actor, peer, reason, before, after`
	sqlEvents       = `SELECT ` + eventColumns + ` FROM audit WHERE event < ? ORDER BY event DESC LIMIT ?`
	sqlEventsOfTask = `SELECT ` + eventColumns + ` FROM audit INDEXED BY audit_task
		WHERE event < ? AND task_id = ? ORDER BY event DESC LIMIT ?`
	sqlSweepEvents = `DELETE FROM audit WHERE event IN (
		SELECT event FROM audit INDEXED BY audit_time WHERE time < ? ORDER BY time LIMIT ?)`
	sqlEventBefore = `SELECT event FROM audit INDEXED BY audit_time WHERE time < ? LIMIT 1`
)

// sqlTasks returns the query for a page of tasks and its parameters. Tasks in some states and those of a group are read
// in the order of names from their own part of an index, so that what does not match costs nothing. A group and states
// together, or what has changed, is a filter: then it reads the group, or all tasks, until the page is full.
func sqlTasks(q task.TaskQuery, states []task.State) (query string, args []any) {
	least := q.NamePrefix
	if q.After != "" {
		least = max(least, q.After+"\x00") // the least string that is greater
	}
	args = []any{least, beyond(q.NamePrefix), q.Limit}
	param := func(v any) string {
		args = append(args, v)
		return "?" + strconv.Itoa(len(args))
	}
	if len(states) > 0 && q.Group == "" && q.ChangedAfter == 0 {
		parts := make([]string, len(states))
		for i, state := range states {
			parts[i] = `SELECT * FROM (SELECT pk, name FROM tasks INDEXED BY tasks_state
				WHERE state = ` + param(int64(state)) + ` AND name >= ?1 AND name < ?2 ORDER BY name LIMIT ?3)`
		}
		return `SELECT ` + fullColumns + ` FROM (` + strings.Join(parts, ` UNION ALL `) + ` ORDER BY 2 LIMIT ?3) k
			CROSS JOIN tasks t ON t.pk = k.pk` + withRest + withLast + ` ORDER BY k.name`, args
	}
	if q.Lean && len(states) == 0 && q.Group == "" && q.ChangedAfter == 0 {
		return sqlTasksLean, args
	}
	index, filter := "tasks_name", ""
	if q.Group != "" {
		index, filter = "tasks_group", ` AND t.task_group = `+param(q.Group)+` AND t.task_group <> ''`
	}
	if len(states) > 0 {
		var in []string
		for _, state := range states {
			in = append(in, param(int64(state)))
		}
		filter += ` AND t.state IN (` + strings.Join(in, ", ") + `)`
	}
	if q.ChangedAfter != 0 {
		after := param(q.ChangedAfter)
		filter += ` AND (s.change > ` + after + ` OR n.change > ` + after + ` OR r.change > ` + after + `)`
	}
	return `SELECT ` + fullColumns + ` FROM tasks t INDEXED BY ` + index + withRest + withLast + `
		WHERE t.name >= ?1 AND t.name < ?2` + filter + ` ORDER BY t.name LIMIT ?3`, args
}
