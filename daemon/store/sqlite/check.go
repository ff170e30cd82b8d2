package sqlite

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// applicationID marks an SQLite file as ours, at a fixed place in its header: "clkd".
const applicationID = 0x636c6b64

const (
	headerMagic  = "SQLite format 3\x00"
	headerSize   = 100
	headerPlace  = 68 // of the application id
	headerFormat = 18 // of the version needed to write, then that needed to read
)

// checkPlace says what is wrong with the place of a store before anything is written there.
func checkPlace(name, abs string) error {
	if name == "" {
		return errors.New("a store needs the path of a file, such as clockd.db")
	}
	folder := filepath.Dir(abs)
	switch info, err := os.Stat(folder); {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("store %q: the folder %q does not exist; create it or give another path", name, folder)
	case err != nil:
		return fmt.Errorf("store %q: the folder %q cannot be used: %w", name, folder, err)
	case !info.IsDir():
		return fmt.Errorf("store %q: %q is not a folder; give a path in one", name, folder)
	}
	switch info, err := os.Stat(abs); {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("store %q cannot be used: %w", name, err)
	case info.IsDir():
		return fmt.Errorf("store %q is a folder; give a file in it, such as %q", name, filepath.Join(name, "clockd.db"))
	case !info.Mode().IsRegular():
		return fmt.Errorf("store %q is not a regular file (%s); give another path", name, info.Mode().Type())
	}
	return nil
}

func isLink(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && info.Mode().Type() == fs.ModeSymlink
}

// checkFile creates the file if it is not there, and looks at the header of one that is, before SQLite
// touches it: the file of another program must stay as it is.
func checkFile(name, abs string) (err error) {
	f, err := os.OpenFile(abs, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("store %q cannot be opened for writing: %w; the file and its folder must be this user's", name, err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	var header [headerSize]byte
	n, err := io.ReadFull(f, header[:])
	switch {
	case errors.Is(err, io.EOF):
		return nil // new
	case err != nil && !errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("store %q cannot be read: %w", name, err)
	case n < headerSize || string(header[:len(headerMagic)]) != headerMagic:
		return fmt.Errorf("store %q is not a database: it starts with %q; give another path, or restore it from a backup",
			name, header[:min(n, len(headerMagic))])
	}
	if v := header[headerFormat+1]; v > 2 {
		return fmt.Errorf("store %q has a file format (%d) that is newer than this program's SQLite knows (2)", name, v)
	}
	switch id := binary.BigEndian.Uint32(header[headerPlace:]); id {
	case applicationID:
		return nil
	default:
		return fmt.Errorf("store %q is an SQLite database of another program (application id %#x); give another path", name, id)
	}
}
