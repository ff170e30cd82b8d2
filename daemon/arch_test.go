package daemon_test

import (
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/clockd/clockd/"

// The floors of the house. A package links what it may, and nothing else, not even through another.
func TestEachPackageLinksOnlyWhatItsFloorAllows(t *testing.T) {
	const (
		grpc   = "google.golang.org/grpc"
		sql    = "database/sql"
		sqlite = "modernc.org/sqlite"
		wire   = module + "daemon/wire"
		gen    = module + "gen/"
	)
	for _, row := range []struct {
		pkg    string
		allow  []string // of ours; nil: not restricted
		forbid []string
		why    string
	}{
		{"daemon/schedule", []string{}, []string{grpc, sql, "net", "os/exec", "github.com/"}, "time is pure: the standard library alone"},
		{"daemon/task", []string{"daemon/schedule"}, []string{grpc, sql, "net/http", "os/exec"}, "words know nothing of how they are sent or kept"},
		{"daemon/internal/reconcile", []string{"daemon/schedule", "daemon/task"}, []string{grpc, sql, "os/exec"}, "decisions are pure"},
		{"daemon/store", []string{"daemon/schedule", "daemon/task"}, []string{grpc, sql}, "a port knows no adapter"},
		{"daemon/internal/target", []string{"daemon/schedule", "daemon/task"}, []string{grpc, sql, "net/http", "os/exec"}, "a port knows no adapter"},
		{"daemon/wire", []string{"daemon/schedule", "daemon/task", "gen/clockd/v1"}, []string{sql}, "the only place that knows both sides"},
		{"daemon/store/memory", []string{"daemon/schedule", "daemon/task", "daemon/store"}, []string{grpc, sql, wire, gen}, "what is kept is not what is sent"},
		{"daemon/store/internal/codec", []string{"daemon/schedule", "daemon/task"}, []string{grpc, sql, wire, gen, "os/exec"}, "what is kept is not what is sent"},
		{"daemon/store/sqlite", []string{"daemon/schedule", "daemon/task", "daemon/store", "daemon/store/internal/codec"}, []string{grpc, wire, gen}, "what is kept is not what is sent"},
		{"daemon/store/postgres", []string{"daemon/schedule", "daemon/task", "daemon/store", "daemon/store/internal/codec"}, []string{grpc, sqlite, wire, gen, "os/exec", "testing"}, "what is kept is not what is sent"},
		{"daemon/internal/target/function", []string{"daemon/schedule", "daemon/task", "daemon/internal/target"}, []string{grpc, sql}, "one adapter, one thing"},
		{"daemon/internal/target/secret", []string{}, []string{grpc, sql, "net", "os/exec", "github.com/"}, "who reads secrets tells nobody"},
		{"daemon/internal/target/command", []string{"daemon/schedule", "daemon/task", "daemon/internal/target", "daemon/internal/target/secret"}, []string{grpc, sql, "net/http"}, "one adapter, one thing"},
		{"daemon/internal/target/grpccall", []string{"daemon/schedule", "daemon/task", "daemon/internal/target", "daemon/internal/target/secret"}, []string{sql, "os/exec", wire, gen}, "one adapter, one thing"},
		{"daemon/internal/target/httpcall", []string{"daemon/schedule", "daemon/task", "daemon/internal/target", "daemon/internal/target/secret"}, []string{grpc, sql, "os/exec"}, "one adapter, one thing"},
		{"daemon/internal/target/remote", []string{"daemon/schedule", "daemon/task", "daemon/internal/target"}, []string{grpc, sql, wire, gen, "os/exec", "net/http"}, "who gives out work knows nothing of how workers are connected"},
		{"daemon/internal/custom", []string{"daemon/schedule"}, []string{grpc, "google.golang.org/protobuf", sql, "net", "os/exec"}, "what guards triggers knows no messages"},
		{"daemon/internal/inject", []string{}, []string{grpc, "google.golang.org/protobuf", sql, "net/http", "os/exec"}, "who hands out arguments knows no tasks and no messages"},
		{"daemon/internal/feed", []string{"daemon/schedule", "daemon/task", "daemon/store"}, []string{grpc, sql, wire, gen}, "who tells knows nothing of how it is sent"},
		{"daemon/metrics", []string{"daemon/schedule", "daemon/task"}, []string{grpc, sqlite, wire, gen}, "metrics count words; whoever wants them links them"},
		{"daemon/internal/engine", []string{"daemon/schedule", "daemon/task", "daemon/store", "daemon/internal/target", "daemon/internal/reconcile", "daemon/internal/feed"}, []string{grpc, sql, wire, gen}, "the machine runs on any store and under any door"},
		{"daemon/internal/rpc", []string{"daemon/schedule", "daemon/task", "daemon/wire", "gen/clockd/v1"}, []string{sql}, "a door knows the engine as an interface of its own"},
		{"daemon/internal/peer", []string{"daemon/schedule", "daemon/task", "daemon/wire", "gen/clockd/v1"}, []string{sql, "os/exec"}, "the ways between nodes decide nothing"},
		{"client", []string{"daemon/schedule", "daemon/task", "daemon/wire", "gen/clockd/v1"}, []string{sql}, "a client links no daemon"},
		{"daemon", nil, []string{sqlite, "github.com/jackc/pgx", "github.com/goccy/go-yaml", "github.com/alecthomas/kong", "github.com/prometheus", "github.com/coreos", module + "daemon/internal/config", module + "daemon/migrate", "testing"}, "an embedder pays for what is chosen"},
		{"daemon/cmd/clockd", nil, []string{"testing", "github.com/google/go-cmp", module + "daemon/internal/history"}, "nothing that is shipped links testing"},
		{"client/cmd/clockctl", nil, []string{"testing", sql, module + "daemon/internal/engine"}, "nothing that is shipped links testing"},
	} {
		t.Run(row.pkg, func(t *testing.T) {
			out, err := exec.Command("go", "list", "-deps", module+row.pkg).Output()
			if err != nil {
				t.Fatalf("go list: %v", err)
			}
			for dep := range strings.Lines(string(out)) {
				dep = strings.TrimSpace(dep)
				if dep == module+row.pkg || dep == "database/sql/driver" { // an interface that google/uuid implements
					continue
				}
				if ours, ok := strings.CutPrefix(dep, module); ok && row.allow != nil && !slices.Contains(row.allow, ours) {
					t.Errorf("links %s: %s", ours, row.why)
				}
				for _, f := range row.forbid {
					if dep == f || strings.HasPrefix(dep, strings.TrimSuffix(f, "/")+"/") {
						t.Errorf("links %s: %s", dep, row.why)
					}
				}
			}
		})
	}
}

func TestEveryPackageSaysWhatItIsFor(t *testing.T) {
	out, err := exec.Command("go", "list", "-f", "{{.Dir}}\t{{.Doc}}\t{{len .GoFiles}}", module+"daemon/...", module+"client/...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	for line := range strings.Lines(string(out)) {
		dir, rest, _ := strings.Cut(strings.TrimSpace(line), "\t")
		if doc, files, _ := strings.Cut(rest, "\t"); doc == "" && files != "0" {
			t.Errorf("%s has no package comment", filepath.Base(dir))
		}
	}
}
