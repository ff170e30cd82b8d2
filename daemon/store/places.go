package store

import (
	"cmp"
	"slices"

	"github.com/google/uuid"
)

// Share is what a node that lives has and wants in a group. Stores answer Cluster.Places with it: see [Grant].
type Share struct {
	Node uuid.UUID
	// Granted is how many places it has; Used and Wanted are as in its last Demand.
	Granted, Used, Wanted int
	// Turn orders the nodes that want more than an equal part: where the limit can not be divided, the lowest come first.
	Turn int64
}

// Grant returns the share of a node after a demand: mine is the one it has, with only the Node set if it has none, and
// others are those of all other nodes that live. It does not change them.
//
// Each node is due what it wants, or an equal part of what the modest ones leave. Whoever has places to spare while
// others wait goes to the end of the line, or a node would keep the only place of a group for as long as it has work.
func Grant(d Demand, mine Share, others []Share) (share Share, contended bool) {
	last, taken, waiting := mine.Turn, 0, false
	for _, o := range others {
		last = max(last, o.Turn)
		taken += o.Granted
		waiting = waiting || o.Wanted > o.Granted
	}
	share = mine
	share.Used, share.Wanted = d.Used, max(d.Wanted, d.Used)
	if mine.Turn == 0 || waiting && d.Used < mine.Granted {
		share.Turn = last + 1
	}
	due := due(d.Limit, share, others)
	share.Granted = max(d.Used, min(due, d.Limit-taken))
	if share.Granted > mine.Granted {
		share.Turn = last + 1
	}
	return share, waiting && share.Granted > due
}

// due is how many places are for a node if all are divided anew.
func due(limit int, mine Share, others []Share) int {
	all := slices.Concat(others, []Share{mine})
	slices.SortFunc(all, func(a, b Share) int { return cmp.Compare(a.Wanted, b.Wanted) })
	rest := max(limit, 0)
	for len(all) > 0 && all[0].Wanted <= rest/len(all) {
		if all[0].Node == mine.Node {
			return mine.Wanted
		}
		rest -= all[0].Wanted
		all = all[1:]
	}
	part := rest / len(all)
	before := 0 // who of those that want more come first
	for _, o := range all {
		if c := cmp.Compare(o.Turn, mine.Turn); c < 0 || c == 0 && slices.Compare(o.Node[:], mine.Node[:]) < 0 {
			before++
		}
	}
	if before < rest%len(all) {
		part++
	}
	return part
}
