package postgres_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// connect returns a connection to the database of a store.
func connect(t testing.TB, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(ctx) })
	run(t, conn, "SET search_path = clockd")
	return conn
}

func run(t testing.TB, conn *pgx.Conn, sql string) {
	t.Helper()
	if _, err := conn.Exec(ctx, sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// fill puts tasks into an empty store, each with a run, of which every other has not ended, and events. They are due one
// after the other, a millisecond apart, from now on.
func fill(t testing.TB, url string, tasks int) {
	t.Helper()
	conn := connect(t, url)
	for _, sql := range []string{
		`INSERT INTO tasks (pk, id, name, state, version, create_time, orphan_reason, origin, revision, description, task_group, declared_trigger,
				target_kind, target_summary)
			SELECT i, gen_random_uuid(), 'task ' || lpad(i::text, 8, '0'), 1 + (i % ($N / 200) = 0)::int, 1, now(), '', 0, 1, '',
				CASE WHEN i % ($N / 200) = 1 THEN 'g' ELSE '' END, 'every 1m', 'function', 'main.do' FROM generate_series(1, $N) i`,
		`INSERT INTO clocks (pk, next_fire_time, anchor_time, fire_count, failure_count, change, last_run, in_hand, node)
			SELECT pk, now() + (pk || ' ms')::interval, now(), 0, 0, pk, pk, (pk % 2 = 0)::int, CASE WHEN pk % 2 = 0 THEN '00000000-0000-0000-0000-000000000000'::uuid END FROM tasks`,
		`INSERT INTO days VALUES (current_date - 1, 1), (current_date, $N / 2 + 1)`,
		`INSERT INTO runs (day, run, task, state, cause, reason, attempt, fires, error, actor, change)
			SELECT CASE WHEN pk <= $N / 2 THEN current_date - 1 ELSE current_date END, pk, pk, 3, 1, 0, 1, 1, '', '', pk FROM tasks WHERE pk % 2 > 0`,
		`INSERT INTO open_runs (run, task, node, state, cause, reason, attempt, fires, error, actor, change)
			SELECT pk, pk, '00000000-0000-0000-0000-000000000000', 1, 1, 0, 1, 1, '', '', pk FROM tasks WHERE pk % 2 = 0`,
		`INSERT INTO audit (event, time, action, task_id, task_name, run, actor, peer, reason)
			SELECT pk, now() - (pk || ' s')::interval, 1, id, name, 0, 'a', '', '' FROM tasks LIMIT 20000`,
		`INSERT INTO requests (id, run, task) SELECT gen_random_uuid(), run, task FROM runs LIMIT 20000`,
		`INSERT INTO offers (node, offerer, task_id) SELECT gen_random_uuid(), 1, id FROM tasks LIMIT 20000`,
		`INSERT INTO feed (change, time, changes) SELECT pk, now(), '' FROM tasks LIMIT 20000`,
		`SELECT setval('change_numbers', $N), setval('run_numbers', $N), setval('event_numbers', $N), setval('task_numbers', $N)`,
		`VACUUM ANALYZE`,
	} {
		run(t, conn, strings.ReplaceAll(sql, "$N", strconv.Itoa(tasks)))
	}
}
