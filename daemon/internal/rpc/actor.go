package rpc

import (
	"context"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/clockd/clockd/daemon/wire"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
)

// actor returns who makes the call: what the caller says in the request metadata, as at most wire.MaxActor
// bytes of valid UTF-8 without control characters, or else the address of the peer. It proves nothing.
func actor(ctx context.Context) string {
	if said := said(ctx, wire.ActorMetadata); said != "" {
		return said
	}
	return address(ctx)
}

// binarySuffix is the end of a key whose values may be anything: gRPC sends them in base64.
const binarySuffix = "-bin"

// metadataOf returns what the request metadata says under a key, made tidy. Empty: nothing.
func said(ctx context.Context, key string) string {
	for _, key := range []string{key, key + binarySuffix} {
		for _, said := range metadata.ValueFromIncomingContext(ctx, key) {
			if said = tidy(said); said != "" {
				return said
			}
		}
	}
	return ""
}

// printable reports whether a value can be sent under a key that is not binarySuffix.
func printable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' })
}

// forwarded reports whether another node has passed the call on to this one.
func forwarded(ctx context.Context) bool { return said(ctx, wire.ForwardedMetadata) != "" }

// address returns from where the call comes: "in-process", "unix socket", or the address of the peer. Of a call that was
// passed on it is what the other node says, which proves as much as the name of the actor does.
func address(ctx context.Context) string {
	if forwarded(ctx) {
		if said := said(ctx, wire.PeerMetadata); said != "" {
			return said
		}
	}
	p, ok := peer.FromContext(ctx)
	if !ok || p.Addr == nil {
		return "in-process"
	}
	switch address := p.Addr.String(); {
	case p.Addr.Network() == "bufconn", p.Addr.Network() == "pipe":
		return "in-process"
	case p.Addr.Network() == "unix" && (address == "" || address == "@"):
		return "unix socket" // the calling end of one has no name
	default:
		return tidy(address)
	}
}

func tidy(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	s = strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, s))
	if len(s) <= wire.MaxActor {
		return s
	}
	end := wire.MaxActor
	for !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end]
}
