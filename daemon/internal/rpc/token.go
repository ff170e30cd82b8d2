package rpc

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
)

// A page token says where the next page begins:
//
//	version 1 byte │ request 8 bytes │ position │ check 8 bytes      in base64url without padding
//
// request is a hash of what the page was asked for, its size aside: a token belongs to one listing, and with
// another filter it is refused, not taken for something else. check is a hash of all before it, so a token
// that was cut or changed is refused too. It keeps no secret and proves nothing: whoever makes one up by
// these rules gets another page of a list that they may read anyway.
const (
	tokenVersion = 1
	hashLen      = 8
	// maxToken is longer than any token: the position is a task name at most.
	maxToken = 512
)

// A listing is the hash of a request for pages.
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

// position returns where the page begins, or says what is wrong with the token.
func (l listing) position(token string) (position []byte, problem string) {
	const start = "; leave it empty to start again at the first page"
	if len(token) > maxToken {
		return nil, "is not a page token of this API" + start
	}
	text, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(text) < 1+2*hashLen || bytes.ContainsAny([]byte(token), "\r\n") {
		return nil, "is not a page token of this API" + start
	}
	body, check := text[:len(text)-hashLen], text[len(text)-hashLen:]
	switch {
	case !bytes.Equal(hash(body), check):
		return nil, "was changed or cut" + start
	case body[0] != tokenVersion:
		return nil, "is of another version of the daemon" + start
	case !bytes.Equal(body[1:1+hashLen], l[:]):
		return nil, "belongs to another request: all but page_size must be as it was" + start
	}
	return body[1+hashLen:], ""
}
