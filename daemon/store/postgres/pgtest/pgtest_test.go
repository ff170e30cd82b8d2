package pgtest

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"
)

const helperEnv = "CLOCKD_TEST_HELPER"

func TestMain(m *testing.M) {
	if os.Getenv(helperEnv) != "" {
		os.Exit(helper())
	}
	goleak.VerifyTestMain(Main(m))
}

// helper starts a server, says where it is, and waits to be killed.
func helper() int {
	s, err := Start(Config{})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println(s.dir)
	_, _ = io.Copy(io.Discard, os.Stdin)
	return 0
}

func query(t *testing.T, url, sql string) (text string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if err := conn.QueryRow(t.Context(), sql).Scan(&text); err != nil {
		t.Fatal(err)
	}
	return text
}

func TestEachTestHasADatabaseOfItsOwnWhichIsDroppedAtItsEnd(t *testing.T) {
	seen := make(map[string]bool)
	for range 2 {
		t.Run("one", func(t *testing.T) {
			url := URL(t)
			if seen[url] {
				t.Errorf("%s twice", url)
			}
			seen[url] = true
			if n := query(t, url, "SELECT count(*)::text FROM pg_tables WHERE schemaname = 'public'"); n != "0" {
				t.Errorf("a fresh database has %s tables", n)
			}
		})
	}
	if n := query(t, shared.server.URL("postgres"), "SELECT count(*)::text FROM pg_database WHERE datname LIKE 'test%'"); n != "0" {
		t.Errorf("%s databases were not dropped", n)
	}
}

func TestAServerThatIsKilledHasWhatWasCommittedWhenItIsStartedAgain(t *testing.T) {
	s, err := Start(Config{Durable: true, TCP: true, Settings: map[string]string{"shared_buffers": "16MB"}, Files: map[string][]byte{"note": nil}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	url := s.Database(t)
	for i, end := range []func() error{s.Stop, s.Kill, func() error { return nil }} {
		if err := s.Exec(t.Context(), "test1", fmt.Sprintf("CREATE TABLE t%d (n int)", i)); err != nil {
			t.Fatal(err)
		}
		if err := end(); err != nil {
			t.Fatal(err)
		}
		if err := s.Restart(); err != nil {
			t.Fatal(err)
		}
		if got := query(t, url, "SELECT count(*)::text FROM pg_tables WHERE schemaname = 'public'"); got != fmt.Sprint(i+1) {
			t.Errorf("round %d: %s tables", i, got)
		}
	}
	for setting, want := range map[string]string{"shared_buffers": "16MB", "fsync": "on", "synchronous_commit": "on"} {
		if got := query(t, url, "SHOW "+setting); got != want {
			t.Errorf("%s is %s, want %s", setting, got, want)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(s.dir); !os.IsNotExist(err) {
		t.Errorf("the folder is still there: %v", err)
	}
}

func TestAServerEndsWithAProcessThatIsKilled(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), helperEnv+"=1")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	dir, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	dir = strings.TrimSpace(dir)
	defer os.RemoveAll(dir)
	lock := filepath.Join(dir, "d", "postmaster.pid")
	if _, err := os.Stat(lock); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); <-tick.C {
		if _, err := os.Stat(lock); os.IsNotExist(err) {
			return
		}
	}
	t.Error("the server goes on without the process that has started it")
}

func TestAMachineWithoutPostgreSQLIsToldWhatToInstall(t *testing.T) {
	none := t.TempDir()
	t.Setenv("PATH", none)
	_, err := program(filepath.Join(none, "*"), "initdb")
	if err == nil || !strings.Contains(err.Error(), "apt-get install -y --no-install-recommends postgresql") {
		t.Errorf("got error %v", err)
	}
	for _, v := range []string{"9.6", "14", "9", "100", "16"} {
		bin := filepath.Join(none, v, "bin")
		if err := os.MkdirAll(bin, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(bin, "initdb"), nil, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	got, err := program(filepath.Join(none, "*", "bin"), "initdb")
	if want := filepath.Join(none, "100", "bin", "initdb"); err != nil || got != want {
		t.Errorf("got %s, error %v, want %s", got, err, want)
	}
}
