package config_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/clockd/clockd/daemon/internal/config"
)

// typical is a file of n tasks as people write them, of all common forms.
func typical(n int) string {
	var b strings.Builder
	b.WriteString("namespace: bench\n\ncalendars:\n  holidays:\n    - dates 2026-12-24..2026-12-26 Europe/Berlin\n\ntasks:\n")
	for i := range n {
		switch i % 4 {
		case 0:
			fmt.Fprintf(&b, "  - name: report-%05d\n    trigger: every %dm\n    command: [sh, -c, \"echo report %d\"]\n", i, 1+i%60, i)
		case 1:
			fmt.Fprintf(&b, "  # calls a service\n  - name: call-%05d\n    description: calls the service number %d\n    group: calls\n    trigger: cron \"%d %d * * *\" Europe/Berlin\n    http: {url: \"http://127.0.0.1:8080/%d\"}\n    timeout: 30s\n", i, i, i%60, i%24, i)
		case 2:
			fmt.Fprintf(&b, "  - name: clean-%05d\n    labels:\n      team: infra\n      tier: \"%d\"\n    trigger: at %02d:%02d:00 mon-fri Europe/Berlin\n    command: [find, /tmp, -delete]\n    overlap: skip\n    catch_up: one\n", i, i%3, i%24, i%60)
		case 3:
			fmt.Fprintf(&b, "  - name: sync-%05d\n    trigger:\n      every:\n        interval: %ds\n    command:\n      - rsync\n      - -a\n      - /from/%d\n      - /to\n", i, 10+i%600, i)
		}
	}
	return b.String()
}

func BenchmarkLoad(b *testing.B) {
	for _, n := range []int{10_000, 100_000} {
		b.Run(fmt.Sprintf("%d tasks", n), func(b *testing.B) {
			path := filepath.Join(b.TempDir(), "c.yaml")
			text := typical(n)
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				f, err := config.Load(path)
				if err != nil || len(f.Tasks) != n {
					b.Fatal(err)
				}
			}
		})
	}
}
