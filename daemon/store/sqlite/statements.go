package sqlite

import "strings"

// The statements of the reads and writes. Each finds what it needs through an index or a rowid: a test
// asks EXPLAIN QUERY PLAN.
const (
	fromTask = ` FROM tasks t CROSS JOIN clocks s ON s.pk = t.pk`
	fromRun  = ` FROM runs r CROSS JOIN tasks t ON t.pk = r.task`
	ofTask   = `, t.id, t.name`
	whole    = ofTask + `, r.input, r.output`

	sqlTaskByID    = `SELECT ` + hotColumns + `, ` + coldColumns + fromTask + ` WHERE t.id = ?`
	sqlTaskByName  = `SELECT ` + hotColumns + `, ` + coldColumns + fromTask + ` WHERE t.name = ?`
	sqlTaskByPK    = `SELECT ` + hotColumns + `, ` + coldColumns + fromTask + ` WHERE t.pk = ?`
	sqlHotByPK     = `SELECT ` + hotColumns + fromTask + ` WHERE t.pk = ?`
	sqlLastRunByID = `SELECT s.pk, s.last_run` + fromTask + ` WHERE t.id = ?`

	sqlInsertTask = `INSERT INTO tasks (create_time, update_time, orphan_time, description, task_group, labels, declared_trigger,
		overlap, catch_up, delivery, timeout, target_kind, target_summary,
		override_trigger, override_actor, override_reason, override_create_time, on_declared_change, declaration_changed,
		pause_actor, pause_reason, pause_create_time, id, name, state, version)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING pk`
	sqlUpdateTask = `UPDATE tasks SET create_time = ?, update_time = ?, orphan_time = ?, description = ?, task_group = ?, labels = ?,
		declared_trigger = ?, overlap = ?, catch_up = ?, delivery = ?, timeout = ?, target_kind = ?, target_summary = ?,
		override_trigger = ?, override_actor = ?, override_reason = ?, override_create_time = ?, on_declared_change = ?,
		declaration_changed = ?, pause_actor = ?, pause_reason = ?, pause_create_time = ?, version = ? WHERE pk = ?`
	sqlUpdateState = `UPDATE tasks SET state = ? WHERE pk = ?`
	sqlUpdatePause = `UPDATE tasks SET pause_actor = ?, pause_reason = ?, pause_create_time = ? WHERE pk = ?`

	sqlInsertSched = `INSERT INTO clocks (next_fire_time, recorded_time, fire_count, anchor_time, last_fire_time, last_end_time, fires, last_run, pk)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`
	sqlUpdateSched = `UPDATE clocks SET next_fire_time = ?, recorded_time = ?, fire_count = ?, anchor_time = ?, last_fire_time = ?, last_end_time = ?,
		fires = ?, last_run = ? WHERE pk = ?`
	// The same without next_fire_time: its index is left alone.
	sqlUpdateProgress = `UPDATE clocks SET recorded_time = ?, fire_count = ?, anchor_time = ?, last_fire_time = ?, last_end_time = ?,
		fires = ?, last_run = ? WHERE pk = ?`
	sqlPark = `UPDATE clocks SET next_fire_time = NULL WHERE pk = ?`

	// min() would read the whole table: without a WHERE the planner does not see that the index has it.
	sqlNextFire = `SELECT next_fire_time FROM clocks WHERE next_fire_time IS NOT NULL ORDER BY next_fire_time LIMIT 1`
	// clocks first and by its index, or a claim would sort everything that is due.
	sqlDue = `SELECT ` + hotColumns + ` FROM clocks s INDEXED BY clocks_due CROSS JOIN tasks t ON t.pk = s.pk
		WHERE s.next_fire_time <= ? ORDER BY s.next_fire_time, s.pk LIMIT ?`

	sqlInsertRun = `INSERT INTO runs (run, task, prev_run, state, cause, reason, attempt, fires,
		scheduled_time, jittered_time, first_scheduled_time, start_time, end_time, error, actor, earlier, input, output)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
	sqlInsertFire = `INSERT INTO runs (run, task, prev_run, state, cause, reason, attempt, fires, scheduled_time, error, actor)
		VALUES (?, ?, ?, ?, ?, 0, ?, ?, ?, '', '')`
	sqlInsertJittered = `INSERT INTO runs (run, task, prev_run, state, cause, reason, attempt, fires, scheduled_time, error, actor, jittered_time)
		VALUES (?, ?, ?, ?, ?, 0, ?, ?, ?, '', '', ?)`
	sqlReport = `UPDATE runs SET state = ?, reason = ?, start_time = ?, end_time = ?, attempt = ?, earlier = ?, output = ?, error = ?, actor = ?
		WHERE run = ? AND attempt = ? AND state < 3`
	sqlRun        = `SELECT ` + runColumns + whole + fromRun + ` WHERE r.run = ?`
	sqlRunTask    = `SELECT task FROM runs WHERE run = ?`
	sqlRunOfTask  = `SELECT prev_run FROM runs WHERE run = ? AND task = ?`
	sqlDeleteRun  = `DELETE FROM runs WHERE run = ?`
	sqlMendChain  = `UPDATE runs SET prev_run = ? WHERE run = ?`
	sqlMendHead   = `UPDATE clocks SET last_run = ? WHERE pk = ?`
	sqlRaiseFloor = `UPDATE store SET next_run = ?`
	// The planner would rather walk the whole history by rowid.
	sqlUnfinished = `SELECT ` + runColumns + whole + ` FROM runs r INDEXED BY runs_unfinished CROSS JOIN tasks t ON t.pk = r.task
		WHERE r.state < 3 AND r.run > ? ORDER BY r.run LIMIT ?`

	sqlRequest       = `SELECT run FROM requests WHERE id = ?`
	sqlInsertRequest = `INSERT INTO requests (id, run) VALUES (?, ?)`
	sqlDropRequest   = `DELETE FROM requests WHERE run = ?`

	// The newest run not newer than this one.
	sqlNewest = `SELECT run FROM runs WHERE run <= ? ORDER BY run DESC LIMIT 1`
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
)

// sqlTasks returns the query for a page of tasks in any of so many states, or in all if states is 0.
// Its parameters: the least name, the name that is too great, the limit, and the states. Each state is
// read in the order of names from its own part of the index, so that what does not match costs nothing.
func sqlTasks(states int) string {
	const page = hotColumns + `, ` + coldColumns + `, ` + runColumns
	const rest = ` CROSS JOIN clocks s ON s.pk = t.pk LEFT JOIN runs r ON r.run = s.last_run`
	if states == 0 {
		return `SELECT ` + page + ` FROM tasks t INDEXED BY tasks_name` + rest + `
			WHERE t.name >= ?1 AND t.name < ?2 ORDER BY t.name LIMIT ?3`
	}
	parts := make([]string, states)
	for i := range parts {
		parts[i] = `SELECT * FROM (SELECT pk, name FROM tasks INDEXED BY tasks_state
			WHERE state = ?` + string(rune('4'+i)) + ` AND name >= ?1 AND name < ?2 ORDER BY name LIMIT ?3)`
	}
	return `SELECT ` + page + ` FROM (` + strings.Join(parts, ` UNION ALL `) + ` ORDER BY 2 LIMIT ?3) k
		CROSS JOIN tasks t ON t.pk = k.pk` + rest + ` ORDER BY k.name`
}
