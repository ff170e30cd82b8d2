package httpcall

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/clockd/clockd/daemon/internal/target"
	"github.com/clockd/clockd/daemon/internal/target/secret"
)

const keyHeader = "Idempotency-Key"

// result is the output of an attempt.
type result struct {
	StatusCode  int   `json:"status_code"`
	Body        any   `json:"body"`
	BodyDropped int64 `json:"body_dropped,omitempty"`
}

// Do makes the request and reads the response to its end.
func (c *call) Do(ctx context.Context, a target.Attempt) ([]byte, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	var seen secret.Values
	output, err := c.attempt(ctx, a, &seen)
	return output, seen.ScrubError(err)
}

// attempt adds the secrets that it reads to seen.
func (c *call) attempt(ctx context.Context, a target.Attempt, seen *secret.Values) ([]byte, error) {
	method := c.method(a.Input)
	what := method + " " + redacted(c.url)
	req, err := c.request(ctx, method, a, seen)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	resp, err := c.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, reason(ctx, err))
	}
	defer resp.Body.Close()
	kept, dropped, failed := read(resp.Body, c.config.OutputLimit)
	output, err := encode(result{
		StatusCode:  resp.StatusCode,
		Body:        seen.ScrubJSON(value(resp.Header.Get("Content-Type"), kept, dropped > 0 || failed != nil)),
		BodyDropped: dropped,
	})
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: writing the output as JSON: %w", what, err)
	case failed != nil:
		return output, fmt.Errorf("%s: status %d, and then its body broke off after %d bytes: %w",
			what, resp.StatusCode, int64(len(kept))+dropped, reason(ctx, failed))
	case !c.expected(resp.StatusCode) && resp.StatusCode/100 == 3 && resp.Header.Get("Location") != "":
		return output, fmt.Errorf("%s: status %d, want %s; redirects are not followed: give the URL that it points to, %s",
			what, resp.StatusCode, c.want(), place(resp))
	case !c.expected(resp.StatusCode):
		return output, fmt.Errorf("%s: status %d, want %s", what, resp.StatusCode, c.want())
	}
	return output, nil
}

// place is where a redirect points, as far as it may be shown.
func place(resp *http.Response) string {
	u, err := resp.Location()
	if err != nil {
		return "which is no URL"
	}
	return redacted(u)
}

func (c *call) request(ctx context.Context, method string, a target.Attempt, seen *secret.Values) (*http.Request, error) {
	var body io.Reader
	switch {
	case a.Input != nil:
		body = bytes.NewReader(a.Input)
	case c.config.Body != "":
		text, err := c.body.Expand(seen)
		if err != nil {
			return nil, fmt.Errorf("body: %w", err)
		}
		body = strings.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.url.String(), body)
	if err != nil {
		return nil, err
	}
	if a.Input != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("User-Agent", "clockd")
	for name, text := range c.headers {
		value, err := text.Expand(seen)
		switch {
		case err != nil:
			return nil, fmt.Errorf("headers.%s: %w", name, err)
		case strings.ContainsFunc(value, isControl):
			return nil, fmt.Errorf("headers.%s: with its secrets the value has a control character, such as a line break", name)
		}
		if http.CanonicalHeaderKey(name) == "Host" {
			req.Host = value
			continue
		}
		req.Header.Set(name, value)
	}
	req.Header.Set("Clockd-Run-Id", a.RunID.String())
	req.Header.Set("Clockd-Task-Id", a.TaskID.String())
	req.Header.Set("Clockd-Task-Name", a.ASCIIName())
	req.Header.Set("Clockd-Scheduled-Time", a.ScheduledText())
	req.Header.Set("Clockd-Attempt", strconv.Itoa(a.Number))
	req.Header.Set(keyHeader, a.IdempotencyKey())
	return req, nil
}

func (c *call) expected(status int) bool {
	if len(c.config.ExpectStatus) == 0 {
		return status >= 200 && status <= 299
	}
	return slices.Contains(c.config.ExpectStatus, status)
}

func (c *call) want() string {
	if len(c.config.ExpectStatus) == 0 {
		return "2xx"
	}
	words := make([]string, len(c.config.ExpectStatus))
	for i, status := range c.config.ExpectStatus {
		words[i] = strconv.Itoa(status)
	}
	return strings.Join(words, " or ")
}

// reason says why a request failed. The error of net/http has the URL in it, secrets included.
func reason(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var at *url.Error
	if errors.As(err, &at) {
		return at.Err
	}
	return err
}

// read reads to the end, and keeps no more than the first limit bytes.
func read(body io.Reader, limit int) (kept []byte, dropped int64, err error) {
	kept, err = io.ReadAll(io.LimitReader(body, int64(limit)))
	if err == nil {
		dropped, err = io.Copy(io.Discard, body)
	}
	if dropped > 0 {
		// Not half a character at the end.
		for i := 1; i < utf8.UTFMax && i <= len(kept); i++ {
			if last := kept[len(kept)-i:]; utf8.RuneStart(last[0]) {
				if !utf8.FullRune(last) {
					kept = kept[:len(kept)-i]
					dropped += int64(i)
				}
				break
			}
		}
	}
	return kept, dropped, err
}

// value returns the body as it goes into the output: JSON as a value if it is whole and says that it is
// JSON, else a string.
func value(contentType string, body []byte, partial bool) any {
	kind, _, err := mime.ParseMediaType(contentType)
	if err != nil || partial || kind != "application/json" && !strings.HasSuffix(kind, "+json") {
		return string(body)
	}
	// What the output is made of must be within what every reader of it can take: numbers that a
	// float64 can hold, proper UTF-8, each key once. Decoding and encoding it anew sees to the latter
	// two; the text of numbers is kept.
	var floats any
	if json.Unmarshal(body, &floats) != nil {
		return string(body)
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var v any
	if d.Decode(&v) != nil {
		return string(body)
	}
	return v
}

func encode(r result) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // the output is for people too
	if err := e.Encode(r); err != nil {
		return nil, err
	}
	return bytes.TrimSpace(b.Bytes()), nil
}
