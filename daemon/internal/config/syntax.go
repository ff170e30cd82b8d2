package config

import (
	"bytes"
	"fmt"
	"unicode/utf8"
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
func document(data []byte) (root *node, err error) {
	if len(data) > maxSize {
		return nil, wrong(0, "the file is larger than %d bytes", maxSize)
	}
	text, err := clean(data)
	if err != nil {
		return nil, err
	}
	if root, ok := plain(text); ok {
		return root, nil
	}
	return full(text)
}

// clean returns the text in one form: without byte order mark and carriage returns. Lines keep their
// numbers.
func clean(data []byte) (string, error) {
	lineAt := func(i int) int { return 1 + bytes.Count(data[:i], []byte("\n")) }
	if bytes.HasPrefix(data, []byte("\xff\xfe")) || bytes.HasPrefix(data, []byte("\xfe\xff")) {
		return "", wrong(1, "the file is UTF-16; save it as UTF-8")
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if bytes.IndexByte(data, '\r') >= 0 {
		data = bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n"))
	}
	for i := 0; i < len(data); {
		if c := data[i]; c >= ' ' && c < 0x7f || c == '\n' {
			i++ // nearly all
			continue
		}
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
