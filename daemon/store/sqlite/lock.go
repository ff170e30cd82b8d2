package sqlite

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/gofrs/flock"
)

// lock is the right to use a file. The operating system holds it for the process and takes it back when
// the process ends, however it ends; the lock file itself stays, because deleting it would race with
// the next one who locks it.
type lock struct{ flock *flock.Flock }

// acquire locks the store at abs for the life of the process, or says who holds it.
func acquire(name, abs string) (*lock, error) {
	path := abs + ".lock"
	l := &lock{flock: flock.New(path, flock.SetPermissions(0o600))}
	switch held, err := l.flock.TryLock(); {
	case err != nil:
		return nil, fmt.Errorf("store %q cannot be locked: %w; the folder must be writable and the lock file this user's", name, err)
	case !held:
		return nil, fmt.Errorf("store %q is held by %s; stop it or give this daemon another file", name, holder(path))
	}
	// Who holds it is for people only: a disk too full for one line must not stop the daemon.
	line := strconv.Itoa(os.Getpid()) + " " + time.Now().UTC().Format(time.RFC3339) + "\n"
	_ = os.WriteFile(path, []byte(line), 0o600)
	return l, nil
}

// holder says who wrote the lock file.
func holder(path string) string {
	line, err := os.ReadFile(path)
	if err != nil {
		return "another process"
	}
	pid, since, ok := strings.Cut(strings.TrimSpace(string(line)), " ")
	if !ok {
		return "another process" // it is writing its line just now
	}
	return fmt.Sprintf("process %s (since %s)", pid, since)
}

func (l *lock) release() error { return l.flock.Unlock() }
