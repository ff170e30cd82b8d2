package cli

import (
	"bufio"
	"bytes"
	"testing"

	"github.com/clockd/clockd/daemon/task"
)

func TestProgressIsToldBesideWhatARunWrites(t *testing.T) {
	for name, tt := range map[string]struct {
		progress     task.Progress
		exact        bool
		stdout, said string
	}{
		"how much":          {task.Progress{Attempt: 1, Fraction: 0.256}, false, "", "clockctl: 26%\n"},
		"in words":          {task.Progress{Attempt: 1, Fraction: -1, Message: "a\x1b[2J"}, false, "", "clockctl: \"a\\x1b[2J\"\n"},
		"both":              {task.Progress{Attempt: 1, Fraction: 1, Message: "done"}, false, "", "clockctl: 100%: done\n"},
		"for a program":     {task.Progress{Attempt: 2, Fraction: 0.5, Message: "x"}, true, `{"progress":{"attempt":2,"fraction":0.5,"message":"x"}}` + "\n", ""},
		"nothing in either": {task.Progress{Attempt: 1, Fraction: -1}, false, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			f := follower{session: &session{env: Env{Stderr: &stderr}, out: bufio.NewWriter(&stdout), exact: tt.exact}, silent: true}
			if err := f.print(task.Output{Progress: &tt.progress}); err != nil {
				t.Fatal(err)
			}
			if stdout.String() != tt.stdout || stderr.String() != tt.said || !f.silent {
				t.Errorf("%q, %q, silent %v", stdout.String(), stderr.String(), f.silent)
			}
		})
	}
}
