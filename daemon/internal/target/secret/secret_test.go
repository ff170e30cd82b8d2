package secret_test

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/clockd/clockd/daemon/internal/target/secret"
	"github.com/google/go-cmp/cmp"
)

func write(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func expand(t *testing.T, text string) (string, *secret.Values, error) {
	t.Helper()
	parsed, err := secret.Parse(text)
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	var seen secret.Values
	got, err := parsed.Expand(&seen)
	return got, &seen, err
}

func TestATextHasItsSecretsInTheirPlaces(t *testing.T) {
	t.Setenv("TOKEN", "${env:OTHER}")
	t.Setenv("EMPTY", "")
	for text, want := range map[string]string{
		"":                              "",
		"plain $ $$ $x {y} }":           "plain $ $$ $x {y} }",
		"Bearer ${env:TOKEN}!":          "Bearer ${env:OTHER}!",
		"${env:EMPTY}${env:TOKEN}":      "${env:OTHER}",
		"$${env:TOKEN}":                 "${env:TOKEN}",
		"$$${":                          "$${",
		"a$${b${env:TOKEN}$${c":         "a${b${env:OTHER}${c",
		"${file:" + write(t, "x") + "}": "x",
		"${file:" + write(t, "two\nlines\r\n") + "}":   "two\nlines",
		"${file:" + write(t, "one end only\n\n") + "}": "one end only\n",
		"${file:" + write(t, "cr\r") + "}":             "cr\r",
	} {
		got, _, err := expand(t, text)
		if err != nil || got != want {
			t.Errorf("%q: %q, %v; want %q", text, got, err, want)
		}
	}
}

func TestWhatIsNoSecretIsRefusedWithoutBeingShown(t *testing.T) {
	for text, want := range map[string]string{
		"hunter2${vault:x}":  "the ${ at byte 8: want ${env:NAME} or ${file:/path}; write $${ for a plain ${",
		"${}":                "the ${ at byte 1: want ${env:NAME} or ${file:/path}; write $${ for a plain ${",
		"${env:}":            "the ${ at byte 1: ${env:} names nothing",
		"${env}":             "the ${ at byte 1: ${env:} names nothing",
		"${env:A=B}":         "the ${ at byte 1: the name of a variable has no \"=\"",
		"${file:}":           "the ${ at byte 1: ${file:} names nothing",
		"${file:a/b}":        "the ${ at byte 1: the path \"a/b\" must start with a /",
		"${file:/a\x00}":     "the ${ at byte 1: the name of ${file:} has a NUL byte",
		"$${${env:A}${env:B": "the ${ at byte 12 has no }; write $${ for a plain ${",
	} {
		_, err := secret.Parse(text)
		if err == nil || err.Error() != want {
			t.Errorf("%q: %v; want %s", text, err, want)
		}
		if !secret.Has(text) {
			t.Errorf("%q counts as plain", text)
		}
	}
}

func TestATextKnowsWhetherItNamesSecrets(t *testing.T) {
	for text, want := range map[string]bool{"": false, "$HOME": false, "$${env:A}": false, "a${env:A}": true, "${file:/a}": true} {
		if got := secret.Has(text); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}

func TestASecretThatCanNotBeReadIsNamed(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	big := write(t, strings.Repeat("x", secret.MaxFile+1))
	for text, want := range map[string]string{
		"${env:CLOCKD_NOT_SET}":      "the environment has no variable CLOCKD_NOT_SET",
		"${file:" + dir + "/no}":     "the file " + dir + "/no: no such file or directory",
		"${file:" + dir + "}":        "the file " + dir + ": not a regular file",
		"plain${file:" + pipe + "}":  "the file " + pipe + ": not a regular file",
		"plain ${file:" + big + "} ": "the file " + big + ": more than 65536 bytes",
	} {
		got, _, err := expand(t, text)
		if err == nil || err.Error() != want || got != "" {
			t.Errorf("%q: %q, %v; want %s", text, got, err, want)
		}
	}
	if got, _, err := expand(t, "${file:"+write(t, strings.Repeat("x", secret.MaxFile))+"}"); err != nil || len(got) != secret.MaxFile {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

func TestASecretIsReadAnewEachTime(t *testing.T) {
	path := write(t, "old")
	parsed, err := secret.Parse("${file:" + path + "}")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"old", "new"} {
		if err := os.WriteFile(path, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := parsed.Expand(nil); err != nil || got != want {
			t.Errorf("%q, %v; want %q", got, err, want)
		}
	}
}

func TestWhatIsShownHasNoSecretInIt(t *testing.T) {
	t.Setenv("SHORT", "1234567")
	t.Setenv("LONG", "12345678")
	t.Setenv("LONGER", "12345678-9")
	_, seen, err := expand(t, "${env:SHORT}${env:LONG}${env:LONGER}")
	if err != nil {
		t.Fatal(err)
	}
	if got := seen.Scrub("1234567 12345678 12345678-9"); got != "1234567 *** ***" {
		t.Error(got)
	}
	got := seen.ScrubJSON(map[string]any{
		"12345678": []any{"a12345678", json.Number("12345678"), json.Number("5"), nil, true, map[string]any{"k": "12345678-9"}},
	})
	want := map[string]any{"***": []any{"a***", "***", json.Number("5"), nil, true, map[string]any{"k": "***"}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	err = seen.ScrubError(&fs.PathError{Op: "open", Path: "12345678", Err: fs.ErrNotExist})
	if err.Error() != "open ***: file does not exist" || !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	var path *fs.PathError
	if errors.As(err, &path) {
		t.Error("what shows the secret can be had")
	}
	if seen.ScrubError(fs.ErrExist) != fs.ErrExist || seen.ScrubError(nil) != nil {
		t.Error("an error without a secret is another one")
	}
}
