package wire_test

import (
	"math"
	"testing"
	"time"

	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
	"github.com/clockd/clockd/daemon/wire"
	clockdv1 "github.com/clockd/clockd/gen/clockd/v1"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// overTheWire sends a message as bytes, which also proves that it can be sent.
func overTheWire[M proto.Message](t *testing.T, m M) M {
	t.Helper()
	raw, err := proto.Marshal(m)
	if err != nil {
		t.Fatalf("%T cannot be sent: %v", m, err)
	}
	out := m.ProtoReflect().New().Interface().(M)
	if err := proto.Unmarshal(raw, out); err != nil {
		t.Fatalf("%T cannot be read: %v", m, err)
	}
	return out
}

func TestEveryTriggerComesBackAsItWas(t *testing.T) {
	for seed := range uint64(500) {
		want := newSource(seed).trigger(4)
		got, found := wire.TriggerFromProto("trigger", overTheWire(t, wire.TriggerToProto(want)))
		if len(found) > 0 {
			t.Fatalf("seed %d: %+v: %v", seed, want, found)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("seed %d: -want +got\n%s", seed, diff)
		}
	}
}

func TestEveryTaskComesBackAsItWas(t *testing.T) {
	for seed := range uint64(500) {
		want := newSource(seed).task()
		got, err := wire.TaskFromProto(overTheWire(t, wire.TaskToProto(want)))
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("seed %d: -want +got\n%s", seed, diff)
		}
	}
}

func TestEveryRunComesBackAsItWas(t *testing.T) {
	for seed := range uint64(500) {
		want := newSource(seed).run()
		got, err := wire.RunFromProto(overTheWire(t, wire.RunToProto(want)))
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("seed %d: -want +got\n%s", seed, diff)
		}
	}
}

func TestEveryPreviewComesBackAsItWas(t *testing.T) {
	for seed := range uint64(200) {
		s := newSource(seed)
		want := task.Preview{
			End: pick(s, task.PreviewCount, task.PreviewOver, task.PreviewWaits), Fires: s.fires(),
			Description: "at 03:00 every day in Europe/Berlin",
		}
		got, err := wire.PreviewFromProto(overTheWire(t, wire.PreviewToProto(want)))
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Fatalf("seed %d: %v -want +got\n%s", seed, err, diff)
		}
		fires, err := wire.FiresFromProto(wire.FiresToProto(want.Fires))
		if diff := cmp.Diff(want.Fires, fires); err != nil || diff != "" {
			t.Fatalf("seed %d: %v -want +got\n%s", seed, err, diff)
		}
	}
}

func TestEveryTriggerUpdateComesBackAsItWas(t *testing.T) {
	for seed := range uint64(200) {
		s := newSource(seed)
		want := task.TriggerUpdate{Task: s.task(), NextFires: s.fires(), PreviousFires: s.fires()}
		got, err := wire.TriggerUpdateFromProto(overTheWire(t, wire.TriggerUpdateToProto(want)))
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Fatalf("seed %d: %v -want +got\n%s", seed, err, diff)
		}
	}
}

func TestEveryCreatedTaskComesBackAsItWas(t *testing.T) {
	for seed := range uint64(500) {
		want := newSource(seed).declaration()
		for name, toProto := range map[string]func(task.Declaration) *clockdv1.TaskSpec{"all": wire.SpecToProto, "set": wire.SetSpecToProto} {
			got, found := wire.SpecFromProto("task", overTheWire(t, toProto(want)))
			if len(found) > 0 {
				t.Fatalf("seed %d, %s: %v", seed, name, found)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("seed %d, %s: -want +got\n%s", seed, name, diff)
			}
		}
	}
}

func TestEveryNodeComesBackAsItWas(t *testing.T) {
	for seed := range uint64(500) {
		want := newSource(seed).clusterNode()
		got, err := wire.NodeFromProto(overTheWire(t, wire.NodeToProto(want)))
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Fatalf("seed %d: %v -want +got\n%s", seed, err, diff)
		}
	}
}

func TestADeclarationComesToAnotherNodeAsItWas(t *testing.T) {
	for seed := range uint64(500) {
		s := newSource(seed)
		want := s.declaration()
		want.Target, want.Spec = task.Target{Kind: s.text(), Summary: s.text()}, s.spec()
		got, found := wire.DeclarationFromProto("task", overTheWire(t, wire.DeclarationToProto(want)))
		if diff := cmp.Diff(want, got); found != nil || diff != "" {
			t.Fatalf("seed %d: %v -want +got\n%s", seed, found, diff)
		}
	}
}

func TestEverythingWrongWithADeclarationIsSaidWithItsWholePath(t *testing.T) {
	_, found := wire.DeclarationFromProto("task", nil)
	if want := []string{"task"}; !cmp.Equal(want, fields(found)) {
		t.Errorf("of nothing: %v", found)
	}
	bad, paths := badPolicy()
	pb := withUnknown(&clockdv1.TaskMetadata{
		TaskName: " ", Group: "\x00", Policy: bad, DeclaredTrigger: cronTrigger("x", "UTC"), Spec: &clockdv1.TaskSpec{},
	}, 999)
	_, found = wire.DeclarationFromProto("task", pb)
	got := map[string]bool{}
	for _, f := range fields(found) {
		got[f] = true
	}
	for i := range paths {
		paths[i] = "task.policy." + paths[i]
	}
	for _, want := range append(paths, "task", "task.task_name", "task.group", "task.declared_trigger.cron.expression", "task.spec") {
		if !got[want] {
			t.Errorf("%s is not among %q", want, fields(found))
		}
	}
}

func TestEveryEventAndDiffComesBackAsItWas(t *testing.T) {
	for seed := range uint64(500) {
		s := newSource(seed)
		event, diff := s.event(), s.diff()
		gotEvent, err := wire.EventFromProto(overTheWire(t, wire.EventToProto(event)))
		if d := cmp.Diff(event, gotEvent); err != nil || d != "" {
			t.Fatalf("seed %d: %v -want +got\n%s", seed, err, d)
		}
		gotDiff, err := wire.DiffFromProto(overTheWire(t, wire.DiffToProto(diff)))
		if d := cmp.Diff(diff, gotDiff); err != nil || d != "" {
			t.Fatalf("seed %d: %v -want +got\n%s", seed, err, d)
		}
	}
}

func TestEverythingThatAStreamTellsComesBackAsItWas(t *testing.T) {
	for seed := range uint64(200) {
		s := newSource(seed)
		tasks, runs, output := s.taskChanges(), s.runChanges(), s.output()
		gotTasks, err := wire.TaskChangesFromProto(overTheWire(t, wire.TaskChangesToProto(tasks)))
		if diff := cmp.Diff(tasks, gotTasks); err != nil || diff != "" {
			t.Fatalf("seed %d: %v -want +got\n%s", seed, err, diff)
		}
		gotRuns, err := wire.RunChangesFromProto(overTheWire(t, wire.RunChangesToProto(runs)))
		if diff := cmp.Diff(runs, gotRuns); err != nil || diff != "" {
			t.Fatalf("seed %d: %v -want +got\n%s", seed, err, diff)
		}
		progress := task.Progress{Attempt: s.IntN(1000), Fraction: s.Float64() - 0.5, Message: s.text()}
		if got := wire.ProgressFromProto(overTheWire(t, wire.ProgressToProto(progress))); got != progress {
			t.Fatalf("seed %d: want %+v, got %+v", seed, progress, got)
		}
		gotOutput, err := wire.OutputFromProto(overTheWire(t, wire.OutputToProto(output)))
		if diff := cmp.Diff(output, gotOutput); err != nil || diff != "" {
			t.Fatalf("seed %d: %v -want +got\n%s", seed, err, diff)
		}
	}
}

func TestAWatchOfRunsShowsNoInputsAndOutputs(t *testing.T) {
	run := task.Run{ID: 1, State: task.Succeeded, Cause: task.ByCall, Input: []byte("1"), Output: []byte("2")}
	for _, pb := range []*clockdv1.Run{
		wire.RunChangesToProto(task.RunChanges{Runs: []task.Run{run}}).GetRuns()[0],
		wire.BackfilledToProto(task.Backfilled{Runs: []task.Run{run}}).GetRuns()[0],
	} {
		if pb.GetInput() != nil || pb.GetOutput() != nil {
			t.Errorf("got %v", pb)
		}
	}
}

func TestABackfillShowsTheFirstThousandAndSaysHowManyThereAre(t *testing.T) {
	var all task.Backfilled
	start := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	for i := range 1500 {
		at := start.Add(time.Duration(i) * time.Minute)
		all.Fires = append(all.Fires, at)
		all.Runs = append(all.Runs, task.Run{ID: task.RunID(i + 1), State: task.Scheduled, Cause: task.ByBackfill, ScheduledTime: at, Fires: 1})
	}
	got, count, err := wire.BackfilledFromProto(overTheWire(t, wire.BackfilledToProto(all)))
	want := task.Backfilled{Fires: all.Fires[:1000], Runs: all.Runs[:1000]}
	if diff := cmp.Diff(want, got); err != nil || count != 1500 || diff != "" {
		t.Errorf("%d, %v -want +got\n%s", count, err, diff)
	}
	if _, count, err := wire.BackfilledFromProto(overTheWire(t, wire.BackfilledToProto(task.Backfilled{}))); count != 0 || err != nil {
		t.Errorf("nothing: %d, %v", count, err)
	}
}

// What random values never set would come back as it was, whatever became of it: a field that the API gains
// must be read, written and tried.
func TestTheRandomValuesSetEveryFieldOfTheAnswers(t *testing.T) {
	set, seen := map[protoreflect.FullName]bool{}, map[protoreflect.FullName]protoreflect.MessageDescriptor{}
	var mark func(m protoreflect.Message)
	mark = func(m protoreflect.Message) {
		m.Range(func(d protoreflect.FieldDescriptor, v protoreflect.Value) bool {
			set[d.FullName()] = true
			switch {
			case d.IsMap() || d.Message() == nil:
			case d.IsList():
				for i := range v.List().Len() {
					mark(v.List().Get(i).Message())
				}
			default:
				mark(v.Message())
			}
			return true
		})
	}
	var walk func(d protoreflect.MessageDescriptor)
	walk = func(d protoreflect.MessageDescriptor) {
		if pkg := d.ParentFile().Package(); seen[d.FullName()] != nil || d.IsMapEntry() || pkg != "clockd.v1" && d.FullName() != "google.protobuf.Any" {
			return
		}
		seen[d.FullName()] = d
		for i := range d.Fields().Len() {
			if inner := d.Fields().Get(i).Message(); inner != nil {
				walk(inner)
			}
		}
	}
	for seed := range uint64(500) {
		s := newSource(seed)
		for _, m := range []proto.Message{
			wire.TriggerUpdateToProto(task.TriggerUpdate{Task: s.task(), NextFires: s.fires(), PreviousFires: s.fires()}),
			wire.PreviewToProto(task.Preview{End: task.PreviewCount, Fires: s.fires(), Description: "x"}),
			wire.RunToProto(s.run()),
			wire.EventToProto(s.event()),
			&clockdv1.DiffConfigResponse{Diffs: []*clockdv1.TaskDiff{wire.DiffToProto(s.diff())}},
			wire.OutputToProto(s.output()),
			self(wire.NodeToProto(s.clusterNode())),
			wire.BackfilledToProto(task.Backfilled{Fires: []time.Time{time.Unix(1, 0)}, Runs: s.bareRuns()}),
		} {
			walk(m.ProtoReflect().Descriptor())
			mark(m.ProtoReflect())
		}
	}
	for _, d := range seen {
		for i := range d.Fields().Len() {
			if name := d.Fields().Get(i).FullName(); !set[name] {
				t.Errorf("%s is never set", name)
			}
		}
	}
}

// self is a node as internal/rpc shows the one that answers.
func self(pb *clockdv1.Node) *clockdv1.Node {
	pb.Self = true
	return pb
}

func TestARunIsLateFromItsJitteredTimeOn(t *testing.T) {
	planned := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	run := task.Run{State: task.Running, ScheduledTime: planned, JitteredTime: planned.Add(20 * time.Second), StartTime: planned.Add(21 * time.Second)}
	if got := wire.RunToProto(run).GetLateness().AsDuration(); got != time.Second {
		t.Errorf("%s late", got)
	}
}

func TestAFireThatCanNotBeReadIsNamedWithItsPlace(t *testing.T) {
	bad := &timestamppb.Timestamp{Nanos: -1}
	fires := []*clockdv1.Fire{{}, {
		Time: bad, DstShift: 9, JitterLimit: &durationpb.Duration{Seconds: math.MaxInt64}, JitteredTime: bad,
		Excluded: &clockdv1.ExcludedInstants{Count: 1, FirstTime: bad, LastTime: bad},
	}}
	_, err := wire.TriggerUpdateFromProto(&clockdv1.UpdateTriggerResponse{
		Task: wire.TaskToProto(newSource(1).task()), NextFires: fires, PreviousFires: fires[1:],
	})
	got := fields(violations(t, err))
	var want []string
	for _, fire := range []string{"next_fires[1].", "previous_fires[0]."} {
		for _, field := range []string{"time", "dst_shift", "jitter_limit", "jittered_time", "excluded.first_time", "excluded.last_time"} {
			want = append(want, fire+field)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestTheTriggerInForceIsShownBesideTheDeclaredOne(t *testing.T) {
	declared := schedule.Trigger{Kind: schedule.Forever{}}
	override := schedule.Trigger{Kind: schedule.OnStartUp{}, MaxFires: 3}
	pb := wire.TaskToProto(task.Task{
		Declaration: task.Declaration{Name: "a", Trigger: declared},
		Override:    &task.Override{Trigger: override},
		State:       task.Active, Version: 42,
	})
	if diff := cmp.Diff(wire.TriggerToProto(override), pb.GetTrigger(), protocmp.Transform()); diff != "" {
		t.Error("trigger", diff)
	}
	if diff := cmp.Diff(wire.TriggerToProto(declared), pb.GetDeclaredTrigger(), protocmp.Transform()); diff != "" {
		t.Error("declared_trigger", diff)
	}
	if pb.GetEtag() != "42" {
		t.Errorf("etag %q is not the version", pb.GetEtag())
	}
}

// What a program left in its output must never make a run unreadable.
func TestTextThatIsNotUTF8CanStillBeSent(t *testing.T) {
	bad := "caf\xe9"
	run := overTheWire(t, wire.RunToProto(task.Run{
		TaskName: bad, State: task.Failed, Cause: task.ByCall, Error: bad, Actor: bad,
		Input: []byte(`"` + bad + `"`), Output: []byte(bad),
		Earlier: []task.Attempt{{Number: 1, State: task.Failed, Error: bad}},
	}))
	if want := "caf\uFFFD"; run.GetError() != want || run.GetOutput().GetStringValue() != want || run.GetInput().GetStringValue() != want {
		t.Errorf("got %v", run)
	}
	overTheWire(t, wire.EventToProto(task.Event{TaskName: bad, Actor: bad, Peer: bad, Reason: bad, Before: []byte(bad), After: []byte(`{"a":"` + bad + `"}`)}))
	overTheWire(t, wire.DiffToProto(task.TaskDiff{TaskName: bad, Reason: bad, Before: []byte(bad), After: []byte(bad)}))
	for _, spec := range []*task.TargetSpec{
		{Command: &task.CommandSpec{Args: []string{bad}, Env: map[string]string{bad: bad}, Dir: bad, Stdin: bad}},
		{HTTP: &task.HTTPSpec{Method: bad, URL: bad, Headers: map[string]string{bad: bad}, Body: bad}},
		{},
	} {
		overTheWire(t, wire.SpecToProto(task.Declaration{Name: bad, Description: bad, Group: bad, Labels: map[string]string{bad: bad}, Spec: spec}))
	}
	overTheWire(t, wire.TriggerToProto(schedule.Trigger{Kind: schedule.Custom{TypeURL: bad, Value: bad}}))
	overTheWire(t, wire.TaskToProto(task.Task{
		Namespace: bad, State: task.Active, OrphanReason: bad,
		Declaration: task.Declaration{
			Name: bad, Description: bad, Group: bad, Labels: map[string]string{bad: bad},
			Trigger: schedule.Trigger{Kind: schedule.Cron{Expression: bad, TimeZone: bad}, Exclusions: []schedule.Exclusion{
				schedule.Dates{TimeZone: bad}, schedule.Window{TimeZone: bad}, schedule.Cron{Expression: bad, TimeZone: bad}, schedule.Calendar{Name: bad}, nil,
			}},
			Target: task.Target{Kind: bad, Summary: bad},
		},
		Override: &task.Override{Trigger: schedule.Trigger{Kind: schedule.At{TimeZone: bad}}, Actor: bad, Reason: bad},
		Pause:    &task.Pause{Actor: bad, Reason: bad},
	}))
}

func TestNoDomainValueIsTakenForADefault(t *testing.T) {
	pb := wire.TriggerToProto(schedule.Trigger{Kind: schedule.AnyOf{Triggers: []schedule.Trigger{
		{Kind: schedule.Every{Interval: time.Hour, Pacing: 7, FirstFire: 7}},
		{Kind: schedule.At{Hour: math.MaxInt, DaysOfWeek: []time.Weekday{9}, TimeZone: "UTC"}},
		{},
		{Kind: schedule.Forever{}, Exclusions: []schedule.Exclusion{
			schedule.Dates{First: schedule.Date{Year: 12345, Month: 1, Day: 1}, Last: schedule.Date{Year: -1, Month: 1, Day: 1}, TimeZone: "UTC"},
			schedule.Window{From: schedule.TimeOfDay{Hour: -1}, Until: schedule.TimeOfDay{Minute: 60}, DaysOfWeek: []time.Weekday{9}, TimeZone: "UTC"},
			nil,
		}},
	}}})
	_, found := wire.TriggerFromProto("trigger", overTheWire(t, pb))
	if want, got := []string{
		"trigger.any_of.triggers[0].every.first_fire", "trigger.any_of.triggers[0].every.pacing",
		"trigger.any_of.triggers[1].at.days_of_week[0]", "trigger.any_of.triggers[2]",
		"trigger.any_of.triggers[3].exclusions[0].dates.first", "trigger.any_of.triggers[3].exclusions[0].dates.last",
		"trigger.any_of.triggers[3].exclusions[1].window.from", "trigger.any_of.triggers[3].exclusions[1].window.until",
		"trigger.any_of.triggers[3].exclusions[1].window.days_of_week[0]", "trigger.any_of.triggers[3].exclusions[2]",
		"trigger.any_of.triggers[1].at.hour",
	}, fields(found); !cmp.Equal(want, got) {
		t.Errorf("want %q, got %q", want, got)
	}
}

func TestEveryEnumValueOfTheAPIIsKnown(t *testing.T) {
	files := clockdv1.File_clockd_v1_task_service_proto.Imports()
	all := []protoreflect.FileDescriptor{clockdv1.File_clockd_v1_task_service_proto, clockdv1.File_clockd_v1_run_service_proto, clockdv1.File_clockd_v1_node_service_proto}
	for i := range files.Len() {
		all = append(all, files.Get(i).FileDescriptor)
	}
	read := map[protoreflect.Name]func(n protoreflect.EnumNumber) (back protoreflect.EnumNumber, ok bool){
		"TaskState": func(n protoreflect.EnumNumber) (protoreflect.EnumNumber, bool) {
			s, found := wire.TaskStateFromProto("f", clockdv1.TaskState(n))
			return wire.TaskStateToProto(s).Number(), found == nil
		},
		"RunState": func(n protoreflect.EnumNumber) (protoreflect.EnumNumber, bool) {
			s, found := wire.RunStateFromProto("f", clockdv1.RunState(n))
			return wire.RunStateToProto(s).Number(), found == nil
		},
		"OnDeclaredChange": func(n protoreflect.EnumNumber) (protoreflect.EnumNumber, bool) {
			c, found := wire.OnDeclaredChangeFromProto("f", clockdv1.OnDeclaredChange(n))
			return wire.OnDeclaredChangeToProto(c).Number(), found == nil
		},
		"NodeState": func(n protoreflect.EnumNumber) (protoreflect.EnumNumber, bool) {
			got, err := wire.NodeFromProto(&clockdv1.Node{State: clockdv1.NodeState(n)})
			return wire.NodeToProto(got).GetState().Number(), err == nil
		},
		"Overlap": func(n protoreflect.EnumNumber) (protoreflect.EnumNumber, bool) {
			o, found := wire.OverlapFromProto("f", clockdv1.Overlap(n))
			return wire.OverlapToProto(o).Number(), found == nil
		},
		"AuditAction": func(n protoreflect.EnumNumber) (protoreflect.EnumNumber, bool) {
			e, err := wire.EventFromProto(&clockdv1.AuditEvent{Action: clockdv1.AuditAction(n)})
			return wire.EventToProto(e).GetAction().Number(), err == nil && wire.ActionToProto(e.Action).Number() == n
		},
		"Origin": func(n protoreflect.EnumNumber) (protoreflect.EnumNumber, bool) {
			m := wire.TaskToProto(task.Task{State: task.Active, Declaration: task.Declaration{Trigger: schedule.Trigger{Kind: schedule.Forever{}}}})
			m.Origin = clockdv1.Origin(n)
			got, err := wire.TaskFromProto(m)
			return wire.TaskToProto(got).GetOrigin().Number(), err == nil
		},
		"Keep": func(n protoreflect.EnumNumber) (protoreflect.EnumNumber, bool) {
			p, err := policy(&clockdv1.Policy{Retention: &clockdv1.Retention{Keep: clockdv1.Keep(n)}})
			return p.GetRetention().GetKeep().Number(), err == nil
		},
		"OutputStream": func(n protoreflect.EnumNumber) (protoreflect.EnumNumber, bool) {
			o, err := wire.OutputFromProto(&clockdv1.OutputChunk{Stream: clockdv1.OutputStream(n)})
			return wire.OutputToProto(o).GetStream().Number(), err == nil
		},
		"RunCause": func(n protoreflect.EnumNumber) (protoreflect.EnumNumber, bool) {
			r, err := wire.RunFromProto(&clockdv1.Run{State: 1, Cause: clockdv1.RunCause(n)})
			return wire.RunToProto(r).GetCause().Number(), err == nil
		},
		"RunReason": func(n protoreflect.EnumNumber) (protoreflect.EnumNumber, bool) {
			r, err := wire.RunFromProto(&clockdv1.Run{State: 1, Cause: 1, Reason: clockdv1.RunReason(n)})
			return wire.RunToProto(r).GetReason().Number(), err == nil
		},
		"CatchUp": func(n protoreflect.EnumNumber) (protoreflect.EnumNumber, bool) {
			p, err := policy(&clockdv1.Policy{CatchUp: clockdv1.CatchUp(n)})
			return p.GetCatchUp().Number(), err == nil
		},
		"Delivery": func(n protoreflect.EnumNumber) (protoreflect.EnumNumber, bool) {
			p, err := policy(&clockdv1.Policy{Delivery: clockdv1.Delivery(n)})
			return p.GetDelivery().Number(), err == nil
		},
		"FirstFire": func(n protoreflect.EnumNumber) (protoreflect.EnumNumber, bool) {
			e, ok := every(&clockdv1.Every{FirstFire: clockdv1.FirstFire(n)})
			return e.GetFirstFire().Number(), ok
		},
		"Pacing": func(n protoreflect.EnumNumber) (protoreflect.EnumNumber, bool) {
			e, ok := every(&clockdv1.Every{Pacing: clockdv1.Pacing(n)})
			return e.GetPacing().Number(), ok
		},
		"DayOfWeek": func(n protoreflect.EnumNumber) (protoreflect.EnumNumber, bool) {
			tr, found := wire.TriggerFromProto("f", &clockdv1.Trigger{Kind: &clockdv1.Trigger_At{At: &clockdv1.At{
				TimeZone: "UTC", DaysOfWeek: []clockdv1.DayOfWeek{clockdv1.DayOfWeek(n)},
			}}})
			return wire.TriggerToProto(tr).GetAt().GetDaysOfWeek()[0].Number(), len(found) == 0
		},
		"DstShift": func(n protoreflect.EnumNumber) (protoreflect.EnumNumber, bool) {
			f, err := wire.FiresFromProto([]*clockdv1.Fire{{DstShift: clockdv1.DstShift(n)}})
			return wire.FiresToProto(f)[0].GetDstShift().Number(), err == nil
		},
		"PreviewEnd": func(n protoreflect.EnumNumber) (protoreflect.EnumNumber, bool) {
			p, err := wire.PreviewFromProto(&clockdv1.PreviewTriggerResponse{End: clockdv1.PreviewEnd(n)})
			return wire.PreviewToProto(p).GetEnd().Number(), err == nil
		},
	}
	for _, file := range all {
		for i := range file.Enums().Len() {
			e := file.Enums().Get(i)
			if e.ParentFile().Package() != "clockd.v1" {
				continue
			}
			check := read[e.Name()]
			if check == nil {
				t.Errorf("enum %s is not tried here", e.Name())
				continue
			}
			for j := range e.Values().Len() {
				v := e.Values().Get(j)
				if back, ok := check(v.Number()); v.Number() != 0 && (!ok || back != v.Number()) {
					t.Errorf("%s: known %v, comes back as %d", v.Name(), ok, back)
				}
			}
			if _, ok := check(99); ok {
				t.Errorf("%s: 99 is taken for something", e.Name())
			}
		}
	}
}

func policy(pb *clockdv1.Policy) (*clockdv1.Policy, error) {
	m := wire.TaskToProto(task.Task{State: task.Active, Declaration: task.Declaration{Trigger: schedule.Trigger{Kind: schedule.Forever{}}}})
	m.Policy = pb
	got, err := wire.TaskFromProto(m)
	return wire.TaskToProto(got).GetPolicy(), err
}

func every(pb *clockdv1.Every) (*clockdv1.Every, bool) {
	pb.Interval = wire.TriggerToProto(schedule.Trigger{Kind: schedule.Every{Interval: time.Hour}}).GetEvery().GetInterval()
	got, found := wire.TriggerFromProto("f", &clockdv1.Trigger{Kind: &clockdv1.Trigger_Every{Every: pb}})
	return wire.TriggerToProto(got).GetEvery(), len(found) == 0
}

// A client that is older than its daemon shows what it can, and says what it cannot.
func TestAnAnswerOfANewerDaemonIsReadAsFarAsItIsKnown(t *testing.T) {
	pb := wire.TaskToProto(newSource(1).task())
	pb.TaskName = "report"
	pb.DeclaredTrigger = &clockdv1.Trigger{}
	pb.DeclaredTrigger.ProtoReflect().SetUnknown(unknownField(16))
	pb.State, pb.Etag, pb.Id = 77, "abc", "x"
	pb.Policy = withUnknown(&clockdv1.Policy{Retry: withUnknown(&clockdv1.Retry{}, 99)}, 99) // shown without what is new
	pb.Spec = withUnknown(&clockdv1.TaskSpec{Target: &clockdv1.TaskSpec_Http{Http: withUnknown(&clockdv1.HttpTarget{Url: "u"}, 99)}}, 99)
	got, err := wire.TaskFromProto(overTheWire(t, pb))
	want := []string{"task.id", "task.declared_trigger", "task.declared_trigger", "task.state", "task.etag"}
	if f := fields(violations(t, err)); !cmp.Equal(want, f) {
		t.Errorf("want %q, got %q", want, f)
	}
	if got.Declaration.Name != "report" || got.Declaration.Spec.HTTP.URL != "u" {
		t.Errorf("the rest is lost: %+v", got)
	}
}
