package config

import (
	"errors"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// Bounds of what is handed to the YAML parser. Its memory grows with the square of the depth and its time
// with the square of the number of keys of a mapping: a line of a million brackets takes all the memory
// there is. No file that means something comes near them.
const (
	maxDepth = 64
	maxKeys  = 4096
	maxMarks = 1024 // anchors and tags in all: each may be inside the one before
)

// full reads any YAML. The error is a *syntaxError.
func full(text string) (root *node, err error) {
	defer func() {
		// The parser is not ours, and a file that it can not cope with must not take the daemon's
		// message with it.
		if v := recover(); v != nil {
			root, err = nil, wrong(0, "this is not YAML that can be read: the reader gave up with %q", fmt.Sprint(v))
		}
	}()
	tokens := lexer.Tokenize(text)
	if err := bounded(tokens); err != nil {
		return nil, err
	}
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		return nil, explain(text, err)
	}
	var body ast.Node
	for _, d := range file.Docs {
		switch {
		case d.Body == nil:
		case d.Body.Type() == ast.DirectiveType:
			return nil, wrong(lineOf(d.Body, 1), "a YAML directive, which is not needed: remove the line")
		case body != nil:
			return nil, wrong(lineOf(d.Body, 1), "a second document begins here: a file has one")
		default:
			body = d.Body
		}
	}
	if body == nil {
		return nil, wrong(0, `the file is empty; for a daemon without tasks write "tasks: []"`)
	}
	return nodeOf(body), nil
}

// bounded refuses what the parser would choke on.
func bounded(tokens token.Tokens) error {
	type level struct {
		column int // of a block; 0: a bracket
		keys   int
	}
	var levels []level
	line := 0 // of the token before
	marks := 0
	var before token.Type
	for _, t := range tokens {
		at := t.Position
		inLiteral := before == token.LiteralType || before == token.FoldedType
		before = t.Type
		if at == nil || inLiteral || t.Type == token.CommentType {
			continue
		}
		if t.Type == token.AnchorType || t.Type == token.TagType {
			if marks++; marks > maxMarks {
				return wrong(at.Line, "more than %d anchors and tags", maxMarks)
			}
		}
		first := at.Line != line
		line = at.Line
		inBrackets := len(levels) > 0 && levels[len(levels)-1].column == 0
		switch t.Type {
		case token.MappingStartType, token.SequenceStartType:
			levels = append(levels, level{})
		case token.MappingEndType, token.SequenceEndType:
			if inBrackets {
				levels = levels[:len(levels)-1]
			}
		case token.CollectEntryType:
			if inBrackets {
				levels[len(levels)-1].keys++
			}
		default:
			if inBrackets || at.Column < 1 || !first && t.Type != token.SequenceEntryType && t.Type != token.MappingKeyType {
				continue
			}
			for len(levels) > 0 && levels[len(levels)-1].column > at.Column {
				levels = levels[:len(levels)-1]
			}
			if len(levels) == 0 || levels[len(levels)-1].column < at.Column {
				levels = append(levels, level{column: at.Column})
			}
			if t.Type != token.SequenceEntryType {
				levels[len(levels)-1].keys++
			}
		}
		if len(levels) > maxDepth {
			return wrong(line, "nested more than %d deep", maxDepth)
		}
		if len(levels) > 0 && levels[len(levels)-1].keys > maxKeys {
			return wrong(line, "more than %d keys or items here", maxKeys)
		}
	}
	return nil
}

// explain turns an error of the parser into ours.
func explain(text string, err error) error {
	var placed interface {
		GetMessage() string
		GetToken() *token.Token
	}
	if !errors.As(err, &placed) || placed.GetToken() == nil || placed.GetToken().Position == nil {
		return wrong(0, "not YAML: %s", strings.TrimSpace(err.Error()))
	}
	at := placed.GetToken().Position.Line
	if lines := strings.Split(text, "\n"); at >= 1 && at <= len(lines) {
		indentation := lines[at-1][:len(lines[at-1])-len(strings.TrimLeft(lines[at-1], " \t"))]
		if strings.Contains(indentation, "\t") {
			return wrong(at, "a tab in the indentation: YAML wants spaces")
		}
		if strings.Count(lines[at-1], ":") > 1 {
			return wrong(at, "not YAML: %s; a text with a colon at its end, or with a colon and a space, needs quotes", placed.GetMessage())
		}
	}
	return wrong(at, "not YAML: %s", placed.GetMessage())
}

// nodeOf makes a node of what the YAML parser has read. Nil stays nil.
func nodeOf(n ast.Node) *node {
	if n == nil {
		return nil
	}
	made := &node{kind: kindOf(n), line: int32(lineOf(n, 0))}
	made.text, _ = literal(n)
	switch n := n.(type) {
	case *ast.AnchorNode:
		made.first = nodeOf(n.Value)
	case *ast.TagNode:
		made.text, made.first = n.Start.Value, nodeOf(n.Value)
	case *ast.MappingNode:
		last := &made.first
		for _, v := range n.Values {
			entry := nodeOf(v.Value)
			if entry == nil {
				entry = &node{kind: nullNode}
			}
			entry.at = int32(lineOf(v.Key, int(made.line)))
			text, isText := literal(v.Key)
			switch {
			case v.Key.IsMergeKey():
				entry.keyKind = mergeKey
			case isText:
				entry.key = text
			default:
				entry.keyKind = otherKey
			}
			*last, last = entry, &entry.next
		}
	case *ast.SequenceNode:
		last := &made.first
		for i, v := range n.Values {
			item := nodeOf(v)
			if item == nil {
				item = &node{kind: nullNode}
			}
			item.at = made.line
			if i < len(n.Entries) && n.Entries[i].Start != nil && n.Entries[i].Start.Position != nil {
				item.at = int32(n.Entries[i].Start.Position.Line)
			}
			*last, last = item, &item.next
		}
	}
	return made
}

func kindOf(n ast.Node) kind {
	switch n := n.(type) {
	case *ast.NullNode:
		return nullNode
	case *ast.StringNode:
		if n.Token.Type == token.StringType {
			return plainNode
		}
		return quotedNode
	case *ast.LiteralNode:
		return quotedNode
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return valueNode
	case *ast.MappingNode:
		return mappingNode
	case *ast.SequenceNode:
		return sequenceNode
	case *ast.AnchorNode:
		return anchorNode
	case *ast.AliasNode:
		return aliasNode
	case *ast.TagNode:
		return tagNode
	case *ast.CommentGroupNode:
		return commentNode
	}
	return unknownNode
}

// literal returns a scalar as it is written, without quotes.
func literal(n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		if n.Value == nil {
			return "", true
		}
		return n.Value.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return n.GetToken().Value, true
	}
	return "", false
}

// lineOf returns the line where a node begins, or the other if the node does not know.
func lineOf(n ast.Node, other int) int {
	switch n := n.(type) {
	case nil:
		return other
	case *ast.NullNode:
		return other // its place is made up if nothing is written
	case *ast.MappingNode:
		if !n.IsFlowStyle && len(n.Values) > 0 {
			return lineOf(n.Values[0].Key, other)
		}
	case *ast.LiteralNode:
		if n.Start != nil && n.Start.Position != nil {
			return n.Start.Position.Line
		}
		return other
	}
	if t := n.GetToken(); t != nil && t.Position != nil {
		return t.Position.Line
	}
	return other
}
