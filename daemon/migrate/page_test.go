package migrate_test

import (
	"os"
	"strings"
	"testing"

	"github.com/clockd/clockd/daemon/schedule"
)

// The page is read by people who paste from it.
func TestEachTriggerOnThePageIsOne(t *testing.T) {
	page, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	_, table, ok := strings.Cut(string(page), "\n// # Triggers\n")
	table, _, more := strings.Cut(table, "\n// # ")
	if !ok || !more {
		t.Fatal("the page has no section Triggers, or nothing after it")
	}
	const column = len("//\t") + 40
	found := 0
	for line := range strings.Lines(table) {
		line = strings.TrimSpace(line)
		if len(line) <= column || strings.HasPrefix(line, "//\t ") || !strings.HasPrefix(line, "//\t") {
			continue
		}
		text := line[column:]
		word, _, _ := strings.Cut(strings.ReplaceAll(text, "(", " "), " ")
		switch word {
		case "every", "at", "cron", "once", "forever", "startup", "shutdown", "any":
			found++
			if _, err := schedule.Parse(text); err != nil {
				t.Errorf("%s: %v", text, err)
			}
		}
	}
	if found < 10 {
		t.Errorf("%d triggers are on the page, want those of all kinds", found)
	}
}
