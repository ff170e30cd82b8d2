package main

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/clockd/clockd/client"
	"github.com/clockd/clockd/daemon/task"
)

func TestMetricsAreServedWhereTheFlagSays(t *testing.T) {
	config := write(t, "clockd.yaml", `
groups: {few: {max_running: 1}}
tasks:
  - {name: good, trigger: every 1h, command: ["true"]}
  - {name: bad, trigger: every 1h, command: ["false"]}
  - {name: slow, group: few, trigger: every 1h, command: [sleep, "60"], overlap: allow}
  - {name: up, trigger: startup, command: ["true"]}
`)
	address, port := socket(t), freeAddress(t)
	p := launch(t, "serve", "--config", config, "--store", "memory:", "--listen", address, "--metrics", port, "--stop-grace", "10ms")
	if !p.ready() {
		t.Fatal(p.log.text.String())
	}
	c := p.dial(address)
	for _, name := range []string{"good", "good", "bad"} {
		if _, err := c.RunTask(soon(t), task.ByName(name), client.RunOptions{Wait: true}); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		if _, err := c.RunTask(soon(t), task.ByName("slow"), client.RunOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	for limit := soon(t); ; {
		r, err := http.Get("http://" + port + "/metrics")
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(r.Body)
		_ = r.Body.Close()
		if err != nil || r.StatusCode != http.StatusOK {
			t.Fatalf("%s, %v", r.Status, err)
		}
		missing := ""
		for _, want := range []string{
			`clockd_runs_total{reason="",state="succeeded"} 3`, `clockd_runs_total{reason="",state="failed"} 1`,
			`clockd_fires_total{outcome="ran"} 1`, `clockd_running 1`, `clockd_waiting{group="few",reason="limit"} 2`, `clockd_store_up 1`,
			`clockd_start_lateness_seconds_count 4`, `clockd_run_duration_seconds_count 4`, "process_resident_memory_bytes",
		} {
			if !strings.Contains(string(body), want) {
				missing = want
			}
		}
		if missing == "" {
			break
		}
		if limit.Err() != nil {
			t.Fatalf("%q is not in:\n%s", missing, body)
		}
	}
}

func TestMetricsAreNotServedToTheWorldByAccident(t *testing.T) {
	code, _, problem := clockd(t, "serve", "--store", "memory:", "--listen", socket(t), "--metrics", "0.0.0.0:0")
	if code != exitUsage || !strings.Contains(problem, "0.0.0.0:0") {
		t.Errorf("exit code %d: %s", code, problem)
	}
}
