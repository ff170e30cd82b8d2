package rpc

import (
	"bytes"
	"math"
	"strings"
	"testing"

	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
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
	good, problem := l.position(pageToken, l.token([]byte("x")))
	if problem != "" || string(good) != "x" {
		t.Fatalf("got %q, %s", good, problem)
	}
	other := encodeToken(tokenVersion+1, l, []byte("x"))
	if _, problem := l.position(pageToken, other); problem == "" || !bytes.Contains([]byte(problem), []byte("another version")) {
		t.Errorf("got %q", problem)
	}
}

// positions are of all sizes.
var positions = []task.WatchPosition{
	{Change: 1},
	{Store: uuid.UUID{15: 1}},
	{OldestOpen: 1},
	{Store: uuid.MustParse("6ba7b811-9dad-51d1-80b4-00c04fd430c8"), Change: math.MaxInt64, OldestOpen: math.MaxInt64},
}

func TestAResumeTokenHoldsItsPosition(t *testing.T) {
	l := listingOf("WatchTasks", "a")
	for _, p := range positions {
		token := l.resume(p)
		if got, problem := l.resumed(token); problem != "" || got != p || len(token) > 100 {
			t.Errorf("%+v became %+v, %s, as %q", p, got, problem, token)
		}
	}
	if token := l.resume(task.WatchPosition{}); token != "" {
		t.Errorf("the beginning has the token %q", token)
	}
	if p, problem := l.resumed(""); problem != "" || p != (task.WatchPosition{}) {
		t.Errorf("no token is %+v, %s", p, problem)
	}
}

func TestWhatIsNoResumeTokenOfThisWatchIsRefused(t *testing.T) {
	l := listingOf("WatchTasks", "a")
	short, long := make([]byte, resumeLen-1), make([]byte, resumeLen+1)
	negative, open := make([]byte, resumeLen), make([]byte, resumeLen)
	negative[16], open[24] = 0x80, 0x80
	good := l.resume(positions[3])
	for name, token := range map[string]string{
		"garbage": "x", "of another filter": listingOf("WatchTasks", "b").resume(positions[0]),
		"of another method": listingOf("WatchRuns", "a").resume(positions[0]), "of another version": encodeToken(tokenVersion+1, l, make([]byte, resumeLen)),
		"a page token": l.token([]byte("name")), "too short": l.token(short), "too long": l.token(long), "the beginning": l.token(make([]byte, resumeLen)),
		"a negative change": l.token(negative), "a negative run": l.token(open), "cut": good[:len(good)-1], "long": strings.Repeat("A", 1<<20), "a line": good + "\n",
	} {
		if p, problem := l.resumed(token); p != (task.WatchPosition{}) || !strings.HasSuffix(problem, "leave it empty to begin with what is") {
			t.Errorf("%s: %+v, %q", name, p, problem)
		}
	}
}

func FuzzResumeToken(f *testing.F) {
	l := listingOf("WatchRuns", "", "name")
	for _, p := range positions {
		f.Add(l.resume(p), p.Store[:], p.Change, int64(p.OldestOpen))
	}
	f.Add("", []byte{}, int64(0), int64(-1))
	f.Fuzz(func(t *testing.T, token string, store []byte, change, open int64) {
		if got, problem := l.resumed(token); problem == "" && l.resume(got) != token {
			t.Errorf("%q is a second form of the token for %+v", token, got)
		} else if problem != "" && got != (task.WatchPosition{}) {
			t.Errorf("%q is refused as %s and read as %+v", token, problem, got)
		}
		want := task.WatchPosition{Change: change, OldestOpen: task.RunID(open)}
		copy(want.Store[:], store)
		got, problem := l.resumed(l.resume(want))
		if fine := change >= 0 && open >= 0; fine != (problem == "") || fine && got != want {
			t.Errorf("%+v became %+v, %s", want, got, problem)
		}
		if want != (task.WatchPosition{}) {
			if _, problem := listingOf("WatchRuns", "name", "").resumed(l.resume(want)); problem == "" {
				t.Error("a token serves another watch")
			}
		}
	})
}

func FuzzPageToken(f *testing.F) {
	l := listingOf("ListTasks", "prefix", "\x01")
	f.Add(l.token([]byte("name")), []byte("name"))
	f.Add("", []byte{})
	f.Add("AQ", []byte("x"))
	f.Fuzz(func(t *testing.T, token string, position []byte) {
		got, problem := l.position(pageToken, token)
		if problem == "" && l.token(got) != token {
			t.Errorf("%q is a second form of the token for %q", token, got)
		}
		if len(position) <= 200 {
			got, problem = l.position(pageToken, l.token(position))
			if problem != "" || !bytes.Equal(got, position) {
				t.Errorf("%q became %q, %s", position, got, problem)
			}
		}
		if _, problem := listingOf("ListTasks", "other", "\x01").position(pageToken, l.token(position)); problem == "" {
			t.Error("a token serves another listing")
		}
	})
}
