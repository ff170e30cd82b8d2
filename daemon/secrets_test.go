package daemon_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/clockd/clockd/client"
	"github.com/clockd/clockd/daemon/task"
)

func TestCallersNameSecretsAndFilesOnlyWhereCommandsAreAllowed(t *testing.T) {
	const method = "acme.v1.Mill/Grind"
	named := map[string]string{"a": "${env:HOME}"}
	refused := map[string]*task.TargetSpec{
		"http.headers.a names a secret":  {HTTP: &task.HTTPSpec{URL: nobody, Headers: named}},
		"http.body names a secret":       {HTTP: &task.HTTPSpec{URL: nobody, Body: "${file:/etc/passwd}"}},
		"grpc.metadata.a names a secret": {GRPC: &task.GRPCSpec{Address: "host:1", Method: method, Metadata: named}},
		"grpc.address names something":   {GRPC: &task.GRPCSpec{Address: "unix:/run/other.sock", Method: method}},
		"on this machine; host:port":     {GRPC: &task.GRPCSpec{Address: "passthrough:///unix:/run/other.sock", Method: method}},
		"grpc.tls names files":           {GRPC: &task.GRPCSpec{Address: "host:1", Method: method, TLS: &task.TLSSpec{CAFile: "/ca"}}},
	}
	allowed := map[string]*task.TargetSpec{
		"plain-http": {HTTP: &task.HTTPSpec{URL: nobody, Headers: map[string]string{"a": "$${env:HOME}"}, Body: "$HOME"}},
		"plain-grpc": {GRPC: &task.GRPCSpec{Address: "host:1", Method: method, TLS: &task.TLSSpec{ServerName: "mill"}}},
		"plain-dns":  {GRPC: &task.GRPCSpec{Address: "dns:///host:1", Method: method}},
	}
	inWorld(t, func(t *testing.T, w *world) {
		c := w.start()
		job := ping("job", "every 1h")
		for want, spec := range refused {
			job.Spec = spec
			_, err := c.CreateTask(t.Context(), job, client.CreateOptions{})
			if !errors.Is(err, task.ErrNotAllowed) || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "--allow-commands") {
				t.Errorf("%v; want %s", err, want)
			}
		}
		job.Spec = &task.TargetSpec{GRPC: &task.GRPCSpec{Address: "host:1", Method: "no", Metadata: map[string]string{"a": "${env:}"}}}
		_, err := c.CreateTask(t.Context(), job, client.CreateOptions{})
		if got := strings.Join(fieldsOf(err), " "); !strings.Contains(got, "grpc.metadata.a") || !strings.Contains(got, "grpc.method") {
			t.Errorf("what is wrong with it: %v", err)
		}
		for name, spec := range allowed {
			job.Name, job.Spec = name, spec
			w.create(job)
		}
		w.register = allowCommands
		w.start()
		for _, spec := range refused {
			job.Name, job.Spec = "allowed", spec
			w.create(job)
			if err := w.d.Client().DeleteTask(t.Context(), ref("allowed"), client.EditOptions{}); err != nil {
				t.Error(err)
			}
		}
	})
}
