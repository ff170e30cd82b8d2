package schedule_test

import (
	"bufio"
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/clockd/clockd/daemon/schedule"
)

var rewrite = flag.Bool("rewrite", false, "write what the engine says into testdata/sequences; read the diff")

// TestSequences compares the fires with those in testdata/sequences/*.txt, which a person can review.
// A file holds comments (#) and blocks:
//
//	ask cron "30 2 * * *" Europe/Berlin
//	after 2026-03-28T00:00:00Z 3
//	2026-03-28T01:30:00Z  Sat 2026-03-28 02:30:00 +01:00
//	...
//
// ask is a trigger in its text form, after an instant and how many fires follow. Each fire stands in
// UTC and as the wall clock shows it. The trigger's anchor is the instant.
func TestSequences(t *testing.T) {
	files, err := filepath.Glob("testdata/sequences/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no files", err)
	}
	for _, name := range files {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txt"), func(t *testing.T) {
			given, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			got := answerFile(t, given)
			if *rewrite {
				if err := os.WriteFile(name, got, 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if !bytes.Equal(given, got) {
				t.Errorf("%s is\n%s\nthe engine says\n%s", name, given, got)
			}
		})
	}
}

// answerFile returns the file with the fires that the engine gives.
func answerFile(t *testing.T, file []byte) []byte {
	var out bytes.Buffer
	var ask string
	lines := bufio.NewScanner(bytes.NewReader(file))
	for lines.Scan() {
		line := lines.Text()
		word, rest, _ := strings.Cut(line, " ")
		switch word {
		case "ask":
			ask = rest
			fmt.Fprintln(&out, line)
		case "after":
			fmt.Fprintln(&out, line)
			start, count, _ := strings.Cut(rest, " ")
			n, err := strconv.Atoi(count)
			if err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			writeFires(t, &out, ask, at(t, start), n)
		default:
			if line == "" || word == "#" {
				fmt.Fprintln(&out, line)
			} // what else there is are fires
		}
	}
	return out.Bytes()
}

func writeFires(t *testing.T, out *bytes.Buffer, ask string, after time.Time, n int) {
	c := mustCompile(t, ask)
	loc := time.UTC
	switch k := c.Trigger().Kind.(type) {
	case schedule.At:
		loc = loadLocation(k.TimeZone)
	case schedule.Cron:
		loc = loadLocation(k.TimeZone)
	}
	p := schedule.Progress{Anchor: after}
	for range n {
		next, status := c.Next(after, p)
		if status != schedule.Fires {
			fmt.Fprintln(out, [...]string{"fires", "waits", "over"}[status])
			return
		}
		fmt.Fprintf(out, "%s  %s\n", next.Format("2006-01-02T15:04:05.999999Z07:00"), next.In(loc).Format("Mon 2006-01-02 15:04:05 -07:00"))
		p = c.Count(next, 0, p)
		after = next
	}
}
