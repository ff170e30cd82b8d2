package cli_test

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/clockd/clockd/client/internal/fakedaemon"
	"github.com/creack/pty"
)

// A console is the other end of a process's terminal.
type console struct {
	t    *testing.T
	file *os.File
	cmd  *exec.Cmd

	mu   sync.Mutex
	said string
	more chan struct{} // of size one: something was said
	end  chan struct{} // closed when no more can come
}

func start(t *testing.T, cmd *exec.Cmd) *console {
	t.Helper()
	file, err := pty.StartWithSize(cmd, &pty.Winsize{Cols: 80, Rows: 24})
	if err != nil {
		t.Fatal(err)
	}
	c := &console{t: t, file: file, cmd: cmd, more: make(chan struct{}, 1), end: make(chan struct{})}
	go func() {
		defer close(c.end)
		buffer := make([]byte, 4096)
		for {
			n, err := file.Read(buffer)
			c.mu.Lock()
			c.said += string(buffer[:n])
			c.mu.Unlock()
			select {
			case c.more <- struct{}{}:
			default:
			}
			if err != nil { // the process has ended
				return
			}
		}
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_ = file.Close()
		<-c.end
	})
	return c
}

// await waits until the process has said a text, and returns all that it has said.
func (c *console) await(text string) string {
	c.t.Helper()
	limit := time.After(time.Minute)
	for {
		c.mu.Lock()
		said := c.said
		c.mu.Unlock()
		if strings.Contains(said, text) {
			return said
		}
		select {
		case <-c.more:
		case <-c.end:
			c.mu.Lock()
			said = c.said
			c.mu.Unlock()
			if !strings.Contains(said, text) {
				c.t.Fatalf("it ended and has not said %q: %q", text, said)
			}
			return said
		case <-limit:
			c.t.Fatalf("it does not say %q: %q", text, said)
		}
	}
}

func (c *console) types(text string) {
	c.t.Helper()
	if _, err := io.WriteString(c.file, text); err != nil {
		c.t.Fatal(err)
	}
}

func TestALiveWatchOnATerminalFitsItAndGivesItBackAtCtrlC(t *testing.T) {
	for name, end := range map[string]func(c *console){
		"ctrl-C":  func(c *console) { c.types("\x03") },
		"SIGTERM": func(c *console) { _ = c.cmd.Process.Signal(syscall.SIGTERM) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := program(t)
			server := fakedaemon.New(fakedaemon.Sample())
			cmd := exec.Command(filepath.Join(dir, "clockctl"), "watch")
			cmd.Env = environ(dir, serve(t, server))
			c := start(t, cmd)
			said := c.await("old report")
			if !strings.HasPrefix(said, "\x1b[?1049h") {
				t.Errorf("it begins with %.40q", said)
			}
			if err := pty.Setsize(c.file, &pty.Winsize{Cols: 30, Rows: 5}); err != nil {
				t.Fatal(err)
			}
			c.await("... and 4 more")
			end(c)
			said = c.await("\x1b[?1049l")
			if err := cmd.Wait(); err != nil {
				t.Errorf("it ended with %v", err)
			}
			if !strings.HasSuffix(strings.TrimRight(said, "\r\n"), "\x1b[?7h\x1b[?25h\x1b[?1049l") {
				t.Errorf("it ends with %q", said[max(0, len(said)-60):])
			}
		})
	}
}

// What readline does with what it is offered is only known when it was asked.
func TestBashAtAPromptCompletes(t *testing.T) {
	dir := program(t)
	server := fakedaemon.New(fakedaemon.Sample())
	server.Add(oddTasks(), nil)
	cmd := exec.Command("bash", "--norc", "--noprofile", "-i")
	cmd.Env = append(environ(dir, serve(t, server)), "PS1=>", "INPUTRC=/dev/null", "LC_ALL=C.UTF-8")
	c := start(t, cmd)
	c.types("bind 'set enable-bracketed-paste off'; source <(clockctl completion bash); say() { printf '<%s>\\n' \"$@\"; }; echo rea''dy\n")
	c.await("ready")
	for typed, want := range map[string]string{
		"clockctl get old\t":              "<get>\r\n<old report>",
		"clockctl get 'old\t":             "<get>\r\n<old report>",
		"clockctl get \"old\t":            "<get>\r\n<old report>",
		"clockctl list --output=j\t":      "<list>\r\n<--output=json>",
		"clockctl list --output j\t":      "<list>\r\n<--output>\r\n<json>",
		"clockctl get a:\t":               "<get>\r\n<a:b:c>",
		"clockctl get a=\t":               "<get>\r\n<a=b>",
		"clockctl get \\$H\t":             "<get>\r\n<$HOME>",
		"clockctl set-t\t rep\t":          "<set-trigger>\r\n<report>",
		"clockctl diff " + dir + "/clo\t": "<diff>\r\n<" + dir + "/clockctl>",
	} {
		c.mu.Lock()
		c.said = ""
		c.mu.Unlock()
		// Completed as clockctl, then, with another word in front, said.
		c.types(typed + "\x01say \x1bd\x05; echo do''ne\n")
		if said := c.await("done"); !strings.Contains(said, want) {
			t.Errorf("%q becomes %q, want %q", typed, said, want)
		}
	}
	c.types("exit\n")
	if err := cmd.Wait(); err != nil {
		if _, ok := errors.AsType[*exec.ExitError](err); !ok {
			t.Error(err)
		}
	}
}
