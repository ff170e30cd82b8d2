package cli_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/clockd/clockd/client/internal/cli"
	"github.com/clockd/clockd/client/internal/fakedaemon"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
)

var rewrite = flag.Bool("rewrite", false, "write what the commands print into testdata, for review as a diff")

// Each file of testdata is a session at a prompt, in front of a fake daemon of its own,
// those of testdata/more in front of one that knows more: see fakedaemon.SampleMore. A line
// "$ NAME=VALUE clockctl ARGS <<< TEXT" is a command; what follows is what it prints, the lines of standard
// error after "! ", and its exit code if it is not 0. Lines of prose begin with "#".
func TestSessionsPrintWhatTheirFilesSay(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	more, moreErr := filepath.Glob("testdata/more/*.txt")
	if err != nil || moreErr != nil || len(files) == 0 || len(more) == 0 {
		t.Fatalf("no sessions: %v, %v", err, moreErr)
	}
	files = append(files, more...)
	for _, file := range files {
		name := strings.TrimPrefix(strings.TrimSuffix(filepath.ToSlash(file), ".txt"), "testdata/")
		t.Run(name, func(t *testing.T) {
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			server := fakedaemon.New(fakedaemon.Sample())
			if strings.HasPrefix(name, "more/") {
				server.Add(fakedaemon.SampleMore())
				server.Record(fakedaemon.SampleEvents()...)
				server.AddWorkers(fakedaemon.SampleWorkers()...)
				server.AddNodes(fakedaemon.SampleNodes()...)
			}
			address := serve(t, server)
			var got strings.Builder
			for line := range strings.Lines(string(want)) {
				switch {
				case strings.HasPrefix(line, "$ "):
					got.WriteString(line)
					got.WriteString(execute(t, address, strings.TrimSpace(line[2:])))
				case strings.HasPrefix(line, "#"):
					if got.Len() > 0 {
						got.WriteString("\n")
					}
					got.WriteString(line)
				}
			}
			if *rewrite {
				if err := os.WriteFile(file, []byte(got.String()), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(string(want), got.String()); diff != "" {
				t.Errorf("-want +got; go test ./client/internal/cli -rewrite shows it in git diff\n%s", diff)
			}
		})
	}
}

// serve runs a fake daemon behind a real socket until the test ends, and returns its address.
func serve(t *testing.T, s *fakedaemon.Server) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "ctl") // t.TempDir can be longer than a socket may be
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "s")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	g, done := s.Server(), make(chan error, 1)
	go func() { done <- g.Serve(listener) }()
	t.Cleanup(func() {
		g.Stop()
		// A session without a call can be over before Serve begins.
		if err := <-done; err != nil && !errors.Is(err, grpc.ErrServerStopped) {
			t.Errorf("serve: %v", err)
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return "unix:" + path
}

// execute runs one line of a session and returns what it prints.
func execute(t *testing.T, address, line string) string {
	t.Helper()
	variables := map[string]string{"CLOCKD_ADDRESS": address}
	words := split(line)
	for words[0] != "clockctl" {
		name, value, ok := strings.Cut(words[0], "=")
		if !ok {
			t.Fatalf("%q: neither clockctl nor a variable", line)
		}
		variables[name] = value
		words = words[1:]
	}
	args, stdin := words[1:], ""
	if n := len(args); n >= 2 && args[n-2] == "<<<" {
		args, stdin = args[:n-2], args[n-1]
	}
	var here *time.Location
	if name := variables["TZ"]; name != "" {
		var err error
		if here, err = time.LoadLocation(name); err != nil {
			t.Fatal(err)
		}
	}
	var stdout, stderr bytes.Buffer
	code := cli.Run(context.Background(), args, cli.Env{
		Stdin: strings.NewReader(stdin), Stdout: &stdout, Stderr: &stderr,
		Getenv: func(name string) string { return variables[name] },
		Now:    func() time.Time { return fakedaemon.Now },
		Actor:  "me@here",
		Local:  here,
	})
	out := stdout.String()
	for line := range strings.Lines(stderr.String()) {
		out += "! " + line
	}
	if code != 0 {
		out += fmt.Sprintf("[exit %d]\n", code)
	}
	return strings.ReplaceAll(out, strings.TrimPrefix(address, "unix:"), "/run/clockd")
}

// split splits a line as a shell does: at spaces, outside single and double quotes.
func split(line string) []string {
	var words []string
	var word strings.Builder
	var quote rune
	started := false
	for _, r := range line + " " {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote == 0 && (r == '\'' || r == '"'):
			quote, started = r, true
		case quote == 0 && r == ' ':
			if started {
				words = append(words, word.String())
			}
			word.Reset()
			started = false
		default:
			word.WriteRune(r)
			started = true
		}
	}
	return words
}
