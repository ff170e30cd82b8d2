package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/clockd/clockd/daemon/store"
	"github.com/clockd/clockd/daemon/store/memory"
	"github.com/clockd/clockd/daemon/store/postgres"
	"github.com/clockd/clockd/daemon/store/sqlite"
	"github.com/clockd/clockd/daemon/task"
)

// The schemes of the URLs of stores.
const (
	inMemory   = "memory"
	inSQLite   = "sqlite"
	inPostgres = "postgres"
)

// openStore opens the store that a URL names, and returns it with its name, which holds no secrets. An empty URL is a
// file in the user's state folder.
func openStore(ctx context.Context, where, namespace string, getenv func(string) string, log *slog.Logger) (store.Store, string, error) {
	if where == "" {
		path, err := statePath(namespace, getenv)
		if err != nil {
			return nil, "", err
		}
		where = inSQLite + ":" + path
	}
	scheme, path, err := checkStore(where)
	if err != nil {
		return nil, "", err
	}
	name := storeName(where)
	switch scheme {
	case inMemory:
		return memory.New(memory.Config{Namespace: namespace}), name, nil
	case inSQLite:
		st, err := sqlite.Open(ctx, sqlite.Config{Path: path, Namespace: namespace})
		if err != nil {
			return nil, "", err
		}
		return st, name, nil
	}
	st, err := postgres.Open(ctx, postgres.Config{URL: where, Namespace: namespace, Logger: log})
	switch {
	case err == nil:
		return st, name, nil
	case errors.Is(err, task.ErrUnavailable), errors.Is(err, context.Canceled):
		return nil, "", err
	default: // somebody has to change something, here or there
		return nil, "", usageError{err}
	}
}

// checkStore says what is wrong with a URL, and returns its scheme and the file that it names, if it is one of SQLite.
// What else a URL of PostgreSQL says is for its driver to read, which also looks into the environment.
func checkStore(where string) (scheme, path string, err error) {
	switch scheme, rest, _ := strings.Cut(where, ":"); {
	case where == "memory:":
		return inMemory, "", nil
	case scheme == inSQLite && rest != "":
		return inSQLite, rest, nil
	case strings.HasPrefix(where, "postgres://"), strings.HasPrefix(where, "postgresql://"):
		if place, _, _ := strings.Cut(rest, "?"); strings.Count(place, "@") > 1 { // what follows the first would be taken for the host, and be told
			return "", "", usageError{fmt.Errorf("store %q: write an @ in the user or the password as %%40", storeName(where))}
		}
		return inPostgres, "", nil
	default:
		return "", "", usageError{fmt.Errorf("store %q: unknown form; write sqlite:FILE, postgres://USER@HOST/DATABASE, or memory: to keep nothing", storeName(where))}
	}
}

// storeName is the URL of a store as people may see it: without a password, however it is written, and so without
// anything that may hold one.
func storeName(where string) string {
	scheme, rest, isURL := strings.Cut(where, "://")
	if !isURL {
		if scheme, rest, _ := strings.Cut(where, ":"); scheme != inSQLite && strings.ContainsAny(rest, "@=") || strings.Contains(scheme, "=") {
			return "…" // perhaps a URL that is written wrong
		}
		return where
	}
	place, query, _ := strings.Cut(rest, "?")
	if at := strings.LastIndexByte(place, '@'); at >= 0 {
		user, _, _ := strings.Cut(place[:at], ":")
		place = user + place[at:]
	} else if strings.Contains(query, "@") {
		place = "…" // the question mark may be one of the password
	}
	return scheme + "://" + place
}

// isFar reports whether the server of a URL of PostgreSQL is on another machine, as far as the URL says.
func isFar(where string) bool {
	_, place, _ := strings.Cut(storeName(where), "://")
	_, query, _ := strings.Cut(where, "?")
	host, _, _ := strings.Cut(place[strings.LastIndexByte(place, '@')+1:], "/")
	if values, err := url.ParseQuery(query); err == nil && values.Has("host") {
		host = values.Get("host")
	} else if decoded, err := url.PathUnescape(host); err == nil {
		host = decoded
	}
	for one := range strings.SplitSeq(host, ",") {
		name, _, _ := strings.Cut(one, ":")
		if name != "" && name != "localhost" && !strings.HasPrefix(name, "127.") && !strings.HasPrefix(name, "/") && !strings.HasPrefix(one, "[::1]") {
			return true
		}
	}
	return false
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
