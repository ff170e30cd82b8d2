package history

import (
	"fmt"
	"strings"
)

const (
	// mostFaults is how many faults a report names, and longestFault how much it says of one, in bytes.
	mostFaults   = 10
	longestFault = 600
)

// Report tells of a history in which promises were not kept: all that was said and recorded, and last, since of a long
// log often only the end is kept, in few lines what it was the history of and what is wrong with it.
func Report(h *History, of, said []string, faults []Fault) string {
	lines := append([]string{"the history:"}, said...)
	for i := range h.Runs {
		lines = append(lines, Tell(&h.Runs[i]))
	}
	for i := range h.Events {
		lines = append(lines, fmt.Sprintf("event %d: %s", h.Events[i].ID, TellEvent(h.Events[i])))
	}
	lines = append(lines, "it is that of")
	lines = append(lines, of...)
	lines = append(lines, fmt.Sprintf("%d operations, %d runs, %d events, %d starts; %d faults", len(h.Ops), len(h.Runs), len(h.Events), len(h.Starts), len(faults)))
	for i, f := range faults {
		if i == mostFaults {
			lines = append(lines, fmt.Sprintf("and %d more", len(faults)-i))
			break
		}
		line := f.String()
		if len(line) > longestFault {
			line = line[:longestFault] + "…"
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}
