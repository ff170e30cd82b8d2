package config_test

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/clockd/clockd/daemon/internal/config"
	"github.com/clockd/clockd/daemon/schedule"
	clockdv1 "github.com/clockd/clockd/gen/clockd/v1"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// FuzzParseAnswersAFileOrAnError looks for panics, other errors, lines that do not exist, and messages
// that are not one line each.
func FuzzParseAnswersAFileOrAnError(f *testing.F) {
	example, err := os.ReadFile("../../cmd/clockd/example.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(example)
	// Where readers of YAML have stumbled.
	for _, text := range []string{
		"", "a", "a:", "a: &", "a: &b", "- &a\n-", "a: *", "a: *b", "*a : b", "&a : b", "!!str : a", "a: !!str", "a: !!str,", "!!map a", "!!seq", "!!binary",
		"? a\n: b", "?", ":", "? ? a", "<<: a", "<<", "tasks: [", "tasks: {", "tasks: [}", "tasks: [a: b, c]", "tasks: [,]", "tasks: {,}", "{a, b: }", "a: |", "a: |9\n x", "a: >-\n\n\n", "a: |\n\tb",
		"%YAML", "%TAG ! a\n---\na: !b c", "%", "---\n---", "...", "--- a\n--- b", "a: 'b", "a: \"b", `a: "\x"`, `a: "\ud800"`, "a: b: c", "a\n:b", "a: @", "a: `", "# a", "a: b #c", "\ta", "a:\t- b", "\r", "\u0085", "\ufeff",
		"tasks:\n- name: a\n  trigger: {any_of: {triggers: [{any_of: {triggers: [{}]}}]}}\n  command: [~]",
		"tasks:\n- name: !!str 1\n  trigger: !!str |\n    once\n  http: {url: !!int 1}",
		"tasks: [{labels: {a: &x {b: *x}}, command: {args: !!seq [a], env: {<<: *x}}}]",
		"calendars:\n  h: [dates 2026-12-24..2026-12-26 Europe/Berlin, window 22:00-06:00 mon-fri UTC, {cron: {expression: '* 12 * * *', time_zone: UTC}}, calendar h]\ntasks: []",
		"calendars: {h: [{window: {from: 22:00, until: '24:00', daysOfWeek: [mon], timeZone: UTC}}, ~, [], {calendar: }], '': , 1: [{dates: {first: !!str 1}}]}\ntasks: [{name: a, command: [b], trigger: once exclude(calendar h; calendar g)}]",
		"tasks:\n- name: a\n  trigger: {custom: {type_url: a/b, value: 'CAE='}, jitter: 1ms, exclusions: [{calendar: x}, {dates: &d {last: *d}}, {}]}\n  command: [b]",
		"revision: 7\nlimits: {max_running: 1, max_waiting: 2, start_rate: 0.5}\ngroups:\n  g: {max_running: 3, timeout: 5s, labels: {a: b}}\n  h:\ntasks:\n- name: a\n  former_names: [b, c]\n  trigger: once\n  command: [d]\n  overlap: cancel\n  catch_up_window: 2h\n  retry: {max_attempts: 5, backoff: 10s, max_backoff: 5m, jitter: 0.2}\n  pause_after_failures: 5\n  retention: {keep: failures, max_runs: 10, max_age: 720h}\n",
		"worker_lease: 15s\ntasks:\n- name: a\n  trigger: once\n  worker: {}\n- name: b\n  trigger: once\n  grpc:\n    address: host:9000\n    method: p.S/M\n    body: |\n      {\"a\": 1}\n    metadata: {x-a: b}\n    tls:\n      ca_file: /ca\n      server_name: c\n    output_limit: 10\n",
		"worker_lease: ~\ntasks: [{name: a, trigger: once, worker: {x: &x {}}, grpc: {address: [], method: *x, body: {}, metadata: {A: , '': b}, tls: {ca_file: , key_file: k}}}, {worker: }, {grpc: }]",
		"revision: 0x1\nlimits: {start_rate: .inf}\ngroups: {'': {max_waiting: 0}}\ntasks: [{name: a, former_names: [a, ~, [], a], retry: {jitter: .nan}, retention: [], pause_after_failures: -1}]",
		"calendars: {h: []}\ntasks: [{name: a, trigger: every 1s exclude(calendar h), command: [b]}]",
		"tasks:\n  - trigger:\n      at: {hour: 99999999999, daysOfWeek: [MON, ''], timeZone: }",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := config.Parse("c.yaml", data)
		if err == nil {
			if file == nil {
				t.Fatal("neither a file nor an error")
			}
			x, err := schedule.NewExtensions(file.Calendars, nil)
			if err != nil {
				t.Errorf("calendars that can not be used: %v", err)
			}
			found := file.Limits.Check("limits.")
			for _, group := range file.Groups {
				found = append(found, group.Check("groups.")...)
			}
			names := map[string]bool{}
			for _, task := range file.Tasks {
				found = append(found, task.Declaration.In(file.Groups[task.Declaration.Group]).Check()...)
				for _, name := range append(task.FormerNames, task.Declaration.Name) {
					if names[name] {
						t.Errorf("%q is the name of two tasks", name)
					}
					names[name] = true
				}
				if _, err := x.Compile(task.Declaration.Trigger); err != nil {
					t.Errorf("a trigger that can not be used: %v", err)
				}
				if task.Target == nil || task.Declaration.Name == "" || task.Declaration.Trigger.Kind == nil {
					t.Errorf("an incomplete task: %+v", task)
				}
			}
			if len(found) > 0 || file.Revision < 0 {
				t.Errorf("revision %d, and what no daemon takes: %v", file.Revision, found)
			}
			return
		}
		var all *config.Error
		if !errors.As(err, &all) || len(all.Problems) == 0 {
			t.Fatalf("%T: %v", err, err)
		}
		lines := strings.Count(string(data), "\n") + 1
		said := map[config.Problem]bool{}
		for _, p := range all.Problems {
			if said[p] {
				t.Errorf("said twice: %s", p)
			}
			said[p] = true
			if p.Line < 0 || p.Line > lines {
				t.Errorf("%d lines, and a problem on line %d: %s", lines, p.Line, p.Description)
			}
			if p.Description == "" || strings.ContainsAny(p.String(), "\n\r\x1b") {
				t.Errorf("not a line: %q", p.String())
			}
		}
	})
}

// TestLinesAreRightWhateverComesBefore puts a wrong key behind all kinds of text and looks for its line.
func TestLinesAreRightWhateverComesBefore(t *testing.T) {
	pieces := []string{
		"# comment", "", "   # comment", "group: plain # comment", "group: 'quo\n   ted'", "group: \"quo\\\n   ted\"", "group: \"a\n\n   b\"",
		"description: |\n    a\n\n    b", "description: |-\n    a\n\n\n", "description: >+\n    ä€😀\n     b\n\n", "description: >\n    a\n    # no comment\n    b", "description: plain\n    on two lines", "description: |2-\n     a",
		"labels:\n    a: b\n\n    # comment\n    c: d", "labels: {a: b,\n    # comment\n    c: 'd\n    e'}", "command:\n  - a\n  # comment\n\n  - b", "command: [a, # comment\n    b\n    ]",
		"command:\n  - |\n    a\n    b\n  - >-\n    c\n\n    d\n  - 'e'", "http:\n    url: x\n    body: |\n\n      {a: b}\n", "? group\n  : a", "\"group\" : a", "command: ['', \"\n  \"]", "timeout:\n    10s",
		"trigger:\n    any_of:\n      triggers:\n      - every:\n          interval: 1s\n\n      - once:\n", "trigger: any(\n    once;\n    forever)",
		"trigger:\n    forever:\n    exclusions:\n    - dates:\n        first: 2026-12-24\n\n        time_zone: UTC\n    - calendar: |\n        a\n    jitter: 1s",
	}
	for _, newline := range []string{"\n", "\r\n"} {
		for i, a := range pieces {
			for j, b := range pieces {
				text := strings.Join([]string{"tasks:", "- name: a", "  " + a, "  " + b, "  wrong: 1", "  description: x", ""}, "\n")
				line := strings.Count(text[:strings.Index(text, "wrong:")], "\n") + 1
				want := fmt.Sprintf("c.yaml:%d: tasks[0]: key \"wrong\" is not known here", line)
				_, err := config.Parse("c.yaml", []byte(strings.ReplaceAll(text, "\n", newline)))
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("pieces %d and %d with %q: want %q in\n%v\nof\n%s", i, j, newline, want, err, text)
				}
			}
		}
	}
}

// TestEveryFieldOfATriggerCanBeRead fails when the API gains a field, or a kind of field, that the reader of
// triggers does not know: it must learn it.
func TestEveryFieldOfATriggerCanBeRead(t *testing.T) {
	seen := map[protoreflect.FullName]bool{}
	// wrap puts the text of a field into the trigger around it.
	var walk func(d protoreflect.MessageDescriptor, wrap func(string) string)
	walk = func(d protoreflect.MessageDescriptor, wrap func(string) string) {
		if seen[d.FullName()] {
			return
		}
		seen[d.FullName()] = true
		for i := range d.Fields().Len() {
			f := d.Fields().Get(i)
			inside := func(text string) string {
				if f.IsList() {
					text = "[" + text + "]"
				}
				return wrap("{" + string(f.Name()) + ": " + text + "}")
			}
			sample := ""
			switch {
			case f.IsMap():
				t.Errorf("%s is a map", f.FullName())
				continue
			case f.Message() != nil:
				switch name := f.Message().FullName(); name {
				case "google.protobuf.Duration":
					sample = "1h30m"
				case "google.protobuf.Timestamp":
					sample = "2027-01-01T00:00:00Z"
				default:
					walk(f.Message(), inside)
					sample = "{}"
				}
			case f.Enum() != nil:
				sample = string(f.Enum().Values().Get(1).Name())
			case f.Kind() == protoreflect.BytesKind:
				sample = "CAE="
			default:
				sample = "1"
			}
			_, err := config.Parse("c.yaml", []byte("tasks: [{name: a, command: [b], trigger: "+inside(sample)+"}]"))
			if err != nil && regexp.MustCompile(`not known here|not YAML|gave up| is no |is needed, such as|is unknown: write`).MatchString(err.Error()) {
				if !strings.Contains(err.Error(), `"1" is no `) { // dates and the like, which package schedule reads
					t.Errorf("%s: %s: %v", f.FullName(), inside(sample), err)
				}
			}
		}
	}
	walk((&clockdv1.Trigger{}).ProtoReflect().Descriptor(), func(text string) string { return text })
	for _, name := range []protoreflect.FullName{"clockd.v1.Window", "clockd.v1.Dates", "google.protobuf.Any", "clockd.v1.At"} {
		if !seen[name] {
			t.Errorf("%s was not walked", name)
		}
	}
}
