package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
	"github.com/goccy/go-yaml"
)

// documentVersion is that of the documents that this program writes. A document of another is refused.
const documentVersion = 1

// A document is every task with its override and pause, in the words of the API: triggers are in their text
// form, durations as 1h30m, enums as their last word in lower case. What import does not put back is there for
// people: origin, declared_trigger, and who did what when.
type document struct {
	Version    int            `json:"clockd_export"`
	Namespace  string         `json:"namespace,omitempty"`
	ExportTime timeDocument   `json:"export_time,omitempty"`
	Tasks      []taskDocument `json:"tasks"`
}

type taskDocument struct {
	TaskName        string            `json:"task_name"`
	Origin          string            `json:"origin,omitempty"`
	DeclaredTrigger string            `json:"declared_trigger,omitempty"` // of one that a program or a worker declares
	Spec            *specDocument     `json:"spec,omitempty"`             // of one that was created
	Override        *overrideDocument `json:"override,omitempty"`
	Pause           *pauseDocument    `json:"pause,omitempty"`
}

type specDocument struct {
	Description string            `json:"description,omitempty"`
	Group       string            `json:"group,omitempty"`
	Labels      map[string]string `json:"labels,omitempty"`
	Trigger     string            `json:"trigger"`
	Policy      policyDocument    `json:"policy,omitzero"`
	Command     *commandDocument  `json:"command,omitempty"`
	HTTP        *task.HTTPSpec    `json:"http,omitempty"`
	GRPC        *task.GRPCSpec    `json:"grpc,omitempty"`
	Worker      *task.WorkerSpec  `json:"worker,omitempty"`
}

type commandDocument struct {
	Args        []string          `json:"args"`
	Env         map[string]string `json:"env,omitempty"`
	Dir         string            `json:"dir,omitempty"`
	Stdin       string            `json:"stdin,omitempty"`
	OutputLimit int               `json:"output_limit,omitempty"`
	KillDelay   spanDocument      `json:"kill_delay,omitempty"`
}

type policyDocument struct {
	Overlap            string            `json:"overlap,omitempty"`
	CatchUp            string            `json:"catch_up,omitempty"`
	Delivery           string            `json:"delivery,omitempty"`
	Timeout            spanDocument      `json:"timeout,omitempty"`
	CatchUpWindow      spanDocument      `json:"catch_up_window,omitempty"`
	Retry              retryDocument     `json:"retry,omitzero"`
	PauseAfterFailures int               `json:"pause_after_failures,omitempty"`
	Retention          retentionDocument `json:"retention,omitzero"`
}

type retryDocument struct {
	MaxAttempts int          `json:"max_attempts,omitempty"`
	Backoff     spanDocument `json:"backoff,omitempty"`
	MaxBackoff  spanDocument `json:"max_backoff,omitempty"`
	Jitter      float64      `json:"jitter,omitempty"`
}

type retentionDocument struct {
	Keep    string       `json:"keep,omitempty"`
	MaxRuns int64        `json:"max_runs,omitempty"`
	MaxAge  spanDocument `json:"max_age,omitempty"`
}

type overrideDocument struct {
	Trigger          string       `json:"trigger"`
	OnDeclaredChange string       `json:"on_declared_change,omitempty"`
	ExpireTime       timeDocument `json:"expire_time,omitempty"`
	Reason           string       `json:"reason,omitempty"`
	Actor            string       `json:"actor,omitempty"`
	CreateTime       timeDocument `json:"create_time,omitempty"`
}

type pauseDocument struct {
	ResumeTime timeDocument `json:"resume_time,omitempty"`
	Reason     string       `json:"reason,omitempty"`
	Actor      string       `json:"actor,omitempty"`
	CreateTime timeDocument `json:"create_time,omitempty"`
}

// A spanDocument is a duration as text, and a timeDocument an instant (RFC 3339). Empty: none. They are read by a
// documentReader, which knows where they stand: package json does not say.
type (
	spanDocument string
	timeDocument string
)

func spanOf(d time.Duration) spanDocument {
	if d == 0 {
		return ""
	}
	return spanDocument(duration(d))
}

func timeOf(t time.Time) timeDocument {
	if t.IsZero() {
		return ""
	}
	return timeDocument(t.Format(time.RFC3339Nano))
}

// documentOf returns what a document says of a task.
func documentOf(t task.Task) taskDocument {
	d := taskDocument{TaskName: t.Declaration.Name, Origin: origins.of(t.Origin)}
	if t.Declaration.Spec == nil || t.Origin == task.Announced { // a worker declares it again
		d.DeclaredTrigger = t.Declaration.Trigger.String()
	} else {
		d.Spec = specDocumentOf(t.Declaration)
	}
	if o := t.Override; o != nil {
		d.Override = &overrideDocument{
			Trigger: o.Trigger.String(), OnDeclaredChange: onDeclaredChanges.of(o.OnDeclaredChange), ExpireTime: timeOf(o.ExpireTime),
			Reason: o.Reason, Actor: o.Actor, CreateTime: timeOf(o.CreateTime),
		}
	}
	if p := t.Pause; p != nil {
		d.Pause = &pauseDocument{ResumeTime: timeOf(p.ResumeTime), Reason: p.Reason, Actor: p.Actor, CreateTime: timeOf(p.CreateTime)}
	}
	return d
}

func specDocumentOf(d task.Declaration) *specDocument {
	s := &specDocument{
		Description: d.Description, Group: d.Group, Labels: d.Labels, Trigger: d.Trigger.String(), HTTP: d.Spec.HTTP,
		GRPC: d.Spec.GRPC, Worker: d.Spec.Worker,
	}
	if c := d.Spec.Command; c != nil {
		s.Command = &commandDocument{c.Args, c.Env, c.Dir, c.Stdin, c.OutputLimit, spanOf(c.KillDelay)}
	}
	p := d.Policy
	s.Policy = policyDocument{
		Overlap: unless(p.Overlap, overlaps), CatchUp: unless(p.CatchUp, catchUps), Delivery: unless(p.Delivery, deliveries),
		Timeout: spanOf(p.Timeout), CatchUpWindow: spanOf(p.CatchUpWindow),
		Retry:              retryDocument{p.Retry.MaxAttempts, spanOf(p.Retry.Backoff), spanOf(p.Retry.MaxBackoff), p.Retry.Jitter},
		PauseAfterFailures: p.PauseAfterFailures,
		Retention:          retentionDocument{unless(p.Retention.Keep, keeps), p.Retention.MaxRuns, spanOf(p.Retention.MaxAge)},
	}
	return s
}

// unless is the word of a value that is not the default.
func unless[T ~int](v T, w words[T]) string {
	if v == 0 {
		return ""
	}
	return w.of(v)
}

// A wanted is a task of a document, read.
type wanted struct {
	name     string
	create   *task.Declaration // nil: it is declared
	override *task.Override
	pause    *task.Pause
}

// parseDocument reads a document in YAML or JSON. The error has every problem, each with its path.
func parseDocument(data []byte) ([]wanted, error) {
	if !json.Valid(data) {
		var v any
		if err := yaml.Unmarshal(data, &v); err != nil {
			return nil, task.Invalid("", "neither YAML nor JSON: %s", firstLine(yaml.FormatError(err, false, false)))
		}
		var err error
		if data, err = json.Marshal(v); err != nil {
			return nil, task.Invalid("", "it has what JSON has no form for: %s", err)
		}
	}
	// The version comes first: what another one has is not ours to judge.
	var outer struct {
		document
		Tasks []json.RawMessage `json:"tasks"`
	}
	var version struct {
		Version *int `json:"clockd_export"`
	}
	if json.Unmarshal(data, &version) != nil || version.Version == nil {
		return nil, task.Invalid("clockd_export", "missing: this is no document of clockctl export")
	}
	if *version.Version != documentVersion {
		return nil, task.Invalid("clockd_export", "%d is a version that this clockctl does not know: it knows %d", *version.Version, documentVersion)
	}
	if field, err := strict(data, &outer); err != nil {
		return nil, task.Invalid(field, "%s", err)
	}
	r := &documentReader{}
	r.time("export_time", outer.ExportTime)
	var list []wanted
	places := map[string]int{}
	for i, raw := range outer.Tasks {
		r.path = fmt.Sprintf("tasks[%d]", i)
		var d taskDocument
		if field, err := strict(raw, &d); err != nil {
			r.add(field, "%s", err)
			continue
		}
		if err := task.CheckName(d.TaskName); err != nil {
			r.add("task_name", "%s", err)
		} else if first, twice := places[d.TaskName]; twice {
			r.add("task_name", "%q is the name of tasks[%d] too", d.TaskName, first)
		}
		places[d.TaskName] = i
		list = append(list, r.task(d))
	}
	if len(r.found) > 0 {
		return nil, &task.InvalidError{Violations: r.found}
	}
	return list, nil
}

// strict is json.Unmarshal that refuses fields it does not know. It returns the path of what is wrong, if it is known.
func strict(data []byte, to any) (field string, err error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err = d.Decode(to); err == nil {
		return "", nil
	}
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return wrong.Field, fmt.Errorf("a %s is not what belongs there", wrong.Value)
	}
	return "", errors.New(strings.TrimPrefix(err.Error(), "json: "))
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

// A documentReader collects what is wrong with a document.
type documentReader struct {
	path  string // of the task
	found []task.Violation
}

func (r *documentReader) add(field, format string, args ...any) {
	r.found = append(r.found, task.Violation{
		Field: strings.Trim(r.path+"."+field, "."), Description: fmt.Sprintf(format, args...),
	})
}

func (r *documentReader) task(d taskDocument) wanted {
	w := wanted{name: d.TaskName}
	if d.Spec != nil {
		w.create = r.spec(d.TaskName, d.Spec)
	}
	if o := d.Override; o != nil {
		w.override = &task.Override{
			Trigger: r.trigger("override.trigger", o.Trigger), ExpireTime: r.time("override.expire_time", o.ExpireTime), Reason: o.Reason,
			OnDeclaredChange: wordOf(r, "override.on_declared_change", o.OnDeclaredChange, onDeclaredChanges),
			CreateTime:       r.time("override.create_time", o.CreateTime),
		}
	}
	if p := d.Pause; p != nil {
		w.pause = &task.Pause{
			ResumeTime: r.time("pause.resume_time", p.ResumeTime), Reason: p.Reason, CreateTime: r.time("pause.create_time", p.CreateTime),
		}
	}
	return w
}

func (r *documentReader) spec(name string, s *specDocument) *task.Declaration {
	p := s.Policy
	d := &task.Declaration{
		Name: name, Description: s.Description, Group: s.Group, Labels: s.Labels,
		Trigger: r.trigger("spec.trigger", s.Trigger),
		Policy: task.Policy{
			Overlap:  wordOf(r, "spec.policy.overlap", p.Overlap, overlaps),
			CatchUp:  wordOf(r, "spec.policy.catch_up", p.CatchUp, catchUps),
			Delivery: wordOf(r, "spec.policy.delivery", p.Delivery, deliveries),
			Timeout:  r.span("spec.policy.timeout", p.Timeout), CatchUpWindow: r.span("spec.policy.catch_up_window", p.CatchUpWindow),
			Retry: task.Retry{
				MaxAttempts: p.Retry.MaxAttempts, Backoff: r.span("spec.policy.retry.backoff", p.Retry.Backoff),
				MaxBackoff: r.span("spec.policy.retry.max_backoff", p.Retry.MaxBackoff), Jitter: p.Retry.Jitter,
			},
			PauseAfterFailures: p.PauseAfterFailures,
			Retention: task.Retention{
				Keep:    wordOf(r, "spec.policy.retention.keep", p.Retention.Keep, keeps),
				MaxRuns: p.Retention.MaxRuns, MaxAge: r.span("spec.policy.retention.max_age", p.Retention.MaxAge),
			},
		},
		Spec: &task.TargetSpec{HTTP: s.HTTP, GRPC: s.GRPC, Worker: s.Worker},
	}
	if c := s.Command; c != nil {
		d.Spec.Command = &task.CommandSpec{
			Args: c.Args, Env: c.Env, Dir: c.Dir, Stdin: c.Stdin, OutputLimit: c.OutputLimit, KillDelay: r.span("spec.command.kill_delay", c.KillDelay),
		}
	}
	kinds := 0
	for _, there := range []bool{s.Command != nil, s.HTTP != nil, s.GRPC != nil, s.Worker != nil} {
		if there {
			kinds++
		}
	}
	if kinds != 1 {
		r.add("spec", "it has to have exactly one of command, http, grpc and worker")
	}
	return d
}

func (r *documentReader) trigger(field, given string) schedule.Trigger {
	t, err := schedule.Parse(given)
	if invalid, ok := errors.AsType[*schedule.InvalidError](err); ok {
		for _, v := range invalid.Violations {
			r.add(strings.TrimSuffix(field+"."+v.Field, "."), "%s", v.Description)
		}
	} else if err != nil {
		r.add(field, "%s", err)
	}
	return t
}

func (r *documentReader) time(field string, given timeDocument) time.Time {
	if given == "" {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339, string(given))
	if err != nil {
		r.add(field, "%q is no RFC 3339 time", string(given))
	}
	return t
}

func (r *documentReader) span(field string, given spanDocument) time.Duration {
	if given == "" {
		return 0
	}
	d, err := time.ParseDuration(string(given))
	if err != nil {
		r.add(field, "%q is not a duration such as 90s, 15m or 1h30m", string(given))
	}
	return d
}

// wordOf reads a word; none is the default.
func wordOf[T ~int](r *documentReader, field, given string, w words[T]) T {
	if given == "" {
		return 0
	}
	v, err := w.find(given)
	if err != nil {
		r.add(field, "%s", err)
	}
	return v
}
