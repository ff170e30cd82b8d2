package cli

import (
	"fmt"
	"strings"

	"github.com/clockd/clockd/daemon/task"
	"github.com/clockd/clockd/daemon/wire"
	clockdv1 "github.com/clockd/clockd/gen/clockd/v1"
)

type logsCommand struct {
	RunID string `complete:"run" arg:"" name:"run" help:"Id of the run."`
}

// Help is the text below the summary.
func (logsCommand) Help() string {
	return "What the run writes to its standard output and standard error is written to those of clockctl, as it is: of a run that goes, from the beginning " +
		"as far as it is kept, and then as it comes; of one that has ended, what is kept of its last attempt. An HTTP call and a gRPC call write nothing before their end: " +
		"what is printed is the body, or the value it returned. Exit status 0 whatever became of the run."
}

func (c *logsCommand) Run(s *session) error {
	id, err := runID(c.RunID)
	if err != nil {
		return err
	}
	run, silent, err := s.follow(id)
	if s.interrupted(err) {
		return &interruptedError{run: id}
	}
	if err == nil && silent {
		// An empty answer would leave one to wonder.
		_, err = fmt.Fprintf(s.env.Stderr, "clockctl: %s; nothing that it wrote is kept\n", ended(run))
	}
	return err
}

// follow prints what a run writes until it has ended, and returns it as it ended. silent: there was nothing to
// print. With --output json each answer of the API is printed as it is, on one line, and with yaml as a document.
func (s *session) follow(id task.RunID) (run task.Run, silent bool, err error) {
	f := follower{session: s, silent: true, attempt: 1, lost: map[task.OutputStream]int64{}}
	run, err = s.client.FollowRun(s.ctx, id, f.print)
	switch {
	case err != nil:
	case s.exact:
		f.silent = false
		err = s.printPart(&clockdv1.FollowRunResponse{Run: wire.RunToProto(run)})
	case f.silent:
		err = f.kept(run)
	}
	f.sum()
	return run, f.silent, err
}

// A follower prints the pieces of a run's output.
type follower struct {
	*session
	silent  bool                        // nothing was printed yet
	attempt int                         // that wrote the last piece
	lost    map[task.OutputStream]int64 // bytes that are missing
	losses  int                         // places where some are
}

func (f *follower) print(o task.Output) error {
	if o.Progress != nil {
		return f.progress(*o.Progress)
	}
	if f.exact {
		f.silent = false
		return f.printPart(&clockdv1.FollowRunResponse{Chunk: wire.OutputToProto(o)})
	}
	if o.Attempt > f.attempt {
		f.attempt = o.Attempt
		f.remark("attempt %d", o.Attempt)
	}
	return f.write(o.Stream, o.Data, o.Dropped)
}

// progress says how far the run has come, on standard error: it is not what the run writes.
func (f *follower) progress(p task.Progress) error {
	if f.exact {
		return f.printPart(&clockdv1.FollowRunResponse{Progress: &clockdv1.RunProgress{
			Attempt: int32(p.Attempt), Fraction: p.Fraction, Message: p.Message,
		}})
	}
	var parts []string
	if p.Fraction >= 0 {
		parts = append(parts, fmt.Sprintf("%.0f%%", 100*p.Fraction))
	}
	if p.Message != "" {
		parts = append(parts, text(p.Message))
	}
	if len(parts) > 0 {
		f.remark("%s", strings.Join(parts, ": "))
	}
	return nil
}

// write copies output, and says before it how much of it is missing, the first time that some is: where a run writes
// faster than it is read that is so again and again, and would bury what there is to read. See sum.
func (f *follower) write(stream task.OutputStream, data []byte, dropped int64) error {
	if dropped > 0 {
		f.lost[stream] += dropped
		if f.losses++; f.losses == 1 {
			f.remark("%d bytes of %s are not here: they were not kept, or not read in time", dropped, outputStreams.of(stream))
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

// sum says at the end how much is missing, if that was not said yet.
func (f *follower) sum() {
	if f.losses < 2 {
		return
	}
	var parts []string
	for _, stream := range outputStreams {
		if n := f.lost[stream.value]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d bytes of %s", n, stream.text))
		}
	}
	f.remark("in all %s are not here, in %d places", strings.Join(parts, " and "), f.losses)
}

// kept prints what is kept of the output of a run: the streams of a command, the body of a response, or else
// the whole as JSON.
func (f *follower) kept(run task.Run) error {
	if run.Output == nil {
		return nil
	}
	if o, ok := commandOutputOf(run.Output); ok {
		if err := f.write(task.Stdout, []byte(*o.Stdout), int64(o.StdoutDropped)); err != nil {
			return err
		}
		return f.write(task.Stderr, []byte(*o.Stderr), int64(o.StderrDropped))
	}
	data := jsonText(run.Output)
	if r, ok := responseOf(run.Output); ok {
		if data = r.text(); data == "" {
			return nil
		}
	}
	if !strings.HasSuffix(data, "\n") {
		data += "\n"
	}
	return f.write(task.Stdout, []byte(data), 0)
}
