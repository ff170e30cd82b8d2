package remote_test

import (
	"slices"
	"testing"

	"github.com/clockd/clockd/daemon/internal/target/remote"
)

func TestTheTasksOfWorkersWithAPlaceAreOpenAndFreedIsPokedWhenOthersAre(t *testing.T) {
	inFakeTime(t, func(t *testing.T, h *remote.Hub) {
		connect(t, h, hello(1, 1, "report", "sync"))
		connect(t, h, hello(2, 1, "report"))
		open := func(want ...string) {
			t.Helper()
			got := h.Open()
			slices.Sort(got)
			if !slices.Equal(got, want) {
				t.Errorf("open are %q, want %q", got, want)
			}
		}
		poked := func() bool {
			select {
			case <-h.Freed():
				return true
			default:
				return false
			}
		}
		open("report", "report", "sync")
		p := reserve(h, "sync")
		poked()
		open("report")
		p.Release()
		if !poked() {
			t.Error("a task that was not open is, and Freed was not poked")
		}
		open("report", "report", "sync")
	})
}
