package main

import (
	"context"
	"debug/elf"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/clockd/clockd/client"
	"github.com/clockd/clockd/daemon/task"
)

// release builds clockd as it is released, for a system.
func release(tb testing.TB, env ...string) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "clockd")
	build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", path, ".")
	build.Env = append(append(os.Environ(), "CGO_ENABLED=0"), env...)
	if out, err := build.CombinedOutput(); err != nil {
		tb.Fatalf("%v\n%s", err, out)
	}
	return path
}

// The binary is one file that needs nothing else, and small enough to be copied about. PostgreSQL's driver is 6 MB of it;
// half of all is there because the reader of the command line asks for methods by name, so that the linker keeps them all.
func TestTheBinaryIsStaticAndAtMost32MB(t *testing.T) {
	const limit = 32_000_000
	path := release(t, "GOOS=linux", "GOARCH=amd64")
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d bytes", info.Size())
	if info.Size() > limit {
		t.Errorf("%d bytes, of %d: go tool nm -size -sort size says what of", info.Size(), limit)
	}
	f, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
			t.Errorf("it is not static: it has %s", p.Type)
		}
	}
}

// From exec to the first answer, for a process that finds what the one before has left. A line for each store: the
// median and the longest. go test -run - -bench FirstCall -benchtime 50x ./daemon/cmd/clockd
func BenchmarkFirstCall(b *testing.B) {
	exe := release(b)
	file := filepath.Join(b.TempDir(), "c.yaml")
	if err := os.WriteFile(file, []byte(oneTask), 0o600); err != nil {
		b.Fatal(err)
	}
	for _, store := range []string{"memory:", "sqlite:" + filepath.Join(b.TempDir(), "first.db")} {
		b.Run(store[:len("sqlite")], func(b *testing.B) {
			socket := filepath.Join(b.TempDir(), "s")
			firstCall(b, exe, "serve", "--config", file, "--store", store, "--listen", "unix:"+socket) // makes the store
			var took []time.Duration
			for b.Loop() {
				took = append(took, firstCall(b, exe, "serve", "--config", file, "--store", store, "--listen", "unix:"+socket))
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "ms-median")
			b.ReportMetric(float64(took[len(took)-1].Microseconds())/1000, "ms-max")
		})
	}
}

// firstCall starts a daemon on a Unix socket, its last argument, calls it until it answers, and stops it.
func firstCall(b *testing.B, exe string, args ...string) time.Duration {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), time.Minute)
	defer cancel()
	address := args[len(args)-1]
	cmd := exec.CommandContext(ctx, exe, args...)
	began := time.Now()
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	for { // gRPC's own wait between two attempts would be most of what is measured
		conn, err := net.Dial("unix", address[len("unix:"):])
		if err == nil {
			_ = conn.Close()
			break
		}
		if ctx.Err() != nil {
			b.Fatal(err)
		}
		time.Sleep(100 * time.Microsecond)
	}
	c, err := client.Dial(address)
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Task(ctx, task.ByName("a")); err != nil {
		b.Fatal(err)
	}
	took := time.Since(began)
	_ = cmd.Process.Signal(os.Interrupt) // it is there
	if err := cmd.Wait(); err != nil {
		b.Fatal(err)
	}
	return took
}
