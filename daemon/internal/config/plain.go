package config

import (
	"strings"

	"github.com/goccy/go-yaml/token"
)

// plain reads the YAML that nearly all files are made of, some ten times as fast and in a tenth of the memory
// that the full parser takes: a daemon with 10,000 tasks starts in time only so. It reads
//
//   - block mappings and lists, indented by spaces,
//   - scalars without quotes, also if they go on on lines that are further in,
//   - scalars in quotes, and brackets, that end on the line where they begin,
//   - texts of several lines after | and |-,
//   - comments, and --- before everything.
//
// At anything else, errors too, it gives up: then the full parser reads the file and has the word on what is
// wrong. A fuzz test holds that whatever it does read, the full parser reads the same, down to the lines.
func plain(text string) (root *node, ok bool) {
	p := plainReader{text: text}
	p.open()
	if p.end || p.failed || p.indent != 0 {
		return nil, false
	}
	root = p.block(0)
	return root, !p.failed && p.end
}

const (
	// maxPlainDepth and maxPlainKeys are well within what is read at all: see maxDepth and maxKeys.
	maxPlainDepth = 32
	maxPlainKeys  = 2048
	// maxPlainFolds is how many lines a scalar without quotes may have.
	maxPlainFolds = 64
	// slabSize is how many nodes are allocated at once.
	slabSize = 512
)

// A plainReader goes through the text from left to right, once.
type plainReader struct {
	text string
	pos  int // the next byte to look at; between lines the first one that is neither space nor comment
	line int // of pos
	// indent is how far in the current line begins, or the part of it that is left after dashes.
	indent int
	// end says that nothing is left, failed that there is something that is not read here.
	end, failed bool
	depth       int
	slab        []node
}

func (p *plainReader) node(k kind) *node {
	if len(p.slab) == 0 {
		p.slab = make([]node, slabSize)
	}
	n := &p.slab[0]
	p.slab = p.slab[1:]
	n.kind, n.line = k, int32(p.line)
	return n
}

// fail gives up: all loops end.
func (p *plainReader) fail() { p.failed, p.end = true, true }

// open goes to the first line that says something.
func (p *plainReader) open() {
	p.line = 1
	p.seek()
	if rest, ok := strings.CutPrefix(p.text[p.pos:], "---\n"); ok && p.indent == 0 {
		p.pos = len(p.text) - len(rest)
		p.line++
		p.seek()
	}
	// What ends a document or begins another is not looked for: as it begins no key, it is where plain gives up.
}

// seek goes from the beginning of a line to the next thing that is neither space nor comment.
func (p *plainReader) seek() {
	start := p.pos
	for p.pos < len(p.text) {
		switch p.text[p.pos] {
		case ' ':
			p.pos++
		case '\n':
			p.pos++
			p.line++
			start = p.pos
		case '#':
			p.skipLine()
			start = p.pos
		case '\t':
			p.fail()
			return
		default:
			p.indent = p.pos - start
			return
		}
	}
	p.end = true
}

// skipLine goes to the beginning of the next line.
func (p *plainReader) skipLine() {
	n := strings.IndexByte(p.text[p.pos:], '\n')
	if n < 0 {
		p.pos = len(p.text)
		return
	}
	p.pos += n + 1
	p.line++
}

// finish ends a line after a value, and seeks the next. There may be a comment.
func (p *plainReader) finish() {
	spaced := false
	for p.pos < len(p.text) && p.text[p.pos] == ' ' {
		p.pos++
		spaced = true
	}
	if p.pos < len(p.text) && p.text[p.pos] != '\n' && !(spaced && p.text[p.pos] == '#') {
		p.fail()
		return
	}
	p.skipLine()
	p.seek()
}

// peek returns the byte at an offset from pos, or a line feed beyond the end.
func (p *plainReader) peek(offset int) byte {
	if i := p.pos + offset; i < len(p.text) {
		return p.text[i]
	}
	return '\n'
}

func (p *plainReader) atDash() bool {
	next := p.peek(1)
	return p.peek(0) == '-' && (next == ' ' || next == '\n')
}

// block reads the mapping or list whose first line this is.
func (p *plainReader) block(indent int) *node {
	if p.depth++; p.depth > maxPlainDepth {
		p.fail()
	}
	defer func() { p.depth-- }()
	if p.atDash() {
		return p.list(indent)
	}
	return p.mapping(indent)
}

func (p *plainReader) mapping(indent int) *node {
	m := p.node(mappingNode)
	last := &m.first
	for keys := 0; !p.end && p.indent == indent; keys++ {
		line := p.line
		key, ok := p.key()
		if !ok || keys >= maxPlainKeys {
			p.fail()
			return m
		}
		// A list may be as far in as its key.
		v := p.value(indent, true)
		if v == nil {
			return m
		}
		v.key, v.at = key, int32(line)
		*last, last = v, &v.next
	}
	if !p.end && p.indent > indent {
		p.fail()
	}
	return m
}

func (p *plainReader) list(indent int) *node {
	s := p.node(sequenceNode)
	last := &s.first
	for !p.end && p.indent == indent && p.atDash() {
		line := p.line
		p.pos++
		v := p.item(indent)
		if v == nil {
			return s
		}
		v.at = int32(line)
		*last, last = v, &v.next
	}
	if !p.end && p.indent > indent {
		p.fail()
	}
	return s
}

// item reads what follows a dash.
func (p *plainReader) item(indent int) *node {
	column := indent + 1
	for p.peek(0) == ' ' {
		p.pos++
		column++
	}
	if p.keyLength() > 0 {
		p.indent = column
		return p.block(column)
	}
	return p.value(indent, false)
}

// value reads what follows a key or a dash, to the end of its last line: of a thing that is indent in. It is
// nil if that is nothing that is read here.
func (p *plainReader) value(indent int, ofKey bool) *node {
	for p.peek(0) == ' ' {
		p.pos++
	}
	var v *node
	switch c := p.peek(0); c {
	case '\n', '#':
		if c == '#' && p.text[p.pos-1] != ' ' {
			p.fail()
			return nil
		}
		p.skipLine()
		p.seek()
		// Nothing, not even null, is left to the full parser, which is particular about what it takes for
		// nothing's place.
		if p.end || p.indent < indent || p.indent == indent && !(ofKey && p.atDash()) {
			p.fail()
			return nil
		}
		return p.block(p.indent)
	case '|':
		return p.literal(indent)
	case '[', '{':
		v = p.flow()
	case '"', '\'':
		v = p.quoted()
	default:
		if v = p.scalar(false); v != nil {
			p.fold(v, indent)
		}
	}
	if v == nil || p.failed {
		p.fail()
		return nil
	}
	p.finish()
	return v
}

// fold adds the lines that follow a scalar without quotes and are further in: writers of YAML break long lines.
func (p *plainReader) fold(v *node, indent int) {
	for range maxPlainFolds {
		rest, ok := strings.CutPrefix(strings.TrimLeft(p.text[p.pos:], " "), "\n")
		if !ok {
			return // a comment, or the end
		}
		begin := len(rest) - len(strings.TrimLeft(rest, " "))
		if begin <= indent || begin == len(rest) || rest[begin] == '\n' || rest[begin] == '#' {
			return
		}
		if v.kind != plainNode || !isLetter(rest[begin]) && !isDigit(rest[begin]) {
			break
		}
		p.pos = len(p.text) - len(rest) + begin
		p.line++
		more := p.scalar(false)
		if more == nil {
			break
		}
		v.text += " " + more.text
	}
	p.fail()
}

// key reads a key and its colon.
func (p *plainReader) key() (string, bool) {
	n := p.keyLength()
	if n == 0 {
		return "", false
	}
	key := p.text[p.pos : p.pos+n]
	p.pos += n + 1
	return key, true
}

// keyLength returns how long the key is that stands here, 0 if none does that is read here: letters, digits
// and a few marks, beginning with a letter, and a colon.
func (p *plainReader) keyLength() int {
	rest := p.text[p.pos:]
	n := 0
	for n < len(rest) && keyBytes[rest[n]] {
		n++
	}
	if n == 0 || n >= len(rest) || rest[n] != ':' || !isLetter(rest[0]) || reserved(rest[:n]) {
		return 0
	}
	if n+1 < len(rest) && rest[n+1] != ' ' && rest[n+1] != '\n' {
		return 0
	}
	return n
}

var keyBytes = func() (is [256]bool) {
	for c := range is {
		is[c] = isLetter(byte(c)) || isDigit(byte(c)) || strings.IndexByte("_-./", byte(c)) >= 0
	}
	return is
}()

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// reserved reports whether a word that begins with a letter is something else than text.
func reserved(word string) bool {
	switch word {
	case "null", "Null", "NULL", "true", "True", "TRUE", "false", "False", "FALSE":
		return true
	}
	return false
}

// scalar reads what is on this line of a scalar without quotes.
func (p *plainReader) scalar(inFlow bool) *node {
	rest := p.text[p.pos:]
	n := 0
	for ; n < len(rest) && rest[n] != '\n'; n++ {
		c := rest[n]
		if !special[c] {
			continue
		}
		if inFlow && (c == ',' || c == ']' || c == '}') {
			break
		}
		switch c {
		case '\t':
			return nil
		case '[', '{':
			if inFlow {
				return nil
			}
		case ':':
			// A colon in brackets has its own meaning before what ends there.
			if next := p.peek(n + 1); next == ' ' || next == '\n' || inFlow && (next == ',' || next == ']' || next == '}') {
				return nil
			}
		case '#':
			if n > 0 && rest[n-1] == ' ' {
				if inFlow {
					return nil
				}
				return p.scalarOf(rest[:n])
			}
		}
	}
	return p.scalarOf(rest[:n])
}

// special are the bytes that may end a scalar.
var special = func() (is [256]bool) {
	for _, c := range []byte("\t[]{},:#") {
		is[c] = true
	}
	return is
}()

func (p *plainReader) scalarOf(raw string) *node {
	text := strings.TrimRight(raw, " ")
	if text == "" {
		return nil
	}
	k := plainNode
	switch c := text[0]; {
	case isLetter(c):
		if reserved(text) {
			if c|0x20 == 'n' {
				return nil
			}
			k = valueNode
		}
	case isDigit(c) || c == '+' || c == '-' && len(text) > 1 && text[1] != ' ' || c == '.':
		if c == '.' && strings.HasPrefix(text, "...") || strings.HasPrefix(text, "---") {
			return nil
		}
		if mayBeNumber(text) && token.New(text, text, nil).Type != token.StringType {
			k = valueNode
		}
	case c == '/' || c == '_' || c == '(' || c == '~' && len(text) > 1 || c >= 0x80:
	default:
		return nil // it begins something else, or looks as if
	}
	p.pos += len(text)
	n := p.node(k)
	n.text = text
	return n
}

// mayBeNumber reports whether a scalar is made of what numbers are made of, or begins as .inf and .nan do. Most
// are not, such as 10s: to ask the full parser's rules takes as long as to read some lines.
func mayBeNumber(text string) bool {
	if strings.HasPrefix(strings.TrimLeft(text, "+-"), ".") {
		return true
	}
	for i := range len(text) {
		if !numeric[text[i]] {
			return false
		}
	}
	return true
}

var numeric = func() (is [256]bool) {
	for _, c := range []byte("0123456789abcdefABCDEFxXoO_+-.") {
		is[c] = true
	}
	return is
}()

// quoted reads a scalar in quotes that ends on its line.
func (p *plainReader) quoted() *node {
	quote := p.text[p.pos]
	rest := p.text[p.pos+1:]
	escaped := false
	for n := 0; n < len(rest); n++ {
		switch c := rest[n]; {
		case c == '\n' || c == '\t':
			return nil
		case c == '\\' && quote == '"':
			if n++; n >= len(rest) || strings.IndexByte(`"\n`, rest[n]) < 0 {
				return nil
			}
			escaped = true
		case c == '\'' && quote == '\'' && n+1 < len(rest) && rest[n+1] == '\'':
			n++
			escaped = true
		case c == quote:
			made := p.node(quotedNode)
			made.text = rest[:n]
			if escaped && quote == '"' {
				made.text = unescape.Replace(made.text)
			} else if escaped {
				made.text = strings.ReplaceAll(made.text, "''", "'")
			}
			p.pos += n + 2
			return made
		}
	}
	return nil
}

var unescape = strings.NewReplacer(`\"`, `"`, `\\`, `\`, `\n`, "\n")

// flow reads brackets that close on their line.
func (p *plainReader) flow() *node {
	if p.depth++; p.depth > maxPlainDepth {
		return nil
	}
	defer func() { p.depth-- }()
	made, closing := p.node(sequenceNode), byte(']')
	if p.text[p.pos] == '{' {
		made.kind, closing = mappingNode, '}'
	}
	p.pos++
	p.spaces()
	if p.peek(0) == closing {
		p.pos++
		return made
	}
	last := &made.first
	for count := 0; count < maxPlainKeys; count++ {
		key := ""
		if closing == '}' {
			var ok bool
			if key, ok = p.key(); !ok {
				return nil
			}
			p.spaces()
		}
		var v *node
		switch p.peek(0) {
		case '[', '{':
			v = p.flow()
		case '"', '\'':
			v = p.quoted()
		default:
			v = p.scalar(true)
		}
		if v == nil {
			return nil
		}
		v.key, v.at = key, int32(p.line)
		*last, last = v, &v.next
		p.spaces()
		switch p.peek(0) {
		case closing:
			p.pos++
			return made
		case ',':
			p.pos++
			p.spaces()
		default:
			return nil
		}
	}
	return nil
}

func (p *plainReader) spaces() {
	for p.peek(0) == ' ' {
		p.pos++
	}
}

// literal reads the lines after | or |-, of a thing that is indent in.
func (p *plainReader) literal(indent int) *node {
	made := p.node(quotedNode)
	p.pos++
	strip := p.peek(0) == '-'
	if strip {
		p.pos++
	}
	if p.peek(0) != '\n' || p.pos >= len(p.text) {
		p.fail()
		return nil
	}
	p.skipLine()
	in := 0 // how far the lines are in; 0: not known yet
	var b strings.Builder
	for p.pos < len(p.text) {
		n := strings.IndexByte(p.text[p.pos:], '\n')
		if n < 0 {
			p.fail() // whether a last line without an end has one is for the full parser to say
			return nil
		}
		line := p.text[p.pos : p.pos+n]
		begin := len(line) - len(strings.TrimLeft(line, " "))
		if begin == len(line) {
			// A line of nothing belongs to the text if the text goes on after it. Spaces on it may mean
			// something.
			if in == 0 || begin > 0 {
				p.fail()
				return nil
			}
			b.WriteByte('\n')
			p.pos += n + 1
			p.line++
			continue
		}
		if begin <= indent {
			break
		}
		if in == 0 {
			in = begin
		}
		// The full parser takes spaces off the last line, which is not what YAML says.
		if begin < in || strings.IndexByte(line, '\t') >= 0 || strings.HasSuffix(line, " ") {
			p.fail()
			return nil
		}
		b.WriteString(line[in:])
		b.WriteByte('\n')
		p.pos += n + 1
		p.line++
	}
	made.text = strings.TrimRight(b.String(), "\n")
	if made.text == "" {
		p.fail()
		return nil
	}
	if !strip {
		made.text += "\n"
	}
	p.seek()
	return made
}
