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
	for _, said := range metadata.ValueFromIncomingContext(ctx, wire.ActorMetadata) {
		if said = tidy(said); said != "" {
			return said
		}
	}
	return address(ctx)
}

// address returns from where the call comes: "in-process", "unix socket", or the address of the peer.
func address(ctx context.Context) string {
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
