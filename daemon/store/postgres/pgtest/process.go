package pgtest

import (
	"fmt"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// process is a server that runs.
type process struct {
	cmd   *exec.Cmd
	ended chan struct{} // closed when it has ended and its goroutine is done
}

// run starts a command. The goroutine that does keeps its thread until the command has ended: the system ends a child
// with the thread that has started it, not with the process.
func run(cmd *exec.Cmd) (*process, error) {
	p := &process{cmd: cmd, ended: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		defer close(p.ended)
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // how it ended is in its log
		}
	}()
	if err := <-started; err != nil {
		<-p.ended
		return nil, err
	}
	return p, nil
}

// end sends a signal and waits until the process has ended, which may have been before.
func (p *process) end(signal syscall.Signal) error {
	_ = p.cmd.Process.Signal(signal) // fails if it has ended
	select {
	case <-p.ended:
		return nil
	case <-time.After(patience):
	}
	_ = p.cmd.Process.Kill()
	<-p.ended
	return fmt.Errorf("PostgreSQL did not end within %s after %s and was killed", patience, signal)
}
