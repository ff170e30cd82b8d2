package cli

import (
	"encoding/json"
	"fmt"

	"github.com/clockd/clockd/daemon/task"
	"github.com/clockd/clockd/daemon/wire"
	clockdv1 "github.com/clockd/clockd/gen/clockd/v1"
)

type logsCommand struct {
	RunID string `arg:"" name:"run" help:"Id of the run."`
}

// Help is the text below the summary.
func (logsCommand) Help() string {
	return "What the run writes to its standard output and standard error is written to those of clockctl, as it is: of a run that goes, from the beginning " +
		"as far as it is kept, and then as it comes; of one that has ended, what is kept of its last attempt. An HTTP call and a function write nothing before their end: " +
		"what is printed is the body, or the value it returned. Exit status 0 whatever became of the run."
}

func (c *logsCommand) Run(s *session) error {
	id, err := runID(c.RunID)
	if err != nil {
		return err
	}
	run, silent, err := s.follow(id)
	if err == nil && silent {
		// An empty answer would leave one to wonder.
		_, err = fmt.Fprintf(s.env.Stderr, "clockctl: %s; nothing that it wrote is kept\n", ended(run))
	}
	return err
}

// follow prints what a run writes until it has ended, and returns it as it ended. silent: there was nothing to
// print. With --output json each answer of the API is printed as it is, on one line.
func (s *session) follow(id task.RunID) (run task.Run, silent bool, err error) {
	f := follower{session: s, silent: true, attempt: 1}
	run, err = s.client.FollowRun(s.ctx, id, f.print)
	if err != nil {
		return run, f.silent, err
	}
	if s.json {
		err = s.printLine(&clockdv1.FollowRunResponse{Run: wire.RunToProto(run)})
		return run, false, err
	}
	if f.silent {
		err = f.kept(run)
	}
	return run, f.silent, err
}

// A follower prints the pieces of a run's output.
type follower struct {
	*session
	silent  bool // nothing was printed yet
	attempt int  // that wrote the last piece
}

func (f *follower) print(o task.Output) error {
	if f.json {
		f.silent = false
		return f.printLine(&clockdv1.FollowRunResponse{Chunk: wire.OutputToProto(o)})
	}
	if o.Attempt > f.attempt {
		f.attempt = o.Attempt
		if err := f.remark("attempt %d", o.Attempt); err != nil {
			return err
		}
	}
	return f.write(o.Stream, o.Data, o.Dropped)
}

// write copies output, and says before it how much of it is missing.
func (f *follower) write(stream task.OutputStream, data []byte, dropped int64) error {
	if dropped > 0 {
		if err := f.remark("%d bytes of %s are not here: they were not kept, or not read in time", dropped, outputStreams.of(stream)); err != nil {
			return err
		}
	}
	if len(data) == 0 {
		return nil
	}
	f.silent = false
	if stream == task.Stderr {
		_, err := f.env.Stderr.Write(data)
		return err
	}
	if _, err := f.out.Write(data); err != nil {
		return err
	}
	return f.out.Flush()
}

func (f *follower) remark(format string, args ...any) error {
	_, err := fmt.Fprintf(f.env.Stderr, "clockctl: "+format+"\n", args...)
	return err
}

// kept prints what is kept of the output of a run: the streams of a command, the body of a response, or else
// the whole as JSON.
func (f *follower) kept(run task.Run) error {
	if run.Output == nil {
		return nil
	}
	var command struct {
		Stdout        *string `json:"stdout"`
		Stderr        *string `json:"stderr"`
		StdoutDropped float64 `json:"stdout_dropped"`
		StderrDropped float64 `json:"stderr_dropped"`
	}
	if json.Unmarshal(run.Output, &command) == nil && command.Stdout != nil && command.Stderr != nil {
		if err := f.write(task.Stdout, []byte(*command.Stdout), int64(command.StdoutDropped)); err != nil {
			return err
		}
		return f.write(task.Stderr, []byte(*command.Stderr), int64(command.StderrDropped))
	}
	var response struct {
		StatusCode *int             `json:"status_code"`
		Body       *json.RawMessage `json:"body"`
	}
	data := jsonText(run.Output)
	if json.Unmarshal(run.Output, &response) == nil && response.StatusCode != nil && response.Body != nil {
		var body string
		if json.Unmarshal(*response.Body, &body) == nil {
			if body == "" {
				return nil
			}
			data = body
		} else {
			data = jsonText(*response.Body)
		}
	}
	if len(data) == 0 || data[len(data)-1] != '\n' {
		data += "\n"
	}
	return f.write(task.Stdout, []byte(data), 0)
}
