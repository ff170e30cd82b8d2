package pgtest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
)

// debian is where Debian's packages put the programs, which are not on the PATH there.
const debian = "/usr/lib/postgresql/*/bin"

// program returns the path of one of PostgreSQL's: that of the newest version in Debian's folders, or else what is on
// the PATH.
func program(folders, name string) (string, error) {
	found, err := filepath.Glob(filepath.Join(folders, name))
	if err != nil {
		return "", err
	}
	if len(found) > 0 {
		return slices.MaxFunc(found, func(a, b string) int { return version(a) - version(b) }), nil
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return "", fmt.Errorf("this test needs PostgreSQL: no %s in %s, nor on the PATH; install Debian's package postgresql, 14 or newer: "+
			"apt-get install -y --no-install-recommends postgresql", name, folders)
	}
	return path, nil
}

// version is the 15 of /usr/lib/postgresql/15/bin/initdb; 0: there is none.
func version(path string) int {
	n, err := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(path))))
	if err != nil {
		return 0
	}
	return n
}

// folder makes one whose path is short: that of a socket in it has room for 107 bytes.
func folder() (string, error) {
	in := os.TempDir()
	if len(in) > 60 {
		in = "/tmp"
	}
	return os.MkdirTemp(in, "clockd-pg-")
}
