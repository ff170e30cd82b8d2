package httpcall_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/clockd/clockd/daemon/internal/target"
	"github.com/clockd/clockd/daemon/internal/target/httpcall"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func attempt() target.Attempt {
	return target.Attempt{
		RunID: 42, TaskID: uuid.MustParse("6ba7b810-9dad-51d1-80b4-00c04fd430c8"), TaskName: "nightly", Number: 3,
		ScheduledTime: time.Date(2027, 1, 2, 3, 4, 5, 678000, time.FixedZone("", 3600)),
	}
}

func serve(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(handler)
	t.Cleanup(s.Close)
	return s.URL
}

func do(t *testing.T, ctx context.Context, c httpcall.Config, a target.Attempt) (string, error) {
	t.Helper()
	tg, err := httpcall.New(c)
	if err != nil {
		t.Fatal(err)
	}
	output, err := tg.Do(ctx, a)
	return string(output), err
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestARequestCarriesTheRunAndTheBody(t *testing.T) {
	input := attempt()
	input.Input = []byte(`{"day":1}`)
	foreign := attempt()
	foreign.TaskName = "größe 100%"
	tests := []struct {
		name    string
		config  httpcall.Config
		attempt target.Attempt
		method  string
		body    string
		header  map[string]string
	}{
		{
			name: "the facts of the run", attempt: attempt(), method: "GET",
			header: map[string]string{
				"Clockd-Run-Id": "42", "Clockd-Task-Id": "6ba7b810-9dad-51d1-80b4-00c04fd430c8", "Clockd-Task-Name": "nightly",
				"Clockd-Scheduled-Time": "2027-01-02T02:04:05.000678Z", "Clockd-Attempt": "3",
				"User-Agent": "clockd", "Content-Type": "",
			},
		},
		{name: "a task name that a header can not carry", attempt: foreign, method: "GET", header: map[string]string{"Clockd-Task-Name": "gr%C3%B6%C3%9Fe 100%25"}},
		{name: "a body is posted as it is", config: httpcall.Config{Body: "hello"}, attempt: attempt(), method: "POST", body: "hello", header: map[string]string{"Content-Type": ""}},
		{name: "an input is posted as JSON", attempt: input, method: "POST", body: `{"day":1}`, header: map[string]string{"Content-Type": "application/json"}},
		{name: "an input goes before the body", config: httpcall.Config{Body: "hello"}, attempt: input, method: "POST", body: `{"day":1}`},
		{
			name: "a method that is set stays", config: httpcall.Config{Method: "PUT", Body: "hello"},
			attempt: attempt(), method: "PUT", body: "hello",
		},
		{
			name:    "headers that are set stay",
			config:  httpcall.Config{Headers: map[string]string{"content-type": "text/x", "X-Key": "hunter2", "user-agent": "me"}},
			attempt: input, method: "POST", body: `{"day":1}`,
			header: map[string]string{"Content-Type": "text/x", "X-Key": "hunter2", "User-Agent": "me"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.config.URL = serve(t, func(_ http.ResponseWriter, r *http.Request) {
				body, err := io.ReadAll(r.Body)
				if err != nil {
					t.Error(err)
				}
				if r.Method != tt.method || string(body) != tt.body {
					t.Errorf("%s with %q, want %s with %q", r.Method, body, tt.method, tt.body)
				}
				for name, want := range tt.header {
					if got := r.Header.Get(name); got != want {
						t.Errorf("%s: %q, want %q", name, got, want)
					}
				}
			})
			if _, err := do(t, t.Context(), tt.config, tt.attempt); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestHostAndUserReachTheServer(t *testing.T) {
	url := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		if r.Host != "internal.example" || user != "me" || password != "hunter2" {
			t.Errorf("host %q, user %q, password %q", r.Host, user, password)
		}
	})
	c := httpcall.Config{URL: strings.Replace(url, "http://", "http://me:hunter2@", 1), Headers: map[string]string{"host": "internal.example"}}
	if _, err := do(t, t.Context(), c, attempt()); err != nil {
		t.Error(err)
	}
}

func TestTheIdempotencyKeyIsThatOfTheRun(t *testing.T) {
	keys := make(chan string, 1)
	url := serve(t, func(_ http.ResponseWriter, r *http.Request) { keys <- r.Header.Get("Idempotency-Key") })
	key := func(change func(*target.Attempt)) string {
		a := attempt()
		change(&a)
		if _, err := do(t, t.Context(), httpcall.Config{URL: url}, a); err != nil {
			t.Fatal(err)
		}
		return <-keys
	}
	first := key(func(*target.Attempt) {})
	if _, err := uuid.Parse(first); err != nil {
		t.Errorf("key %q: %v", first, err)
	}
	if again := key(func(a *target.Attempt) { a.Number++ }); again != first {
		t.Errorf("the next attempt has %q, the one before %q", again, first)
	}
	for name, change := range map[string]func(*target.Attempt){
		"another run":  func(a *target.Attempt) { a.RunID++ },
		"another task": func(a *target.Attempt) { a.TaskID = uuid.Nil },
		"a run with this number in another store": func(a *target.Attempt) { a.ScheduledTime = a.ScheduledTime.Add(time.Hour) },
	} {
		if other := key(change); other == first {
			t.Errorf("%s has the same key", name)
		}
	}
}

func TestTheResponseIsTheOutput(t *testing.T) {
	tests := []struct {
		name        string
		contentType string
		body        string
		limit       int
		status      int
		expect      []int
		output      string
		err         string // after METHOD URL
	}{
		{name: "text", contentType: "text/plain", body: "<ok>", output: `{"status_code":200,"body":"<ok>"}`},
		{name: "nothing", status: 204, output: `{"status_code":204,"body":""}`},
		{name: "JSON", contentType: "application/json; charset=utf-8", body: ` {"n": 12345678901234567890, "s": "<"}`, output: `{"status_code":200,"body":{"n":12345678901234567890,"s":"<"}}`},
		{name: "JSON by another name", contentType: "application/problem+json", body: `[1]`, output: `{"status_code":200,"body":[1]}`},
		{name: "JSON null", contentType: "application/json", body: `null`, output: `{"status_code":200,"body":null}`},
		{name: "JSON that says it is text", contentType: "text/plain", body: `[1]`, output: `{"status_code":200,"body":"[1]"}`},
		{name: "text that says it is JSON", contentType: "application/json", body: `oops`, output: `{"status_code":200,"body":"oops"}`},
		{name: "two JSON values", contentType: "application/json", body: `1 2`, output: `{"status_code":200,"body":"1 2"}`},
		{name: "a JSON number beyond all readers", contentType: "application/json", body: `1e999`, output: `{"status_code":200,"body":"1e999"}`},
		{name: "half a surrogate pair and a key twice", contentType: "application/json", body: `{"a":1,"a":"\ud800"}`, output: `{"status_code":200,"body":{"a":"` + "\ufffd" + `"}}`},
		{name: "bytes that are not UTF-8", contentType: "text/plain", body: "a\xff", output: `{"status_code":200,"body":"a\ufffd"}`},
		{name: "more than the limit", contentType: "application/json", body: `[1,2,3]`, limit: 4, output: `{"status_code":200,"body":"[1,2","body_dropped":3}`},
		{name: "as much as the limit", contentType: "application/json", body: `[1,2,3]`, limit: 7, output: `{"status_code":200,"body":[1,2,3]}`},
		{name: "a character cut in two", contentType: "text/plain", body: `aäb`, limit: 2, output: `{"status_code":200,"body":"a","body_dropped":3}`},
		{name: "a status that fails", status: 503, contentType: "text/plain", body: "busy", output: `{"status_code":503,"body":"busy"}`, err: ": status 503, want 2xx"},
		{name: "a status that is expected", status: 409, expect: []int{200, 409}, output: `{"status_code":409,"body":""}`},
		{name: "a status that is not", status: 204, expect: []int{200, 202}, output: `{"status_code":204,"body":""}`, err: ": status 204, want 200 or 202"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			url := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", tt.contentType)
				if tt.status != 0 {
					w.WriteHeader(tt.status)
				}
				if _, err := io.WriteString(w, tt.body); err != nil && tt.body != "" {
					t.Error(err)
				}
			})
			output, err := do(t, t.Context(), httpcall.Config{URL: url, OutputLimit: tt.limit, ExpectStatus: tt.expect}, attempt())
			if diff := cmp.Diff(tt.output, output); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			want := tt.err
			if want != "" {
				want = "GET " + url + want
			}
			if text := errorText(err); text != want {
				t.Errorf("error %q, want %q", text, want)
			}
		})
	}
}

func TestALargeResponseIsReadToItsEndAndNotKept(t *testing.T) {
	const size = 10_000_000
	written := make(chan error, 1)
	url := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		_, err := io.Copy(w, io.LimitReader(zeros{}, size))
		written <- err
	})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	output, err := do(t, t.Context(), httpcall.Config{URL: url, OutputLimit: 3}, attempt())
	runtime.ReadMemStats(&after)
	if err != nil {
		t.Error(err)
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > 4<<20 { // of the server too
		t.Errorf("%d bytes were allocated", used)
	}
	if err := <-written; err != nil {
		t.Errorf("the server was cut off: %v", err)
	}
	if want := fmt.Sprintf(`{"status_code":200,"body":"000","body_dropped":%d}`, size-3); output != want {
		t.Errorf("output %s, want %s", output, want)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = '0'
	}
	return len(p), nil
}

func TestARedirectIsNotFollowedUnlessItIsWhatWasExpected(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/start" {
			t.Errorf("the redirect was followed to %s", r.URL)
		}
		http.Redirect(w, r, "/end?token=hunter2", http.StatusSeeOther)
	})
	output, err := do(t, t.Context(), httpcall.Config{URL: url + "/start", Body: "hello"}, attempt())
	want := "POST " + url + "/start: status 303, want 2xx; redirects are not followed: give the URL that it points to, " + url + "/end?token=redacted"
	if text := errorText(err); text != want || !strings.HasPrefix(output, `{"status_code":303`) {
		t.Errorf("output %s, error %q, want %q", output, text, want)
	}
	if _, err := do(t, t.Context(), httpcall.Config{URL: url + "/start", Body: "hello", ExpectStatus: []int{303}}, attempt()); err != nil {
		t.Errorf("expected: %v", err)
	}
}

func TestTheEndOfTheContextEndsTheCall(t *testing.T) {
	tests := []struct {
		name  string
		start func(w http.ResponseWriter)
		want  string
	}{
		{"before the response", func(http.ResponseWriter) {}, "timed out"},
		{"within the body", func(w http.ResponseWriter) {
			_, _ = io.WriteString(w, "half")
			_ = http.NewResponseController(w).Flush()
		}, "timed out"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			url := serve(t, func(w http.ResponseWriter, r *http.Request) {
				tt.start(w)
				cancel(target.ErrTimeout)
				<-r.Context().Done() // the connection is closed
			})
			_, err := do(t, ctx, httpcall.Config{URL: url}, attempt())
			if !errors.Is(err, target.ErrTimeout) || !strings.HasPrefix(err.Error(), "GET "+url) {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestAnAttemptThatIsCanceledBeforeItStartsCallsNobody(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(target.ErrStopping)
	url := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("the server was called") })
	if _, err := do(t, ctx, httpcall.Config{URL: url}, attempt()); !errors.Is(err, target.ErrStopping) {
		t.Errorf("error %v", err)
	}
}

func TestABodyThatBreaksOffFailsTheAttempt(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() {
		served <- func() error {
			conn, err := l.Accept()
			if err != nil {
				return err
			}
			defer conn.Close()
			if _, err := http.ReadRequest(bufio.NewReader(conn)); err != nil {
				return err
			}
			_, err = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n123")
			return err
		}()
	}()
	output, err := do(t, t.Context(), httpcall.Config{URL: "http://" + l.Addr().String()}, attempt())
	if want := "GET http://" + l.Addr().String() + ": status 200, and then its body broke off after 3 bytes: unexpected EOF"; errorText(err) != want {
		t.Errorf("error %q, want %q", errorText(err), want)
	}
	if want := `{"status_code":200,"body":"123"}`; output != want {
		t.Errorf("output %s, want %s", output, want)
	}
	if err := errors.Join(<-served, l.Close()); err != nil {
		t.Error(err)
	}
}

func TestSecretsAreShownNowhere(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	tg, err := httpcall.New(httpcall.Config{
		URL:     "http://hunter2:hunter2@" + address + "/hook?token=hunter2&hunter2&a=#hunter2",
		Headers: map[string]string{"Authorization": "hunter2"},
		Body:    "hunter2",
	})
	if err != nil {
		t.Fatal(err)
	}
	want := task.Target{Kind: "http", Summary: "POST http://redacted@" + address + "/hook?token=redacted&redacted&a=redacted"}
	if diff := cmp.Diff(want, tg.Describe()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	_, err = tg.Do(t.Context(), attempt()) // nobody listens
	if err == nil || !strings.HasPrefix(err.Error(), want.Summary+": dial tcp") || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("error %v", err)
	}
	for _, url := range []string{"ftp://hunter2@h", "http://me:hunter2@h:99999", "http://me:hunter2@h:port/", "http://me:hun ter2@h/", "http://h/%zz?hunter2", "http://[hunter2"} {
		_, err := httpcall.New(httpcall.Config{URL: url, Headers: map[string]string{"X-Key": "hunter2\n"}})
		if err == nil || strings.Contains(err.Error(), "hun") {
			t.Errorf("%s: error %v", url, err)
		}
	}
}

func TestNewRefusesEverythingThatIsWrongAtOnce(t *testing.T) {
	tests := []struct {
		name   string
		config httpcall.Config
		want   []string // of "field: description"
	}{
		{"all at once", httpcall.Config{
			Method:       "post",
			URL:          "/x",
			Headers:      map[string]string{"X-A": "1", "x-a": "2", "a b": "", "Clockd-Run-Id": "1", "idempotency-key": "k", "Content-Length": "3", "X-B": "a\r\nb"},
			ExpectStatus: []int{200, 100, 600},
			OutputLimit:  -1,
		}, []string{
			`method: "post" is not in capitals; write POST`,
			`url: the scheme is "": http or https is needed, as in http://host:8080/path`,
			"headers.Clockd-Run-Id: clockd sets this header itself",
			"headers.Content-Length: this header is set by the connection",
			"headers.X-B: the value has a control character, such as a line break",
			`headers: "a b" is no name of a header`,
			"headers.idempotency-key: clockd sets this header itself",
			`headers.x-a: the same header as "X-A"`,
			"expect_status[1]: 100 is outside 200-599",
			"expect_status[2]: 600 is outside 200-599",
			"output_limit: -1 is outside 1-262144 bytes",
		}},
		{"nothing", httpcall.Config{}, []string{"url: missing: write http://host/path or https://host/path"}},
		{"a scheme that is not HTTP", httpcall.Config{URL: "file:///etc/passwd"}, []string{`url: the scheme is "file": http or https is needed, as in http://host:8080/path`}},
		{"a host and port alone", httpcall.Config{URL: "localhost:8080"}, []string{`url: the scheme is "localhost": http or https is needed, as in http://host:8080/path`}},
		{"no host", httpcall.Config{URL: "http:///x"}, []string{"url: the host is missing: write http://host/path or https://host/path"}},
		{"no host and no slashes", httpcall.Config{URL: "http:x"}, []string{"url: the host is missing: write http://host/path or https://host/path"}},
		{"a port out of range", httpcall.Config{URL: "http://h:65536"}, []string{`url: port "65536" is outside 1-65535`}},
		{"a bad escape", httpcall.Config{URL: "http://h/%zz"}, []string{`url: not a URL: invalid URL escape "%zz"`}},
		{"a control character", httpcall.Config{URL: "http://h/\n"}, []string{"url: not a URL, such as http://host:8080/path"}},
		{"a tunnel", httpcall.Config{URL: "http://h", Method: "CONNECT"}, []string{"method: CONNECT makes a tunnel, not a request"}},
		{"a method that is none", httpcall.Config{URL: "http://h", Method: "GET /"}, []string{`method: "GET /" is no HTTP method, such as GET or POST`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := httpcall.New(tt.config)
			var invalid *task.InvalidError
			if !errors.As(err, &invalid) {
				t.Fatalf("error %v", err)
			}
			var got []string
			for _, v := range invalid.Violations {
				got = append(got, v.Field+": "+v.Description)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestTheOutputIsJSONWhateverTheServerSends(t *testing.T) {
	for _, body := range []string{"", "\x00", "\u2028</script>", "\xed\xa0\x80", `{"a":`, strings.Repeat("[", 20000)} {
		url := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, body)
		})
		output, err := do(t, t.Context(), httpcall.Config{URL: url}, attempt())
		if err != nil || !json.Valid([]byte(output)) {
			t.Errorf("%.20q: output %.100s, error %v", body, output, err)
		}
	}
}

func TestAURLNamesNoSecrets(t *testing.T) {
	for _, url := range []string{"https://host/${env:TOKEN}", "https://host/?key=${file:/run/key}"} {
		_, err := httpcall.New(httpcall.Config{URL: url})
		if err == nil || !strings.Contains(err.Error(), "url: a URL is shown, and so it names no secrets: put them into a header or the body") {
			t.Errorf("%s: %v", url, err)
		}
	}
}
