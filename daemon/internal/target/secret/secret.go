// Package secret keeps secrets out of what is kept and shown: a text names them, and they are read when they are
// needed. ${env:NAME} stands for a variable of the environment of this process and ${file:/path} for what is in a file,
// without the line end at its end. $${ is a plain ${; a $ before anything else is a $.
package secret

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// MaxFile is how many bytes a file may have that holds a secret.
const MaxFile = 64 << 10

// Text is a text that may name secrets. The zero Text is empty. It never changes.
type Text struct{ parts []part }

// part is either plain text or the name of a secret.
type part struct {
	kind  kind
	value string // the text, the name of the variable or the path
}

type kind uint8

const (
	plain kind = iota
	env
	file
)

// Parse reads a text. An error says at which byte, counted from 1, and shows nothing of the plain text, which may
// itself be a secret of somebody who does not use this package well.
func Parse(text string) (Text, error) {
	var t Text
	var b strings.Builder
	add := func(p part) {
		if b.Len() > 0 {
			t.parts = append(t.parts, part{plain, b.String()})
			b.Reset()
		}
		if p.kind != plain {
			t.parts = append(t.parts, p)
		}
	}
	for rest := text; ; {
		before, after, found := strings.Cut(rest, "${")
		if !found {
			b.WriteString(rest)
			break
		}
		if literal, ok := strings.CutSuffix(before, "$"); ok {
			b.WriteString(literal + "${")
			rest = after
			continue
		}
		at := len(text) - len(after) - len("${") + 1
		name, tail, closed := strings.Cut(after, "}")
		if !closed {
			return Text{}, fmt.Errorf("the ${ at byte %d has no }; write $${ for a plain ${", at)
		}
		p, err := parsePart(name)
		if err != nil {
			return Text{}, fmt.Errorf("the ${ at byte %d: %w", at, err)
		}
		b.WriteString(before)
		add(p)
		rest = tail
	}
	add(part{})
	return t, nil
}

func parsePart(text string) (part, error) {
	word, name, _ := strings.Cut(text, ":")
	switch {
	case word != "env" && word != "file":
		return part{}, errors.New("want ${env:NAME} or ${file:/path}; write $${ for a plain ${")
	case name == "":
		return part{}, fmt.Errorf("${%s:} names nothing", word)
	case strings.ContainsRune(name, 0):
		return part{}, fmt.Errorf("the name of ${%s:} has a NUL byte", word)
	case word == "env" && strings.Contains(name, "="):
		return part{}, errors.New("the name of a variable has no \"=\"")
	case word == "env":
		return part{env, name}, nil
	case !filepath.IsAbs(name):
		return part{}, fmt.Errorf("the path %q must start with a /", name)
	}
	return part{file, name}, nil
}

// Has reports whether a text names a secret. One that [Parse] refuses counts as one that does.
func Has(text string) bool {
	t, err := Parse(text)
	return err != nil || t.Has()
}

// Has reports whether the text names a secret.
func (t Text) Has() bool {
	for _, p := range t.parts {
		if p.kind != plain {
			return true
		}
	}
	return false
}

// Expand reads the secrets and returns the text with them in it; it adds them to seen, which may be nil. An error names
// the variable or the path.
func (t Text) Expand(seen *Values) (string, error) {
	var b strings.Builder
	for _, p := range t.parts {
		value := p.value
		var err error
		switch p.kind {
		case env:
			var ok bool
			if value, ok = os.LookupEnv(p.value); !ok {
				return "", fmt.Errorf("the environment has no variable %s", p.value)
			}
			seen.add(value)
		case file:
			if value, err = read(p.value); err != nil {
				return "", err
			}
			seen.add(value)
		}
		b.WriteString(value)
	}
	return b.String(), nil
}

// read returns what is in the file, without the line end at its end.
func read(path string) (string, error) {
	fail := func(err error) (string, error) {
		if at, ok := errors.AsType[*fs.PathError](err); ok {
			err = at.Err
		}
		return "", fmt.Errorf("the file %s: %w", path, err)
	}
	// To open a named pipe would wait for its writer, and a device may never end.
	switch info, err := os.Stat(path); {
	case err != nil:
		return fail(err)
	case !info.Mode().IsRegular():
		return fail(errors.New("not a regular file"))
	}
	f, err := os.Open(path)
	if err != nil {
		return fail(err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, MaxFile+1))
	switch {
	case err != nil:
		return fail(err)
	case len(data) > MaxFile:
		return fail(fmt.Errorf("more than %d bytes", MaxFile))
	}
	text, cut := strings.CutSuffix(string(data), "\n")
	if cut {
		text = strings.TrimSuffix(text, "\r")
	}
	return text, nil
}
