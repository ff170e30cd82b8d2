package remote

import (
	"maps"
	"slices"
)

// Tasks returns the names of the tasks that workers run which are connected, each once, and how many workers are.
func (h *Hub) Tasks() (names []string, workers int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Collect(maps.Keys(h.byTask)), len(h.workers)
}
