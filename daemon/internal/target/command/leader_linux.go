package command

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// awaitExit blocks until the process has exited, and leaves it a zombie: until it is reaped, its number
// and so that of its group can not be given to another, and a signal to the group can hit no stranger.
func awaitExit(pid int) error {
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return fmt.Errorf("waiting for process %d: %w", pid, err)
		}
		return nil
	}
}
