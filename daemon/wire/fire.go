package wire

import (
	"errors"

	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
	clockdv1 "github.com/clockd/clockd/gen/clockd/v1"
	"google.golang.org/protobuf/types/known/durationpb"
)

// FiresToProto returns the API's form of fires.
func FiresToProto(fires []task.Fire) []*clockdv1.Fire {
	var pb []*clockdv1.Fire
	for _, f := range fires {
		fire := &clockdv1.Fire{
			Time:         TimeToProto(f.Time),
			DstShift:     dstShifts.to(f.DSTShift),
			JitteredTime: TimeToProto(f.JitteredTime),
		}
		if f.JitterLimit != 0 {
			fire.JitterLimit = durationpb.New(f.JitterLimit)
		}
		if f.Excluded.Count != 0 {
			fire.Excluded = &clockdv1.ExcludedInstants{
				Count:     f.Excluded.Count,
				FirstTime: TimeToProto(f.Excluded.First),
				LastTime:  TimeToProto(f.Excluded.Last),
			}
		}
		pb = append(pb, fire)
	}
	return pb
}

// FiresFromProto returns fires. The error is a task.InvalidError.
func FiresFromProto(pb []*clockdv1.Fire) ([]task.Fire, error) {
	var r reader
	fires := r.fires("fires", pb)
	return fires, r.err()
}

func (r *reader) fires(field string, pb []*clockdv1.Fire) []task.Fire {
	var fires []task.Fire
	for i, f := range pb {
		at := (&path{name: field}).at(i)
		fires = append(fires, task.Fire{
			Time:     r.time(at.field("time"), f.GetTime()),
			DSTShift: dstShifts.from(r, at.field("dst_shift"), f.GetDstShift()),

			JitterLimit:  r.duration(at.field("jitter_limit"), f.GetJitterLimit()),
			JitteredTime: r.time(at.field("jittered_time"), f.GetJitteredTime()),
			Excluded: schedule.Span{
				Count: f.GetExcluded().GetCount(),
				First: r.time(at.field("excluded.first_time"), f.GetExcluded().GetFirstTime()),
				Last:  r.time(at.field("excluded.last_time"), f.GetExcluded().GetLastTime()),
			},
		})
	}
	return fires
}

// PreviewToProto returns the API's form of a look ahead.
func PreviewToProto(p task.Preview) *clockdv1.PreviewTriggerResponse {
	return &clockdv1.PreviewTriggerResponse{
		Fires:       FiresToProto(p.Fires),
		End:         previewEnds.to(p.End),
		Description: p.Description,
	}
}

// PreviewFromProto returns a look ahead. The error is a task.InvalidError.
func PreviewFromProto(pb *clockdv1.PreviewTriggerResponse) (task.Preview, error) {
	var r reader
	p := task.Preview{
		Fires:       r.fires("fires", pb.GetFires()),
		End:         previewEnds.from(&r, &path{name: "end"}, pb.GetEnd()),
		Description: pb.GetDescription(),
	}
	return p, r.err()
}

// TriggerUpdateToProto returns the API's form of the answer to a change of trigger.
func TriggerUpdateToProto(u task.TriggerUpdate) *clockdv1.UpdateTriggerResponse {
	return &clockdv1.UpdateTriggerResponse{
		Task:          TaskToProto(u.Task),
		NextFires:     FiresToProto(u.NextFires),
		PreviousFires: FiresToProto(u.PreviousFires),
	}
}

// TriggerUpdateFromProto returns the answer to a change of trigger. The error is a task.InvalidError.
func TriggerUpdateFromProto(pb *clockdv1.UpdateTriggerResponse) (task.TriggerUpdate, error) {
	var r reader
	t, err := TaskFromProto(pb.GetTask())
	if invalid, ok := errors.AsType[*task.InvalidError](err); ok {
		r.found = append(r.found, invalid.Violations...)
	}
	u := task.TriggerUpdate{
		Task:          t,
		NextFires:     r.fires("next_fires", pb.GetNextFires()),
		PreviousFires: r.fires("previous_fires", pb.GetPreviousFires()),
	}
	return u, r.err()
}
