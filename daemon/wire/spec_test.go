package wire_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
	"github.com/clockd/clockd/daemon/wire"
	clockdv1 "github.com/clockd/clockd/gen/clockd/v1"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
)

func httpSpec(url string) *clockdv1.TaskSpec_Http {
	return &clockdv1.TaskSpec_Http{Http: &clockdv1.HttpTarget{Url: url}}
}

func commandSpec(args ...string) *clockdv1.TaskSpec_Command {
	return &clockdv1.TaskSpec_Command{Command: &clockdv1.CommandTarget{Args: args}}
}

// badPolicy has something wrong in every field, and what is wrong in its order.
func badPolicy() (*clockdv1.Policy, []string) {
	never := &durationpb.Duration{Seconds: math.MaxInt64}
	return &clockdv1.Policy{
		Overlap: 99, CatchUp: 99, Delivery: 99, Timeout: never, CatchUpWindow: durationpb.New(-1), PauseAfterFailures: -1,
		Retry:     &clockdv1.Retry{MaxAttempts: -1, Backoff: &durationpb.Duration{Nanos: -1, Seconds: 1}, MaxBackoff: durationpb.New(-1), Jitter: math.NaN()},
		Retention: &clockdv1.Retention{Keep: 99, MaxRuns: -1, MaxAge: durationpb.New(101 * 365 * 24 * time.Hour)},
	}, []string{
		"overlap", "catch_up", "delivery", "timeout", "retry.backoff", "retention.keep",
		"catch_up_window", "retry.max_attempts", "retry.max_backoff", "retry.jitter", "pause_after_failures", "retention.max_runs", "retention.max_age",
	}
}

func TestEverythingWrongWithASpecIsSaidOnceWithItsWholePath(t *testing.T) {
	good := func(change func(*clockdv1.TaskSpec)) *clockdv1.TaskSpec {
		pb := &clockdv1.TaskSpec{TaskName: "report", Trigger: forever(), Target: httpSpec("http://localhost/")}
		change(pb)
		return pb
	}
	policy, inPolicy := badPolicy()
	all := []string{"task.trigger.any_of.triggers[0].cron.expression"}
	for _, f := range inPolicy[:6] {
		all = append(all, "task.policy."+f)
	}
	all = append(all, "task.command.kill_delay", "task.task_name", "task.group", "task.description", "task.labels")
	for _, f := range inPolicy[6:] {
		all = append(all, "task.policy."+f)
	}
	for name, c := range map[string]struct {
		pb   *clockdv1.TaskSpec
		want []string
	}{
		"nothing at all": {nil, []string{"task"}},
		"an empty one":   {&clockdv1.TaskSpec{}, []string{"task.trigger", "task", "task.task_name"}},
		"a good one":     {good(func(*clockdv1.TaskSpec) {}), nil},
		"everything": {
			&clockdv1.TaskSpec{
				TaskName: " x", Description: strings.Repeat("x", 5000), Group: "\x00", Labels: map[string]string{"": "x"},
				Trigger: anyOf(cronTrigger("61 * * * *", "UTC")), Policy: policy,
				Target: &clockdv1.TaskSpec_Command{Command: &clockdv1.CommandTarget{KillDelay: &durationpb.Duration{Seconds: 1, Nanos: -1}}},
			}, all,
		},
		"fields of a newer version": {
			withUnknown(good(func(pb *clockdv1.TaskSpec) {
				pb.Policy = withUnknown(&clockdv1.Policy{
					Retry: withUnknown(&clockdv1.Retry{}, 99), Retention: withUnknown(&clockdv1.Retention{}, 99),
				}, 99)
				withUnknown(pb.GetHttp(), 99)
			}), 99),
			[]string{"task", "task.policy", "task.policy.retry", "task.policy.retention", "task.http"},
		},
		"a command of a newer version": {
			good(func(pb *clockdv1.TaskSpec) {
				pb.Target = &clockdv1.TaskSpec_Command{Command: withUnknown(&clockdv1.CommandTarget{}, 99)}
			}),
			[]string{"task.command"},
		},
		"a body that is too large": {
			good(func(pb *clockdv1.TaskSpec) { pb.GetHttp().Body = strings.Repeat("x", 256<<10) }), []string{"task.http"},
		},
		"a command that is too large": {
			good(func(pb *clockdv1.TaskSpec) { pb.Target = commandSpec(make([]string, 200_000)...) }), []string{"task.command"},
		},
		"an arm that holds nothing": {
			good(func(pb *clockdv1.TaskSpec) { pb.Target = &clockdv1.TaskSpec_Command{} }), nil, // for the engine to say
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, found := wire.SpecFromProto("task", c.pb)
			if diff := cmp.Diff(c.want, fields(found)); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
			for _, v := range found {
				if v.Description == "" {
					t.Errorf("%s: nothing is said", v.Field)
				}
			}
		})
	}
}

// The four triggers that a task can show must fit into one message of 4 MiB, with all the rest.
func TestTheLargestTaskFitsIntoAMessage(t *testing.T) {
	trigger := &clockdv1.Trigger{Kind: &clockdv1.Trigger_AnyOf{AnyOf: &clockdv1.AnyOf{}}}
	for range 11 {
		trigger.GetAnyOf().Triggers = append(trigger.GetAnyOf().Triggers, customTrigger("a/b", make([]byte, 64<<10)))
	}
	got, found := wire.SpecFromProto("task", &clockdv1.TaskSpec{
		TaskName: "x", Trigger: trigger, Target: &clockdv1.TaskSpec_Http{Http: &clockdv1.HttpTarget{Body: strings.Repeat("x", 255<<10)}},
	})
	if found != nil {
		t.Fatal(found)
	}
	pb := wire.TaskToProto(task.Task{Declaration: got, Override: &task.Override{Trigger: got.Trigger}})
	if n := proto.Size(pb); n > 4<<20-128<<10 {
		t.Errorf("%d bytes", n)
	}
}

func TestOfAPolicyOnlyWhatIsSetIsSentInARequest(t *testing.T) {
	if pb := wire.SetSpecToProto(task.Declaration{}); !proto.Equal(pb, &clockdv1.TaskSpec{}) {
		t.Errorf("got %v", pb)
	}
	pb := wire.SetSpecToProto(task.Declaration{Policy: task.Policy{
		Overlap: task.OverlapQueue, Retention: task.Retention{MaxRuns: 7}, Retry: task.Retry{MaxAttempts: 2},
	}})
	want := &clockdv1.TaskSpec{Policy: &clockdv1.Policy{
		Overlap: clockdv1.Overlap_OVERLAP_QUEUE, Retention: &clockdv1.Retention{MaxRuns: 7}, Retry: &clockdv1.Retry{MaxAttempts: 2},
	}}
	if !proto.Equal(pb, want) {
		t.Errorf("got %v", pb)
	}
}

// before is the task that updates meet.
func before() task.Declaration {
	return task.Declaration{
		Name: "report", Description: "old", Group: "old", Labels: map[string]string{"old": "1"},
		Trigger: schedule.Trigger{Kind: schedule.Forever{}},
		Policy: task.Policy{
			Overlap: task.OverlapQueue, CatchUp: task.CatchUpAll, Delivery: task.AtMostOnce, Timeout: time.Minute, CatchUpWindow: time.Hour,
			Retry:              task.Retry{MaxAttempts: 3, Backoff: time.Second, MaxBackoff: time.Minute, Jitter: 0.5},
			PauseAfterFailures: 5,
			Retention:          task.Retention{Keep: task.KeepFailures, MaxRuns: 10, MaxAge: time.Hour},
		},
		Spec: &task.TargetSpec{Command: &task.CommandSpec{Args: []string{"old"}}},
	}
}

func TestAnUpdateChangesWhatItNamesAndNothingElse(t *testing.T) {
	hourly := everyTrigger(&clockdv1.Every{Interval: durationpb.New(time.Hour)})
	full := func() *clockdv1.TaskSpec {
		return &clockdv1.TaskSpec{
			TaskName: "report", Description: "new", Group: "new", Labels: map[string]string{"new": "2"}, Trigger: hourly,
			Policy: &clockdv1.Policy{
				Overlap: clockdv1.Overlap_OVERLAP_CANCEL, CatchUp: clockdv1.CatchUp_CATCH_UP_NONE, Timeout: durationpb.New(2 * time.Minute),
				CatchUpWindow: durationpb.New(2 * time.Hour), PauseAfterFailures: 6,
				Retry: &clockdv1.Retry{MaxAttempts: 9, Backoff: durationpb.New(9 * time.Second), MaxBackoff: durationpb.New(9 * time.Minute), Jitter: 0.9},
				Retention: &clockdv1.Retention{
					Keep: clockdv1.Keep_KEEP_NONE, MaxRuns: 90, MaxAge: durationpb.New(9 * time.Hour),
				},
			},
			Target: httpSpec("http://localhost/new"),
		}
	}
	newRetry := task.Retry{MaxAttempts: 9, Backoff: 9 * time.Second, MaxBackoff: 9 * time.Minute, Jitter: 0.9}
	newRetention := task.Retention{Keep: task.KeepNone, MaxRuns: 90, MaxAge: 9 * time.Hour}
	for name, c := range map[string]struct {
		pb   *clockdv1.TaskSpec
		mask []string
		want func(d *task.Declaration)
	}{
		"description": {full(), []string{"description"}, func(d *task.Declaration) { d.Description = "new" }},
		"group":       {full(), []string{"group"}, func(d *task.Declaration) { d.Group = "new" }},
		"labels":      {full(), []string{"labels"}, func(d *task.Declaration) { d.Labels = map[string]string{"new": "2"} }},
		"trigger":     {full(), []string{"trigger"}, func(d *task.Declaration) { d.Trigger.Kind = schedule.Every{Interval: time.Hour} }},
		"http": {full(), []string{"http"}, func(d *task.Declaration) {
			d.Spec = &task.TargetSpec{HTTP: &task.HTTPSpec{URL: "http://localhost/new"}}
		}},
		"policy.overlap":               {full(), []string{"policy.overlap"}, func(d *task.Declaration) { d.Policy.Overlap = task.OverlapCancel }},
		"policy.catch_up":              {full(), []string{"policy.catch_up"}, func(d *task.Declaration) { d.Policy.CatchUp = task.CatchUpNone }},
		"policy.delivery, its default": {full(), []string{"policy.delivery"}, func(d *task.Declaration) { d.Policy.Delivery = task.AtLeastOnce }},
		"policy.timeout":               {full(), []string{"policy.timeout"}, func(d *task.Declaration) { d.Policy.Timeout = 2 * time.Minute }},
		"policy.catch_up_window":       {full(), []string{"policy.catch_up_window"}, func(d *task.Declaration) { d.Policy.CatchUpWindow = 2 * time.Hour }},
		"policy.pause_after_failures":  {full(), []string{"policy.pause_after_failures"}, func(d *task.Declaration) { d.Policy.PauseAfterFailures = 6 }},
		"policy.retry":                 {full(), []string{"policy.retry"}, func(d *task.Declaration) { d.Policy.Retry = newRetry }},
		"policy.retry.max_attempts":    {full(), []string{"policy.retry.max_attempts"}, func(d *task.Declaration) { d.Policy.Retry.MaxAttempts = 9 }},
		"policy.retry.backoff":         {full(), []string{"policy.retry.backoff"}, func(d *task.Declaration) { d.Policy.Retry.Backoff = 9 * time.Second }},
		"policy.retry.max_backoff":     {full(), []string{"policy.retry.max_backoff"}, func(d *task.Declaration) { d.Policy.Retry.MaxBackoff = 9 * time.Minute }},
		"policy.retry.jitter":          {full(), []string{"policy.retry.jitter"}, func(d *task.Declaration) { d.Policy.Retry.Jitter = 0.9 }},
		"policy.retention":             {full(), []string{"policy.retention"}, func(d *task.Declaration) { d.Policy.Retention = newRetention }},
		"policy.retention.keep":        {full(), []string{"policy.retention.keep"}, func(d *task.Declaration) { d.Policy.Retention.Keep = task.KeepNone }},
		"policy.retention.max_runs":    {full(), []string{"policy.retention.max_runs"}, func(d *task.Declaration) { d.Policy.Retention.MaxRuns = 90 }},
		"policy.retention.max_age":     {full(), []string{"policy.retention.max_age"}, func(d *task.Declaration) { d.Policy.Retention.MaxAge = 9 * time.Hour }},
		"the same twice":               {full(), []string{"group", "group"}, func(d *task.Declaration) { d.Group = "new" }},
		"what is named and not set": {&clockdv1.TaskSpec{}, []string{"description", "group", "labels", "policy"}, func(d *task.Declaration) {
			d.Description, d.Group, d.Labels, d.Policy = "", "", nil, task.Policy{}
		}},
		"no spec at all, and a mask": {nil, []string{"group"}, func(d *task.Declaration) { d.Group = "" }},
		"no mask: all that is set": {full(), nil, func(d *task.Declaration) {
			d.Description, d.Group, d.Labels = "new", "new", map[string]string{"new": "2"}
			d.Trigger.Kind = schedule.Every{Interval: time.Hour}
			d.Spec = &task.TargetSpec{HTTP: &task.HTTPSpec{URL: "http://localhost/new"}}
			d.Policy = task.Policy{
				Overlap: task.OverlapCancel, CatchUp: task.CatchUpNone, Delivery: task.AtMostOnce, // which was not set
				Timeout: 2 * time.Minute, CatchUpWindow: 2 * time.Hour, PauseAfterFailures: 6, Retry: newRetry, Retention: newRetention,
			}
		}},
		"no mask: of the policy each for itself": {
			&clockdv1.TaskSpec{Policy: &clockdv1.Policy{Retry: &clockdv1.Retry{Backoff: durationpb.New(9 * time.Second)}}}, nil,
			func(d *task.Declaration) { d.Policy.Retry.Backoff = 9 * time.Second },
		},
		"what is not named is not looked at": {
			&clockdv1.TaskSpec{Group: "\x00", Trigger: &clockdv1.Trigger{}, Policy: &clockdv1.Policy{Overlap: 99, Timeout: durationpb.New(time.Hour)}},
			[]string{"policy.timeout"},
			func(d *task.Declaration) { d.Policy.Timeout = time.Hour },
		},
	} {
		t.Run(name, func(t *testing.T) {
			apply, found := wire.UpdateFromProto("update", c.pb, "update_mask", &fieldmaskpb.FieldMask{Paths: c.mask})
			if found != nil {
				t.Fatal(found)
			}
			want := before()
			c.want(&want)
			for range 2 { // a store may ask again
				got := before()
				if err := apply(&got); err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("-want +got\n%s", diff)
				}
			}
		})
	}
}

func TestEverythingWrongWithAnUpdateIsSaidWithItsWholePath(t *testing.T) {
	policy, inPolicy := badPolicy()
	var all []string
	for _, f := range inPolicy {
		all = append(all, "update.policy."+f)
	}
	for name, c := range map[string]struct {
		pb   *clockdv1.TaskSpec
		mask []string
		want []string
	}{
		"nothing":             {nil, nil, []string{"update"}},
		"nothing but a name":  {&clockdv1.TaskSpec{TaskName: "report"}, nil, []string{"update"}},
		"no such fields":      {&clockdv1.TaskSpec{}, []string{"group", "policy.color", "*", "", "taskName"}, []string{"update_mask", "update_mask", "update_mask", "update_mask"}},
		"the name":            {&clockdv1.TaskSpec{TaskName: "x"}, []string{"task_name"}, []string{"update_mask"}},
		"too many":            {&clockdv1.TaskSpec{}, make([]string, 65), []string{"update_mask"}},
		"two targets":         {&clockdv1.TaskSpec{Target: httpSpec("x")}, []string{"command", "http"}, []string{"update_mask"}},
		"a target, not set":   {&clockdv1.TaskSpec{}, []string{"command"}, []string{"update.command"}},
		"the other target":    {&clockdv1.TaskSpec{Target: httpSpec("x")}, []string{"command"}, []string{"update.command"}},
		"a trigger, not set":  {&clockdv1.TaskSpec{}, []string{"trigger"}, []string{"update.trigger"}},
		"a trigger":           {&clockdv1.TaskSpec{Trigger: cronTrigger("61 * * * *", "UTC")}, nil, []string{"update.trigger.cron.expression"}},
		"words":               {&clockdv1.TaskSpec{Group: " ", Labels: map[string]string{" ": ""}}, []string{"group", "labels"}, []string{"update.group", "update.labels"}},
		"the whole policy":    {&clockdv1.TaskSpec{Policy: policy}, []string{"policy"}, all},
		"all that is set":     {&clockdv1.TaskSpec{Policy: policy}, nil, all},
		"a part of it":        {&clockdv1.TaskSpec{Policy: policy}, []string{"policy.retry.backoff", "policy.retry.jitter"}, []string{"update.policy.retry.backoff", "update.policy.retry.jitter"}},
		"a newer field":       {withUnknown(&clockdv1.TaskSpec{Group: "x"}, 99), nil, []string{"update"}},
		"a newer field in it": {&clockdv1.TaskSpec{Policy: &clockdv1.Policy{Retry: withUnknown(&clockdv1.Retry{}, 99)}}, []string{"policy.retry.jitter"}, []string{"update.policy.retry"}},
	} {
		t.Run(name, func(t *testing.T) {
			apply, found := wire.UpdateFromProto("update", c.pb, "update_mask", &fieldmaskpb.FieldMask{Paths: c.mask})
			if diff := cmp.Diff(c.want, fields(found)); diff != "" || apply != nil {
				t.Errorf("%t, -want +got\n%s", apply != nil, diff)
			}
		})
	}
}

func TestAnUpdateUnderAnotherNameIsRefused(t *testing.T) {
	apply, found := wire.UpdateFromProto("update", &clockdv1.TaskSpec{TaskName: "other", Group: "new"}, "update_mask", nil)
	if found != nil {
		t.Fatal(found)
	}
	d := before()
	if got := fields(violations(t, apply(&d))); !cmp.Equal(got, []string{"update.task_name"}) || d.Group != "old" {
		t.Errorf("got %q, and %+v", got, d)
	}
}

// A field that the API gains must be one that a mask can name.
func TestEveryFieldOfASpecCanBeNamedInAMask(t *testing.T) {
	d := newSource(1).declaration()
	d.Description, d.Group, d.Labels = "x", "x", map[string]string{"a": "b"}
	d.Policy = before().Policy
	d.Policy.Delivery = task.AtMostOnce
	for _, spec := range []*task.TargetSpec{{Command: &task.CommandSpec{Args: []string{"x"}}}, {HTTP: &task.HTTPSpec{URL: "x"}}} {
		d.Spec = spec
		pb := wire.SpecToProto(d)
		apply, found := wire.UpdateFromProto("update", pb, "update_mask", nil)
		if found != nil {
			t.Fatal(found)
		}
		got := task.Declaration{Name: d.Name}
		if err := apply(&got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(d, got); diff != "" {
			t.Errorf("-want +got\n%s", diff)
		}
		fields := pb.ProtoReflect().Descriptor().Fields()
		for i := range fields.Len() {
			if f := fields.Get(i); !pb.ProtoReflect().Has(f) && f.ContainingOneof() == nil {
				t.Errorf("%s is not tried here", f.Name())
			}
		}
		for name, m := range map[string]proto.Message{"policy": pb.GetPolicy(), "retry": pb.GetPolicy().GetRetry(), "retention": pb.GetPolicy().GetRetention()} {
			fields := m.ProtoReflect().Descriptor().Fields()
			for i := range fields.Len() {
				if f := fields.Get(i); !m.ProtoReflect().Has(f) {
					t.Errorf("%s.%s is not tried here", name, f.Name())
				}
			}
		}
	}
}

func FuzzUpdateFromProto(f *testing.F) {
	for seed := range uint64(10) {
		raw, err := proto.Marshal(wire.SpecToProto(newSource(seed).declaration()))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw, "")
		f.Add(raw, "policy.retry.backoff,http,group")
	}
	f.Fuzz(func(t *testing.T, raw []byte, mask string) {
		pb := &clockdv1.TaskSpec{}
		if proto.Unmarshal(raw, pb) != nil {
			return
		}
		paths := &fieldmaskpb.FieldMask{}
		if mask != "" {
			paths.Paths = strings.Split(mask, ",")
		}
		apply, found := wire.UpdateFromProto("update", pb, "update_mask", paths)
		if (apply == nil) != (len(found) > 0) {
			t.Errorf("%t, %v", apply != nil, found)
		}
		if apply != nil {
			d := before()
			d.Name = pb.GetTaskName()
			if err := apply(&d); err != nil {
				t.Error(err)
			}
			d.Name = "x"
			for _, v := range d.Check() {
				t.Errorf("a good update of a good task makes a bad one: %v", v)
			}
		}
		if _, found := wire.SpecFromProto("task", pb); len(found) > 300 {
			t.Errorf("%d violations", len(found))
		}
	})
}
