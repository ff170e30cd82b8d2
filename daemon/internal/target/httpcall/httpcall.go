// Package httpcall makes an HTTP request as the target of a task.
package httpcall

import (
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/clockd/clockd/daemon/internal/target"
	"github.com/clockd/clockd/daemon/internal/target/secret"
	"github.com/clockd/clockd/daemon/task"
)

// Defaults and bounds of a [Config].
const (
	DefaultOutputLimit = 64 << 10
	// MaxOutputLimit keeps a run below the 4 MiB that a gRPC client takes by default: in a protobuf Value
	// the bytes of an output can become three to six times as many, and the input stands beside it.
	MaxOutputLimit = 256 << 10
)

// Config says what to request. Only URL is required.
type Config struct {
	// Method is in capitals, as HTTP has it. Empty: POST if there is a Body or the run has an input,
	// else GET.
	Method string
	// URL has the scheme http or https. A user and password in it are sent as basic authentication.
	URL string
	// Headers are sent beside those of clockd, which can not be set here: see [New]. "Host" sets the
	// host that the request names. The names need no particular case. A value may hold secrets: see
	// package secret.
	Headers map[string]string
	// Body is what is sent if the run has no input; an input is sent as JSON in its place, and says so
	// in Content-Type unless Headers has one. It may hold secrets.
	Body string
	// ExpectStatus are the statuses that mean success. Empty: 200 to 299. A redirect that is expected
	// is not followed.
	ExpectStatus []int
	// OutputLimit is how many bytes of the response's body are kept: the first ones. Defaults to 64 KiB.
	// At most 256 KiB.
	OutputLimit int
}

type call struct {
	config  Config
	url     *url.URL
	headers map[string]secret.Text
	body    secret.Text
	words   task.Target
	client  *http.Client
}

// New checks the Config and returns a target that makes the request. The error is a
// *task.InvalidError with every problem, its fields named "method", "url", "headers.NAME",
// "body", "expect_status[0]" and "output_limit".
//
// A request carries Clockd-Run-Id, Clockd-Task-Id, Clockd-Task-Name (with "%" and what is not printable
// ASCII percent-encoded as UTF-8), Clockd-Scheduled-Time (RFC 3339 with microseconds, in UTC),
// Clockd-Attempt, and an Idempotency-Key that is the same for all attempts of a run and for no other
// run. Redirects are not followed: a POST could become a GET on the way, and headers that hold a secret
// could reach another host. One fails the attempt and says where it points, unless its status is in
// ExpectStatus.
//
// The output of an attempt is an object with status_code and body: the value itself if the response
// says that it is JSON, is, and fits into OutputLimit, else a string in which bytes that are not UTF-8
// are replaced by U+FFFD. The response is read to its end, so that its sender is not cut off;
// body_dropped says how many bytes were not kept, if any. A status that is not expected fails the
// attempt, with the output beside the error. Neither shows a secret: see Describe; where the response
// repeats one of 8 bytes or more from Headers or Body, *** stands in its place.
//
// An attempt has no time limit but its context, except that connecting may take 30s and the TLS
// handshake 10s. Each attempt has a connection of its own and closes it: a target is called seconds to
// months apart and has no Close, so a kept connection would be a goroutine and a socket that nobody
// owns, and often a dead one. The proxy of the environment (HTTPS_PROXY ...) is used.
func New(c Config) (target.Target, error) {
	made, problems := check(c)
	if len(problems) > 0 {
		return nil, &task.InvalidError{Violations: problems}
	}
	made.config.Headers, made.config.ExpectStatus = maps.Clone(c.Headers), slices.Clone(c.ExpectStatus)
	if c.OutputLimit == 0 {
		made.config.OutputLimit = DefaultOutputLimit
	}
	made.words = task.Target{Kind: "http", Summary: made.method(nil) + " " + redacted(made.url)}
	made.client = &http.Client{
		Transport: &http.Transport{
			Proxy:                  http.ProxyFromEnvironment,
			DialContext:            (&net.Dialer{Timeout: 30 * time.Second}).DialContext,
			TLSHandshakeTimeout:    10 * time.Second,
			MaxResponseHeaderBytes: 256 << 10,
			DisableKeepAlives:      true,
			ForceAttemptHTTP2:      true,
		},
		CheckRedirect: stay,
	}
	return made, nil
}

// Describe returns the method and the URL. User, password and the values of the query are replaced by
// "redacted"; headers and body are not shown.
func (c *call) Describe() task.Target { return c.words }

func (c *call) method(input []byte) string {
	switch {
	case c.config.Method != "":
		return c.config.Method
	case c.config.Body != "" || input != nil:
		return http.MethodPost
	}
	return http.MethodGet
}

// stay does not follow a redirect.
func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// redacted returns the URL without what may be a secret. A path may hold one too, but without it nobody
// could tell one call from another.
func redacted(u *url.URL) string {
	var b strings.Builder
	b.WriteString(u.Scheme + "://")
	if u.User != nil {
		b.WriteString("redacted@")
	}
	b.WriteString(u.Host + u.EscapedPath())
	if u.RawQuery != "" {
		b.WriteByte('?')
		for i, pair := range strings.Split(u.RawQuery, "&") {
			if i > 0 {
				b.WriteByte('&')
			}
			if key, _, ok := strings.Cut(pair, "="); ok {
				b.WriteString(key + "=")
			}
			b.WriteString("redacted")
		}
	}
	return b.String()
}
