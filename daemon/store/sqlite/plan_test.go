package sqlite_test

import (
	"database/sql"
	"path/filepath"
	"strings"
	"testing"
)

// explain asks SQLite how it would carry out each statement. To SCAN a table or to sort means that the
// cost grows with what is stored, unless the scan is of an index in its order and has a limit, or of the
// few rows of a subquery.
func explain(t *testing.T, statements map[string]bool) {
	t.Helper()
	dir := t.TempDir()
	if err := open(t, dir).Close(); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", filepath.Join(dir, "clockd.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if len(statements) < 30 {
		t.Errorf("only %d statements were used", len(statements))
	}
	for statement := range statements {
		switch strings.Fields(statement)[0] {
		case "SELECT", "UPDATE", "DELETE", "WITH":
		default:
			continue
		}
		args := make([]any, 40)
		for i := range args {
			args[i] = 1
		}
		rows, err := db.Query("EXPLAIN QUERY PLAN "+statement, args...)
		if err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
		for rows.Next() {
			var id, parent, unused int
			var detail string
			if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
				t.Fatal(err)
			}
			switch {
			case strings.Contains(detail, "TEMP B-TREE FOR ORDER BY") && strings.Contains(statement, "UNION ALL"):
				// The page of several states was put together from as many pages: no more than one is sorted.
			case strings.HasPrefix(detail, "SCAN (subquery"), strings.HasPrefix(detail, "SCAN k"), strings.HasPrefix(detail, "SCAN c"),
				detail == "SCAN CONSTANT ROW", detail == "SCAN clocks USING COVERING INDEX clocks_due", detail == "SCAN store":
			case strings.HasPrefix(detail, "SCAN j VIRTUAL TABLE"), strings.HasPrefix(detail, "SCAN json_each VIRTUAL TABLE"):
				// A list that was handed in.
			case detail == "SCAN remains", detail == "SCAN r USING INDEX runs_unfinished":
				// Both have a limit of one, in the order of the ids. The latter passes runs that deleted tasks have left.
				if !strings.HasSuffix(statement, " LIMIT 1") && !strings.HasSuffix(statement, " LIMIT ?") {
					t.Errorf("%s\n\t%s without a limit", statement, detail)
				}
			case strings.Contains(detail, "TEMP B-TREE"), strings.HasPrefix(detail, "SCAN"):
				t.Errorf("%s\n\t%s", statement, detail)
			}
		}
		if err := rows.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
