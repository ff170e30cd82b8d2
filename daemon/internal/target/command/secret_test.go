package command_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/clockd/clockd/daemon/internal/target/command"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/go-cmp/cmp"
)

func TestAProgramGetsItsSecretsAndItsOutputHasNone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(path, []byte("file-s3cr3t\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("CLOCKD_TEST_TOKEN", "env-s3cr3t")
	c := sh(`[ "$TOKEN" = "a env-s3cr3t" ] && [ "$KEY" = file-s3cr3t ] && [ "$PLAIN" = '${x' ] || exit 7; echo "$TOKEN"; echo "$KEY" >&2; exit 3`)
	c.Env = map[string]string{"TOKEN": "a ${env:CLOCKD_TEST_TOKEN}", "KEY": "${file:" + path + "}", "PLAIN": "$${x"}
	got, err := do(t, t.Context(), c, attempt())
	if diff := cmp.Diff(output{ExitCode: 3, Stdout: "a ***\n", Stderr: "***\n"}, got); diff != "" {
		t.Error(diff)
	}
	if err == nil || err.Error() != "exit status 3: ***" {
		t.Error(err)
	}
}

func TestAProgramWhoseSecretCanNotBeReadIsNotStarted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(path, []byte("a\x00hunter2"), 0o600); err != nil {
		t.Fatal(err)
	}
	for value, want := range map[string]string{
		"${env:CLOCKD_NOT_SET}": `command "true": env.A: the environment has no variable CLOCKD_NOT_SET`,
		"${file:" + path + "}":  `command "true": env.A: with its secrets the value has a NUL byte, which no program can be given`,
	} {
		_, err := do(t, t.Context(), command.Config{Args: []string{"true"}, Env: map[string]string{"A": value}}, attempt())
		if err == nil || err.Error() != want {
			t.Errorf("%v; want %s", err, want)
		}
	}
	_, err := command.New(command.Config{Args: []string{"true"}, Env: map[string]string{"A": "hunter2${no}"}})
	var invalid *task.InvalidError
	if !errors.As(err, &invalid) || invalid.Violations[0].Field != "env.A" || strings.Contains(err.Error(), "hunter2") {
		t.Error(err)
	}
}
