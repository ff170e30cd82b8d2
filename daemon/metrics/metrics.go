// Package metrics shows what a daemon does as Prometheus metrics: hand the Metrics to the daemon as its Meter,
// and serve them over HTTP.
//
//	m := metrics.New()
//	d, err := daemon.New(daemon.Config{Meter: m, ...})
//	http.Handle("/metrics", m)
//
// It is a package of its own so that a program that does not want them does not link them. What each metric
// means is said beside its name. Nothing is counted per task: a daemon with 100,000 tasks would have as many
// series, and the tasks tell their counts themselves.
package metrics

import (
	"net/http"
	"time"

	"github.com/clockd/clockd/daemon/task"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Metrics are those of one daemon, and of the process it runs in. They begin at zero with the process: what is
// to last is in the store. All methods may be called at the same time, and none waits or allocates, but for
// ServeHTTP and Collect.
//
// Metrics are a collector too, for programs with a registry of their own, in which case those of the process are
// left to that.
type Metrics struct {
	runs  *prometheus.CounterVec
	fires *prometheus.CounterVec
	// ended and settled are the counters of runs and fires that were made in advance. They never change.
	ended   [task.Missed + 1][task.ReasonLimit + 1]prometheus.Counter
	settled [task.Missed + 1][task.ReasonLimit + 1]prometheus.Counter
	merged  prometheus.Counter
	unrun   prometheus.Counter

	lateness prometheus.Histogram
	duration prometheus.Histogram
	missed   prometheus.Histogram

	running prometheus.Gauge
	waiting *prometheus.GaugeVec
	storeUp prometheus.Gauge

	handler http.Handler
}

// From a fire that is on time to one that was caught up after a weekend.
var lateBuckets = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 3600, 6 * 3600, 24 * 3600, 72 * 3600}

// From a function that returns at once to a job that takes a day.
var durationBuckets = []float64{.001, .005, .01, .05, .1, .5, 1, 5, 10, 30, 60, 300, 900, 1800, 3600, 4 * 3600, 12 * 3600, 24 * 3600}

// From the moment it takes to claim again to a month.
var missedBuckets = []float64{.1, 1, 10, 60, 300, 1800, 3600, 6 * 3600, 24 * 3600, 72 * 3600, 7 * 24 * 3600, 30 * 24 * 3600}

// New returns metrics that are all zero, and a store that is up.
func New() *Metrics {
	m := &Metrics{
		runs:     prometheus.NewCounterVec(prometheus.CounterOpts{Name: RunsTotal, Help: "Runs that have ended."}, []string{LabelState, LabelReason}),
		fires:    prometheus.NewCounterVec(prometheus.CounterOpts{Name: FiresTotal, Help: "Planned instants, by what became of them."}, []string{LabelOutcome}),
		lateness: prometheus.NewHistogram(prometheus.HistogramOpts{Name: StartLateness, Help: "How long after their instant runs started.", Buckets: lateBuckets}),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{Name: RunDuration, Help: "How long the last attempt of runs took.", Buckets: durationBuckets}),
		missed:   prometheus.NewHistogram(prometheus.HistogramOpts{Name: MissedLate, Help: "How long ago missed instants were when they were recorded.", Buckets: missedBuckets}),
		running:  prometheus.NewGauge(prometheus.GaugeOpts{Name: Running, Help: "Runs that make an attempt."}),
		waiting:  prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: Waiting, Help: "Runs that wait for a place."}, []string{LabelGroup, LabelReason}),
		storeUp:  prometheus.NewGauge(prometheus.GaugeOpts{Name: StoreUp, Help: "Whether the store takes and gives data."}),
	}
	// All series are there from the start, at 0: the first failure would show no increase otherwise.
	for _, s := range []task.RunState{task.Succeeded, task.Failed, task.TimedOut, task.Canceled, task.Lost} {
		m.ended[s][0] = m.runs.WithLabelValues(stateName(s), "")
		m.settled[s][0] = m.fires.WithLabelValues("ran")
	}
	for r := task.ReasonOverlap; r <= task.ReasonLimit; r++ {
		if r != task.ReasonLate {
			m.ended[task.Skipped][r] = m.runs.WithLabelValues(stateName(task.Skipped), reasonName(r))
			m.settled[task.Skipped][r] = m.fires.WithLabelValues("skipped_" + reasonName(r))
		}
	}
	m.ended[task.Missed][task.ReasonLate] = m.runs.WithLabelValues(stateName(task.Missed), reasonName(task.ReasonLate))
	m.settled[task.Missed][task.ReasonLate] = m.fires.WithLabelValues("missed")
	m.merged, m.unrun = m.fires.WithLabelValues("merged"), m.fires.WithLabelValues("canceled")
	m.waiting.WithLabelValues("", reasonName(task.ReasonLimit))
	m.waiting.WithLabelValues("", reasonName(task.ReasonWorker))
	m.storeUp.Set(1)

	registry := prometheus.NewRegistry()
	registry.MustRegister(m, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.handler = promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
	return m
}

// Recorded is told of each run that was recorded, also of one that was recorded as Skipped or Missed: that has
// ended with it, and Ended is not told.
func (m *Metrics) Recorded(run task.Run) {
	if run.State.Ended() {
		m.Ended(run)
	}
}

// Ended is told of each run that has ended after it was recorded.
func (m *Metrics) Ended(run task.Run) {
	if run.State < task.Succeeded || run.State > task.Missed {
		return // of a newer daemon, which means something by it that has no name here
	}
	reason := run.Reason
	if run.State < task.Skipped || reason < 0 || reason > task.ReasonLimit {
		reason = 0 // what it had waited for, which is over
	}
	if c := m.ended[run.State][reason]; c != nil {
		c.Inc()
	} else {
		m.runs.WithLabelValues(stateName(run.State), reasonName(reason)).Inc()
	}
	m.settle(&run, reason)
	if !run.StartTime.IsZero() {
		m.lateness.Observe(max(0, run.Lateness().Seconds()))
		if !run.EndTime.IsZero() {
			m.duration.Observe(max(0, run.EndTime.Sub(run.StartTime).Seconds()))
		}
	}
}

// settle counts the instants that a run stands for.
func (m *Metrics) settle(run *task.Run, reason task.Reason) {
	switch {
	case run.Fires <= 0: // a call
		return
	case run.State == task.Skipped:
		if c := m.settled[run.State][reason]; c != nil {
			c.Add(float64(run.Fires))
		} else {
			m.fires.WithLabelValues("skipped_" + reasonName(reason)).Add(float64(run.Fires))
		}
		return
	case run.State == task.Missed:
		m.settled[task.Missed][task.ReasonLate].Add(float64(run.Fires))
		if late := lateBy(run); late >= 0 {
			m.missed.Observe(late.Seconds())
		}
		return
	case run.State == task.Canceled && run.StartTime.IsZero() && len(run.Earlier) == 0:
		m.unrun.Inc()
	default:
		m.settled[run.State][0].Inc()
	}
	m.merged.Add(float64(run.Fires - 1))
}

// lateBy returns how long before its record the first instant of a missed run was, and less than 0 if that is
// not known.
func lateBy(run *task.Run) time.Duration {
	first := run.FirstScheduledTime
	if first.IsZero() {
		first = run.ScheduledTime
	}
	if run.EndTime.IsZero() || first.IsZero() {
		return -1
	}
	return max(0, run.EndTime.Sub(first))
}

// Waiting is told how many runs of the tasks of a group (of no group, if it is empty) wait for a place among the limits
// or at a worker.
func (m *Metrics) Waiting(group string, what task.Reason, n int) {
	m.waiting.WithLabelValues(group, reasonName(what)).Set(float64(n))
}

// Running is told how many runs make an attempt.
func (m *Metrics) Running(n int) { m.running.Set(float64(n)) }

// Store is told whether the store takes and gives data.
func (m *Metrics) Store(ok bool) {
	up := 0.0
	if ok {
		up = 1
	}
	m.storeUp.Set(up)
}

// ServeHTTP answers with all metrics in the format that the request prefers: the text format of Prometheus, or
// OpenMetrics.
func (m *Metrics) ServeHTTP(w http.ResponseWriter, r *http.Request) { m.handler.ServeHTTP(w, r) }

// Describe implements [prometheus.Collector].
func (m *Metrics) Describe(to chan<- *prometheus.Desc) {
	for _, c := range m.all() {
		c.Describe(to)
	}
}

// Collect implements [prometheus.Collector].
func (m *Metrics) Collect(to chan<- prometheus.Metric) {
	for _, c := range m.all() {
		c.Collect(to)
	}
}

func (m *Metrics) all() [8]prometheus.Collector {
	return [8]prometheus.Collector{m.runs, m.fires, m.lateness, m.duration, m.missed, m.running, m.waiting, m.storeUp}
}

func stateName(s task.RunState) string {
	if s == task.TimedOut {
		return "timed_out" // as the API writes it
	}
	return s.String()
}

func reasonName(r task.Reason) string {
	switch r {
	case task.ReasonOverlap:
		return "overlap"
	case task.ReasonPaused:
		return "paused"
	case task.ReasonLate:
		return "late"
	case task.ReasonOrphaned:
		return "orphaned"
	case task.ReasonExcluded:
		return "excluded"
	case task.ReasonLimit:
		return "limit"
	case task.ReasonWorker:
		return "worker"
	}
	return ""
}
