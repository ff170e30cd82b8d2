package cli_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/clockd/clockd/client/internal/cli"
)

// A test binary that is called clockctl is clockctl: what shells and terminals do is tested with a process.
func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == "clockctl" {
		os.Exit(cli.Main())
	}
	os.Exit(m.Run())
}

// program returns a folder that holds clockctl.
func program(t *testing.T) string {
	t.Helper()
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Symlink(binary, filepath.Join(dir, "clockctl")); err != nil {
		t.Fatal(err)
	}
	return dir
}

// environ is the environment of a process that finds clockctl in dir, and a daemon at the address.
func environ(dir, address string) []string {
	env := []string{
		"PATH=" + dir + string(os.PathListSeparator) + os.Getenv("PATH"), "CLOCKD_ADDRESS=" + address, "TERM=xterm", "HOME=" + dir,
		"GORACE=atexit_sleep_ms=0", // else each process of a test with -race takes a second longer
	}
	for _, pair := range os.Environ() { // of a test that measures what is covered
		if strings.HasPrefix(pair, "GOCOVERDIR=") {
			env = append(env, pair)
		}
	}
	return env
}
