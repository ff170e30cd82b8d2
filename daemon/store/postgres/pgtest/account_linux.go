package pgtest

import (
	"fmt"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// account returns as whom PostgreSQL runs, and gives it the folder: root it refuses, and the package has made a user for it.
// The signal is that of Kill.
func account(dir string) (*syscall.SysProcAttr, error) {
	as := &syscall.SysProcAttr{Pdeathsig: syscall.SIGQUIT}
	uid, gid, err := owner()
	if err != nil || uid < 0 {
		return as, err
	}
	as.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return as, give(dir)
}

// give makes a file that of the account.
func give(path string) error {
	uid, gid, err := owner()
	if err != nil || uid < 0 {
		return err
	}
	return os.Chown(path, uid, gid)
}

// owner returns the account's numbers; -1: it is this process's.
func owner() (uid, gid int, err error) {
	if os.Getuid() != 0 {
		return -1, -1, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return 0, 0, fmt.Errorf("PostgreSQL does not run as root: %w; Debian's package postgresql makes that user", err)
	}
	if uid, err = strconv.Atoi(u.Uid); err != nil {
		return 0, 0, err
	}
	gid, err = strconv.Atoi(u.Gid)
	return uid, gid, err
}
