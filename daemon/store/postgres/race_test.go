package postgres_test

import (
	"sync"
	"testing"
	"time"

	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/store/postgres"
	"github.com/clockd/clockd/daemon/store/postgres/pgtest"
	"github.com/clockd/clockd/daemon/store/storetest"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
)

func TestNodesThatMakeTheSameTasksAtTheSameTimeSeeWhoWasFirst(t *testing.T) {
	url := pgtest.URL(t)
	nodes := make([]*postgres.Store, 3)
	for i := range nodes {
		nodes[i] = openOn(t, url)
	}
	var ids []uuid.UUID
	byID := make(map[uuid.UUID]task.Task)
	for i := range 300 {
		name := "t" + string(rune('a'+i%26)) + string(rune('a'+i/26))
		id := task.IDOf(storetest.Namespace, name)
		ids = append(ids, id)
		byID[id] = task.Task{
			ID: id, Namespace: storetest.Namespace, State: task.Active, Version: 1,
			Declaration: task.Declaration{Name: name, Trigger: schedule.Trigger{Kind: schedule.Every{Interval: time.Hour}}},
		}
	}
	made := make([]int, len(nodes))
	var together sync.WaitGroup
	for i, s := range nodes {
		together.Go(func() {
			for round := range 30 { // each node a part of them at a time
				part := ids[round*10 : round*10+10]
				n := 0
				_, err := s.Update(ctx, part, func(id uuid.UUID, stored *task.Task) (store.Change, error) {
					if id == part[0] {
						n = 0 // the store may ask again
					}
					if stored != nil {
						return store.Change{}, nil
					}
					n++
					fresh := byID[id]
					return store.Change{Task: &fresh}, nil
				})
				if err != nil {
					t.Error(err)
				}
				made[i] += n
			}
		})
	}
	together.Wait()
	if sum := made[0] + made[1] + made[2]; sum != len(ids) {
		t.Errorf("%v were made, of %d tasks", made, len(ids))
	}
}
