package wire

import (
	"github.com/clockd/clockd/daemon/task"
	clockdv1 "github.com/clockd/clockd/gen/clockd/v1"
	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/durationpb"
)

// RunToProto returns the API's form of a run.
func RunToProto(run task.Run) *clockdv1.Run {
	pb := &clockdv1.Run{
		Id:                 runIDToProto(run.ID),
		TaskId:             uuidToProto(run.TaskID),
		TaskName:           clean(run.TaskName),
		State:              runStates.to(run.State),
		Cause:              causes.to(run.Cause),
		Reason:             reasons.to(run.Reason),
		ScheduledTime:      TimeToProto(run.ScheduledTime),
		JitteredTime:       TimeToProto(run.JitteredTime),
		NextAttemptTime:    TimeToProto(run.NextAttemptTime),
		StartTime:          TimeToProto(run.StartTime),
		EndTime:            TimeToProto(run.EndTime),
		Fires:              run.Fires,
		FirstScheduledTime: TimeToProto(run.FirstScheduledTime),
		Attempt:            int32Of(run.Attempt),
		Input:              JSONToProto(run.Input),
		Output:             JSONToProto(run.Output),
		Error:              clean(run.Error),
		Actor:              clean(run.Actor),
		Worker:             clean(run.Worker),
		NodeId:             uuidToProto(run.Node),
	}
	if !run.StartTime.IsZero() {
		pb.Lateness = durationpb.New(run.Lateness())
	}
	for _, a := range run.Earlier {
		pb.EarlierAttempts = append(pb.EarlierAttempts, &clockdv1.Attempt{
			Number:    int32Of(a.Number),
			StartTime: TimeToProto(a.StartTime),
			EndTime:   TimeToProto(a.EndTime),
			State:     runStates.to(a.State),
			Error:     clean(a.Error),
			Worker:    clean(a.Worker),
			NodeId:    uuidToProto(a.Node),
		})
	}
	return pb
}

// RunFromProto returns the run of an answer. If something in it cannot be read, which a newer daemon may
// bring about, the error is a task.InvalidError and the rest of the run is there.
func RunFromProto(pb *clockdv1.Run) (task.Run, error) {
	var r reader
	run := r.run(&path{name: "run"}, pb)
	return run, r.err()
}

func (r *reader) run(p *path, pb *clockdv1.Run) task.Run {
	run := task.Run{
		ID:                 r.runID(p.field("id"), pb.GetId()),
		TaskID:             r.uuid(p.field("task_id"), pb.GetTaskId()),
		TaskName:           pb.GetTaskName(),
		State:              runStates.from(r, p.field("state"), pb.GetState()),
		Cause:              causes.from(r, p.field("cause"), pb.GetCause()),
		Reason:             reasons.from(r, p.field("reason"), pb.GetReason()),
		ScheduledTime:      r.time(p.field("scheduled_time"), pb.GetScheduledTime()),
		JitteredTime:       r.time(p.field("jittered_time"), pb.GetJitteredTime()),
		NextAttemptTime:    r.time(p.field("next_attempt_time"), pb.GetNextAttemptTime()),
		StartTime:          r.time(p.field("start_time"), pb.GetStartTime()),
		EndTime:            r.time(p.field("end_time"), pb.GetEndTime()),
		Fires:              pb.GetFires(),
		FirstScheduledTime: r.time(p.field("first_scheduled_time"), pb.GetFirstScheduledTime()),
		Attempt:            int(pb.GetAttempt()),
		Input:              r.json(p.field("input"), pb.GetInput()),
		Output:             r.json(p.field("output"), pb.GetOutput()),
		Error:              pb.GetError(),
		Actor:              pb.GetActor(),
		Worker:             pb.GetWorker(),
		Node:               r.uuid(p.field("node_id"), pb.GetNodeId()),
	}
	for i, a := range pb.GetEarlierAttempts() {
		at := p.field("earlier_attempts").at(i)
		run.Earlier = append(run.Earlier, task.Attempt{
			Number:    int(a.GetNumber()),
			StartTime: r.time(at.field("start_time"), a.GetStartTime()),
			EndTime:   r.time(at.field("end_time"), a.GetEndTime()),
			State:     runStates.from(r, at.field("state"), a.GetState()),
			Error:     a.GetError(),
			Worker:    a.GetWorker(),
			Node:      r.uuid(at.field("node_id"), a.GetNodeId()),
		})
	}
	return run
}

// runIDToProto leaves the id of a run that is not recorded empty.
func runIDToProto(id task.RunID) string {
	if id == 0 {
		return ""
	}
	return id.String()
}

func (r *reader) runID(p *path, s string) task.RunID {
	if s == "" {
		return 0
	}
	id, err := task.ParseRunID(s)
	if err != nil {
		r.add(p, "%s", err)
	}
	return id
}

func uuidToProto(id uuid.UUID) string {
	if id == uuid.Nil {
		return ""
	}
	return id.String()
}

func (r *reader) uuid(p *path, s string) uuid.UUID {
	if s == "" {
		return uuid.Nil
	}
	id, err := uuid.Parse(s)
	if err != nil {
		r.add(p, "%q is not a UUID", truncate(s, maxField))
		return uuid.Nil
	}
	return id
}
