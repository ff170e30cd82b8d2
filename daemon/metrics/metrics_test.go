package metrics_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/clockd/clockd/daemon/metrics"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
)

var noon = time.Date(2027, 1, 1, 12, 0, 0, 0, time.UTC)

// scrape returns the series of clockd that are not 0, as a scraper reads them; of histograms only sums and counts.
func scrape(t *testing.T, h http.Handler) []string {
	t.Helper()
	var lines []string
	for _, line := range strings.Split(get(t, h), "\n") {
		if strings.HasPrefix(line, "clockd_") && !strings.Contains(line, "_bucket{") && !strings.HasSuffix(line, " 0") {
			lines = append(lines, line)
		}
	}
	slices.Sort(lines)
	return lines
}

func get(t *testing.T, h http.Handler) string {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	body, err := io.ReadAll(w.Body)
	if err != nil || w.Code != http.StatusOK {
		t.Fatalf("status %d, %v: %s", w.Code, err, body)
	}
	return string(body)
}

func TestEachEndOfARunIsCounted(t *testing.T) {
	fire := func(change func(*task.Run)) task.Run {
		r := task.Run{Fires: 1, ScheduledTime: noon, StartTime: noon.Add(20 * time.Millisecond), EndTime: noon.Add(2 * time.Second), State: task.Succeeded, Attempt: 1}
		change(&r)
		return r
	}
	tests := []struct {
		name string
		run  task.Run
		want []string // besides what is never 0
	}{
		{"one that succeeded", fire(func(r *task.Run) {}), []string{
			`clockd_fires_total{outcome="ran"} 1`, `clockd_run_duration_seconds_count 1`, `clockd_run_duration_seconds_sum 1.98`,
			`clockd_runs_total{reason="",state="succeeded"} 1`, `clockd_start_lateness_seconds_count 1`, `clockd_start_lateness_seconds_sum 0.02`,
		}},
		{"one that timed out, of four instants", fire(func(r *task.Run) { r.State, r.Fires, r.FirstScheduledTime = task.TimedOut, 4, noon.Add(-time.Hour) }), []string{
			`clockd_fires_total{outcome="merged"} 3`, `clockd_fires_total{outcome="ran"} 1`, `clockd_run_duration_seconds_count 1`, `clockd_run_duration_seconds_sum 1.98`,
			`clockd_runs_total{reason="",state="timed_out"} 1`, `clockd_start_lateness_seconds_count 1`, `clockd_start_lateness_seconds_sum 0.02`,
		}},
		{"a call is no fire", fire(func(r *task.Run) { r.State, r.Fires, r.Cause = task.Failed, 0, task.ByCall }), []string{
			`clockd_run_duration_seconds_count 1`, `clockd_run_duration_seconds_sum 1.98`,
			`clockd_runs_total{reason="",state="failed"} 1`, `clockd_start_lateness_seconds_count 1`, `clockd_start_lateness_seconds_sum 0.02`,
		}},
		{"a second attempt is as late as its own start", fire(func(r *task.Run) {
			r.Attempt, r.Earlier, r.NextAttemptTime, r.StartTime = 2, []task.Attempt{{Number: 1}}, noon.Add(time.Second), noon.Add(1500*time.Millisecond)
		}), []string{
			`clockd_fires_total{outcome="ran"} 1`, `clockd_run_duration_seconds_count 1`, `clockd_run_duration_seconds_sum 0.5`,
			`clockd_runs_total{reason="",state="succeeded"} 1`, `clockd_start_lateness_seconds_count 1`, `clockd_start_lateness_seconds_sum 0.5`,
		}},
		{"one that waited for a place keeps no reason", fire(func(r *task.Run) { r.Reason = task.ReasonLimit }), []string{
			`clockd_fires_total{outcome="ran"} 1`, `clockd_run_duration_seconds_count 1`, `clockd_run_duration_seconds_sum 1.98`,
			`clockd_runs_total{reason="",state="succeeded"} 1`, `clockd_start_lateness_seconds_count 1`, `clockd_start_lateness_seconds_sum 0.02`,
		}},
		{"one that was canceled before it began", fire(func(r *task.Run) { r.State, r.StartTime, r.Attempt = task.Canceled, time.Time{}, 0 }), []string{
			`clockd_fires_total{outcome="canceled"} 1`, `clockd_runs_total{reason="",state="canceled"} 1`,
		}},
		{"one that was canceled while it waited for its second attempt", fire(func(r *task.Run) {
			r.State, r.StartTime, r.Earlier = task.Canceled, time.Time{}, []task.Attempt{{Number: 1, State: task.Failed}}
		}), []string{`clockd_fires_total{outcome="ran"} 1`, `clockd_runs_total{reason="",state="canceled"} 1`}},
		{"one that was lost", fire(func(r *task.Run) { r.State, r.StartTime = task.Lost, time.Time{} }), []string{
			`clockd_fires_total{outcome="ran"} 1`, `clockd_runs_total{reason="",state="lost"} 1`,
		}},
		{"one that was skipped", task.Run{State: task.Skipped, Reason: task.ReasonOverlap, Fires: 1, ScheduledTime: noon, EndTime: noon}, []string{
			`clockd_fires_total{outcome="skipped_overlap"} 1`, `clockd_runs_total{reason="overlap",state="skipped"} 1`,
		}},
		{"a call that was skipped", task.Run{State: task.Skipped, Reason: task.ReasonLimit, ScheduledTime: noon, EndTime: noon}, []string{
			`clockd_runs_total{reason="limit",state="skipped"} 1`,
		}},
		{"instants that were excluded", task.Run{State: task.Skipped, Reason: task.ReasonExcluded, Fires: 7, ScheduledTime: noon, EndTime: noon}, []string{
			`clockd_fires_total{outcome="skipped_excluded"} 7`, `clockd_runs_total{reason="excluded",state="skipped"} 1`,
		}},
		{"instants that were missed", task.Run{State: task.Missed, Reason: task.ReasonLate, Fires: 60, FirstScheduledTime: noon.Add(-time.Hour), ScheduledTime: noon, EndTime: noon.Add(time.Minute)}, []string{
			`clockd_fires_total{outcome="missed"} 60`, `clockd_missed_late_seconds_count 1`, `clockd_missed_late_seconds_sum 3660`, `clockd_runs_total{reason="late",state="missed"} 1`,
		}},
		{"a reason that nobody gives", task.Run{State: task.Missed, Reason: task.ReasonOrphaned, Fires: 1, ScheduledTime: noon, EndTime: noon.Add(time.Minute)}, []string{
			`clockd_fires_total{outcome="missed"} 1`, `clockd_missed_late_seconds_count 1`, `clockd_missed_late_seconds_sum 60`, `clockd_runs_total{reason="orphaned",state="missed"} 1`,
		}},
		{"a state of the future", task.Run{State: 99, Reason: 77, Fires: 1}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := metrics.New()
			m.Ended(tt.run)
			want := append([]string{}, tt.want...)
			want = append(want, "clockd_store_up 1")
			slices.Sort(want)
			if diff := cmp.Diff(want, scrape(t, m)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestOnlyWhatIsOverIsCountedWhenItIsRecorded(t *testing.T) {
	m := metrics.New()
	m.Recorded(task.Run{State: task.Scheduled, Fires: 1, ScheduledTime: noon})
	m.Recorded(task.Run{State: task.Scheduled, Reason: task.ReasonLimit, Fires: 1, ScheduledTime: noon})
	m.Recorded(task.Run{State: task.Skipped, Reason: task.ReasonPaused, Fires: 1, ScheduledTime: noon, EndTime: noon})
	want := []string{`clockd_fires_total{outcome="skipped_paused"} 1`, `clockd_runs_total{reason="paused",state="skipped"} 1`, "clockd_store_up 1"}
	if diff := cmp.Diff(want, scrape(t, m)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestGaugesShowWhatTheyWereToldLast(t *testing.T) {
	m := metrics.New()
	m.Running(3)
	m.Running(2)
	m.Waiting("", task.ReasonLimit, 5)
	m.Waiting("imports", task.ReasonLimit, 4)
	m.Waiting(`a "b"`, task.ReasonWorker, 1)
	m.Store(false)
	want := []string{"clockd_running 2", `clockd_waiting{group="",reason="limit"} 5`, `clockd_waiting{group="a \"b\"",reason="worker"} 1`, `clockd_waiting{group="imports",reason="limit"} 4`}
	if diff := cmp.Diff(want, scrape(t, m)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	m.Store(true)
	m.Waiting("imports", task.ReasonLimit, 0)
	want = []string{"clockd_running 2", "clockd_store_up 1", `clockd_waiting{group="",reason="limit"} 5`, `clockd_waiting{group="a \"b\"",reason="worker"} 1`}
	if diff := cmp.Diff(want, scrape(t, m)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// A rate can be told of a counter only from its second value on.
func TestEverySeriesIsThereFromTheStart(t *testing.T) {
	text := get(t, metrics.New())
	for _, series := range []string{
		`clockd_runs_total{reason="",state="succeeded"} 0`, `clockd_runs_total{reason="",state="failed"} 0`, `clockd_runs_total{reason="",state="timed_out"} 0`,
		`clockd_runs_total{reason="",state="canceled"} 0`, `clockd_runs_total{reason="",state="lost"} 0`, `clockd_runs_total{reason="late",state="missed"} 0`,
		`clockd_runs_total{reason="overlap",state="skipped"} 0`, `clockd_runs_total{reason="limit",state="skipped"} 0`, `clockd_runs_total{reason="orphaned",state="skipped"} 0`,
		`clockd_fires_total{outcome="ran"} 0`, `clockd_fires_total{outcome="merged"} 0`, `clockd_fires_total{outcome="missed"} 0`, `clockd_fires_total{outcome="canceled"} 0`,
		`clockd_fires_total{outcome="skipped_overlap"} 0`, `clockd_fires_total{outcome="skipped_paused"} 0`, `clockd_fires_total{outcome="skipped_orphaned"} 0`,
		`clockd_fires_total{outcome="skipped_excluded"} 0`, `clockd_fires_total{outcome="skipped_limit"} 0`,
		"clockd_start_lateness_seconds_count 0", "clockd_run_duration_seconds_count 0", "clockd_missed_late_seconds_count 0",
		"clockd_running 0", `clockd_waiting{group="",reason="limit"} 0`, `clockd_waiting{group="",reason="worker"} 0`, "clockd_store_up 1", "go_goroutines ", "process_",
	} {
		if !strings.Contains(text, "\n"+series) {
			t.Errorf("no %s", series)
		}
	}
	for _, name := range []string{
		metrics.RunsTotal, metrics.FiresTotal, metrics.StartLateness, metrics.RunDuration, metrics.MissedLate, metrics.Running, metrics.Waiting, metrics.StoreUp,
	} {
		if !regexp.MustCompile(`(?m)^# HELP ` + name + ` .+\.$`).MatchString(text) {
			t.Errorf("%s has no help", name)
		}
	}
}

func TestAProgramCanPutThemIntoItsOwnRegistry(t *testing.T) {
	m, registry := metrics.New(), prometheus.NewPedanticRegistry()
	if err := registry.Register(m); err != nil {
		t.Fatal(err)
	}
	m.Running(7)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == metrics.Running && f.GetMetric()[0].GetGauge().GetValue() == 7 {
			return
		}
	}
	t.Errorf("no %s of 7 in %v", metrics.Running, families)
}

func TestCountsAreRightWhenMadeAtTheSameTime(t *testing.T) {
	m := metrics.New()
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for i := range 500 {
				m.Ended(task.Run{State: task.Succeeded, Fires: 2, ScheduledTime: noon, StartTime: noon, EndTime: noon})
				m.Waiting("g", task.ReasonLimit, i)
			}
		})
		all.Go(func() { _ = get(t, m) })
	}
	all.Wait()
	text := get(t, m)
	for _, series := range []string{`clockd_runs_total{reason="",state="succeeded"} 4000`, `clockd_fires_total{outcome="merged"} 4000`, "clockd_run_duration_seconds_count 4000"} {
		if !strings.Contains(text, "\n"+series+"\n") {
			t.Errorf("no %s", series)
		}
	}
}

func TestCountingDoesNotAllocate(t *testing.T) {
	m := metrics.New()
	runs := []task.Run{
		{State: task.Succeeded, Fires: 2, ScheduledTime: noon, StartTime: noon, EndTime: noon},
		{State: task.Skipped, Reason: task.ReasonLimit, Fires: 1, ScheduledTime: noon, EndTime: noon},
		{State: task.Missed, Reason: task.ReasonLate, Fires: 1, ScheduledTime: noon, EndTime: noon},
	}
	m.Waiting("g", task.ReasonLimit, 1)
	if n := testing.AllocsPerRun(100, func() {
		for _, r := range runs {
			m.Recorded(r)
			m.Ended(r)
		}
		m.Waiting("g", task.ReasonLimit, 2)
		m.Running(3)
		m.Store(true)
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkEnded(b *testing.B) {
	m := metrics.New()
	r := task.Run{State: task.Succeeded, Fires: 2, ScheduledTime: noon, StartTime: noon, EndTime: noon.Add(time.Second)}
	b.ReportAllocs()
	for b.Loop() {
		m.Recorded(r)
		m.Waiting("g", task.ReasonLimit, 1)
		m.Running(1)
		m.Ended(r)
	}
}
