package postgres_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/store/postgres"
	"github.com/clockd/clockd/daemon/store/postgres/pgtest"
)

// large are the tables that grow with what is stored. Partitions of runs are called runs_ and their day.
var large = regexp.MustCompile(`^(tasks|clocks|open_runs|runs(_.*)?|audit|requests|offers)$`)

// plan is a node of what EXPLAIN says.
type plan struct {
	Type     string `json:"Node Type"`
	Relation string `json:"Relation Name"`
	Index    string `json:"Index Name"`
	Cond     string `json:"Index Cond"`
	Filter   string `json:"Filter"`
	Plans    []plan `json:"Plans"`
}

// passing are findings of check, with their statements, that are no problem, and why.
var passing = []struct{ finding, why string }{
	{`on runs_\w* .* passes over rows: \(+day [>=]+ \$\d`, "a partition has one day; the default one has what could not be put where it belongs"},
	{`on open_runs open_runs_fire .*passes over rows: .*run `, "of the runs of one task that have not ended"},
	{`on open_runs open_runs_pkey .*passes over rows: \(change > `, "it is one run"},
	{`on tasks .*passes over rows: \(SubPlan`, "who asks for what has changed looks at all: see sqlTasks"},
	{`on tasks (tasks_group)? *passes over rows: \(state `, "of a group: see sqlTasks"},
	{`on clocks clocks_due passes over rows: CASE`, "tasks that others hold are due, and wait for them: they are few"},
	{`(?s)Bitmap Index Scan on tasks tasks_group is sorted.*(state IN|c\.change >)`, "of a group: see sqlTasks"},
	{`on tasks tasks_pkey passes over rows: \(id <> ALL`, "it is one task"},
	{`on open_runs open_runs_pkey (reads all|passes over rows: \(node = )`, "of what has not ended, each once, as a node ends or is in doubt"},
	{`on open_runs open_runs_fire passes over rows: \(node = `, "of the runs of some tasks that have not ended"},
	{`on clocks clocks_pkey passes over rows: .*(in_hand|nobodys)`, "what others hold of tasks that are few: they have runs in nobody's hands, or are to change by now"},
	{`(?s)on (tasks|offers) .*NOT EXISTS \(SELECT 1 FROM offers`, "it looks for what is nowhere: at a start, and as a node ends"},
}

// equality is in a condition that selects what belongs together, not all from something on.
var equality = regexp.MustCompile(`[^<>]= `)

// check returns what of a plan costs the more the more is stored. limited says that no more rows are asked for than a limit;
// sorted that all that are found are sorted; relation is the table that is read with the help of this node.
func (p *plan) check(limited, sorted bool, relation, statement string) (found []string) {
	limited = limited && p.Type != "Sort" || p.Type == "Limit"
	sorted = sorted && p.Type != "Limit" || p.Type == "Sort"
	if p.Relation != "" {
		relation = p.Relation
	}
	if large.MatchString(relation) {
		where := fmt.Sprintf("%s on %s %s", p.Type, relation, p.Index)
		switch {
		case p.Type == "Seq Scan":
			found = append(found, where)
		case p.Index != "" && p.Cond == "" && !limited:
			found = append(found, where+" reads all")
		case p.Index != "" && sorted && !equality.MatchString(p.Cond):
			found = append(found, where+" is sorted: "+p.Cond)
		}
		if p.Filter != "" {
			found = append(found, where+" passes over rows: "+p.Filter)
		}
	}
	found = slices.DeleteFunc(found, func(finding string) bool {
		return slices.ContainsFunc(passing, func(k struct{ finding, why string }) bool {
			return regexp.MustCompile(k.finding).MatchString(finding + " in " + statement)
		})
	})
	for _, below := range p.Plans {
		found = append(found, below.check(limited, sorted, relation, statement)...)
	}
	return found
}

// samples are values for parameters. The plans are made for any; but partitions are left out by the day that is given.
var samples = map[string]string{
	"date": "now", "date[]": "{now}", "uuid": "6ba7b810-9dad-11d1-80b4-00c04fd430c8", "uuid[]": "{}", "boolean": "true", "bytea": "", "text": "a",
	"timestamp with time zone": "now", "interval": "1s", `"char"`: "a", "name": "a",
}

// statements are the texts of those that stores have used, with the types of their parameters.
type statements struct {
	mu   sync.Mutex
	used map[string][]string
}

// of returns the store, which notes what it has used when it is closed.
func (u *statements) of(t *testing.T, s *postgres.Store) store.Store { return noting{s, t, u} }

type noting struct {
	*postgres.Store
	t *testing.T
	u *statements
}

func (n noting) Close() error {
	used, err := n.Statements(ctx)
	if err != nil {
		n.t.Error(err)
	}
	n.u.mu.Lock()
	defer n.u.mu.Unlock()
	if n.u.used == nil {
		n.u.used = make(map[string][]string)
	}
	maps.Copy(n.u.used, used)
	return n.Store.Close()
}

// explain asks PostgreSQL how it would carry out each statement where much is stored, if it knew nothing of the parameters:
// that is what it does after a few times.
func (u *statements) explain(t *testing.T) {
	t.Helper()
	url := pgtest.URL(t)
	openOn(t, url)
	fill(t, url, 20_000)
	conn := connect(t, url)
	run(t, conn, "SET plan_cache_mode = force_generic_plan")
	if len(u.used) < 60 {
		t.Errorf("only %d statements were used", len(u.used))
	}
	for text, types := range u.used {
		switch strings.ToUpper(strings.Fields(text)[0]) {
		case "SELECT", "UPDATE", "DELETE", "INSERT", "WITH":
		default:
			continue
		}
		if strings.Contains(text, "pg_") || strings.Contains(text, "goose") {
			continue // the catalog
		}
		args := make([]string, len(types))
		for i, typ := range types {
			value, known := samples[typ]
			switch {
			case known:
			case strings.HasSuffix(typ, "[]"):
				value = "{}"
			default:
				value = "1"
			}
			args[i] = fmt.Sprintf("'%s'::%s", value, typ)
		}
		takes, gets := "", ""
		if len(args) > 0 {
			takes, gets = "("+strings.Join(types, ", ")+")", "("+strings.Join(args, ", ")+")"
		}
		run(t, conn, "PREPARE looked_at"+takes+" AS "+text)
		var answer []byte
		if err := conn.QueryRow(ctx, "EXPLAIN (FORMAT JSON) EXECUTE looked_at"+gets).Scan(&answer); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		run(t, conn, "DEALLOCATE looked_at")
		var plans []struct{ Plan plan }
		if err := json.Unmarshal(answer, &plans); err != nil {
			t.Fatal(err)
		}
		for _, problem := range plans[0].Plan.check(false, false, "", text) {
			t.Errorf("%s\n\t%s", text, problem)
		}
	}
}
