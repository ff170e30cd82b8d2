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
	for _, end := range []task.PreviewEnd{task.PreviewCount, task.PreviewOver, task.PreviewWaits} {
		want := task.Preview{End: end, Fires: someFires(), Description: "at 03:00 every day in Europe/Berlin"}
		got, err := wire.PreviewFromProto(overTheWire(t, wire.PreviewToProto(want)))
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%v -want +got\n%s", err, diff)
		}
		fires, err := wire.FiresFromProto(wire.FiresToProto(want.Fires))
		if diff := cmp.Diff(want.Fires, fires); err != nil || diff != "" {
			t.Errorf("%v -want +got\n%s", err, diff)
		}
	}
}

func someFires() []task.Fire {
	return []task.Fire{
		{Time: time.Date(2027, 1, 1, 0, 0, 0, 1000, time.UTC)},
		{Time: time.Date(2027, 1, 2, 0, 0, 0, 0, time.UTC), DSTShift: schedule.Gap},
		{Time: time.Date(2027, 1, 3, 0, 0, 0, 0, time.UTC), DSTShift: schedule.Overlap},
	}
}

func TestEveryTriggerUpdateComesBackAsItWas(t *testing.T) {
	for seed := range uint64(200) {
		want := task.TriggerUpdate{Task: newSource(seed).task(), NextFires: someFires()[:seed%4], PreviousFires: someFires()[seed%3:]}
		if len(want.NextFires) == 0 {
			want.NextFires = nil
		}
		got, err := wire.TriggerUpdateFromProto(overTheWire(t, wire.TriggerUpdateToProto(want)))
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Fatalf("seed %d: %v -want +got\n%s", seed, err, diff)
		}
	}
}

func TestAFireThatCanNotBeReadIsNamedWithItsPlace(t *testing.T) {
	fires := []*clockdv1.Fire{{}, {Time: &timestamppb.Timestamp{Nanos: -1}, DstShift: 9}}
	_, err := wire.TriggerUpdateFromProto(&clockdv1.UpdateTriggerResponse{
		Task: wire.TaskToProto(newSource(1).task()), NextFires: fires, PreviousFires: fires[1:],
	})
	got := fields(violations(t, err))
	want := []string{"next_fires[1].time", "next_fires[1].dst_shift", "previous_fires[0].time", "previous_fires[0].dst_shift"}
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
	overTheWire(t, wire.TaskToProto(task.Task{
		Namespace: bad, State: task.Active,
		Declaration: task.Declaration{
			Name: bad, Description: bad, Group: bad, Labels: map[string]string{bad: bad},
			Trigger: schedule.Trigger{Kind: schedule.Cron{Expression: bad, TimeZone: bad}},
			Target:  task.Target{Kind: bad, Summary: bad},
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
	}}})
	_, found := wire.TriggerFromProto("trigger", overTheWire(t, pb))
	if want, got := []string{
		"trigger.any_of.triggers[0].every.first_fire", "trigger.any_of.triggers[0].every.pacing",
		"trigger.any_of.triggers[1].at.days_of_week[0]", "trigger.any_of.triggers[2]",
		"trigger.any_of.triggers[1].at.hour",
	}, fields(found); !cmp.Equal(want, got) {
		t.Errorf("want %q, got %q", want, got)
	}
}

func TestEveryEnumValueOfTheAPIIsKnown(t *testing.T) {
	files := clockdv1.File_clockd_v1_task_service_proto.Imports()
	all := []protoreflect.FileDescriptor{clockdv1.File_clockd_v1_task_service_proto}
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
		"Overlap": func(n protoreflect.EnumNumber) (protoreflect.EnumNumber, bool) {
			o, found := wire.OverlapFromProto("f", clockdv1.Overlap(n))
			return wire.OverlapToProto(o).Number(), found == nil
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
	pb.DeclaredTrigger.ProtoReflect().SetUnknown(unknownField(15))
	pb.State, pb.Etag, pb.Id = 77, "abc", "x"
	got, err := wire.TaskFromProto(overTheWire(t, pb))
	want := []string{"task.id", "task.declared_trigger", "task.declared_trigger", "task.state", "task.etag"}
	if f := fields(violations(t, err)); !cmp.Equal(want, f) {
		t.Errorf("want %q, got %q", want, f)
	}
	if got.Declaration.Name != "report" {
		t.Errorf("the rest is lost: %+v", got)
	}
}
