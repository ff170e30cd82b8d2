package rpc

import (
	"bytes"
	"testing"
)

func TestListingsThatDifferHaveDifferentHashes(t *testing.T) {
	seen := map[listing][]string{}
	for _, parts := range [][]string{
		{"a"}, {"a", ""}, {"a", "b"}, {"a", "", "b"}, {"ab"}, {"a", "\x01b"}, {"b", "a"}, {"", "a", "b"},
	} {
		l := listingOf(parts[0], parts[1:]...)
		if other, ok := seen[l]; ok {
			t.Errorf("%q and %q are the same", other, parts)
		}
		seen[l] = parts
	}
}

func TestATokenOfAnotherVersionIsRefusedAsSuch(t *testing.T) {
	l := listingOf("m")
	good, problem := l.position(l.token([]byte("x")))
	if problem != "" || string(good) != "x" {
		t.Fatalf("got %q, %s", good, problem)
	}
	other := encodeToken(tokenVersion+1, l, []byte("x"))
	if _, problem := l.position(other); problem == "" || !bytes.Contains([]byte(problem), []byte("another version")) {
		t.Errorf("got %q", problem)
	}
}

func FuzzPageToken(f *testing.F) {
	l := listingOf("ListTasks", "prefix", "\x01")
	f.Add(l.token([]byte("name")), []byte("name"))
	f.Add("", []byte{})
	f.Add("AQ", []byte("x"))
	f.Fuzz(func(t *testing.T, token string, position []byte) {
		got, problem := l.position(token)
		if problem == "" && l.token(got) != token {
			t.Errorf("%q is a second form of the token for %q", token, got)
		}
		if len(position) <= 200 {
			got, problem = l.position(l.token(position))
			if problem != "" || !bytes.Equal(got, position) {
				t.Errorf("%q became %q, %s", position, got, problem)
			}
		}
		if _, problem := listingOf("ListTasks", "other", "\x01").position(l.token(position)); problem == "" {
			t.Error("a token serves another listing")
		}
	})
}
