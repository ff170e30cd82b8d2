package httpcall

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/clockd/clockd/daemon/internal/target/secret"
	"github.com/clockd/clockd/daemon/task"
)

// check returns what the Config makes and what is wrong with it. What it says never holds a value of a
// header or more of a URL than its scheme.
func check(c Config) (*call, []task.Violation) {
	made := &call{config: c, headers: make(map[string]secret.Text, len(c.Headers))}
	var found []task.Violation
	problem := func(field, format string, args ...any) {
		found = append(found, task.Violation{Field: field, Description: fmt.Sprintf(format, args...)})
	}
	switch {
	case c.Method == "":
	case !isToken(c.Method):
		problem("method", "%q is no HTTP method, such as GET or POST", c.Method)
	case c.Method != strings.ToUpper(c.Method):
		problem("method", "%q is not in capitals; write %s", c.Method, strings.ToUpper(c.Method))
	case c.Method == http.MethodConnect:
		problem("method", "CONNECT makes a tunnel, not a request")
	}
	u, err := checkURL(c.URL)
	switch {
	case strings.Contains(c.URL, "${env:") || strings.Contains(c.URL, "${file:"):
		problem("url", "a URL is shown, and so it names no secrets: put them into a header or the body")
	case err != nil:
		problem("url", "%s", err)
	}
	made.url = u
	if made.body, err = secret.Parse(c.Body); err != nil {
		problem("body", "%s", err)
	}
	seen := make(map[string]string)
	for _, name := range slices.Sorted(maps.Keys(c.Headers)) {
		field := "headers." + name
		canonical := http.CanonicalHeaderKey(name)
		switch other, twice := seen[canonical]; {
		case !isToken(name):
			problem("headers", "%q is no name of a header", name)
		case twice:
			problem(field, "the same header as %q", other)
		case strings.HasPrefix(canonical, "Clockd-") || canonical == keyHeader:
			problem(field, "clockd sets this header itself")
		case slices.Contains(ofConnection, canonical):
			problem(field, "this header is set by the connection")
		case strings.ContainsFunc(c.Headers[name], isControl):
			problem(field, "the value has a control character, such as a line break")
		}
		seen[canonical] = name
		if made.headers[name], err = secret.Parse(c.Headers[name]); err != nil {
			problem(field, "%s", err)
		}
	}
	for i, status := range c.ExpectStatus {
		if status < 200 || status > 599 {
			problem(fmt.Sprintf("expect_status[%d]", i), "%d is outside 200-599", status)
		}
	}
	if c.OutputLimit < 0 || c.OutputLimit > MaxOutputLimit {
		problem("output_limit", "%d is outside 1-%d bytes", c.OutputLimit, MaxOutputLimit)
	}
	return made, found
}

func checkURL(text string) (*url.URL, error) {
	if text == "" {
		return nil, errors.New("missing: write http://host/path or https://host/path")
	}
	u, err := url.Parse(text)
	if err != nil {
		// url.Error has the whole text in it, password included; so may what is inside it, except for
		// these.
		var escape url.EscapeError
		if errors.As(err, &escape) {
			return nil, fmt.Errorf("not a URL: %w", escape)
		}
		return nil, errors.New("not a URL, such as http://host:8080/path")
	}
	if u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("the scheme is %q: http or https is needed, as in http://host:8080/path", u.Scheme)
	}
	if u.Hostname() == "" {
		return nil, errors.New("the host is missing: write http://host/path or https://host/path")
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			return nil, fmt.Errorf("port %q is outside 1-65535", port)
		}
	}
	u.Fragment, u.RawFragment = "", "" // is never sent
	return u, nil
}

// ofConnection are headers that net/http makes from the body and the connection, and ignores or sends
// twice if they are set.
var ofConnection = []string{"Connection", "Content-Length", "Keep-Alive", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade"}

// isToken reports whether s is a token of RFC 9110, section 5.6.2.
func isToken(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("!#$%&'*+-.^_`|~", r)
	})
}

// isControl reports whether a header's value must not have r.
func isControl(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }
