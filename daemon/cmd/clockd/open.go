package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/store/memory"
	"github.com/clockd/clockd/daemon/store/sqlite"
)

// openStore opens the store that a URL names, and returns it with the URL in full. An empty URL is a file
// in the user's state folder.
func openStore(ctx context.Context, where, namespace string, getenv func(string) string) (store.Store, string, error) {
	if where == "" {
		path, err := statePath(namespace, getenv)
		if err != nil {
			return nil, "", err
		}
		where = "sqlite:" + path
	}
	path, err := checkStore(where)
	switch {
	case err != nil:
		return nil, "", err
	case path == "":
		return memory.New(memory.Config{Namespace: namespace}), where, nil
	}
	st, err := sqlite.Open(ctx, sqlite.Config{Path: path, Namespace: namespace})
	if err != nil {
		return nil, "", err
	}
	return st, where, nil
}

// checkStore says what is wrong with a URL, and returns the file that it names; none for the memory.
func checkStore(where string) (path string, err error) {
	switch scheme, rest, _ := strings.Cut(where, ":"); {
	case where == "memory:":
		return "", nil
	case scheme == "sqlite" && rest != "":
		return rest, nil
	default:
		return "", usageError{fmt.Errorf("store %q: unknown form; write sqlite:FILE, or memory: to keep nothing", where)}
	}
}

// statePath is the default file: in the folder that systemd gives a service, else where the XDG base
// directory specification has the state of a user's programs. The folder is made if it is not there.
func statePath(namespace string, getenv func(string) string) (string, error) {
	folder, _, _ := strings.Cut(getenv("STATE_DIRECTORY"), ":") // systemd lists several with colons
	if folder == "" {
		base := getenv("XDG_STATE_HOME")
		if !filepath.IsAbs(base) {
			home := getenv("HOME")
			if home == "" {
				return "", errors.New("no folder for the default store: HOME, XDG_STATE_HOME and STATE_DIRECTORY are not set; say --store sqlite:FILE")
			}
			base = filepath.Join(home, ".local", "state")
		}
		folder = filepath.Join(base, "clockd")
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return "", fmt.Errorf("folder for the default store: %w; say --store sqlite:FILE", err)
	}
	return filepath.Join(folder, url.PathEscape(namespace)+".db"), nil
}
