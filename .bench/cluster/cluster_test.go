package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestMain lets the tests start this program in its roles, as it does itself.
func TestMain(m *testing.M) {
	if os.Getenv(roleVariable) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

func TestAShortComparisonMeasuresEachContenderWithEachNumberOfProcesses(t *testing.T) {
	profiles := t.TempDir()
	var out, progress bytes.Buffer
	err := compare(t.Context(), []string{
		"-rounds", "1", "-processes", "2", "-jobs", "1000", "-tasks", "1000", "-late-tasks", "100", "-rate", "100",
		"-settle", "100ms", "-window", "300ms", "-cpuprofile", profiles,
	}, &out, &progress)
	if err != nil {
		t.Fatalf("%v\n%s", err, &progress)
	}
	table := out.String()
	for _, title := range []string{"River jobs/s", "clockd fires/s", "clockd fires/s, 100 due", "lateness p99 ms", "clockd fires / River jobs"} {
		found := false
		for line := range strings.Lines(table) {
			rest, ok := strings.CutPrefix(strings.TrimSpace(line), title+" ")
			if !ok || len(strings.Fields(rest)) != 2 {
				continue
			}
			found = true
			for _, figure := range strings.Fields(rest) {
				if strings.Trim(figure, "0.") == "" {
					t.Errorf("%s: %s is nothing", title, figure)
				}
			}
		}
		if !found {
			t.Errorf("no row %q with two figures in\n%s", title, table)
		}
	}
	for _, name := range []string{"river-1-of-1", "river-2-of-2", "fires-1-of-1", "fires-2-of-2", "lateness-2-of-2"} {
		if info, err := os.Stat(filepath.Join(profiles, name+".prof")); err != nil || info.Size() == 0 {
			t.Errorf("no profile of %s: %v", name, err)
		}
	}
}

func TestPlannedCountsEachInstantOfTheWindowOnce(t *testing.T) {
	const tasks, interval = 10, 100 * time.Millisecond
	at := func(d time.Duration) time.Time { return epoch.Add(d) }
	for _, c := range []struct {
		name        string
		from, until time.Time
		want        int
	}{
		{"one interval has each task once", at(0), at(interval), tasks},
		{"wherever it begins", at(1003 * time.Millisecond), at(1003*time.Millisecond + interval), tasks},
		{"its first instant belongs to it, its last does not", at(20 * time.Millisecond), at(40 * time.Millisecond), 2},
		{"between two instants there is none", at(21 * time.Millisecond), at(29 * time.Millisecond), 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := planned(tasks, interval, c.from, c.until); got != c.want {
				t.Errorf("%d are planned, not %d", got, c.want)
			}
		})
	}
}
