package httpcall_test

import (
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/clockd/clockd/daemon/internal/target/httpcall"
	"github.com/clockd/clockd/daemon/task"
)

func TestARequestHasItsSecretsAndItsOutputHasNone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(path, []byte("file-s3cr3t\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("CLOCKD_TEST_TOKEN", "env-s3cr3t")
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if got := r.Header.Get("Authorization") + " " + r.Host + " " + string(body); got != "Bearer env-s3cr3t file-s3cr3t ${x} key=file-s3cr3t" {
			t.Errorf("it gets %q", got)
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusTeapot)
		io.WriteString(w, `{"you sent":["`+string(body)+`","env\u002ds3cr3t"]}`)
	})
	c := httpcall.Config{
		URL: url, Headers: map[string]string{"authorization": "Bearer ${env:CLOCKD_TEST_TOKEN}", "host": "${file:" + path + "}"},
		Body: "$${x} key=${file:" + path + "}",
	}
	output, err := do(t, t.Context(), c, attempt())
	if want := `{"status_code":418,"body":{"you sent":["${x} key=***","***"]}}`; output != want || err == nil {
		t.Errorf("%s, %v; want %s", output, err, want)
	}
}

func TestASecretThatARequestCanNotCarryIsNotShown(t *testing.T) {
	t.Setenv("CLOCKD_TEST_TOKEN", "two\nlines of it")
	url := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("it is sent") })
	for value, want := range map[string]string{
		"${env:CLOCKD_TEST_TOKEN}": "POST " + url + ": headers.X: with its secrets the value has a control character, such as a line break",
		"${env:CLOCKD_NOT_SET}":    "POST " + url + ": headers.X: the environment has no variable CLOCKD_NOT_SET",
	} {
		output, err := do(t, t.Context(), httpcall.Config{URL: url, Method: "POST", Headers: map[string]string{"X": value}}, attempt())
		if errorText(err) != want || output != "" {
			t.Errorf("%s, %v; want %s", output, err, want)
		}
	}
	output, err := do(t, t.Context(), httpcall.Config{URL: url, Body: "${env:CLOCKD_NOT_SET}"}, attempt())
	if want := "POST " + url + ": body: the environment has no variable CLOCKD_NOT_SET"; errorText(err) != want || output != "" {
		t.Errorf("%s, %v; want %s", output, err, want)
	}
}

func TestAnErrorOfTheConnectionShowsNoSecret(t *testing.T) {
	t.Setenv("CLOCKD_TEST_HOST", "hunter2-hunter2")
	// The transport says what the service answers, if that is no HTTP.
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		io.WriteString(conn, r.Header.Get("X")+"\r\n\r\n")
		conn.Close()
	})
	_, err := do(t, t.Context(), httpcall.Config{URL: url, Headers: map[string]string{"X": "${env:CLOCKD_TEST_HOST}"}}, attempt())
	if got := errorText(err); strings.Contains(got, "hunter2") || !strings.Contains(got, "***") {
		t.Error(got)
	}
}

func TestATextThatIsNoSecretIsRefused(t *testing.T) {
	_, err := httpcall.New(httpcall.Config{URL: "http://host/", Headers: map[string]string{"X": "hunter2${env:}"}, Body: "hunter2${no}"})
	var invalid *task.InvalidError
	if !errors.As(err, &invalid) || len(invalid.Violations) != 2 || invalid.Violations[0].Field != "body" || invalid.Violations[1].Field != "headers.X" {
		t.Fatal(err)
	}
	if strings.Contains(err.Error(), "hunter2") {
		t.Errorf("a value is shown: %v", err)
	}
}
