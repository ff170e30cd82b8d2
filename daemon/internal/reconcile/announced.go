package reconcile

import (
	"fmt"
	"time"

	"github.com/clockd/clockd/daemon/task"
)

// Announce decides what becomes of a task that a worker declares. stored is what there is under its name, or nil. It goes
// as with the declaration of a program: a declaration that is as it was touches nothing, another one ends an
// override that yields, and one of a lower revision changes nothing and is told of in the Outcome. A task that the worker
// no longer declares stays. Errors: task.ErrDeclared if a program that lives or a caller has a task of that name;
// task.ErrInvalid, with the fields of a Declaration.
func (r Rules) Announce(stored *task.Task, a task.Announcement, now time.Time) (Outcome, error) {
	r.Revision, r.worker = a.Revision, &a
	const others = "; the worker runs %q, and its declaration of it does not count"
	switch name := a.Declaration.Name; {
	case stored == nil:
	case stored.Origin == task.Created:
		return Outcome{}, fmt.Errorf("%w, or rather a caller has made it"+others, task.ErrDeclared, name)
	case stored.Origin == task.Declared && stored.OrphanTime.IsZero():
		return Outcome{}, fmt.Errorf("%w"+others, task.ErrDeclared, name)
	}
	if err := r.check(&a.Declaration, nil, now); err != nil {
		return Outcome{}, err
	}
	return r.Declare(stored, a.Declaration, now)
}

// announcer names a worker as the actor of what it declares.
func announcer(a *task.Announcement) string {
	name := "worker " + a.Worker
	if a.Revision != 0 {
		name = fmt.Sprintf("%s revision %d", name, a.Revision)
	}
	return name
}
