package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"slices"

	"github.com/clockd/clockd/daemon"
	"github.com/clockd/clockd/daemon/internal/config"
	"github.com/clockd/clockd/daemon/task"
)

// errDiffers ends a diff that has found something.
var errDiffers = errors.New("the config file would change something")

type diffCommand struct {
	File      string `arg:"" help:"The config file."`
	Store     string `help:"The store: sqlite:FILE. Default: the config file's, else that of serve." placeholder:"URL"`
	Namespace string `help:"The namespace of the tasks. Default: the config file's, else \"default\"." placeholder:"NAME"`
}

// Run compares a file with a store.
func (c *diffCommand) Run(ctx context.Context, env environment) error {
	file, err := config.Load(c.File)
	if err != nil {
		return err
	}
	namespace := first(c.Namespace, file.Namespace, daemon.DefaultNamespace)
	where := first(c.Store, file.Store)
	if scheme, path, err := checkStore(where); where != "" && err == nil {
		_, missing := os.Stat(path)
		switch {
		case scheme == inPostgres: // to open it may bring its schema up to date, under the daemons that use it
			return usageError{fmt.Errorf("store %q is shared by daemons: ask one of them, with clockctl diff %s", storeName(where), c.File)}
		case path != "" && errors.Is(missing, fs.ErrNotExist):
			where = "memory:" // a diff makes no file
		}
	}
	st, _, err := openStore(ctx, where, namespace, env.getenv, slog.New(slog.DiscardHandler))
	if err != nil {
		return fmt.Errorf("%w (of a store that a daemon uses: clockctl diff %s)", err, c.File)
	}
	cfg := program(file)
	cfg.Namespace = namespace
	diffs, err := daemon.Diff(ctx, cfg, st)
	if err = errors.Join(err, st.Close()); err != nil {
		return err
	}
	if len(diffs) == 0 {
		_, err := fmt.Fprintf(env.stdout, "%s: changes nothing; tasks: %d\n", c.File, len(file.Tasks))
		return err
	}
	if err := printDiffs(env.stdout, diffs); err != nil {
		return err
	}
	return errDiffers
}

// words of what would be done.
var words = map[task.Action]string{
	task.TaskDeclared:       "new",
	task.DeclarationChanged: "changed",
	task.DeclarationRefused: "refused",
	task.OverrideYielded:    "override ends",
	task.TaskOrphaned:       "orphaned",
	task.TaskRenamed:        "renamed",
	task.OverrideExpired:    "override expires",
	task.TaskResumed:        "resumed",
}

// printDiffs prints a line for each task, and one for each of its fields that would change.
func printDiffs(w io.Writer, diffs []task.TaskDiff) error {
	for _, d := range diffs {
		line := fmt.Sprintf("%s: %s", d.TaskName, cmp.Or(words[d.Action], fmt.Sprintf("action %d", d.Action)))
		if d.Reason != "" {
			line += " (" + d.Reason + ")"
		}
		if _, err := fmt.Fprintln(w, line); err != nil {
			return err
		}
		before, after := fields(d.Before), fields(d.After)
		all := maps.Clone(before)
		maps.Copy(all, after)
		for _, name := range slices.Sorted(maps.Keys(all)) {
			if _, err := fmt.Fprintf(w, "  %s: %s -> %s\n", name, cmp.Or(before[name], "-"), cmp.Or(after[name], "-")); err != nil {
				return err
			}
		}
	}
	return nil
}

// fields are those of an event, as text.
func fields(object []byte) map[string]string {
	var raw map[string]json.RawMessage
	_ = json.Unmarshal(object, &raw) // it is our own
	out := make(map[string]string, len(raw))
	for name, value := range raw {
		text := string(value)
		var s string
		if json.Unmarshal(value, &s) == nil {
			text = s
		}
		out[name] = text
	}
	return out
}
