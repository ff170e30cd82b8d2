package main

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/clockd/clockd/client"
	_ "modernc.org/sqlite" // the driver "sqlite"
)

// A process that finds ten thousand tasks and a day in which nobody was there. How soon the first of them runs is
// measured (go test -run DayDown -v ./daemon/cmd/clockd), and not asserted.
func TestAProcessThatWasDownForADayCatchesUpWithTenThousandTasks(t *testing.T) {
	const tasks = 10_000
	var text strings.Builder
	text.WriteString("tasks:\n")
	for i := range tasks {
		fmt.Fprintf(&text, "  - name: task-%05d\n    trigger: every 1h\n    catch_up: %s\n    command: [\"true\"]\n",
			i, []string{"one", "none"}[i%2])
	}
	dir := t.TempDir()
	file, db := write(t, "many.yaml", text.String()), filepath.Join(dir, "many.db")
	serve := func() (*process, time.Time, *client.Client) {
		address := socket(t)
		began := time.Now()
		p := launch(t, "serve", "--config", file, "--store", "sqlite:"+db, "--listen", address)
		if !p.ready() {
			t.Fatal(p.log.text.String())
		}
		return p, began, p.dial(address)
	}
	p, _, _ := serve()
	p.kill()
	yesterday(t, db)
	_, began, c := serve()
	ready := time.Since(began)

	// Half of them run, a thousand processes at a time or so; each tells of the 24 instants, or of 23 that it missed.
	var first time.Time
	ctx := soon(t)
	for ran := 0; ran < tasks/2; {
		ran = 0
		for got, err := range c.Tasks(ctx, client.TaskFilter{}) {
			if err != nil {
				t.Fatal(err)
			}
			if run := got.LastRun; run != nil && run.Cause == 1 && !run.StartTime.IsZero() && run.StartTime.After(began) {
				ran++
				if first.IsZero() || run.StartTime.Before(first) {
					first = run.StartTime
				}
			}
		}
	}
	t.Logf("ready after %s, first fire after %s", ready.Round(time.Millisecond), first.Sub(began).Round(time.Millisecond))
	for got, err := range c.Tasks(ctx, client.TaskFilter{}) {
		if err != nil {
			t.Fatal(err)
		}
		if n := got.Counts; n.Merged+n.Missed < 22 || n.Merged+n.Missed > 24 {
			t.Fatalf("%s: %+v", got.Declaration.Name, n)
		}
	}
}

// yesterday makes a store one that nobody has used for a day.
func yesterday(t *testing.T, path string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, table := range []string{"tasks", "clocks", "runs"} {
		rows, err := db.Query(fmt.Sprintf("SELECT name FROM pragma_table_info('%s') WHERE name LIKE '%%\\_time' ESCAPE '\\' AND type = 'INTEGER'", table))
		if err != nil {
			t.Fatal(err)
		}
		var set []string
		for rows.Next() {
			var column string
			if err := rows.Scan(&column); err != nil {
				t.Fatal(err)
			}
			set = append(set, fmt.Sprintf("%[1]s = %[1]s - 86400000000", column))
		}
		if err := rows.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := db.Exec(fmt.Sprintf("UPDATE %s SET %s", table, strings.Join(set, ", "))); err != nil {
			t.Fatal(err)
		}
	}
}
