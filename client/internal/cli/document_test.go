package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
)

// texts are what YAML could take for something else.
var texts = []string{
	"", " ", "a", "a b", "a  b", " a", "a ", "no", "Yes", "NULL", "~", "true", "on", "y", "1", "1e3", "0x1f", "0o7", ".5", ".inf", "NaN", "1_000",
	"12:30:45", "2027-01-31", "2027-01-31T12:00:00Z", "30s", "1h30m", "- a", "-", "--all", "a: b", "a:", ":", "a #b", "#", "?", "? a", "*a", "&a",
	"!a", "!!str a", "%a", "@a", "`a", "{a}", "[a]", "a, b", "|", ">", "'", "''", `"`, `\`, `a\nb`, "a\nb", "a\n", "\n", "\t", "\r", "a\r\nb", "\x00", "\x01",
	"\x7f", "\u0085", "\u2028", "\ufeff", "ä", "日本", "🕐", "<<", "=", "a=b", "---", "...", "a%b", "/a/b", "(a)", "every 10m", `cron "0 3 * * *" Europe/Berlin`,
}

func TestYAMLReadsBackAsWhatWasWritten(t *testing.T) {
	list := make([]any, len(texts))
	object := map[string]any{}
	for i, s := range texts {
		list[i], object[s] = s, s
	}
	for name, want := range map[string]any{
		"texts": map[string]any{"list": list, "object": object},
		"nested": map[string]any{"a": []any{
			map[string]any{},
			[]any{},
			map[string]any{"b": []any{[]any{"c", map[string]any{"d": map[string]any{"e": nil}}}}, "f": true},
			[]any{[]any{}, map[string]any{"g": []any{"h"}}},
		}},
		"empty": map[string]any{},
	} {
		t.Run(name, func(t *testing.T) {
			data, err := json.Marshal(want)
			if err != nil {
				t.Fatal(err)
			}
			text := yamlOf(data)
			var got any
			if err := yaml.Unmarshal(text, &got); err != nil {
				t.Fatalf("%v\n%s", err, text)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("-want +got\n%s\n%s", diff, text)
			}
		})
	}
}

// A field that is added to a task and forgotten here would be lost by export and import.
func TestDocumentHoldsAllOfATask(t *testing.T) {
	at := time.Date(2027, 1, 31, 12, 0, 0, 123456000, time.UTC)
	base := task.Declaration{
		Name: "x", Description: "a: b\n", Group: "g", Labels: map[string]string{"no": "1", "k": ""},
		Trigger: schedule.Trigger{Kind: schedule.Custom{TypeURL: "acme.dev/acme.v1.Tide", Value: "\x00\xff"}, MaxFires: 3, Jitter: time.Second},
		Policy: task.Policy{
			Overlap: task.OverlapCancel, CatchUp: task.CatchUpNone, CatchUpWindow: time.Hour, Delivery: task.AtMostOnce, Timeout: 1500 * time.Millisecond,
			Retry:              task.Retry{MaxAttempts: 3, Backoff: time.Second, MaxBackoff: time.Minute, Jitter: 0.25},
			PauseAfterFailures: 2, Retention: task.Retention{Keep: task.KeepFailures, MaxRuns: 1_000_000_000, MaxAge: 36 * time.Hour},
		},
	}
	whole(t, reflect.ValueOf(base.Policy), "policy")
	command, http := base, base
	command.Spec = &task.TargetSpec{Command: &task.CommandSpec{
		Args: []string{"sh", "-c", "echo 'hi'\n"}, Env: map[string]string{"A": "no"}, Dir: "/srv", Stdin: "in\n", OutputLimit: 5, KillDelay: time.Second,
	}}
	whole(t, reflect.ValueOf(*command.Spec.Command), "command")
	http.Spec = &task.TargetSpec{HTTP: &task.HTTPSpec{
		Method: "PUT", URL: "https://x/?a=b", Headers: map[string]string{"A": "b: c"}, Body: "{}", ExpectStatus: []int{200}, OutputLimit: 7,
	}}
	whole(t, reflect.ValueOf(*http.Spec.HTTP), "http")
	grpc, worker := base, base
	grpc.Spec = &task.TargetSpec{GRPC: &task.GRPCSpec{
		Address: "h:1", Method: "a.B/C", Body: "{}", Metadata: map[string]string{"a": "b: c"}, OutputLimit: 7,
		TLS: &task.TLSSpec{CAFile: "/ca", CertFile: "/cert", KeyFile: "/key", ServerName: "no"},
	}}
	whole(t, reflect.ValueOf(*grpc.Spec.GRPC), "grpc")
	whole(t, reflect.ValueOf(*grpc.Spec.GRPC.TLS), "grpc.tls")
	worker.Spec = &task.TargetSpec{Worker: &task.WorkerSpec{}}
	whole(t, reflect.ValueOf(task.TargetSpec{Command: command.Spec.Command, HTTP: http.Spec.HTTP, GRPC: grpc.Spec.GRPC, Worker: worker.Spec.Worker}), "spec")
	for name, d := range map[string]task.Declaration{"command": command, "http": http, "grpc": grpc, "worker": worker} {
		t.Run(name, func(t *testing.T) {
			original := task.Task{
				Declaration: d, Origin: task.Created,
				Override: &task.Override{
					Trigger: schedule.Trigger{Kind: schedule.Every{Interval: time.Hour}}, Reason: "2027", OnDeclaredChange: task.Keep, ExpireTime: at,
				},
				Pause: &task.Pause{Reason: "yes", ResumeTime: at},
			}
			data, err := json.Marshal(document{Version: documentVersion, Tasks: []taskDocument{documentOf(original)}})
			if err != nil {
				t.Fatal(err)
			}
			for form, text := range map[string][]byte{"JSON": data, "YAML": yamlOf(data)} {
				list, err := parseDocument(text)
				if err != nil {
					t.Fatalf("%s: %v\n%s", form, err, text)
				}
				want := []wanted{{name: "x", create: &original.Declaration, override: original.Override, pause: original.Pause}}
				if diff := cmp.Diff(want, list, cmp.AllowUnexported(wanted{})); diff != "" {
					t.Errorf("%s: -want +got\n%s\n%s", form, diff, text)
				}
			}
		})
	}
}

// whole fails if a field of a struct is not set, so that a new one is not left out of the test above.
func whole(t *testing.T, v reflect.Value, path string) {
	t.Helper()
	for i := range v.NumField() {
		if v.Field(i).IsZero() {
			t.Errorf("%s.%s is not set here, so it is not tested", path, v.Type().Field(i).Name)
		}
	}
}

func TestADocumentLeavesToAWorkerWhatItDeclares(t *testing.T) {
	d := documentOf(task.Task{Origin: task.Announced, Declaration: task.Declaration{
		Name: "x", Trigger: schedule.Trigger{Kind: schedule.Every{Interval: time.Hour}}, Spec: &task.TargetSpec{Worker: &task.WorkerSpec{}},
	}})
	if d.Spec != nil || d.DeclaredTrigger != "every 1h" || d.Origin != "worker" {
		t.Errorf("%+v", d)
	}
}

func TestExportReplacesAFileAtOnceForItsOwnerAlone(t *testing.T) {
	name := filepath.Join(t.TempDir(), "export.yaml")
	if err := os.WriteFile(name, []byte(strings.Repeat("old", 100)), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := replace(name, []byte("new")); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(name)
	if err != nil || string(data) != "new" {
		t.Errorf("%q, %v", data, err)
	}
	info, err := os.Stat(name)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if left, err := filepath.Glob(filepath.Join(filepath.Dir(name), ".*")); err != nil || len(left) > 0 {
		t.Errorf("left over: %q, %v", left, err)
	}
	if err := replace(filepath.Dir(name), nil); err == nil || !strings.HasPrefix(err.Error(), "write "+filepath.Dir(name)+": ") {
		t.Errorf("a folder in its place: %v", err)
	}
}

func TestChangeIsToldOnOneLine(t *testing.T) {
	for name, tt := range map[string]struct{ before, after, actor, reason, want string }{
		"a trigger":                   {`{"trigger":"every 10s"}`, `{"trigger":"every 5m"}`, "", "", "trigger: every 10s -> every 5m"},
		"a reason":                    {`{"trigger":"every 10s"}`, `{"trigger":"every 5m"}`, "ann", "too chatty", "trigger: every 10s -> every 5m (too chatty)"},
		"an override":                 {`{"trigger":"every 10s"}`, `{"trigger":"every 5m","override":{"trigger":"every 5m","actor":"ann","reason":"why","on_declared_change":"keep","expire_time":"2027-01-01T00:00:00Z"}}`, "ann", "why", "trigger: every 10s -> every 5m; override: keep, until 2027-01-01T00:00:00Z (why)"},
		"an override that ends":       {`{"trigger":"every 5m","override":{"trigger":"every 5m","actor":"ann","reason":"why","on_declared_change":"yield"}}`, `{"trigger":"every 10s"}`, "clockd", "", "trigger: every 5m -> every 10s; override: by ann, because why, yield -> none"},
		"an override that was kept":   {`{"declared_trigger":"every 10s","override":{"trigger":"every 5m","on_declared_change":"keep"}}`, `{"declared_trigger":"every 1h","override":{"trigger":"every 5m","on_declared_change":"keep","declaration_changed":true}}`, "", "", "declared_trigger: every 10s -> every 1h; override: every 5m, keep -> every 5m, keep, declaration changed"},
		"a pause":                     {"", `{"pause":{"actor":"ann","reason":"why","resume_time":"2027-01-01T00:00:00Z"}}`, "ann", "why", "pause: until 2027-01-01T00:00:00Z (why)"},
		"a pause without an end":      {"", `{"pause":{"actor":"ann","reason":"why"}}`, "ann", "why", "(why)"},
		"a pause that ends":           {`{"pause":{"actor":"ann","reason":"why"}}`, "", "bob", "", "pause: by ann, because why -> none"},
		"a policy":                    {`{"policy":{"overlap":"SKIP","timeout":"1m","retry":{"max_attempts":2}}}`, `{"policy":{"overlap":"SKIP","timeout":"2m","retry":{"max_attempts":3}}}`, "", "", "policy.retry.max_attempts: 2 -> 3; policy.timeout: 1m -> 2m"},
		"labels":                      {`{"labels":{"a":"1","b":"2"}}`, `{"labels":{"b":"3","c":"4"}}`, "", "", "labels.a: 1 -> none; labels.b: 2 -> 3; labels.c: 4"},
		"labels that were not there":  {"", `{"labels":{"a":"1"}}`, "", "", "labels.a: 1"},
		"a revision beyond a float64": {`{"revision":9007199254740993}`, `{"revision":9007199254740994}`, "", "", "revision: 9007199254740993 -> 9007199254740994"},
		"a text that was empty":       {`{"description":""}`, `{"description":"x\ny"}`, "", "", `description: "" -> "x\ny"`},
		"a list":                      {`{"x":[1]}`, `{"x":["\u001b"]}`, "", "", `x: [1] -> ["\u001b"]`},
		"an object and what is none":  {`{"x":{"a":1}}`, `{"x":"y"}`, "", "", `x: {"a":1} -> y`},
		"nothing":                     {"", "", "", "", "-"},
		"what is not JSON":            {"{", "x", "", "", "-"},
	} {
		t.Run(name, func(t *testing.T) {
			got := changeOf([]byte(tt.before), []byte(tt.after), tt.actor, tt.reason).line("")
			if got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}
