package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/clockd/clockd/client"
	"github.com/clockd/clockd/daemon/task"
)

type exportCommand struct {
	File string `complete:"file" default:"-" placeholder:"FILE" help:"Where to write it; '-' is standard output. A file that is there is replaced, and only its owner may read it. Default: ${default}."`
}

// Help is the text below the summary.
func (exportCommand) Help() string {
	return "The document is YAML unless --output says json. Of a task that a program or a worker declares it has the override and the pause; of one that was made by create all of it, " +
		"its environment, headers and body included, which may be secret. Import reads it."
}

func (c *exportCommand) Run(s *session) error {
	tasks, _, err := collect(s, 0, func(ctx context.Context, size int, token string) ([]task.Task, string, error) {
		return s.client.TasksPage(ctx, client.TaskFilter{}, size, token)
	})
	if err != nil {
		return err
	}
	doc := document{Version: documentVersion, ExportTime: timeOf(s.now.UTC().Truncate(time.Second)), Tasks: make([]taskDocument, len(tasks))}
	for i, t := range tasks {
		doc.Namespace = t.Namespace
		doc.Tasks[i] = documentOf(t)
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(doc); err != nil {
		return err
	}
	data := b.Bytes()
	if !s.exact || s.yaml {
		data = yamlOf(data)
	}
	if c.File == "-" {
		_, err = s.out.Write(data)
		return err
	}
	if err := replace(c.File, data); err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.out, "Wrote %d tasks to %s.\n", len(tasks), text(c.File))
	return err
}

// replace puts a file in place of what has its name, at once and whole.
func replace(name string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*") // only the owner may read it
	if err != nil {
		return named(name, err)
	}
	_, err = f.Write(data)
	if synced := f.Sync(); err == nil {
		err = synced
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		_ = os.Remove(f.Name()) // what went wrong before says more
	}
	return named(name, err)
}

// named says of an error of a file the name that the user knows it by.
func named(name string, err error) error {
	if at, ok := errors.AsType[*fs.PathError](err); ok {
		err = at.Err
	}
	if at, ok := errors.AsType[*os.LinkError](err); ok {
		err = at.Err
	}
	if err == nil {
		return nil
	}
	return fmt.Errorf("write %s: %w", text(name), err)
}
