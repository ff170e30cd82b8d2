package command

import (
	"fmt"
	"syscall"
	"unsafe"
)

// awaitExit blocks until the process has exited, and leaves it a zombie: until it is reaped, its number
// and so that of its group can not be given to another, and a signal to the group can hit no stranger.
func awaitExit(pid int) error {
	const processID = 1        // P_PID, which package syscall does not name
	var information [16]uint64 // a siginfo_t has 104 bytes; it must be given and is not read
	for {
		_, _, errno := syscall.Syscall6(syscall.SYS_WAITID, processID, uintptr(pid),
			uintptr(unsafe.Pointer(&information)), syscall.WEXITED|syscall.WNOWAIT, 0, 0)
		if errno == syscall.EINTR {
			continue
		}
		if errno != 0 {
			return fmt.Errorf("waiting for process %d: %w", pid, errno)
		}
		return nil
	}
}
