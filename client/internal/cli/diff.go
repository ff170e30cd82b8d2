package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/clockd/clockd/daemon/task"
	"github.com/clockd/clockd/daemon/wire"
	clockdv1 "github.com/clockd/clockd/gen/clockd/v1"
)

type diffCommand struct {
	File string `complete:"file" arg:"" help:"The config file; '-' reads standard input."`
}

// errDiffers ends a diff that found something. It is no failure, and nothing is printed of it.
var errDiffers = errors.New("there are differences")

// Help is the text below the summary.
func (diffCommand) Help() string {
	return "The daemon says what would change if it were started with the file, or read it now. Nothing is changed. " +
		"Exit status: 0 nothing would change; 3 something would; 2 the file is wrong."
}

func (c *diffCommand) Run(s *session) error {
	data, err := s.readFile(c.File, maxConfig)
	if err != nil {
		return err
	}
	name := c.File
	if name == "-" {
		name = "standard input"
	}
	diffs, err := ask(s, func(ctx context.Context) ([]task.TaskDiff, error) {
		return s.client.DiffConfig(ctx, name, data)
	})
	if err != nil {
		return err
	}
	switch {
	case s.exact:
		resp := &clockdv1.DiffConfigResponse{}
		for _, d := range diffs {
			resp.Diffs = append(resp.Diffs, wire.DiffToProto(d))
		}
		err = s.printAnswer(resp)
	case len(diffs) == 0:
		_, err = fmt.Fprintln(s.out, "Nothing would change.")
	default:
		rows := table{{"TASK", "ACTION", "CHANGE"}}
		for _, d := range diffs {
			rows.row(text(d.TaskName), actions.of(d.Action), changeOf(d.Before, d.After, "", d.Reason).line(about(d.Action, 0)))
		}
		err = rows.write(s.out)
	}
	if err == nil && len(diffs) > 0 {
		err = errDiffers
	}
	return err
}

// maxConfig is the largest config file that a daemon takes, in bytes.
const maxConfig = 3 << 20

// readFile reads a file that was named on the command line, of limit bytes at most; "-" is standard input.
func (s *session) readFile(name string, limit int64) ([]byte, error) {
	var data []byte
	var err error
	if name == "-" {
		data, err = readAll(s.ctx, s.env.Stdin, limit)
	} else {
		data, err = readNamed(name, limit)
	}
	switch {
	case err != nil && s.ctx.Err() != nil:
		return nil, err
	case err != nil:
		return nil, usage("%s", err)
	case int64(len(data)) > limit:
		return nil, usage("%s: more than %d MiB", name, limit>>20)
	}
	return data, nil
}

func readNamed(name string, limit int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	return data, errors.Join(err, f.Close())
}
