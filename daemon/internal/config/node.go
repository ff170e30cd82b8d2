package config

// A node is a place in the text: a scalar, a mapping or a list, or what wraps one. Both readers of YAML make
// the same nodes, so that all else knows neither.
type node struct {
	kind    kind
	keyKind keyKind
	// line is where it begins, from 1. 0: not known, because nothing is written.
	line int32
	// at is the line of its key in a mapping, or of its dash in a list. 0: not known.
	at int32
	// key is the key, of an entry of a mapping.
	key string
	// text is a scalar as it is written, without quotes, or the name of a tag.
	text string
	// first is the first thing inside, next the one beside it. Nil: there is none.
	first, next *node
}

type kind uint8

const (
	unknownNode kind = iota
	nullNode
	plainNode  // text without quotes
	quotedNode // text in quotes or in a block, which is text for every reader of YAML
	valueNode  // a number, true, false, .inf or .nan
	mappingNode
	sequenceNode
	// Those that follow wrap what is in first, or have nothing in them.
	anchorNode
	aliasNode
	tagNode
	commentNode
)

// keyKind says what a key is.
type keyKind uint8

const (
	textKey keyKind = iota
	mergeKey
	otherKey // such as a list, or nothing
)

// is reports whether there is something, and of that kind.
func (n *node) is(k kind) bool { return n != nil && n.kind == k }

// lineOr returns the line where the node begins, or the other if it does not know.
func (n *node) lineOr(other int) int {
	if n == nil || n.line == 0 {
		return other
	}
	return int(n.line)
}

// literal returns a scalar as it is written, without quotes.
func (n *node) literal() (string, bool) {
	switch n.kind {
	case plainNode, quotedNode, valueNode:
		return n.text, true
	}
	return "", false
}

// len is how many nodes are right inside.
func (n *node) len() int {
	count := 0
	for c := n.first; c != nil; c = c.next {
		count++
	}
	return count
}
