package daemon_test

import (
	"testing"
	"time"

	"github.com/clockd/clockd/client"
	"github.com/clockd/clockd/daemon/task"
)

// The pause is written, and the process dies before it has recorded that the fire that waited is skipped. The pause is
// over when the next one begins: it starts the fire, which counts.
func TestAFireThatStartsAfterAPauseThatItsProcessDidNotSurviveCounts(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var down, deaf outage
		w.store = &hooked{Store: w.store, before: func(call string) error {
			if call == "Record" && deaf.Load() {
				return task.ErrUnavailable
			}
			return down.before(call)
		}}
		w.grace = time.Millisecond
		job := at("job", "every 10s", 15*time.Second)
		job.Policy.Overlap = task.OverlapQueue
		c := w.start(job)
		w.sleep(21 * time.Second)
		w.wantRuns("job", "00:00:10 running", "00:00:20 scheduled overlap")
		deaf.Store(true)
		if _, err := c.PauseTask(t.Context(), ref("job"), client.PauseOptions{ResumeTime: midnight.Add(22 * time.Second)}); err != nil {
			t.Fatal(err)
		}
		w.crash(&down)
		deaf.Store(false)
		w.until(midnight.Add(45 * time.Second))
		w.start(job)
		w.sleep(90 * time.Second)
		counted := int64(0)
		for _, r := range w.runs("job") {
			if r.State != task.Missed && (r.State != task.Skipped || r.Reason == task.ReasonOverlap) {
				counted++
			}
		}
		if got := w.task("job").Clock.FireCount; got != counted {
			t.Errorf("it has fired %d times, and has %d records of that", got, counted)
		}
	})
}
