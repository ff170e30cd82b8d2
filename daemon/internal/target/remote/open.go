package remote

// Open returns the names of the tasks of all workers that have a place free: who looks for places for many tasks need
// not ask Reserve for the others. When one of these may find a place, Freed is poked, as if Reserve had been asked.
func (h *Hub) Open() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var names []string
	for _, w := range h.workers {
		if w.free() == 0 {
			w.wanted = true
		} else {
			names = append(names, w.hello.Tasks...)
		}
	}
	return names
}
