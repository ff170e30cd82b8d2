//go:build unix

package sqlite_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/clockd/clockd/daemon/store/sqlite"
	"github.com/clockd/clockd/daemon/task"
)

func init() { helpers["full"] = full }

// full fills the store until the operating system takes no more, as it does when the disk is full, then
// gets room again. It says what was acknowledged.
func full(s *sqlite.Store) {
	die := func(err error) {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		die(err)
	}
	small := limit
	small.Cur = 1 << 20 // for the write-ahead log and the file alike
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &small); err != nil {
		die(err)
	}
	long := strings.Repeat("n", 150)
	failed := 0
	for i := 0; failed < 5; i++ {
		name := fmt.Sprint(long, i)
		switch err := tryCreate(s, name); {
		case err == nil:
			fmt.Println(name)
		case errors.Is(err, task.ErrUnavailable):
			failed++
		default:
			die(err)
		}
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		die(err)
	}
	if err := tryCreate(s, "after"); err != nil {
		die(err)
	}
	fmt.Println("after")
}

func TestACommitThatCannotBeWrittenLosesNothing(t *testing.T) {
	dir := t.TempDir()
	p := startHelper(t, "full", filepath.Join(dir, "clockd.db"))
	var names []string
	for p.lines.Scan() {
		names = append(names, p.lines.Text())
	}
	if err := p.Wait(); err != nil {
		t.Fatal(err)
	}
	s := open(t, dir)
	defer s.Close()
	tasks, err := s.Tasks(ctx, task.TaskQuery{Limit: 100_000})
	if err != nil || len(tasks) != len(names) {
		t.Errorf("%d tasks, %d acknowledged, error %v", len(tasks), len(names), err)
	}
	for _, name := range names {
		if _, err := s.Task(ctx, task.ByName(name)); err != nil {
			t.Error(err)
		}
	}
}
