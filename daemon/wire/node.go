package wire

import (
	"errors"
	"maps"

	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
	clockdv1 "github.com/clockd/clockd/gen/clockd/v1"
	"github.com/google/uuid"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"
)

// NodeToProto returns the API's form of a node. Whether it is the one that answers is for internal/rpc.
func NodeToProto(n task.Node) *clockdv1.Node {
	return &clockdv1.Node{
		NodeId:          uuidToProto(n.ID),
		NodeName:        clean(n.Name),
		Address:         clean(n.Address),
		Version:         clean(n.Version),
		Revision:        n.Revision,
		State:           nodeStates.to(n.State),
		StartTime:       TimeToProto(n.StartTime),
		Lease:           spanToProto(n.Lease),
		LeaseExpireTime: TimeToProto(n.LeaseExpireTime),
		EndTime:         TimeToProto(n.EndTime),
		ClockOffset:     durationpb.New(n.ClockOffset),
		Tasks:           n.Tasks,
		RunsGoing:       n.Going,
		RunsWaiting:     n.Waiting,
		Workers:         n.Workers,
		Draining:        n.Draining,
	}
}

// NodeFromProto returns a node. If something in it cannot be read, which a newer daemon may bring about, the error is a
// task.InvalidError and the rest of the node is there.
func NodeFromProto(pb *clockdv1.Node) (task.Node, error) {
	var r reader
	p := &path{name: "node"}
	n := task.Node{
		ID:              r.uuid(p.field("node_id"), pb.GetNodeId()),
		Name:            pb.GetNodeName(),
		Address:         pb.GetAddress(),
		Version:         pb.GetVersion(),
		Revision:        pb.GetRevision(),
		State:           nodeStates.from(&r, p.field("state"), pb.GetState()),
		StartTime:       r.time(p.field("start_time"), pb.GetStartTime()),
		Lease:           r.duration(p.field("lease"), pb.GetLease()),
		LeaseExpireTime: r.time(p.field("lease_expire_time"), pb.GetLeaseExpireTime()),
		EndTime:         r.time(p.field("end_time"), pb.GetEndTime()),
		NodeLoad: task.NodeLoad{
			Tasks: pb.GetTasks(), Going: pb.GetRunsGoing(), Waiting: pb.GetRunsWaiting(), Workers: pb.GetWorkers(),
			ClockOffset: r.duration(p.field("clock_offset"), pb.GetClockOffset()), Draining: pb.GetDraining(),
		},
	}
	return n, r.err()
}

// DeclarationToProto returns what a declaration says in the form of a task, as nodes tell it to one another.
func DeclarationToProto(d task.Declaration) *clockdv1.TaskMetadata {
	pb := &clockdv1.TaskMetadata{
		TaskName:        clean(d.Name),
		Description:     clean(d.Description),
		Group:           clean(d.Group),
		Labels:          cleanMap(d.Labels),
		DeclaredTrigger: TriggerToProto(d.Trigger),
		Policy:          policyToProto(d.Policy),
		Target:          &clockdv1.Target{Kind: clean(d.Target.Kind), Summary: clean(d.Target.Summary)},
	}
	if d.Spec != nil {
		pb.Spec = SetSpecToProto(task.Declaration{Spec: d.Spec})
	}
	return pb
}

// DeclarationFromProto returns what a task says that is a declaration, and everything that is wrong with that: what
// cannot be read, what schedule.Check finds in the trigger, and what Declaration.Check finds. If there is a violation, the
// declaration is not to be used. field is the path of the message; violations have whole paths below it.
func DeclarationFromProto(field string, pb *clockdv1.TaskMetadata) (task.Declaration, []task.Violation) {
	r, root := reader{asked: true}, &path{name: field}
	if pb == nil {
		r.add(root, "missing: say what is declared")
		return task.Declaration{}, r.found
	}
	r.extra(root, pb)
	d := task.Declaration{
		Name:        pb.GetTaskName(),
		Description: pb.GetDescription(),
		Group:       pb.GetGroup(),
		Labels:      maps.Clone(pb.GetLabels()),
		Trigger:     r.askedTrigger(root.field("declared_trigger"), pb.GetDeclaredTrigger(), schedule.Check),
		Policy:      r.policy(root.field("policy"), pb.GetPolicy()),
		Target:      task.Target{Kind: pb.GetTarget().GetKind(), Summary: pb.GetTarget().GetSummary()},
	}
	if pb.GetSpec() != nil {
		d.Spec = r.target(root.field("spec"), pb.GetSpec())
	}
	r.declared(root, d)
	return d, r.violations()
}

// Keys of the metadata of ErrorInfo under which it stands who holds a task.
const (
	taskKey    = "task"
	nodeKey    = "node"
	addressKey = "address"
)

// holder names the first task that is held, and its node.
func holder(err error, metadata map[string]string) []protoadapt.MessageV1 {
	var held *task.HeldError
	if !errors.As(err, &held) || len(held.Tasks) == 0 {
		return nil
	}
	for key, said := range map[string]string{
		taskKey: uuidToProto(held.Tasks[0].TaskID), nodeKey: uuidToProto(held.Tasks[0].Node), addressKey: held.Tasks[0].Address,
	} {
		if said != "" {
			metadata[key] = truncate(said, maxField)
		}
	}
	return nil
}

func heldBy(s said) error {
	var h task.HeldTask
	m := s.info.GetMetadata()
	h.TaskID, _ = uuid.Parse(m[taskKey]) // what can not be read is not known
	h.Node, _ = uuid.Parse(m[nodeKey])
	h.Address = m[addressKey]
	return &task.HeldError{Tasks: []task.HeldTask{h}}
}
