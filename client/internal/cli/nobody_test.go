package cli_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/clockd/clockd/client"
	"github.com/clockd/clockd/client/internal/cli"
	"google.golang.org/grpc"
)

func TestWhenNobodyListensItSaysWhatToDo(t *testing.T) {
	dir := t.TempDir()
	stale := filepath.Join(dir, "s")
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: stale, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	listener.SetUnlinkOnClose(false)
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	const other = "clockctl:   or give the address of one that runs, with --address or CLOCKD_ADDRESS; this one is "
	for name, tt := range map[string]struct {
		args      []string
		variable  string
		cause     error // nil: what really happens
		want, not string
	}{
		"the default": {
			cause: syscall.ECONNREFUSED,
			want: "clockctl: no clockd daemon answers at 127.0.0.1:7433: connection refused\n" +
				"clockctl:   start a daemon: clockd serve\n" + other + "the default\n",
		},
		"a port": {
			args: []string{"--address", "127.0.0.1:1"},
			want: "clockctl: no clockd daemon answers at 127.0.0.1:1: connection refused\n" +
				"clockctl:   start a daemon: clockd serve --listen 127.0.0.1:1\n" + other + "from --address\n",
		},
		"a port of the environment": {
			variable: "127.0.0.1:1",
			want: "clockctl: no clockd daemon answers at 127.0.0.1:1: connection refused\n" +
				"clockctl:   start a daemon: clockd serve --listen 127.0.0.1:1\n" + other + "from CLOCKD_ADDRESS\n",
		},
		"no socket": {
			args: []string{"--address", "unix:/nowhere/s"},
			want: "clockctl: no clockd daemon answers at unix:/nowhere/s: no such file or directory\n" +
				"clockctl:   start a daemon: clockd serve --listen unix:/nowhere/s\n" + other + "from --address\n",
		},
		"a socket that was left": {
			args: []string{"--address", "unix:" + stale},
			want: "clockctl: no clockd daemon answers at unix:" + stale + ": connection refused\n" +
				"clockctl:   the socket is there, but nobody listens on it; start a daemon: clockd serve --listen unix:" + stale + "\n" + other + "from --address\n",
		},
		// Who is root may connect to every socket, so the cause is handed in.
		"a socket without access": {
			args:  []string{"--address", "unix:///run/clockd/s"},
			cause: syscall.EACCES,
			want: "clockctl: no clockd daemon answers at unix:///run/clockd/s: permission denied\n" +
				"clockctl:   you may not connect to this socket: ls -l /run/clockd/s says who may; ask its owner, or run as one who may\n" + other + "from --address\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			env := cli.Env{
				Stdout: io.Discard, Now: time.Now,
				Getenv: func(name string) string { return map[string]string{"CLOCKD_ADDRESS": tt.variable}[name] },
			}
			var stderr bytes.Buffer
			env.Stderr = &stderr
			if tt.cause != nil {
				address := client.DefaultAddress
				if len(tt.args) > 0 {
					address = tt.args[1]
				}
				env.Dial = []client.Option{client.WithDialOptions(grpc.WithUnaryInterceptor(
					func(context.Context, string, any, any, *grpc.ClientConn, grpc.UnaryInvoker, ...grpc.CallOption) error {
						return &client.NoDaemonError{Address: address, Cause: &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", tt.cause)}}
					}))}
			}
			code := cli.Run(t.Context(), append([]string{"list"}, tt.args...), env)
			if code != 4 || stderr.String() != tt.want {
				t.Errorf("exit %d\n%s\nwant\n%s", code, stderr.String(), tt.want)
			}
			if strings.Count(stderr.String(), "clockd serve") > 1 {
				t.Error("it says twice how to start one")
			}
		})
	}
}
