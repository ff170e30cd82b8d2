package memory

import (
	"cmp"
	"context"
	"slices"

	"github.com/clockd/clockd/daemon/task"
)

// Take implements store.Cluster. The tasks whose runs are the oldest come first.
func (n *Node) Take(ctx context.Context, limit int, able func(t task.Task) bool) (runs []task.Run, more bool, err error) {
	err = n.act(ctx, func(m *member) {
		var tasks []*entry
		of := make(map[*entry][]*record)
		n.nobodys.Scan(func(_ task.RunID, rec *record) bool {
			e := rec.entry
			if e.hold.inHand > 0 && e.hold.node != n.node {
				return true
			}
			if of[e] == nil {
				tasks = append(tasks, e)
			}
			of[e] = append(of[e], rec)
			return true
		})
		taken := 0
		for _, e := range tasks {
			if more = taken >= limit; more {
				break
			}
			if !able(cloneTask(e.task)) {
				continue
			}
			taken++
			for _, rec := range of[e] {
				r := rec.whole()
				r.Node = rec.last
				runs = append(runs, r)
				n.hand(rec, m.ID)
			}
		}
	})
	if err != nil {
		return nil, false, err
	}
	slices.SortFunc(runs, func(a, b task.Run) int { return cmp.Compare(a.ID, b.ID) })
	return runs, more, nil
}
