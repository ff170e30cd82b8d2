package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/clockd/clockd/daemon/internal/config"
	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func parse(t *testing.T, text string) *config.File {
	t.Helper()
	f, err := config.Parse("c.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// problems returns what is wrong, a line each.
func problems(t *testing.T, f *config.File, err error) []string {
	t.Helper()
	if err == nil {
		return nil
	}
	var all *config.Error
	if !errors.As(err, &all) || len(all.Problems) == 0 {
		t.Fatalf("%T is not an Error with problems: %v", err, err)
	}
	if f != nil {
		t.Error("there is a File beside the error")
	}
	lines := strings.Split(err.Error(), "\n")
	if len(lines) != len(all.Problems) {
		t.Errorf("%d problems in %d lines", len(all.Problems), len(lines))
	}
	return lines
}

func trigger(t *testing.T, text string) schedule.Trigger {
	t.Helper()
	tr, err := schedule.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

func TestAFileSaysAllThereIsOfATask(t *testing.T) {
	got := parse(t, `
namespace: prod
revision: 20261123
store: sqlite:clockd.db
listen: unix:/run/clockd.sock
worker_lease: 1m30s
node_lease: 20s
limits: {max_running: 100, max_waiting: 5000, start_rate: 0.5}
groups:
  reports: {max_running: 2, max_waiting: 3, timeout: 10m, labels: {team: data, mode: 0644}}
  "on": {}
tasks:
- name: report
  former_names: [reprot, "7"]
  description: >
    counts
    things
  group: reports
  labels: {team: infra, mode: 0755, on: yes, version: 1.10}
  trigger: cron "0 3 * * *" Europe/Berlin
  command: {args: [sleep, 5], env: {DEBUG: true}, dir: /tmp, stdin: "x\n", output_limit: 100, kill_delay: 1s}
  timeout: 1h30m
  overlap: allow
  catch_up: none
  catch_up_window: 2h
  delivery: at_most_once
  retry: {max_attempts: 5, backoff: 10s, max_backoff: 5m, jitter: 0.2}
  pause_after_failures: 5
  retention: {keep: failures, max_runs: 100, max_age: 720h}
- name: "1"
  trigger: every 10s
  http: {url: http://127.0.0.1/x, method: PUT, headers: {X-N: 0x1F}, body: b, expect_status: [200, 404], output_limit: 5}
- name: call
  trigger: every 10s
  grpc:
    address: host:9000
    method: acme.v1.Mill/Grind
    body: '{"coarse": true}'
    metadata: {x-n: 0x1F}
    tls: {ca_file: /ca.pem, cert_file: /cert.pem, key_file: /key.pem, server_name: mill}
    output_limit: 5
- name: plain
  trigger: every 10s
  grpc: {address: unix:/run/mill.sock, method: acme.v1.Mill/Grind, tls: {}}
- {name: elsewhere, trigger: every 10s, worker: {}}
`)
	want := &config.File{
		Namespace: "prod", Revision: 20261123, Store: "sqlite:clockd.db", Listen: "unix:/run/clockd.sock", WorkerLease: 90 * time.Second, NodeLease: 20 * time.Second,
		Limits: task.Limits{MaxRunning: 100, MaxWaiting: 5000, StartRate: 0.5},
		Groups: map[string]task.Group{
			"reports": {
				Limits: task.Limits{MaxRunning: 2, MaxWaiting: 3}, Timeout: 10 * time.Minute,
				Labels: map[string]string{"team": "data", "mode": "0644"},
			},
			"on": {},
		},
		Tasks: []config.Task{
			{FormerNames: []string{"reprot", "7"}, Declaration: task.Declaration{
				Name: "report", Description: "counts things\n", Group: "reports",
				Labels:  map[string]string{"team": "infra", "mode": "0755", "on": "yes", "version": "1.10"},
				Trigger: trigger(t, `cron "0 3 * * *" Europe/Berlin`),
				Policy: task.Policy{
					Overlap: task.OverlapAllow, CatchUp: task.CatchUpNone, CatchUpWindow: 2 * time.Hour, Delivery: task.AtMostOnce, Timeout: 90 * time.Minute,
					Retry:              task.Retry{MaxAttempts: 5, Backoff: 10 * time.Second, MaxBackoff: 5 * time.Minute, Jitter: 0.2},
					PauseAfterFailures: 5,
					Retention:          task.Retention{Keep: task.KeepFailures, MaxRuns: 100, MaxAge: 720 * time.Hour},
				},
				Target: task.Target{Kind: "command", Summary: "sleep 5"},
			}},
			{Declaration: task.Declaration{
				Name: "1", Trigger: trigger(t, "every 10s"),
				Target: task.Target{Kind: "http", Summary: "PUT http://127.0.0.1/x"},
			}},
			{Declaration: task.Declaration{
				Name: "call", Trigger: trigger(t, "every 10s"),
				Target: task.Target{Kind: "grpc", Summary: "acme.v1.Mill/Grind at host:9000"},
			}},
			{Declaration: task.Declaration{
				Name: "plain", Trigger: trigger(t, "every 10s"),
				Target: task.Target{Kind: "grpc", Summary: "acme.v1.Mill/Grind at unix:/run/mill.sock"},
			}},
			{Declaration: task.Declaration{
				Name: "elsewhere", Trigger: trigger(t, "every 10s"),
				Target: task.Target{Kind: "worker", Summary: "a worker that runs the task"},
			}},
		},
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(config.File{}), cmpopts.IgnoreFields(config.Task{}, "Target")); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	for _, task := range got.Tasks {
		if task.Target.Describe() != task.Declaration.Target {
			t.Errorf("%s: the target describes itself as %v", task.Declaration.Name, task.Target.Describe())
		}
	}
}

func TestWhatIsNotSaidHasItsDefault(t *testing.T) {
	for _, text := range []string{"tasks: []", "---\ntasks: []\n...\n", "\ufefftasks: []\r\n", "# none yet\ntasks:\n  []\n", `{"tasks": []}`, "tasks: []\n---\n"} {
		got := parse(t, text)
		if diff := cmp.Diff(&config.File{}, got, cmpopts.IgnoreUnexported(config.File{})); diff != "" {
			t.Errorf("%q: -want +got:\n%s", text, diff)
		}
	}
	got := parse(t, "tasks: [{name: a, trigger: forever, command: [sleep, 1]}]").Tasks[0].Declaration
	if got.Policy != (task.Policy{}) || got.Labels != nil || got.Group != "" || got.Description != "" {
		t.Errorf("%+v", got)
	}
}

func TestEachWordOfAPolicyIsRead(t *testing.T) {
	tests := []struct {
		text string
		want task.Policy
	}{
		{"overlap: skip", task.Policy{}},
		{"overlap: allow", task.Policy{Overlap: task.OverlapAllow}},
		{"overlap: queue", task.Policy{Overlap: task.OverlapQueue}},
		{"overlap: cancel", task.Policy{Overlap: task.OverlapCancel}},
		{"catch_up: one", task.Policy{}},
		{"catch_up: all", task.Policy{CatchUp: task.CatchUpAll}},
		{"catch_up: none", task.Policy{CatchUp: task.CatchUpNone}},
		{"delivery: at_least_once", task.Policy{}},
		{"delivery: at_most_once", task.Policy{Delivery: task.AtMostOnce}},
		{"retention: {keep: all}", task.Policy{}},
		{"retention: {keep: failures}", task.Policy{Retention: task.Retention{Keep: task.KeepFailures}}},
		{"retention: {keep: none}", task.Policy{Retention: task.Retention{Keep: task.KeepNone}}},
		{"retention: {}", task.Policy{}},
		{"retry: {max_attempts: 1000}", task.Policy{Retry: task.Retry{MaxAttempts: task.MaxRetryAttempts}}},
		{"retry: {max_attempts: 2, jitter: 0}", task.Policy{Retry: task.Retry{MaxAttempts: 2}}},
		{"retry: {max_attempts: 2, jitter: 1}", task.Policy{Retry: task.Retry{MaxAttempts: 2, Jitter: 1}}},
		{"retry: {max_attempts: 2, jitter: .5}", task.Policy{Retry: task.Retry{MaxAttempts: 2, Jitter: .5}}},
	}
	for _, tt := range tests {
		t.Run(tt.text, func(t *testing.T) {
			got := parse(t, "tasks: [{name: a, trigger: once, command: [b], "+tt.text+"}]").Tasks[0].Declaration.Policy
			if got != tt.want {
				t.Errorf("%+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestBothFormsOfATriggerMeanTheSame(t *testing.T) {
	tests := []struct{ name, fields, text string }{
		{"every", "{every: {interval: 10m}}", "every 10m"},
		{"every, in API names", "{every: {interval: 600s, first_fire: FIRST_FIRE_IMMEDIATE, pacing: PACING_FIXED_DELAY}}", "every 10m immediate fixed-delay"},
		{"every, in short names", "{every: {interval: 1h30m, first_fire: immediate, pacing: fixed-delay}}", "every 1h30m immediate fixed-delay"},
		{"every, as JSON", `{"every":{"interval":"1.500s","firstFire":"FIRST_FIRE_WAIT"},"maxFires":"3"}`, "every 1.5s max=3"},
		{"at", "{at: {hour: 9, minute: 30, second: 5, days_of_week: [DAY_OF_WEEK_MONDAY, friday, SAT], time_zone: Europe/Berlin}}", "at 09:30:05 mon,fri,sat Europe/Berlin"},
		{"cron", `{cron: {expression: "0 3 * * *", time_zone: UTC}}`, `cron "0 3 * * *" UTC`},
		{"once", "{once: {time: 2027-01-01T01:00:00+01:00}}", "once 2027-01-01T00:00:00Z"},
		{"once, as soon as it is in force", "{once: {}}", "once"},
		{"once, with nothing", "{once: }", "once"},
		{"forever", "{forever: {}}", "forever"},
		{"forever, with nothing", "{forever: }", "forever"},
		{"start-up", "{on_start_up: {}}", "startup"},
		{"shut-down, as in JSON", "{onShutDown: {}}", "shutdown"},
		{"bounds", "{forever: {}, max_fires: 7, start_time: 2027-01-01T00:00:00Z, end_time: 2028-01-01T00:00:00.000001Z}", "forever max=7 from=2027-01-01T00:00:00Z until=2028-01-01T00:00:00.000001Z"},
		{"jitter", "{forever: {}, jitter: 1m30s}", "forever jitter=90s"},
		{
			"exclusions", "{forever: {}, exclusions: [{dates: {first: 2026-12-24, last: 2026-12-26, time_zone: Europe/Berlin}}, " +
				"{window: {from: 22:00, until: 06:00, days_of_week: [mon, tuesday], time_zone: UTC}}, {cron: {expression: '* 12 * * *', time_zone: UTC}}]}",
			`forever exclude(dates 2026-12-24..2026-12-26 Europe/Berlin; window 22:00-06:00 mon,tue UTC; cron "* 12 * * *" UTC)`,
		},
		{
			"exclusions, as JSON", `{"forever":{},"exclusions":[{"window":{"from":"09:00","until":"24:00","daysOfWeek":["DAY_OF_WEEK_SUNDAY"],"timeZone":"UTC"}}]}`,
			"forever exclude(window 9:00-24:00 sun UTC)",
		},
		{"any", "{any_of: {triggers: [{every: {interval: 1s}, max_fires: 2}, {any_of: {triggers: [{once: {}}, {forever: {}}]}}]}, max_fires: 9}", "any(every 1s max=2; any(once; forever)) max=9"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := parse(t, "tasks: [{name: a, trigger: "+tt.fields+", command: [echo]}]").Tasks[0].Declaration.Trigger
			if want := trigger(t, tt.text); !schedule.Equal(got, want) {
				t.Errorf("%s, want %s", got, want)
			}
			text := strings.ReplaceAll(tt.text, `"`, `\"`)
			got = parse(t, `tasks: [{name: a, trigger: "`+text+`", command: [echo]}]`).Tasks[0].Declaration.Trigger
			if want := trigger(t, tt.text); !schedule.Equal(got, want) {
				t.Errorf("%s, want %s", got, want)
			}
		})
	}
}

func TestCalendarsAreReadInEitherForm(t *testing.T) {
	// They may stand behind the tasks that name them.
	got := parse(t, `
tasks:
- {name: a, command: [b], trigger: every 1h exclude(calendar holidays; calendar 1)}
- {name: b, command: [b], trigger: {every: {interval: 1h}, exclusions: [{calendar: nights}, {dates: {first: 2027-01-01, time_zone: UTC}}]}}
calendars:
  holidays:
  - dates 2026-12-24..2026-12-26 Europe/Berlin # a comment
  - cron "* 12 * * *" UTC
  - dates: {first: 2027-01-01, last: 2027-01-01, time_zone: Europe/Berlin}
  nights: [window 22:00-06:00 mon-fri Europe/Berlin, {window: {from: 22:00, until: 06:00, timeZone: UTC}}]
  1: []
`)
	exclusion := func(text string) schedule.Exclusion {
		e, err := schedule.ParseExclusion(text)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	newYear := schedule.Date{Year: 2027, Month: 1, Day: 1}
	want := map[string][]schedule.Exclusion{
		"holidays": {
			exclusion("dates 2026-12-24..2026-12-26 Europe/Berlin"), exclusion(`cron "* 12 * * *" UTC`),
			schedule.Dates{First: newYear, Last: newYear, TimeZone: "Europe/Berlin"},
		},
		"nights": {exclusion("window 22:00-06:00 mon-fri Europe/Berlin"), exclusion("window 22:00-06:00 UTC")},
		"1":      {},
	}
	if diff := cmp.Diff(want, got.Calendars); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if e := got.Tasks[1].Declaration.Trigger.Exclusions; len(e) != 2 || e[0] != schedule.Exclusion(schedule.Calendar{Name: "nights"}) {
		t.Errorf("%+v", e)
	}
}

func TestNoCalendarsAreNil(t *testing.T) {
	if got := parse(t, "calendars: {}\ntasks: []\n").Calendars; got != nil {
		t.Errorf("%v", got)
	}
}

func TestLoadReadsAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.yaml")
	if err := os.WriteFile(path, []byte("namespace: ns\ntasks: []\nlisten: x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := config.Load(path)
	if err != nil || f.Namespace != "ns" {
		t.Fatalf("%+v, %v", f, err)
	}
	if got, want := f.Problem("listen", "%q is no address", "x").Error(), path+`:3: listen: "x" is no address`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got, want := f.Problem("store", "missing").Error(), path+`: store: missing`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestWhatIsNoFileIsRefused(t *testing.T) {
	dir := t.TempDir()
	large, fifo, secret := filepath.Join(dir, "large"), filepath.Join(dir, "fifo"), filepath.Join(dir, "bad")
	if err := os.WriteFile(large, []byte("tasks: []\n#"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(large, 16<<20+1); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(secret, []byte("tasks: []\nfoo: 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	fed := make(chan error, 1)
	go func() { fed <- os.WriteFile(fifo, []byte("tasks: 1"), 0) }()
	tests := []struct{ name, path, want string }{
		{"nothing there", filepath.Join(dir, "none"), "no such file or directory"},
		{"a directory", dir, "is a directory; name a file in it"},
		{"too large", large, "the file is larger than 16777216 bytes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f, err := config.Load(tt.path)
			if got, want := problems(t, f, err), []string{tt.path + ": " + tt.want}; !slices.Equal(got, want) {
				t.Errorf("%q, want %q", got, want)
			}
		})
	}
	t.Run("problems of a file have its name", func(t *testing.T) {
		f, err := config.Load(secret)
		want := []string{secret + `:2: key "foo" is not known here: known are namespace, revision, store, listen, worker_lease, node_lease, limits, groups, calendars, tasks`}
		if diff := cmp.Diff(want, problems(t, f, err)); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	})
	t.Run("a pipe is a file", func(t *testing.T) {
		f, err := config.Load(fifo)
		want := []string{fifo + `:1: tasks: a list is needed, such as "tasks: []", not "1"`}
		if diff := cmp.Diff(want, problems(t, f, err)); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
		if err := <-fed; err != nil {
			t.Error(err)
		}
	})
}
