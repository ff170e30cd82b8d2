package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/clockd/clockd/client"
	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/store/postgres/pgtest"
	"github.com/clockd/clockd/daemon/task"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
)

// database starts a server with what the test asks for.
func database(t *testing.T, c pgtest.Config) *pgtest.Server {
	t.Helper()
	c.TCP = true
	server, err := pgtest.Start(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	return server
}

// serving returns what asks a daemon's health.
func serving(t *testing.T, address string) func() bool {
	t.Helper()
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	ctx := soon(t)
	return func() bool {
		t.Helper()
		resp, err := grpc_health_v1.NewHealthClient(conn).Check(ctx, &grpc_health_v1.HealthCheckRequest{}, grpc.WaitForReady(true))
		if err != nil {
			t.Fatal(err)
		}
		return resp.GetStatus() == grpc_health_v1.HealthCheckResponse_SERVING
	}
}

// ended waits until the process has ended and returns the exit code.
func (p *process) ended() int {
	p.t.Helper()
	select {
	case <-p.exited:
	case <-soon(p.t).Done():
		p.t.Fatalf("it does not end:\n%s", p.log.text.String())
	}
	return p.cmd.ProcessState.ExitCode()
}

func TestADaemonWaitsForADatabaseThatIsNotThereYet(t *testing.T) {
	server := database(t, pgtest.Config{Durable: true})
	url := server.Database(t)
	if err := server.Stop(); err != nil {
		t.Fatal(err)
	}
	wait := func(address string) *process {
		t.Helper()
		p := launch(t, "serve", "--store", url, "--listen", address)
		p.says("the store can not be reached", 0)
		if serving(t, address)() {
			t.Errorf("%s: health says SERVING", address)
		}
		if _, err := p.dial(address).Task(soon(t), task.ByName("a")); !errors.Is(err, task.ErrStarting) {
			t.Errorf("%s: a call meanwhile: %v", address, err)
		}
		return p
	}
	tcp, unix := freeAddress(t), socket(t)
	waiting := map[string]*process{tcp: wait(tcp), unix: wait(unix)}
	told := wait(socket(t))
	if err := told.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code := told.ended(); code != exitOK {
		t.Errorf("told to stop, it ends with %d:\n%s", code, told.log.text.String())
	}

	if err := server.Restart(); err != nil {
		t.Fatal(err)
	}
	for address, p := range waiting {
		if !p.ready() {
			t.Fatal(p.log.text.String())
		}
		for is := serving(t, address); !is(); {
		}
		// On the connection that was there before.
		if _, err := p.client.Task(soon(t), task.ByName("a")); !errors.Is(err, task.ErrTaskNotFound) {
			t.Errorf("%s: a call when it is there: %v", address, err)
		}
	}
}

func TestADatabaseThatStopsAndOneThatCrashesLoseNothing(t *testing.T) {
	server := database(t, pgtest.Config{Durable: true})
	config := write(t, "clockd.yaml", `
tasks:
  - {name: grid, trigger: every 50ms, catch_up: all, overlap: allow, command: ["true"]}
  - {name: other, trigger: every 1h, command: ["true"]}
`)
	address := socket(t)
	p := launch(t, "serve", "--config", config, "--store", server.Database(t), "--listen", address)
	if !p.ready() {
		t.Fatal(p.log.text.String())
	}
	ctx, c, is := soon(t), p.dial(address), serving(t, address)
	for trigger, end := range map[string]func() error{"every 2h": server.Stop, "every 3h": server.Kill} {
		change := func() error {
			_, err := c.UpdateTrigger(ctx, task.ByName("other"), schedule.MustParse(trigger), client.UpdateOptions{Reason: "to write something"})
			return err
		}
		if err := end(); err != nil {
			t.Fatal(err)
		}
		for is() {
		}
		if err := change(); !errors.Is(err, task.ErrUnavailable) {
			t.Errorf("a change without a database: %v", err)
		}
		if err := server.Restart(); err != nil {
			t.Fatal(err)
		}
		for !is() {
		}
		if got, err := c.Task(ctx, task.ByName("other")); err != nil || got.Trigger().String() == trigger {
			t.Errorf("a refused change has changed the task: %v, %v", got, err)
		}
		if err := change(); err != nil {
			t.Errorf("a change with a database again: %v", err)
		}
	}
	paused, err := c.PauseTask(ctx, task.ByName("grid"), client.PauseOptions{})
	if err != nil {
		t.Fatal(err)
	}
	runs := settled(ctx, t, c)
	fires := slices.DeleteFunc(slices.Clone(runs), func(r task.Run) bool { return r.TaskName != "grid" })
	plan{interval: 50 * time.Millisecond}.check(t, paused, fires)
	for _, r := range runs {
		// Canceled are those that still went when the test ended.
		if r.State != task.Succeeded && r.State != task.Canceled && r.Reason != task.ReasonPaused {
			t.Errorf("%s of %q: %s %s", r.ScheduledTime, r.TaskName, r.State, r.Error)
		}
	}
}

func TestWhatIsWrongWithADatabaseIsSaidWithoutThePassword(t *testing.T) {
	const secret = "geh-eim"
	server := database(t, pgtest.Config{})
	database := func(sql ...string) string {
		t.Helper()
		url := server.Database(t)
		name := url[strings.LastIndex(url, "/")+1:]
		for _, s := range sql {
			if err := server.Exec(t.Context(), name, s); err != nil {
				t.Fatal(err)
			}
		}
		return strings.Replace(url, "test@", "test:"+secret+"@", 1)
	}
	serve := func(url string, more ...string) *process {
		return launch(t, append([]string{"serve", "--listen", socket(t), "--store", url}, more...)...)
	}
	used := database()
	first := serve(used)
	if !first.ready() {
		t.Fatal(first.log.text.String())
	}
	newer := database("CREATE SCHEMA clockd", "CREATE TABLE clockd.schema_version (id int GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, version_id bigint NOT NULL, is_applied boolean NOT NULL, tstamp timestamp NOT NULL DEFAULT now())",
		"INSERT INTO clockd.schema_version (version_id, is_applied) VALUES (0, true), (9999, true)")
	poor := database("CREATE ROLE poor LOGIN")
	for _, row := range []struct{ name, url, want string }{
		{"a URL that is none", strings.Replace(used, "127.0.0.1:", "127.0.0.1:x", 1), "invalid port"},
		{"a password with an @", strings.Replace(used, secret, "g@"+secret, 1), "as %40"},
		{"a password with a slash", strings.Replace(used, secret, "g/"+secret, 1), "invalid port"},
		{"another scheme", strings.Replace(used, "postgres:", "mysql:", 1), "postgres://USER@HOST/DATABASE"},
		{"the form of libpq", "host=127.0.0.1 password=" + secret, "postgres://USER@HOST/DATABASE"},
		{"a database that there is not", used + "x", "create it"},
		{"a user that there is not", strings.Replace(used, "test:", "nobody:", 1), "does not let this user in"},
		{"a user without rights", strings.Replace(poor, "test:", "poor:", 1), "needs CREATE"},
		{"another namespace", used + "?schema=clockd&application_name=" + secret, `holds namespace "default", not "other"`},
		{"a newer schema", newer, "newer clockd"},
		{"a schema that is none", used + "?schema=A", `schema "A"`},
		{"a file that there is not", used + "?sslmode=verify-full&sslrootcert=/nowhere/ca.pem", "/nowhere/ca.pem"},
		{"a server without TLS", used + "?sslmode=require", "does not speak TLS"},
	} {
		t.Run(row.name, func(t *testing.T) {
			namespace := "default"
			if row.name == "another namespace" {
				namespace = "other"
			}
			p := serve(row.url, "--namespace", namespace)
			code, said := p.ended(), p.log.text.String()
			if code != exitUsage || !strings.Contains(said, row.want) {
				t.Errorf("exit code %d, want %d with %q:\n%s", code, exitUsage, row.want, said)
			}
			if strings.Contains(said, secret) {
				t.Errorf("it tells the password:\n%s", said)
			}
		})
	}
	t.Run("in the config file", func(t *testing.T) {
		file := write(t, "c.yaml", fmt.Sprintf("store: %sx\ntasks: []\n", used))
		p := launch(t, "serve", "--listen", socket(t), "--config", file)
		if code, said := p.ended(), p.log.text.String(); code != exitUsage || !strings.Contains(said, "c.yaml:1: store: ") || strings.Contains(said, secret) {
			t.Errorf("exit code %d:\n%s", code, said)
		}
	})
	if said := first.log.text.String(); !strings.Contains(said, "store=postgres://test@127.0.0.1:") || strings.Contains(said, secret) {
		t.Errorf("the first says:\n%s", said)
	}
}

func TestABenchNeedsAStoreWithoutTasks(t *testing.T) {
	server := database(t, pgtest.Config{})
	url := server.Database(t)
	bench := func(tasks string) (int, string) {
		var out strings.Builder
		code := run(t.Context(), []string{"bench", "--store", url, "--tasks", tasks, "--rate", "200", "--duration", "1s"}, environment{stdout: &out, stderr: &out, getenv: func(string) string { return "" }})
		return code, out.String()
	}
	if code, said := bench("100"); code != exitOK || !strings.Contains(said, "200 succeeded, 0 missing, 0 doubled, 0 unplanned") {
		t.Errorf("exit code %d:\n%s", code, said)
	}
	if code, said := bench("100"); code != exitUsage || !strings.Contains(said, "has tasks") {
		t.Errorf("exit code %d:\n%s", code, said)
	}
}

func TestANodeIsReachedWhereItListensUnlessItSaysOtherwise(t *testing.T) {
	url := database(t, pgtest.Config{}).Database(t)
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	one, every, unix := freeAddress(t), freeAddress(t), socket(t)
	_, port, _ := strings.Cut(every, ":")
	file := write(t, "c.yaml", "node_lease: 7s\ntasks: []\n")
	for _, row := range []struct {
		dial, name, address string
		lease               time.Duration
		args                []string
	}{
		{one, host, one, 15 * time.Second, []string{"--listen", unix + "0", "--listen", one}},
		{every, "every", net.JoinHostPort(host, port), 7 * time.Second, []string{"--listen", "0.0.0.0:" + port, "--insecure", "--node-name", "every", "--config", file}},
		{unix, host, unix, 8 * time.Second, []string{"--listen", unix, "--node-lease", "8s", "--config", file}},
		{unix + "1", host, "db.example:7433", 15 * time.Second, []string{"--listen", unix + "1", "--advertise", "db.example:7433"}},
	} {
		p := launch(t, append([]string{"serve", "--store", url}, row.args...)...)
		if !p.ready() {
			t.Fatal(p.log.text.String())
		}
		nodes, err := p.dial(row.dial).Nodes(soon(t))
		if err != nil {
			t.Fatal(err)
		}
		self := nodes[slices.IndexFunc(nodes, func(n client.Node) bool { return n.Self })]
		if self.Name != row.name || self.Address != row.address || self.Lease != row.lease {
			t.Errorf("%v: it is %q at %q with a lease of %s", row.args, self.Name, self.Address, self.Lease)
		}
		p.kill()
	}
}

// The second host leads nowhere, and is not asked, since the first answers.
func TestANodeThatOthersCanNotReachIsToldSo(t *testing.T) {
	url := database(t, pgtest.Config{}).Database(t)
	const warning = "daemons on other machines can not reach this one"
	host := strings.TrimSuffix(strings.SplitN(url, "@", 2)[1], url[strings.LastIndex(url, "/"):])
	_, port, _ := strings.Cut(host, ":")
	for _, row := range []struct {
		hosts, advertise string
		warned           bool
	}{
		{host, "", false},
		{host + ",db.example:" + port, "", true},
		{host + ",db.example:" + port, "here.example:7433", false},
	} {
		args := []string{"serve", "--listen", freeAddress(t), "--store", strings.Replace(url, host, row.hosts, 1)}
		if row.advertise != "" {
			args = append(args, "--advertise", row.advertise)
		}
		p := launch(t, args...)
		if !p.ready() {
			t.Fatal(p.log.text.String())
		}
		p.kill()
		if said := strings.Contains(p.log.text.String(), warning); said != row.warned {
			t.Errorf("%+v: %s", row, p.log.text.String())
		}
	}
}
