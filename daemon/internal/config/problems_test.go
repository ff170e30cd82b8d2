package config_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/clockd/clockd/daemon/internal/config"
	"github.com/google/go-cmp/cmp"
)

func numbered(format string, n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}

func TestVeryManyProblemsAreCounted(t *testing.T) {
	f, err := config.Parse("c.yaml", []byte("tasks:\n"+strings.Repeat("- a\n", 1234)))
	got := problems(t, f, err)
	if len(got) != 1001 || got[1000] != "c.yaml: and 234 more problems" {
		t.Errorf("%d problems, the last is %s", len(got), got[len(got)-1])
	}
}

func TestEachProblemIsSaidWithItsLine(t *testing.T) {
	// with puts lines into a task that is right without them, from line 5 on.
	with := func(lines string) string {
		return "tasks:\n- name: a\n  trigger: every 1s\n  command: [echo]\n" + lines
	}
	// triggered puts a trigger of the mapping form into a task, from line 5 on.
	triggered := func(lines string) string { return "tasks:\n- name: a\n  command: [echo]\n  trigger:\n" + lines }
	tests := []struct {
		name string
		text string
		want []string // without "c.yaml"; what follows "…" is for package schedule to say
	}{
		// The file.
		{"an empty file", "", []string{`: the file is empty; for a daemon without tasks write "tasks: []"`}},
		{"a file of comments", "# a\n\n# b\n", []string{`: the file is empty; for a daemon without tasks write "tasks: []"`}},
		{"an empty document", "---\n...\n", []string{`: the file is empty; for a daemon without tasks write "tasks: []"`}},
		{"no tasks", "\nnamespace: x\n", []string{`:2: tasks: missing; for a daemon without tasks write "tasks: []"`}},
		{"tasks with nothing", "tasks:\n", []string{`:1: tasks: a list is needed, such as "tasks: []", not nothing`}},
		{"a text", "hello\n", []string{`:1: a mapping is needed, such as "tasks: []", not "hello"`}},
		{"a list", "- a\n", []string{`:1: a mapping is needed, such as "tasks: []", not a list`}},
		{"two documents", "tasks: []\n---\ntasks: []\n", []string{":3: a second document begins here: a file has one"}},
		{"a directive", "%YAML 1.1\n---\ntasks: []\n", []string{":1: a YAML directive, which is not needed: remove the line"}},
		{"bytes that are not UTF-8", "tasks: []\n# \xe4\n", []string{":2: byte 0xe4 is not UTF-8"}},
		{"UTF-16", "\xff\xfet\x00", []string{":1: the file is UTF-16; save it as UTF-8"}},
		{"a control character", "tasks: []\n# \x00\n", []string{`:2: a control character, U+0000; write it as "\x00" in double quotes`}},
		{"a line break of YAML 1.1", "tasks: []\n\n# \u2028\n", []string{`:3: a line break that not every reader takes for one, U+2028; write it as "\u2028" in double quotes`}},
		{"a carriage return alone", "tasks: []\r\n#\rx\n", []string{":2: a carriage return without a line feed after it: end lines with a line feed"}},
		{"a tab for indentation", "tasks:\n\t- name: a\n", []string{":2: a tab in the indentation: YAML wants spaces"}},
		{"an open bracket", "namespace: a\ntasks: [\n", []string{":2: not YAML: sequence end token ']' not found"}},
		{"a colon too many", "namespace: a\nstore: memory:\ntasks: []\n", []string{":2: not YAML: mapping value is not allowed in this context; a text with a colon at its end, or with a colon and a space, needs quotes"}},
		{"very deep brackets", strings.Repeat("[", 1_000_000), []string{":1: nested more than 64 deep"}},
		{"very deep dashes", strings.Repeat("- ", 1_000_000), []string{":1: nested more than 64 deep"}},
		{"very deep keys", strings.Repeat("? ", 1_000_000), []string{":1: nested more than 64 deep"}},
		{"very many tags", strings.Repeat("!a ", 1_000_000), []string{":1: more than 1024 anchors and tags"}},
		{"very many keys", "tasks:\n- labels:\n" + strings.Repeat("    a: b\n", 100_000), []string{":4099: more than 4096 keys or items here"}},

		// The keys of the file.
		{"an unknown key", "tasks: []\nqueue: 1\n", []string{`:2: key "queue" is not known here: known are namespace, revision, store, listen, worker_lease, node_lease, limits, groups, calendars, tasks`}},
		{"a misspelt key", "task: []\ntasks: []\n", []string{`:1: key "task" is not known here: did you mean "tasks"?`}},
		{"a key with a line break", "\"a\\nb\": 1\ntasks: []\n", []string{`:1: key "a\nb" is not known here: known are namespace, revision, store, listen, worker_lease, node_lease, limits, groups, calendars, tasks`}},
		{"a key twice", "namespace: a\ntasks: []\nnamespace: b\n", []string{":3: namespace: is there twice, first on line 1"}},
		{"a merge key", "<<: {a: b}\ntasks: []\n", []string{":1: merge keys are not supported: write the fields out"}},
		{"a key that is null", "~: 1\ntasks: []\n", []string{":1: a key must be plain text"}},
		{"a namespace that is a number", "tasks: []\nnamespace: 12\n", []string{`:2: namespace: 12 is not text without quotes: write "12"`}},
		{"a namespace with nothing", "tasks: []\nnamespace:\n", []string{`:2: namespace: nothing is there: write "" for an empty text`}},
		{"an empty namespace", "tasks: []\nnamespace: ''\n", []string{":2: namespace: a name is missing"}},
		{"an empty store", "tasks: []\nstore: ''\n", []string{":2: store: empty; leave it out for the default"}},
		{"a list for an address", "tasks: []\nlisten: [a]\n", []string{":2: listen: a text is needed, not a list"}},
		{"an anchor", "namespace: &n a\ntasks: []\n", []string{":1: namespace: anchors are not supported: write the value out where it is needed"}},
		{"an alias", "namespace: a\nlisten: *n\ntasks: []\n", []string{":2: listen: aliases are not supported: write the value out"}},
		{"a tag", "namespace: !!binary aGk=\ntasks: []\n", []string{":1: namespace: tag !!binary is not supported: leave it out"}},

		{"a tag in a tag", "!! !! ", []string{":1: tag !! is not supported: leave it out", `:1: a mapping is needed, such as "tasks: []", not nothing`}},

		{"a lease that is a number", "worker_lease: 15\ntasks: []\n", []string{`:1: worker_lease: "15" is no duration: write a number and a unit (h, m, s, ms), such as 90s or 1h30m`}},
		{"a lease of nothing", "worker_lease: 0s\ntasks: []\n", []string{`:1: worker_lease: "0s" is not above 0`}},
		{"a lease that is too short", "tasks: []\nworker_lease: 99ms\n", []string{":2: worker_lease: 99ms is outside 100ms to 1h0m0s"}},
		{"a node's lease that is too short", "node_lease: 999ms\ntasks: []\n", []string{":1: node_lease: 999ms is outside 1s to 1h0m0s"}},
		{"a lease that is too long", "tasks: []\nworker_lease: 61m\n", []string{":2: worker_lease: 1h1m0s is outside 100ms to 1h0m0s"}},

		// Tasks.
		{"a task that is a text", "tasks:\n- name: a\n  trigger: once\n  command: [b]\n- hello\n", []string{`:5: tasks[1]: a mapping is needed, such as {name: hello, trigger: every 10s, command: [echo, hi]}, not "hello"`}},
		{"a task with nothing in it", "tasks:\n- {}\n", []string{
			":2: tasks[0].name: missing: every task has a name",
			`:2: tasks[0].trigger: missing: every task has a trigger, such as "every 10s"`,
			":2: tasks[0]: what a run does is missing: write command: [echo, hi], http: {url: https://host/path}, grpc: {address: \"host:9000\", method: package.Service/Method} or worker: {}",
		}},
		{"a name twice", with("- trigger: once\n  command: [b]\n  name: a\n"), []string{`:7: tasks[1].name: "a" is the name of tasks[0] on line 2 too: names are unique`}},
		{"a name that is a number", "tasks:\n- name: 0755\n  trigger: once\n  command: [b]\n", []string{`:2: tasks[0].name: 0755 is not text without quotes: write "0755"`}},
		{"a name that is true for some", "tasks:\n- name: On\n  trigger: once\n  command: [b]\n", []string{`:2: tasks[0].name: On is true or false for some readers of YAML: write "On"`}},
		{"a name with a space at its end", "tasks:\n- name: 'a '\n  trigger: once\n  command: [b]\n", []string{`:2: tasks[0].name: "a " ends with a space`}},
		{"an unknown field", with("  timeuot: 1s\n"), []string{`:5: tasks[0]: key "timeuot" is not known here: did you mean "timeout"?`}},
		{"a description that is a list", with("  description:\n  - x\n"), []string{":6: tasks[0].description: a text is needed, not a list"}},
		{"labels that are a list", with("  labels: [a]\n"), []string{":5: tasks[0].labels: a mapping is needed, such as {team: infra}, not a list"}},
		{"a label that is a mapping", with("  labels:\n    x: a\n    y: {}\n"), []string{":7: tasks[0].labels.y: a text is needed, not a mapping"}},
		{"a label without a name", with("  labels: {'': a}\n"), []string{":5: tasks[0].labels: a label without a name"}},
		{"a timeout without a unit", with("  timeout: 10\n"), []string{`:5: tasks[0].timeout: "10" is no duration: write a number and a unit (h, m, s, ms), such as 90s or 1h30m`}},
		{"a timeout of nothing", with("  timeout: 0s\n"), []string{`:5: tasks[0].timeout: "0s" is not above 0`}},
		{"a timeout that is too fine", with("  timeout: 1ns\n"), []string{`:5: tasks[0].timeout: "1ns" is not a whole number of microseconds`}},
		{"an unknown overlap", with("  overlap: wait\n"), []string{`:5: tasks[0].overlap: "wait" is unknown: write skip, allow, queue or cancel`}},
		{"an unknown catch_up", with("  catch_up: no\n"), []string{`:5: tasks[0].catch_up: "no" is unknown: write one, all or none`}},
		{"an unknown delivery", with("  delivery: exactly_once\n"), []string{`:5: tasks[0].delivery: "exactly_once" is unknown: write at_least_once or at_most_once`}},

		{"a description that is too long", with("  description: " + strings.Repeat("x", 4097) + "\n"), []string{":5: tasks[0].description: 4097 bytes are too long: at most 4096"}},
		{"labels that are too long", with("  labels:\n    x: " + strings.Repeat("x", 4096) + "\n"), []string{":6: tasks[0].labels: 4097 bytes are too long: at most 4096 together"}},
		{"a policy with all its fields wrong", with("  timeout: 1000000h\n  catch_up_window: -1h\n  retry:\n    backof: 1s\n    backoff: 10\n    max_backoff: 0s\n    jitter: 1.5\n  pause_after_failures: 0\n  retention:\n    keep: failure\n    max_runs: 2000000000\n    max_age: 30d\n    max_rows: 1\n"), []string{
			":5: tasks[0].timeout: 1000000h0m0s is too long: at most 876000h0m0s, a hundred years",
			`:6: tasks[0].catch_up_window: "-1h0m0s" is not above 0`,
			`:8: tasks[0].retry: key "backof" is not known here: did you mean "backoff"?`,
			":8: tasks[0].retry.max_attempts: missing: how many attempts there are at most, with the first, such as 5",
			`:9: tasks[0].retry.backoff: "10" is no duration: write a number and a unit (h, m, s, ms), such as 90s or 1h30m`,
			`:10: tasks[0].retry.max_backoff: "0s" is not above 0`,
			":11: tasks[0].retry.jitter: 1.5 is outside 0 to 1",
			":12: tasks[0].pause_after_failures: 0 is outside 1 to 2147483647",
			`:14: tasks[0].retention.keep: "failure" is unknown: write all, failures or none`,
			":15: tasks[0].retention.max_runs: 2000000000 is outside 1 to 1000000000",
			`:16: tasks[0].retention.max_age: "30d" is no duration: write a number and a unit (h, m, s, ms), such as 90s or 1h30m`,
			`:17: tasks[0].retention: key "max_rows" is not known here: did you mean "max_runs"?`,
		}},
		{"spans that are too long", with("  catch_up_window: 900000h\n  retry: {max_attempts: 1001, jitter: .2.}\n  retention: {max_age: 900000h}\n"), []string{
			":5: tasks[0].catch_up_window: 900000h0m0s is too long: at most 876000h0m0s, a hundred years",
			":6: tasks[0].retry.max_attempts: 1001 is outside 1 to 1000",
			`:6: tasks[0].retry.jitter: ".2." is no number in plain decimal digits, such as 5 or 0.2`,
			":7: tasks[0].retention.max_age: 900000h0m0s is too long: at most 876000h0m0s, a hundred years",
		}},
		{"a number of attempts for a retry", with("  retry: 5\n  retention: all\n"), []string{
			`:5: tasks[0].retry: a mapping is needed, such as {max_attempts: 5}, not "5"`, `:6: tasks[0].retention: a mapping is needed, such as {max_runs: 100}, not "all"`,
		}},
		{"a former name that is no list", with("  former_names: b\n"), []string{`:5: tasks[0].former_names: a list is needed, such as [hello], not "b"`}},
		{"former names that are none", with("  former_names: ['', 1, on, ' x', [y], ~, ok]\n"), []string{
			":5: tasks[0].former_names[0]: a name is missing", `:5: tasks[0].former_names[1]: 1 is not text without quotes: write "1"`,
			`:5: tasks[0].former_names[2]: on is true or false for some readers of YAML: write "on"`, `:5: tasks[0].former_names[3]: " x" starts with a space`,
			":5: tasks[0].former_names[4]: a text is needed, not a list", `:5: tasks[0].former_names[5]: nothing is there: write "" for an empty text`,
		}},
		{"former names of others", with("  former_names: [c, a, b, c]\n- name: b\n  trigger: once\n  command: [b]\n  former_names:\n  - d\n  - c\n"), []string{
			`:5: tasks[0].former_names[3]: "c" is in tasks[0].former_names[0] on line 5 too: a task can be renamed to one other`,
			`:5: tasks[0].former_names[1]: "a" is the name of tasks[0] on line 2: a former name belongs to no task any more`,
			`:5: tasks[0].former_names[2]: "b" is the name of tasks[1] on line 6: a former name belongs to no task any more`,
			`:11: tasks[1].former_names[1]: "c" is in tasks[0].former_names[0] on line 5 too: a task can be renamed to one other`,
		}},

		// The revision, and limits.
		{"a revision below 0", "revision: -1\ntasks: []\n", []string{":1: revision: -1 is outside 0 to 9223372036854775807"}},
		{"a revision that is a time", "tasks: []\nrevision: 2026-11-23\n", []string{`:2: revision: "2026-11-23" is no whole number in plain decimal digits`}},
		{"a misspelt revision", "tasks: []\nrevison: 1\n", []string{`:2: key "revison" is not known here: did you mean "revision"?`}},
		{"limits that are a number", "limits: 5\ntasks: []\n", []string{`:1: limits: a mapping is needed, such as {max_running: 100}, not "5"`}},
		{"limits with all their fields wrong", "limits:\n  max_running: 0\n  max_waiting: 1000001\n  start_rate: 1e3\n  max_runing: 1\ntasks: []\n", []string{
			":2: limits.max_running: 0 is outside 1 to 1000000", ":3: limits.max_waiting: 1000001 is outside 1 to 1000000",
			`:4: limits.start_rate: "1e3" is no number in plain decimal digits, such as 5 or 0.2`,
			`:5: limits: key "max_runing" is not known here: did you mean "max_running"?`,
		}},
		{"a rate of nothing", "limits: {start_rate: 0}\ntasks: []\n", []string{":1: limits.start_rate: 0 is outside 0.00001 to 1000000"}},
		{"groups that are a list", "groups: [a]\ntasks: []\n", []string{":1: groups: a mapping is needed, such as {imports: {max_running: 2}}, not a list"}},
		{"groups with all their fields wrong", "groups:\n  a: 5\n  b:\n    max_running: many\n    start_rate: 1\n    timeout: -1s\n    labels: {'': x}\n  ' c': {max_waiting: 1}\n  a: {}\n  d:\n    labels: {a: \"\\x00\",\n      \" b\": x}\n    timeout: 900000h\ntasks: []\n", []string{
			`:2: groups.a: a mapping is needed, such as {max_running: 2}, not "5"`,
			`:4: groups.b.max_running: "many" is no whole number in plain decimal digits`,
			`:5: groups.b: key "start_rate" is not known here: known are max_running, max_waiting, timeout, labels`,
			`:6: groups.b.timeout: "-1s" is not above 0`,
			":7: groups.b.labels: a label without a name",
			`:8: groups: " c" starts with a space`,
			":9: groups.a: is there twice, first on line 2",
			`:11: groups.d.labels: " b" starts with a space`,
			":13: groups.d.timeout: 900000h0m0s is too long: at most 876000h0m0s, a hundred years",
		}},
		{"labels that are too many with those of the group", "groups:\n  g: {labels: {a: " + strings.Repeat("x", 4000) + "}}\ntasks:\n- name: a\n  trigger: once\n  command: [b]\n  group: g\n  labels: {b: " + strings.Repeat("y", 200) + "}\n", []string{
			":8: tasks[0].labels: 4202 bytes are too long: at most 4096 together",
		}},
		{"a group in error blames no task", "groups:\n  g: {timeout: 900000h}\ntasks: [{name: a, trigger: once, command: [b], group: g}]\n", []string{
			":2: groups.g.timeout: 900000h0m0s is too long: at most 876000h0m0s, a hundred years",
		}},

		// Targets.
		{"both targets", with("  http: {url: http://h}\n"), []string{":5: tasks[0].http: line 4 has command: exactly one of command, http, grpc and worker is allowed"}},
		{"all targets", "tasks:\n- {worker: {}, name: a, http: {url: http://h}, trigger: once,\n   grpc: {address: 'h:1', method: p.S/M}, command: [b]}\n", []string{
			":2: tasks[0].http: line 2 has worker: exactly one of command, http, grpc and worker is allowed",
			":3: tasks[0].grpc: line 2 has worker: exactly one of command, http, grpc and worker is allowed",
			":3: tasks[0].command: line 2 has worker: exactly one of command, http, grpc and worker is allowed",
		}},
		{"a command line", "tasks:\n- name: a\n  trigger: once\n  command: echo hi\n", []string{`:4: tasks[0].command: a list is needed, such as [echo, hi], not "echo hi"; for a shell write [sh, -c, "..."]`}},
		{"an empty command", "tasks:\n- name: a\n  trigger: once\n  command: []\n", []string{":4: tasks[0].command: empty: the program is missing"}},
		{"an argument that is a list", "tasks:\n- name: a\n  trigger: once\n  command:\n  - a\n  -\n  - [b]\n", []string{
			`:6: tasks[0].command[1]: nothing is there: write "" for an empty text`, ":7: tasks[0].command[2]: a text is needed, not a list",
		}},
		{"an argument with a NUL byte", "tasks:\n- name: a\n  trigger: once\n  command:\n  - a\n  - \"\\0\"\n", []string{`:6: tasks[0].command[1]: "\x00" has a NUL byte, which no program can be given`}},
		{"a command with all its fields wrong", "tasks:\n- name: a\n  trigger: once\n  command:\n    args:\n    - ''\n    env:\n      CLOCKD_RUN_ID: 1\n    dir: ''\n    stdin: [a]\n    output_limit: 64KiB\n    kill_delay: 5\n    shell: true\n", []string{
			":6: tasks[0].command.args[0]: empty: it must be a program",
			":8: tasks[0].command.env.CLOCKD_RUN_ID: clockd sets this variable itself; use another name",
			":9: tasks[0].command.dir: empty; leave it out for the daemon's working directory",
			":10: tasks[0].command.stdin: a text is needed, not a list",
			`:11: tasks[0].command.output_limit: "64KiB" is no whole number in plain decimal digits`,
			`:12: tasks[0].command.kill_delay: "5" is no duration: write a number and a unit (h, m, s, ms), such as 90s or 1h30m`,
			`:13: tasks[0].command: key "shell" is not known here: known are args, env, dir, stdin, output_limit, kill_delay`,
		}},
		{"a command without args", "tasks:\n- name: a\n  trigger: once\n  command:\n    dir: x\n", []string{":5: tasks[0].command.args: empty: the program is missing"}},
		{"an output limit out of bounds", "tasks:\n- name: a\n  trigger: once\n  command: {args: [a],\n    output_limit: 9999999}\n", []string{":5: tasks[0].command.output_limit: 9999999 is outside 1-262144 bytes"}},
		{"an http that is a text", "tasks:\n- name: a\n  trigger: once\n  http: http://h\n", []string{`:4: tasks[0].http: a mapping is needed, such as {url: https://host/path}, not "http://h"`}},
		{"an http with all its fields wrong", "tasks:\n- name: a\n  trigger: once\n  http:\n    method: get\n    url: host/path\n    headers:\n      X-A: \"a\\nb\"\n    body: {a: b}\n    expect_status:\n    - 200\n    - 99\n    - 2xx\n    output_limit: 0\n", []string{
			`:5: tasks[0].http.method: "get" is not in capitals; write GET`,
			`:6: tasks[0].http.url: the scheme is "": http or https is needed, as in http://host:8080/path`,
			":8: tasks[0].http.headers.X-A: the value has a control character, such as a line break",
			":9: tasks[0].http.body: a text is needed, not a mapping",
			":12: tasks[0].http.expect_status[1]: 99 is outside 200 to 599",
			`:13: tasks[0].http.expect_status[2]: "2xx" is no whole number in plain decimal digits`,
			":14: tasks[0].http.output_limit: 0 is outside 1 to 2147483647",
		}},
		{"an http without a url", "tasks:\n- name: a\n  trigger: once\n  http:\n\n    method: GET\n", []string{":6: tasks[0].http.url: missing: write http://host/path or https://host/path"}},
		{"an http that expects nothing", "tasks:\n- name: a\n  trigger: once\n  http: {url: http://h, expect_status: []}\n", []string{":4: tasks[0].http.expect_status: empty: no status would be right; leave it out for 200 to 299"}},

		{"a worker that is true", "tasks:\n- name: a\n  trigger: once\n  worker: true\n", []string{`:4: tasks[0].worker: a mapping is needed, such as {}, not "true"`}},
		{"a worker with nothing", "tasks:\n- name: a\n  trigger: once\n  worker:\n", []string{`:4: tasks[0].worker: a mapping is needed, such as {}, not nothing`}},
		{"a worker with a field", "tasks:\n- name: a\n  trigger: once\n  worker:\n    name: w\n", []string{`:5: tasks[0].worker: key "name" is not known here: there are none`}},
		{"a grpc that is a text", "tasks:\n- name: a\n  trigger: once\n  grpc: h:1/p.S/M\n", []string{`:4: tasks[0].grpc: a mapping is needed, such as {address: "host:9000", method: package.Service/Method}, not "h:1/p.S/M"`}},
		{"a grpc with nothing", "tasks:\n- name: a\n  trigger: once\n  grpc: {}\n", []string{
			":4: tasks[0].grpc.address: missing: write host:port or unix:/path", ":4: tasks[0].grpc.method: missing: write package.Service/Method",
		}},
		{"a grpc with all its fields wrong", "tasks:\n- name: a\n  trigger: once\n  grpc:\n    address: host\n    method: Grind\n    body: '{'\n    metadata:\n      x-a: b\n      X-B: c\n    tls:\n      ca_file: ''\n      key_file: k\n      insecure: true\n    output_limit: 300000\n    url: x\n", []string{
			`:5: tasks[0].grpc.address: "host" is no address: write host:port or unix:/path`,
			`:6: tasks[0].grpc.method: "Grind" is no method: write package.Service/Method`,
			":7: tasks[0].grpc.body: not JSON",
			":10: tasks[0].grpc.metadata.X-B: keys are in lower case; write x-b",
			":12: tasks[0].grpc.tls.ca_file: empty; leave it out for the certificates of the system",
			":12: tasks[0].grpc.tls.cert_file: missing: the key has no certificate",
			`:14: tasks[0].grpc.tls: key "insecure" is not known here: known are ca_file, cert_file, key_file, server_name`,
			":15: tasks[0].grpc.output_limit: 300000 is outside 1-262144 bytes",
			`:16: tasks[0].grpc: key "url" is not known here: known are address, method, body, metadata, tls, output_limit`,
		}},
		{"a grpc with nothing that can be read", "tasks:\n- name: a\n  trigger: once\n  grpc:\n    address: [a]\n    method: ~\n    body: {a: b}\n    metadata: x\n    tls: {cert_file: [], key_file: k}\n", []string{
			":5: tasks[0].grpc.address: a text is needed, not a list",
			`:6: tasks[0].grpc.method: nothing is there: write "" for an empty text`,
			":7: tasks[0].grpc.body: a text is needed, not a mapping",
			`:8: tasks[0].grpc.metadata: a mapping is needed, such as {x-tenant: acme}, not "x"`,
			":9: tasks[0].grpc.tls.cert_file: a text is needed, not a list",
		}},
		{"a tls that is true", "tasks:\n- name: a\n  trigger: once\n  grpc: {address: 'h:1', method: p.S/M, tls: true}\n", []string{
			`:4: tasks[0].grpc.tls: a mapping is needed, such as {ca_file: /etc/clockd/ca.pem}, or {} for the certificates of the system, not "true"`,
		}},

		// The text form of a trigger.
		{"a trigger that breaks off", "tasks:\n- name: a\n  command: [b]\n  trigger: every\n", []string{`:4: tasks[0].trigger: column 6 of "every": …`}},
		{"a trigger in error", "tasks:\n- name: a\n  command: [b]\n  trigger: cron \"61 * * * *\" UTC\n", []string{`:4: tasks[0].trigger.cron.expression: minute "61" is outside 0-59`}},
		{"a trigger with nothing", "tasks:\n- name: a\n  trigger:\n  command: [b]\n", []string{`:3: tasks[0].trigger: a trigger is needed, such as "every 10s", or {every: {interval: 10s}}, not nothing`}},
		{"a trigger of some lines", "tasks:\n- name: a\n  command: [b]\n  trigger: |\n    any(\n      every 1x)\n", []string{`:4: tasks[0].trigger: column 14 of "any(\n  every 1x)\n": …`}},

		// The fields of a trigger.
		{"a cron expression", triggered("    cron:\n      time_zone: UTC\n      expression: 61 * * * *\n"), []string{`:7: tasks[0].trigger.cron.expression: minute "61" is outside 0-59`}},
		{"deep inside", triggered("    any_of:\n      triggers:\n      - once: {}\n      - cron:\n          expression: \"61 * * * *\"\n          time_zone: UTC\n        max_fires: -1\n"), []string{
			`:9: tasks[0].trigger.any_of.triggers[1].cron.expression: minute "61" is outside 0-59`,
			":11: tasks[0].trigger.any_of.triggers[1].max_fires: -1 is below 0 (0 means no limit)",
		}},
		{"no kind", triggered("    max_fires: 1\n"), []string{":5: tasks[0].trigger: exactly one of every, at, cron, once, forever, any_of, on_start_up, on_shut_down and custom must be set"}},
		{"a misspelt kind", triggered("    max_fires: 1\n    evry: {interval: 1s}\n"), []string{`:6: tasks[0].trigger: key "evry" is not known here: did you mean "every"?`}},
		{"two kinds", triggered("    every: {interval: 1s}\n    once: {}\n"), []string{":6: tasks[0].trigger.once: line 5 has every: exactly one kind is allowed; any_of can hold several triggers"}},
		{"a field under two names", triggered("    once: {}\n    max_fires: 1\n    maxFires: 1\n"), []string{":7: tasks[0].trigger.max_fires: is there twice, first on line 6"}},
		{"a text for fields", triggered("    every: 10s\n"), []string{`:5: tasks[0].trigger.every: a mapping is needed, such as {interval: 10s}, not "10s"`}},
		{"a text for no fields", triggered("    forever: yes\n"), []string{`:5: tasks[0].trigger.forever: a mapping is needed, such as {}, not "yes"`}},
		{"a missing interval", triggered("    every:\n      pacing: fixed_rate\n"), []string{":6: tasks[0].trigger.every.interval: missing: a distance of at least 1ms is needed"}},
		{"each kind of value", triggered("    start_time: tomorrow\n    max_fires: many\n    every:\n      interval: 10\n      pacing: slow\n"), []string{
			`:5: tasks[0].trigger.start_time: "tomorrow" is no RFC 3339 time such as 2027-01-01T00:00:00Z`,
			`:6: tasks[0].trigger.max_fires: "many" is no whole number in plain decimal digits`,
			`:8: tasks[0].trigger.every.interval: "10" is no duration: write a number and a unit (h, m, s, ms), such as 90s or 1h30m`,
			`:9: tasks[0].trigger.every.pacing: "slow" is unknown: write fixed_rate or fixed_delay`,
		}},
		{"a day", triggered("    at:\n      hour: 24\n      days_of_week: [monday,\n        someday, unspecified]\n      time_zone: UTC\n"), []string{
			":6: tasks[0].trigger.at.hour: 24 is outside 0-23",
			`:8: tasks[0].trigger.at.days_of_week[1]: "someday" is unknown: write monday, tuesday, wednesday, thursday, friday, saturday or sunday`,
			`:8: tasks[0].trigger.at.days_of_week[2]: "unspecified" is unknown: write monday, tuesday, wednesday, thursday, friday, saturday or sunday`,
		}},
		{"one day for a list", triggered("    at: {hour: 1, days_of_week: monday, time_zone: UTC}\n"), []string{`:5: tasks[0].trigger.at.days_of_week: a list is needed, such as [monday], not "monday"`}},
		{"triggers that are no list", triggered("    any_of:\n      triggers:\n        once: {}\n"), []string{":7: tasks[0].trigger.any_of.triggers: a list is needed, such as [...], not a mapping"}},
		{"a trigger in the list that is a text", triggered("    any_of:\n      triggers:\n      - every 10s\n"), []string{`:7: tasks[0].trigger.any_of.triggers[0]: a mapping is needed, such as {every: {interval: 10s}}, not "every 10s"`}},
		{"an alias for a trigger", triggered("    every: *x\n"), []string{":5: tasks[0].trigger.every: aliases are not supported: write the value out"}},

		{"jitter", triggered("    once: {}\n    jitter: 1ns\n"), []string{`:6: tasks[0].trigger.jitter: "1ns" is not a whole number of microseconds`}},
		{"exclusions that leave no fire", triggered("    at: {hour: 23, time_zone: UTC}\n    exclusions:\n    - window: {from: \"22:00\", until: \"06:00\", time_zone: UTC}\n"), []string{
			`:5: tasks[0].trigger: exclusions leave no fire from …`,
		}},
		{"exclusions with all their fields wrong", triggered("    once: {}\n    exclusions:\n    - window:\n        from: 25:00\n        until: 9\n        days_of_week: [someday]\n        time_zone: Berlin\n    - dates:\n        first: 2026-02-30\n        last: soon\n        time_zone: [UTC]\n    - {}\n    - dates: {first: 2026-12-24, time_zone: UTC}\n      calendar: x\n    - cron:\n        expression: 0 0 12 * * *\n        time_zone: UTC\n    - calendar: [a]\n    - dates 2026-12-24 UTC\n"), []string{
			`:8: tasks[0].trigger.exclusions[0].window.from: "25:00" is no time of day: …`,
			`:9: tasks[0].trigger.exclusions[0].window.until: "9" is no time of day: …`,
			`:10: tasks[0].trigger.exclusions[0].window.days_of_week[0]: "someday" is unknown: write monday, …`,
			`:11: tasks[0].trigger.exclusions[0].window.time_zone: "Berlin" …`,
			":13: tasks[0].trigger.exclusions[1].dates.first: …",
			`:14: tasks[0].trigger.exclusions[1].dates.last: "soon" is no date such as …`,
			":15: tasks[0].trigger.exclusions[1].dates.time_zone: a text is needed, not a list",
			":16: tasks[0].trigger.exclusions[2]: exactly one of dates, window, cron and calendar must be set",
			":18: tasks[0].trigger.exclusions[3].calendar: line 17 has dates: exactly one kind is allowed; make an item of the list of each",
			":20: tasks[0].trigger.exclusions[4].cron.expression: …",
			":22: tasks[0].trigger.exclusions[5].calendar: a text is needed, not a list",
			`:23: tasks[0].trigger.exclusions[6]: a mapping is needed, such as {dates: {first: 2026-12-24, time_zone: Europe/Berlin}}, not "dates 2026-12-24 UTC"`,
		}},
		{"a custom kind", triggered("    custom: {type_url: type.googleapis.com/acme.v1.Tide,\n      value: CAE=}\n"), []string{
			`:5: tasks[0].trigger.custom.type_url: "type.googleapis.com/acme.v1.Tide" is not known: there are no custom kinds`,
		}},
		{"a custom kind as JSON has it", triggered("    custom: {\"@type\": type.googleapis.com/acme.v1.Tide, value: CAE}\n"), []string{
			`:5: tasks[0].trigger.custom: key "@type" is not known here: known are type_url, value`,
			`:5: tasks[0].trigger.custom.value: "CAE" is no base64, with + and / and padded with =, such as CAESAA==`,
			":5: tasks[0].trigger.custom.type_url: missing: write one such as type.googleapis.com/acme.v1.Tide",
		}},
		{"a custom kind as a text", "tasks:\n- name: a\n  command: [b]\n  trigger: custom acme.dev/acme.v1.Tide \"CAE=\"\n", []string{
			`:4: tasks[0].trigger.custom.type_url: "acme.dev/acme.v1.Tide" is not known: there are no custom kinds`,
		}},

		// Calendars.
		{"calendars that are a list", "calendars: [a]\ntasks: []\n", []string{":1: calendars: a mapping is needed, such as {holidays: [dates 2026-12-25 Europe/Berlin]}, not a list"}},
		{"a calendar that is a text", "calendars:\n  h: dates 2026-12-24 UTC\ntasks: []\n", []string{`:2: calendars.h: a list is needed, such as [dates 2026-12-25 Europe/Berlin], not "dates 2026-12-24 UTC"`}},
		{"a calendar with a name that is none", "tasks: []\ncalendars:\n  a: []\n  b c: []\n", []string{`:4: calendars: "b c" is no name of a calendar: …`}},
		{"a calendar twice", "tasks: []\ncalendars:\n  a: []\n  a: []\n", []string{":4: calendars.a: is there twice, first on line 3"}},
		{"more calendars than there may be", "tasks: [{name: a, command: [b], trigger: once exclude(calendar c7; calendar x)}]\ncalendars:\n" + numbered("  c%d: []\n", 1025), []string{
			":3: calendars: 1025 calendars, at most 1024 are allowed",
		}},
		{"a calendar in another", "calendars:\n  a:\n  - calendar b\n  - calendar: b\n  b: []\ntasks: []\n", []string{
			`:3: calendars.a[0].calendar: "b": a calendar can not hold another one`, `:4: calendars.a[1].calendar: "b": a calendar can not hold another one`,
		}},
		{"exclusions of a calendar", "calendars:\n  a:\n  - dates 2026-12-24 Berlin\n  - dates 2026-12-24\n  -\n  - [x]\n  - window:\n      from: 25:00\n      until: 25:00\n      time_zone: UTC\n  - dates: {first: 2026-02-30, time_zone: UTC}\n  - {}\n  - dats: {}\n  - *x\n  - dates: *y\n  b:\n  - 12\ntasks: []\n", []string{
			`:3: calendars.a[0].dates.time_zone: "Berlin" …`,
			`:4: calendars.a[1]: column …`,
			`:5: calendars.a[2]: an exclusion is needed, such as "dates …`,
			`:6: calendars.a[3]: an exclusion is needed, such as "dates …`,
			`:8: calendars.a[4].window.from: "25:00" is no time of day: …`,
			`:9: calendars.a[4].window.until: "25:00" is no time of day: …`,
			":11: calendars.a[5].dates.first: …",
			":12: calendars.a[6]: exactly one of dates, window, cron and calendar must be set",
			`:13: calendars.a[7]: key "dats" is not known here: did you mean "dates"?`,
			":14: calendars.a[8]: aliases are not supported: write the value out",
			":15: calendars.a[9].dates: aliases are not supported: write the value out",
			`:17: calendars.b[0]: column 1 of "12": …`,
		}},
		{"a calendar that is not declared", "calendars: {h: []}\ntasks:\n- name: a\n  command: [b]\n  trigger: any(once; every 1s exclude(calendar h; calendar g))\n- name: b\n  command: [b]\n  trigger:\n    max_fires: -1\n    once: {}\n    exclusions:\n    - calendar: h\n    - calendar: g\n    - calendar: '?'\n", []string{
			`:5: tasks[0].trigger.any_of.triggers[1].exclusions[1].calendar: "g" is not declared: there are h`,
			":9: tasks[1].trigger.max_fires: -1 is below 0 (0 means no limit)",
			`:13: tasks[1].trigger.exclusions[1].calendar: "g" is not declared: there are h`,
			`:14: tasks[1].trigger.exclusions[2].calendar: "?" is no name of a calendar: …`,
		}},
		{"no calendars at all", triggered("    once: {}\n    exclusions:\n    - calendar: h\n"), []string{`:7: tasks[0].trigger.exclusions[0].calendar: "h" is not declared: there are no calendars`}},
		{"a calendar in error is declared all the same", "calendars: {h: [x], '?': [], i: ~}\ntasks: [{name: a, command: [b], trigger: once exclude(calendar h; calendar i; calendar j)}]\n", []string{
			`:1: calendars.h[0]: column 1 of "x": …`,
			`:1: calendars: "?" is no name of a calendar: …`,
			`:1: calendars.i: a list is needed, such as [dates 2026-12-25 Europe/Berlin], not nothing`,
			`:2: tasks[0].trigger.exclusions[2].calendar: "j" is not declared: there are h, i`,
		}},

		// Several.
		{
			"problems are in the order of their lines, of all tasks",
			"tasks:\n- name: a\n  trigger: never\n  timeout: x\n- name: a\n  command: [b]\nlisten: ''\n",
			[]string{
				":2: tasks[0]: what a run does is missing: write command: [echo, hi], http: {url: https://host/path}, grpc: {address: \"host:9000\", method: package.Service/Method} or worker: {}",
				`:3: tasks[0].trigger: column 1 of "never": …`,
				`:4: tasks[0].timeout: "x" is no duration: write a number and a unit (h, m, s, ms), such as 90s or 1h30m`,
				`:5: tasks[1].trigger: missing: every task has a trigger, such as "every 10s"`,
				`:5: tasks[1].name: "a" is the name of tasks[0] on line 2 too: names are unique`,
				":7: listen: empty; leave it out for the default",
			},
		},
		{
			"lines are counted across all that YAML has",
			"# ä comment\r\n\r\ntasks: # and another\r\n- name: a\r\n  description: |\r\n    one\r\n\r\n    two\r\n  labels: {x: \"three\r\n    four\r\n\r\n    five\",\r\n    y: seven}\r\n  group: >-\r\n    eight\r\n\r\n  # nine\r\n  trigger: once\r\n  command: [echo,\r\n    'ten\r\n    eleven']\r\n  twelve: 12\r\n",
			[]string{`:22: tasks[0]: key "twelve" is not known here: known are name, former_names, description, group, labels, trigger, command, http, grpc, worker, timeout, overlap, catch_up, catch_up_window, delivery, retry, pause_after_failures, retention`},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f, err := config.Parse("c.yaml", []byte(tt.text))
			got := problems(t, f, err)
			for i := range got {
				got[i] = strings.TrimPrefix(got[i], "c.yaml")
				if i >= len(tt.want) {
					break
				}
				if start, ok := strings.CutSuffix(tt.want[i], "…"); ok && len(got[i]) > len(start) {
					got[i] = got[i][:len(start)] + "…"
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}
