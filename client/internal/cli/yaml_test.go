package cli_test

import (
	"bytes"
	"encoding/json"
	"io"
	"reflect"
	"strings"
	"testing"

	"github.com/clockd/clockd/client/internal/fakedaemon"
	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
)

// plain makes numbers of one type.
func plain(t *testing.T, v any) any {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var out any
	if err := json.Unmarshal(data, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestYAMLIsTheSameMessageAsJSON(t *testing.T) {
	for _, line := range []string{
		"list", "get backup", "get ping", "get scrape", "get --run 3", "runs --limit 0", "preview 'cron \"30 2 * * *\" Europe/Berlin'", "set-trigger backup 'every 10m' --dry-run",
		"reset cleanup", "pause backup --reason 'no: yes'", "resume backup", "run backup", "run backup --wait --input '{\"n\": [1, -2.5, 1e-9, 1e30], \"s\": \"1e3\", \"no\": null, \"t\": true}'",
		"run 'old report'", "run backup --follow", "logs 3", "cancel 4", "backfill backup --from 2027-01-01T00:00:00Z", "audit", "export", "workers", "nodes",
		"create x --trigger 'every 1h' -- true", "update ping --description '~'", "delete scrape", "diff testdata/files/clockd.yaml", "import testdata/files/export.yaml",
	} {
		t.Run(line, func(t *testing.T) {
			said := func(output string) []any {
				server := fakedaemon.New(fakedaemon.Sample())
				server.Add(fakedaemon.SampleMore())
				server.Record(fakedaemon.SampleEvents()...)
				server.AddWorkers(fakedaemon.SampleWorkers()...)
				server.AddNodes(fakedaemon.SampleNodes()...)
				command := "clockctl -o " + output + " " + line
				var stdout bytes.Buffer
				for l := range strings.Lines(execute(t, serve(t, server), command)) {
					if !strings.HasPrefix(l, "! ") && !strings.HasPrefix(l, "[exit") {
						stdout.WriteString(l)
					}
				}
				var all []any
				decode := json.NewDecoder(&stdout).Decode
				if output == "yaml" {
					d := yaml.NewDecoder(&stdout)
					decode = func(v any) error { return d.Decode(v) }
				}
				for {
					var v any
					if err := decode(&v); err == io.EOF {
						return all
					} else if err != nil {
						t.Fatalf("%s: %v", command, err)
					}
					all = append(all, plain(t, v))
				}
			}
			want, got := said("json"), said("yaml")
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("-json +yaml\n%s", diff)
			}
			if refused := strings.Contains(line, "old report"); reflect.DeepEqual(want, []any(nil)) != refused {
				t.Errorf("it prints %v", want)
			}
		})
	}
}
