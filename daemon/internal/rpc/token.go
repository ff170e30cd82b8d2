package rpc

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"

	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
)

// A page token says where the next page begins, a resume token where a watch goes on:
//
//	version 1 byte │ request 8 bytes │ position │ check 8 bytes      in base64url without padding
//
// request is a hash of what was asked for, the size of a page aside: a token belongs to one listing, and with
// another filter it is refused, not taken for something else. check is a hash of all before it, so a token
// that was cut or changed is refused too. It keeps no secret and proves nothing: whoever makes one up by
// these rules gets another part of what they may read anyway.
const (
	tokenVersion = 1
	hashLen      = 8
	// maxToken is longer than any token: the position is a task name at most.
	maxToken = 512
)

// The words for what is wrong with a token.
type tokenKind struct{ name, start, same string }

var (
	pageToken = tokenKind{
		name: "page token", start: "; leave it empty to start again at the first page", same: "all but page_size must be as it was",
	}
	resumeToken = tokenKind{
		name: "resume token", start: "; leave it empty to begin with what is", same: "all else must be as it was",
	}
)

// A listing is the hash of a request for pages, or of a watch.
type listing [hashLen]byte

// listingOf hashes a request: the method, and each thing that restricts what it lists.
func listingOf(method string, parts ...string) listing {
	text := binary.AppendUvarint(nil, uint64(len(method)))
	text = append(text, method...)
	for _, p := range parts {
		text = binary.AppendUvarint(text, uint64(len(p)))
		text = append(text, p...)
	}
	return listing(hash(text))
}

func hash(text []byte) []byte {
	sum := sha256.Sum256(text)
	return sum[:hashLen]
}

// token returns the token for a position in the listing.
func (l listing) token(position []byte) string {
	return encodeToken(tokenVersion, l, position)
}

func encodeToken(version byte, l listing, position []byte) string {
	text := append([]byte{version}, l[:]...)
	text = append(text, position...)
	return base64.RawURLEncoding.EncodeToString(append(text, hash(text)...))
}

// position returns what the token holds, or says what is wrong with it.
func (l listing) position(kind tokenKind, token string) (position []byte, problem string) {
	if len(token) > maxToken {
		return nil, "is not a " + kind.name + " of this API" + kind.start
	}
	text, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(text) < 1+2*hashLen || bytes.ContainsAny([]byte(token), "\r\n") {
		return nil, "is not a " + kind.name + " of this API" + kind.start
	}
	body, check := text[:len(text)-hashLen], text[len(text)-hashLen:]
	switch {
	case !bytes.Equal(hash(body), check):
		return nil, "was changed or cut" + kind.start
	case body[0] != tokenVersion:
		return nil, "is of another version of the daemon" + kind.start
	case !bytes.Equal(body[1:1+hashLen], l[:]):
		return nil, "belongs to another request: " + kind.same + kind.start
	}
	return body[1+hashLen:], ""
}

// resumeLen is the length of a position of a watch: the id of the store, the number of the last change, and the
// oldest run that is open, both in big-endian order.
const resumeLen = 16 + 8 + 8

// resume returns the token for a position of the watch. The zero position, which is the beginning, has none.
func (l listing) resume(p task.WatchPosition) string {
	if p == (task.WatchPosition{}) {
		return ""
	}
	text := p.Store[:]
	text = binary.BigEndian.AppendUint64(text[:len(text):len(text)], uint64(p.Change))
	return l.token(binary.BigEndian.AppendUint64(text, uint64(p.OldestOpen)))
}

// resumed returns the position that a token of the watch stands for, or says what is wrong with it.
func (l listing) resumed(token string) (p task.WatchPosition, problem string) {
	if token == "" {
		return p, ""
	}
	text, problem := l.position(resumeToken, token)
	if problem != "" {
		return p, problem
	}
	if len(text) == resumeLen {
		p.Store = uuid.UUID(text[:16])
		p.Change = int64(binary.BigEndian.Uint64(text[16:]))
		p.OldestOpen = task.RunID(binary.BigEndian.Uint64(text[24:]))
	}
	if p == (task.WatchPosition{}) || p.Change < 0 || p.OldestOpen < 0 {
		return task.WatchPosition{}, "names no place in this watch" + resumeToken.start
	}
	return p, ""
}
