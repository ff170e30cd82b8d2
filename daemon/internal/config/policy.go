package config

import (
	"math"

	"github.com/clockd/clockd/daemon/task"
)

// policy reads the fields of a task that say how fires become runs.
func (r *reader) policy(fields fieldSet, p *task.Policy) {
	if f, ok := fields.get("timeout"); ok {
		p.Timeout, _ = r.duration(f)
	}
	if f, ok := fields.get("overlap"); ok {
		p.Overlap = choice(r, f, []string{"skip", "allow", "queue", "cancel"},
			[]task.Overlap{task.OverlapSkip, task.OverlapAllow, task.OverlapQueue, task.OverlapCancel})
	}
	if f, ok := fields.get("catch_up"); ok {
		p.CatchUp = choice(r, f, []string{"one", "all", "none"}, []task.CatchUp{task.CatchUpOne, task.CatchUpAll, task.CatchUpNone})
	}
	if f, ok := fields.get("catch_up_window"); ok {
		p.CatchUpWindow, _ = r.duration(f)
	}
	if f, ok := fields.get("delivery"); ok {
		p.Delivery = choice(r, f, []string{"at_least_once", "at_most_once"}, []task.Delivery{task.AtLeastOnce, task.AtMostOnce})
	}
	if f, ok := fields.get("retry"); ok {
		p.Retry = r.retry(f)
	}
	if f, ok := fields.get("pause_after_failures"); ok {
		p.PauseAfterFailures = r.count(f, math.MaxInt32)
	}
	if f, ok := fields.get("retention"); ok {
		p.Retention = r.retention(f)
	}
}

func (r *reader) retry(f field) task.Retry {
	var retry task.Retry
	fields, ok := r.fields(f, "{max_attempts: 5}", "max_attempts", "backoff", "max_backoff", "jitter")
	if !ok {
		return retry
	}
	if attempts, ok := fields.get("max_attempts"); ok {
		retry.MaxAttempts = r.count(attempts, task.MaxRetryAttempts)
	} else {
		r.problem(f.line, f.path+".max_attempts", "missing: how many attempts there are at most, with the first, such as 5")
	}
	if f, ok := fields.get("backoff"); ok {
		retry.Backoff, _ = r.duration(f)
	}
	if f, ok := fields.get("max_backoff"); ok {
		retry.MaxBackoff, _ = r.duration(f)
	}
	if f, ok := fields.get("jitter"); ok {
		retry.Jitter, _ = r.decimal(f, 0, 1)
	}
	return retry
}

func (r *reader) retention(f field) task.Retention {
	var retention task.Retention
	fields, ok := r.fields(f, "{max_runs: 100}", "keep", "max_runs", "max_age")
	if !ok {
		return retention
	}
	if f, ok := fields.get("keep"); ok {
		retention.Keep = choice(r, f, []string{"all", "failures", "none"}, []task.Kept{task.KeepAll, task.KeepFailures, task.KeepNone})
	}
	if f, ok := fields.get("max_runs"); ok {
		retention.MaxRuns = int64(r.count(f, 1_000_000_000))
	}
	if f, ok := fields.get("max_age"); ok {
		retention.MaxAge, _ = r.duration(f)
	}
	return retention
}

// count returns a positive number. Nobody can tell whether 0 would be none or no limit: what is not to be
// limited is left out.
func (r *reader) count(f field, most int64) int {
	n, _ := r.number(f, 1, most)
	return int(n)
}

// limits reads the limits of all tasks together.
func (r *reader) limits(f field) task.Limits {
	fields, _ := r.fields(f, "{max_running: 100}", "max_running", "max_waiting", "start_rate")
	limits := r.places(fields)
	if f, ok := fields.get("start_rate"); ok {
		limits.StartRate, _ = r.decimal(f, task.MinStartRate, task.MaxStartRate)
	}
	return limits
}

// groups reads what tasks of a group have in common, by its name.
func (r *reader) groups(f field) map[string]task.Group {
	entries, _ := r.entries(f, "{imports: {max_running: 2}}")
	if len(entries) == 0 {
		return nil
	}
	groups := make(map[string]task.Group, len(entries))
	r.groupOf = make(map[string]task.Group, len(entries))
	for _, e := range entries {
		if err := task.CheckName(e.key); err != nil {
			r.problem(e.keyLine, f.path, "%s", err)
		}
		fields, _ := r.fields(e.field, "{max_running: 2}", "max_running", "max_waiting", "timeout", "labels")
		g := task.Group{Limits: r.places(fields)}
		if f, ok := fields.get("timeout"); ok {
			g.Timeout, _ = r.duration(f)
		}
		if f, ok := fields.get("labels"); ok {
			g.Labels = r.labels(f)
		}
		found := g.Check(e.path + ".")
		for _, v := range found {
			r.problem(r.nearest(v.Field, e.line), v.Field, "%s", v.Description)
		}
		if groups[e.key] = g; len(found) == 0 {
			r.groupOf[e.key] = g
		}
	}
	return groups
}

func (r *reader) places(fields fieldSet) task.Limits {
	var limits task.Limits
	if f, ok := fields.get("max_running"); ok {
		limits.MaxRunning = r.count(f, task.MaxLimit)
	}
	if f, ok := fields.get("max_waiting"); ok {
		limits.MaxWaiting = r.count(f, task.MaxLimit)
	}
	return limits
}
