package wire

import (
	"github.com/clockd/clockd/daemon/task"
	clockdv1 "github.com/clockd/clockd/gen/clockd/v1"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// TaskChangesToProto returns the API's form of what a watch tells of tasks. Its Position, which the API shows
// as a token, is for internal/rpc.
func TaskChangesToProto(c task.TaskChanges) *clockdv1.WatchTasksResponse {
	pb := &clockdv1.WatchTasksResponse{Reset_: c.Reset, Synced: c.Synced}
	for _, t := range c.Tasks {
		pb.Tasks = append(pb.Tasks, TaskToProto(t))
	}
	for _, id := range c.Deleted {
		pb.DeletedTaskIds = append(pb.DeletedTaskIds, uuidToProto(id))
	}
	return pb
}

// TaskChangesFromProto returns what a watch tells of tasks, without its Position. The error is a
// task.InvalidError.
func TaskChangesFromProto(pb *clockdv1.WatchTasksResponse) (task.TaskChanges, error) {
	var r reader
	c := task.TaskChanges{Reset: pb.GetReset_(), Synced: pb.GetSynced()}
	for i, m := range pb.GetTasks() {
		c.Tasks = append(c.Tasks, r.task((&path{name: "tasks"}).at(i), m))
	}
	for i, s := range pb.GetDeletedTaskIds() {
		c.Deleted = append(c.Deleted, r.uuid((&path{name: "deleted_task_ids"}).at(i), s))
	}
	return c, r.err()
}

// RunChangesToProto returns the API's form of what a watch tells of runs, without their input and output. Its
// Position is for internal/rpc.
func RunChangesToProto(c task.RunChanges) *clockdv1.WatchRunsResponse {
	pb := &clockdv1.WatchRunsResponse{Reset_: c.Reset, Synced: c.Synced, Runs: runsToProto(c.Runs)}
	for _, id := range c.TakenBack {
		pb.DeletedRunIds = append(pb.DeletedRunIds, runIDToProto(id))
	}
	return pb
}

// RunChangesFromProto returns what a watch tells of runs, without its Position. The error is a
// task.InvalidError.
func RunChangesFromProto(pb *clockdv1.WatchRunsResponse) (task.RunChanges, error) {
	var r reader
	c := task.RunChanges{Reset: pb.GetReset_(), Synced: pb.GetSynced(), Runs: r.runs("runs", pb.GetRuns())}
	for i, s := range pb.GetDeletedRunIds() {
		c.TakenBack = append(c.TakenBack, r.runID((&path{name: "deleted_run_ids"}).at(i), s))
	}
	return c, r.err()
}

// OutputToProto returns the API's form of a piece of output.
func OutputToProto(o task.Output) *clockdv1.OutputChunk {
	return &clockdv1.OutputChunk{
		Stream:  streams.to(o.Stream),
		Data:    o.Data,
		Dropped: o.Dropped,
		Attempt: int32Of(o.Attempt),
	}
}

// OutputFromProto returns a piece of output. The error is a task.InvalidError.
func OutputFromProto(pb *clockdv1.OutputChunk) (task.Output, error) {
	var r reader
	o := task.Output{
		Stream:  streams.from(&r, &path{name: "chunk.stream"}, pb.GetStream()),
		Data:    pb.GetData(),
		Dropped: pb.GetDropped(),
		Attempt: int(pb.GetAttempt()),
	}
	return o, r.err()
}

// maxBackfilled is how many fires and runs of a backfill the API shows.
const maxBackfilled = 1000

// BackfilledToProto returns the API's form of the answer to a backfill: of many fires and runs the first 1000,
// and how many there are.
func BackfilledToProto(b task.Backfilled) *clockdv1.BackfillTaskResponse {
	pb := &clockdv1.BackfillTaskResponse{
		Count: int64(len(b.Fires)),
		Runs:  runsToProto(b.Runs[:min(len(b.Runs), maxBackfilled)]),
	}
	for _, fire := range b.Fires[:min(len(b.Fires), maxBackfilled)] {
		pb.FireTimes = append(pb.FireTimes, timestamppb.New(fire))
	}
	return pb
}

// BackfilledFromProto returns the answer to a backfill as far as it is shown, and how many fires there are.
// The error is a task.InvalidError.
func BackfilledFromProto(pb *clockdv1.BackfillTaskResponse) (b task.Backfilled, count int64, err error) {
	var r reader
	for i, fire := range pb.GetFireTimes() {
		b.Fires = append(b.Fires, r.time((&path{name: "fire_times"}).at(i), fire))
	}
	b.Runs = r.runs("runs", pb.GetRuns())
	return b, pb.GetCount(), r.err()
}

// runsToProto leaves out inputs and outputs.
func runsToProto(runs []task.Run) []*clockdv1.Run {
	var pb []*clockdv1.Run
	for _, run := range runs {
		run.Input, run.Output = nil, nil
		pb = append(pb, RunToProto(run))
	}
	return pb
}

func (r *reader) runs(field string, pb []*clockdv1.Run) []task.Run {
	var runs []task.Run
	for i, m := range pb {
		runs = append(runs, r.run((&path{name: field}).at(i), m))
	}
	return runs
}
