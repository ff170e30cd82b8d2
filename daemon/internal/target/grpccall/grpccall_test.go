package grpccall_test

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/clockd/clockd/daemon/internal/target"
	"github.com/clockd/clockd/daemon/internal/target/grpccall"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/reflection"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	check = "grpc.health.v1.Health/Check"
	unary = "grpc.testing.TestService/UnaryCall"
)

func attempt() target.Attempt {
	return target.Attempt{
		RunID: 42, TaskID: uuid.MustParse("6ba7b810-9dad-51d1-80b4-00c04fd430c8"), TaskName: "nächtlich 1%", Number: 3,
		ScheduledTime: time.Date(2027, 1, 2, 3, 4, 5, 678000, time.FixedZone("", 3600)),
	}
}

// service is the service that tests call.
type service struct {
	testgrpc.UnimplementedTestServiceServer
	unary func(context.Context, *testgrpc.SimpleRequest) (*testgrpc.SimpleResponse, error)
}

func (s service) UnaryCall(ctx context.Context, r *testgrpc.SimpleRequest) (*testgrpc.SimpleResponse, error) {
	return s.unary(ctx, r)
}

// on serves a server until the test ends and returns its address.
func on(t *testing.T, network, address string, s *grpc.Server) string {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	t.Cleanup(func() {
		s.Stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	if network == "unix" {
		return "unix:" + address
	}
	return l.Addr().String()
}

// server has a health service, and a service that does what it is given, if anything.
func server(do func(context.Context, *testgrpc.SimpleRequest) (*testgrpc.SimpleResponse, error), options ...grpc.ServerOption) *grpc.Server {
	s := grpc.NewServer(options...)
	grpc_health_v1.RegisterHealthServer(s, health.NewServer())
	testgrpc.RegisterTestServiceServer(s, service{unary: do})
	reflection.Register(s)
	return s
}

func call(t *testing.T, ctx context.Context, c grpccall.Config, a target.Attempt) (string, error) {
	t.Helper()
	made, err := grpccall.New(c)
	if err != nil {
		t.Fatal(err)
	}
	output, err := made.Do(ctx, a)
	return string(output), err
}

func want(t *testing.T, output string, err error, wantOutput, wantErr string) {
	t.Helper()
	var text string
	if err != nil {
		text = err.Error()
	}
	if output != wantOutput || text != wantErr {
		t.Errorf("\noutput %s\nwant   %s\nerror  %s\nwant   %s", output, wantOutput, text, wantErr)
	}
}

func TestAMethodIsCalledWithTheBodyOrTheInput(t *testing.T) {
	address := on(t, "tcp", "127.0.0.1:0", server(nil))
	output, err := call(t, t.Context(), grpccall.Config{Address: address, Method: check}, attempt())
	want(t, output, err, `{"code":"OK","response":{"status":"SERVING"}}`, "")

	c := grpccall.Config{Address: address, Method: check, Body: `{"service":"nobody"}`}
	output, err = call(t, t.Context(), c, attempt())
	want(t, output, err, `{"code":"NOT_FOUND","message":"unknown service"}`, check+": NOT_FOUND: unknown service")
	if status.Code(err) != codes.NotFound {
		t.Errorf("the status is %v", status.Code(err))
	}

	a := attempt()
	a.Input = []byte(`{"service":""}`)
	output, err = call(t, t.Context(), c, a)
	want(t, output, err, `{"code":"OK","response":{"status":"SERVING"}}`, "")
}

func TestAServiceOnASocketIsCalled(t *testing.T) {
	dir, err := os.MkdirTemp("", "g") // short: the name of a socket has at most 104 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	address := on(t, "unix", filepath.Join(dir, "s"), server(nil))
	output, err := call(t, t.Context(), grpccall.Config{Address: address, Method: check}, attempt())
	want(t, output, err, `{"code":"OK","response":{"status":"SERVING"}}`, "")
}

func TestACallCarriesTheRunAndTheDeadline(t *testing.T) {
	t.Setenv("CLOCKD_TEST_TOKEN", "s3cr3t-t0ken")
	deadline := time.Now().Add(time.Hour)
	ctx, cancel := context.WithDeadline(t.Context(), deadline)
	defer cancel()
	got := make(chan metadata.MD, 1)
	var reflected metadata.MD
	s := server(func(ctx context.Context, r *testgrpc.SimpleRequest) (*testgrpc.SimpleResponse, error) {
		md, _ := metadata.FromIncomingContext(ctx)
		if at, ok := ctx.Deadline(); !ok || at.Sub(deadline).Abs() > time.Minute {
			t.Errorf("the deadline is %v", at)
		}
		got <- md
		return &testgrpc.SimpleResponse{Username: md.Get("authorization")[0]}, nil
	}, grpc.StreamInterceptor(func(srv any, ss grpc.ServerStream, _ *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
		reflected, _ = metadata.FromIncomingContext(ss.Context())
		return handler(srv, ss)
	}))
	address := on(t, "tcp", "127.0.0.1:0", s)
	output, err := call(t, ctx, grpccall.Config{
		Address: address, Method: unary, Metadata: map[string]string{"authorization": "Bearer ${env:CLOCKD_TEST_TOKEN}", "x": "$${y"},
	}, attempt())
	// What the service repeats is not shown.
	want(t, output, err, `{"code":"OK","response":{"username":"Bearer ***"}}`, "")
	md := <-got
	facts := map[string]string{
		"clockd-run-id": attempt().RunID.String(), "clockd-task-id": "6ba7b810-9dad-51d1-80b4-00c04fd430c8",
		"clockd-task-name": "n%C3%A4chtlich 1%25", "clockd-scheduled-time": "2027-01-02T02:04:05.000678Z", "clockd-attempt": "3",
		"authorization": "Bearer s3cr3t-t0ken", "x": "${y",
	}
	for key, value := range facts {
		if diff := cmp.Diff([]string{value}, md.Get(key)); diff != "" {
			t.Errorf("%s: %s", key, diff)
		}
	}
	if len(md.Get("idempotency-key")) != 1 {
		t.Errorf("idempotency-key: %q", md.Get("idempotency-key"))
	}
	if !cmp.Equal(reflected.Get("authorization"), []string{"Bearer s3cr3t-t0ken"}) || reflected.Get("clockd-run-id") != nil {
		t.Errorf("reflection got %v", reflected)
	}
}

func TestAllAttemptsOfARunHaveOneIdempotencyKey(t *testing.T) {
	keys := make(chan string, 3)
	address := on(t, "tcp", "127.0.0.1:0", server(func(ctx context.Context, _ *testgrpc.SimpleRequest) (*testgrpc.SimpleResponse, error) {
		md, _ := metadata.FromIncomingContext(ctx)
		keys <- md.Get("idempotency-key")[0]
		return &testgrpc.SimpleResponse{}, nil
	}))
	first, again, other := attempt(), attempt(), attempt()
	again.Number++
	other.RunID++
	for _, a := range []target.Attempt{first, again, other} {
		output, err := call(t, t.Context(), grpccall.Config{Address: address, Method: unary}, a)
		want(t, output, err, `{"code":"OK","response":{}}`, "")
	}
	if a, b, c := <-keys, <-keys, <-keys; a != b || a == c {
		t.Errorf("%s, %s, and of another run %s", a, b, c)
	}
}

func TestAStatusIsTheOutputOfAnAttemptThatFails(t *testing.T) {
	t.Setenv("CLOCKD_TEST_TOKEN", "s3cr3t-t0ken")
	address := on(t, "tcp", "127.0.0.1:0", server(func(ctx context.Context, r *testgrpc.SimpleRequest) (*testgrpc.SimpleResponse, error) {
		s := status.New(codes.Code(r.GetResponseStatus().GetCode()), r.GetResponseStatus().GetMessage())
		known, _ := anypb.New(&testgrpc.EchoStatus{Code: 7, Message: "more: s3cr3t-t0ken"})
		unknown, _ := anypb.New(wrapperspb.String("x"))
		unknown.TypeUrl = "type.googleapis.com/acme.Unknown"
		p := s.Proto()
		p.Details = append(p.Details, known, unknown)
		return nil, status.ErrorProto(p)
	}))
	output, err := call(t, t.Context(), grpccall.Config{
		Address: address, Method: unary, Metadata: map[string]string{"token": "${env:CLOCKD_TEST_TOKEN}"},
		Body: `{"responseStatus":{"code":9,"message":"it is <not> s3cr3t-t0ken"}}`,
	}, attempt())
	want(t, output, err,
		`{"code":"FAILED_PRECONDITION","message":"it is <not> ***","details":[{"@type":"type.googleapis.com/grpc.testing.EchoStatus","code":7,"message":"more: ***"},{"@type":"type.googleapis.com/acme.Unknown"}]}`,
		unary+": FAILED_PRECONDITION: it is <not> ***")

	output, err = call(t, t.Context(), grpccall.Config{Address: address, Method: unary, OutputLimit: 10, Body: `{"responseStatus":{"code":1}}`}, attempt())
	want(t, output, err, `{"code":"CANCELLED"}`, unary+": CANCELLED")

	output, err = call(t, t.Context(), grpccall.Config{
		Address: address, Method: unary, OutputLimit: 10, Body: `{"responseStatus":{"code":2,"message":"` + strings.Repeat("ä", 4000) + `"}}`,
	}, attempt())
	long := strings.Repeat("ä", 2048) + "..."
	want(t, output, err, `{"code":"UNKNOWN","message":"`+long+`"}`, unary+": UNKNOWN: "+long)
}

func TestAResponseThatIsTooLongFailsTheAttempt(t *testing.T) {
	address := on(t, "tcp", "127.0.0.1:0", server(func(_ context.Context, r *testgrpc.SimpleRequest) (*testgrpc.SimpleResponse, error) {
		return &testgrpc.SimpleResponse{Username: strings.Repeat("x", int(r.ResponseSize))}, nil
	}))
	c := grpccall.Config{Address: address, Method: unary, OutputLimit: 20, Body: `{"responseSize":5}`}
	output, err := call(t, t.Context(), c, attempt())
	want(t, output, err, `{"code":"OK","response":{"username":"xxxxx"}}`, "")
	c.Body = `{"responseSize":6}`
	output, err = call(t, t.Context(), c, attempt())
	want(t, output, err, "", unary+": the call succeeded, but its response has 21 bytes as JSON, more than the output limit of 20")
}

func TestWhatCanNotBeCalledIsSaid(t *testing.T) {
	address := on(t, "tcp", "127.0.0.1:0", server(nil))
	bare := grpc.NewServer()
	grpc_health_v1.RegisterHealthServer(bare, health.NewServer())
	mute := on(t, "tcp", "127.0.0.1:0", bare)
	services := "grpc.health.v1.Health, grpc.reflection.v1.ServerReflection, grpc.reflection.v1alpha.ServerReflection, grpc.testing.TestService"
	for _, row := range []struct {
		name   string
		config grpccall.Config
		input  string
		want   string // a part of the error
	}{
		{"a service", grpccall.Config{Address: address, Method: "acme.No/Get"}, "", "acme.No/Get at " + address + ": there is no service acme.No; there is " + services},
		{"a method", grpccall.Config{Address: address, Method: "grpc.health.v1.Health/Get"}, "", "grpc.health.v1.Health has no method Get; it has Check, List, Watch"},
		{"a message", grpccall.Config{Address: address, Method: "grpc.health.v1.HealthCheckRequest/Get"}, "", "grpc.health.v1.HealthCheckRequest is no service"},
		{"a stream", grpccall.Config{Address: address, Method: "grpc.health.v1.Health/Watch"}, "", "the method streams; clockd calls only those with one request and one response"},
		{"a stream of requests", grpccall.Config{Address: address, Method: "grpc.testing.TestService/StreamingInputCall"}, "", "the method streams"},
		{"no reflection", grpccall.Config{Address: mute, Method: check}, "", "no reflection is offered there"},
		{"an unknown field", grpccall.Config{Address: address, Method: check, Body: `{"servise":"x"}`}, "", `the body is no grpc.health.v1.HealthCheckRequest: `},
		{"an unknown field by name", grpccall.Config{Address: address, Method: check}, `{"servise":"x"}`, `"servise"`},
		{"the wrong type", grpccall.Config{Address: address, Method: unary}, `{"payload":{"body":5}}`, `the input is no grpc.testing.SimpleRequest: `},
		{"a secret", grpccall.Config{Address: address, Method: check, Metadata: map[string]string{"a": "${env:CLOCKD_NOT_SET}"}}, "", check + ": metadata.a: the environment has no variable CLOCKD_NOT_SET"},
		{"a ca", grpccall.Config{Address: address, Method: check, TLS: &task.TLSSpec{CAFile: "/no/ca"}}, "", check + ": tls.ca_file: open /no/ca: no such file or directory"},
		{"a port", grpccall.Config{Address: "127.0.0.1:1", Method: check}, "", "asking for the method: UNAVAILABLE: "},
		{"a socket", grpccall.Config{Address: "unix:/no/socket", Method: check}, "", "no such file or directory"},
		{"a name", grpccall.Config{Address: "no-such-host.invalid:80", Method: check}, "", "UNAVAILABLE: "},
	} {
		t.Run(row.name, func(t *testing.T) {
			a := attempt()
			if row.input != "" {
				a.Input = []byte(row.input)
			}
			output, err := call(t, t.Context(), row.config, a)
			if err == nil || !strings.Contains(err.Error(), row.want) || strings.Contains(err.Error(), "rpc error") || output != "" {
				t.Errorf("%v, %s; want %s", err, output, row.want)
			}
		})
	}
}

func TestAnErrorOfReflectionShowsNoSecret(t *testing.T) {
	t.Setenv("CLOCKD_TEST_TOKEN", "s3cr3t-t0ken")
	address := on(t, "tcp", "127.0.0.1:0", server(nil, grpc.StreamInterceptor(func(_ any, ss grpc.ServerStream, _ *grpc.StreamServerInfo, _ grpc.StreamHandler) error {
		md, _ := metadata.FromIncomingContext(ss.Context())
		return status.Errorf(codes.PermissionDenied, "not with %s", md.Get("token")[0])
	})))
	output, err := call(t, t.Context(), grpccall.Config{Address: address, Method: check, Metadata: map[string]string{"token": "${env:CLOCKD_TEST_TOKEN}"}}, attempt())
	want(t, output, err, "", check+" at "+address+": asking for the method: PERMISSION_DENIED: not with ***")
}

func TestASecretThatMetadataCanNotCarryIsNotShown(t *testing.T) {
	t.Setenv("CLOCKD_TEST_TOKEN", "two\nlines of it")
	_, err := call(t, t.Context(), grpccall.Config{Address: "127.0.0.1:1", Method: check, Metadata: map[string]string{"a": "${env:CLOCKD_TEST_TOKEN}"}}, attempt())
	want(t, "", err, "", check+": metadata.a: with its secrets the value has a character that is not printable ASCII")
}

func TestTheEndOfTheContextEndsTheCall(t *testing.T) {
	called := make(chan struct{}, 1)
	address := on(t, "tcp", "127.0.0.1:0", server(func(ctx context.Context, _ *testgrpc.SimpleRequest) (*testgrpc.SimpleResponse, error) {
		called <- struct{}{}
		<-ctx.Done()
		return nil, status.FromContextError(ctx.Err()).Err()
	}))
	c := grpccall.Config{Address: address, Method: unary}

	ctx, cancel := context.WithCancelCause(t.Context())
	go func() {
		<-called
		cancel(target.ErrCanceled)
	}()
	output, err := call(t, ctx, c, attempt())
	want(t, output, err, "", target.ErrCanceled.Error())
	output, err = call(t, ctx, c, attempt())
	want(t, output, err, "", target.ErrCanceled.Error())

	short, stop := context.WithTimeoutCause(t.Context(), 50*time.Millisecond, target.ErrTimeout)
	defer stop()
	if output, err = call(t, short, c, attempt()); !errors.Is(err, target.ErrTimeout) || output != "" {
		t.Errorf("%s, %v", output, err)
	}
}

func TestEverythingWrongWithACallIsSaid(t *testing.T) {
	_, err := grpccall.New(grpccall.Config{
		Method: "acme/", Body: `{"a":hunter2}`, OutputLimit: -1, TLS: &task.TLSSpec{CertFile: "/cert"},
		Metadata: map[string]string{
			"": "x", "A": "x", "a b": "x", "grpc-timeout": "x", "a-bin": "x", "clockd-x": "x", "idempotency-key": "x", "te": "x",
			"a": "hunter2\n", "b": "hunter2${no:x}", "ok": "${env:A}",
		},
	})
	var invalid *task.InvalidError
	if !errors.As(err, &invalid) {
		t.Fatal(err)
	}
	var fields []string
	for _, v := range invalid.Violations {
		fields = append(fields, v.Field)
	}
	wantFields := []string{
		"address", "method", "body", "metadata.", "metadata.A", "metadata.a", "metadata.a b", "metadata.a-bin", "metadata.b",
		"metadata.clockd-x", "metadata.grpc-timeout", "metadata.idempotency-key", "metadata.te", "tls.key_file", "output_limit",
	}
	if diff := cmp.Diff(wantFields, fields); diff != "" {
		t.Error(diff)
	}
	if strings.Contains(err.Error(), "hunter2") {
		t.Errorf("a value is shown: %v", err)
	}
	for _, address := range []string{"host", "host:", ":80", "host:0", "host:http", "a:b:c", "https://host:80", "xds:///x"} {
		if _, err := grpccall.New(grpccall.Config{Address: address, Method: check}); !errors.As(err, &invalid) || invalid.Violations[0].Field != "address" {
			t.Errorf("%s: %v", address, err)
		}
	}
	for _, method := range []string{"", "a", "/a", "a/", "/a/b", "a/b/c", "a.b", "a..b/c", "a/b.c"} {
		if _, err := grpccall.New(grpccall.Config{Address: "host:1", Method: method}); !errors.As(err, &invalid) || invalid.Violations[0].Field != "method" {
			t.Errorf("%s: %v", method, err)
		}
	}
	for _, address := range []string{"host:80", "[::1]:80", "dns:///host:80", "unix:/path", "unix:///path", "passthrough:///x"} {
		if _, err := grpccall.New(grpccall.Config{Address: address, Method: check}); err != nil {
			t.Errorf("%s: %v", address, err)
		}
	}
}

func TestACallIsDescribedWithoutItsSecrets(t *testing.T) {
	made, err := grpccall.New(grpccall.Config{Address: "host:1", Method: check, Body: `"hunter2"`, Metadata: map[string]string{"a": "hunter2"}})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(task.Target{Kind: "grpc", Summary: check + " at host:1"}, made.Describe()); diff != "" {
		t.Error(diff)
	}
}
