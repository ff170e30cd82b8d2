package config

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

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

// syntaxError is a departure from YAML, or from the part of it that is read.
type syntaxError struct {
	line        int // 0: not known
	description string
}

func (e *syntaxError) Error() string { return e.description }

func wrong(line int, format string, args ...any) error {
	return &syntaxError{line: line, description: fmt.Sprintf(format, args...)}
}

// document returns the root of the only document in data. The error is a *syntaxError.
func document(data []byte) (root ast.Node, err error) {
	if len(data) > maxSize {
		return nil, wrong(0, "the file is larger than %d bytes", maxSize)
	}
	text, err := clean(data)
	if err != nil {
		return nil, err
	}
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
	for _, d := range file.Docs {
		switch {
		case d.Body == nil:
		case d.Body.Type() == ast.DirectiveType:
			return nil, wrong(lineOf(d.Body, 1), "a YAML directive, which is not needed: remove the line")
		case root != nil:
			return nil, wrong(lineOf(d.Body, 1), "a second document begins here: a file has one")
		default:
			root = d.Body
		}
	}
	if root == nil {
		return nil, wrong(0, `the file is empty; for a daemon without tasks write "tasks: []"`)
	}
	return root, nil
}

// clean returns the text in one form: without byte order mark and carriage returns. Lines keep their
// numbers.
func clean(data []byte) (string, error) {
	lineAt := func(i int) int { return 1 + bytes.Count(data[:i], []byte("\n")) }
	if bytes.HasPrefix(data, []byte("\xff\xfe")) || bytes.HasPrefix(data, []byte("\xfe\xff")) {
		return "", wrong(1, "the file is UTF-16; save it as UTF-8")
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	data = bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n"))
	for i := 0; i < len(data); {
		r, size := utf8.DecodeRune(data[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			return "", wrong(lineAt(i), "byte %#02x is not UTF-8", data[i])
		case r == '\r':
			return "", wrong(lineAt(i), "a carriage return without a line feed after it: end lines with a line feed")
		case r < ' ' && r != '\t' && r != '\n' || r >= 0x7f && r < 0xa0 && r != 0x85:
			return "", wrong(lineAt(i), `a control character, %U; write it as "\x%02x" in double quotes`, r, r)
		case r == 0x85 || r == 0x2028 || r == 0x2029:
			// Line breaks for YAML 1.1, text for 1.2: nobody can tell what was meant.
			return "", wrong(lineAt(i), `a line break that not every reader takes for one, %U; write it as "\u%04x" in double quotes`, r, r)
		case r == 0xfeff:
			return "", wrong(lineAt(i), "a byte order mark within the file; remove it")
		}
		i += size
	}
	return string(data), nil
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
