package grpccall_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/clockd/clockd/daemon/internal/target/grpccall"
	"github.com/clockd/clockd/daemon/task"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
)

// authority signs certificates and keeps them in files.
type authority struct {
	t    *testing.T
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	a := &authority{t: t, dir: t.TempDir()}
	a.key, a.cert = a.sign("ca", &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
	return a
}

func (a *authority) file(name string) string { return filepath.Join(a.dir, name) }

// sign makes name.crt and name.key.
func (a *authority) sign(name string, template *x509.Certificate) (*ecdsa.PrivateKey, *x509.Certificate) {
	a.t.Helper()
	fatal := func(err error) {
		if err != nil {
			a.t.Fatal(err)
		}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	fatal(err)
	template.SerialNumber, template.Subject = big.NewInt(time.Now().UnixNano()), pkix.Name{CommonName: name}
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	fatal(err)
	cert, err := x509.ParseCertificate(der)
	fatal(err)
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	fatal(err)
	fatal(os.WriteFile(a.file(name+".crt"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	fatal(os.WriteFile(a.file(name+".key"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600))
	return key, cert
}

// listen serves with a certificate for billing.test; it wants one of the authority from callers if mutual.
func (a *authority) listen(mutual bool) string {
	a.t.Helper()
	a.sign("server", &x509.Certificate{DNSNames: []string{"billing.test"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
	pair, err := tls.LoadX509KeyPair(a.file("server.crt"), a.file("server.key"))
	if err != nil {
		a.t.Fatal(err)
	}
	config := &tls.Config{Certificates: []tls.Certificate{pair}}
	if mutual {
		config.ClientAuth, config.ClientCAs = tls.RequireAndVerifyClientCert, x509.NewCertPool()
		config.ClientCAs.AddCert(a.cert)
	}
	return on(a.t, "tcp", "127.0.0.1:0", server(nil, grpc.Creds(credentials.NewTLS(config))))
}

func TestACallIsSecuredAsItSays(t *testing.T) {
	a := newAuthority(t)
	a.sign("caller", &x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	stranger := newAuthority(t)
	if err := os.WriteFile(a.file("text"), []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	open, mutual := a.listen(false), a.listen(true)
	ca, crt, key := a.file("ca.crt"), a.file("caller.crt"), a.file("caller.key")
	for _, row := range []struct {
		name    string
		address string
		tls     *task.TLSSpec
		err     string // a part of it
	}{
		{"trusted", open, &task.TLSSpec{CAFile: ca, ServerName: "billing.test"}, ""},
		{"mutual", mutual, &task.TLSSpec{CAFile: ca, CertFile: crt, KeyFile: key, ServerName: "billing.test"}, ""},
		{"without a certificate", mutual, &task.TLSSpec{CAFile: ca, ServerName: "billing.test"}, "UNAVAILABLE: "},
		{"another name", open, &task.TLSSpec{CAFile: ca, ServerName: "other.test"}, "certificate is valid for billing.test, not other.test"},
		{"another authority", open, &task.TLSSpec{CAFile: stranger.file("ca.crt"), ServerName: "billing.test"}, "certificate signed by unknown authority"},
		{"the system's authorities", open, &task.TLSSpec{ServerName: "billing.test"}, "x509: "},
		{"plain text", open, nil, "UNAVAILABLE: "},
		{"no authority", open, &task.TLSSpec{CAFile: a.file("text")}, "tls.ca_file: " + a.file("text") + " has no certificate in PEM"},
		{"no key", open, &task.TLSSpec{CertFile: crt, KeyFile: a.file("no")}, "tls: open " + a.file("no") + ": no such file or directory"},
		{"another key", open, &task.TLSSpec{CertFile: crt, KeyFile: stranger.file("ca.key")}, "private key does not match public key"},
	} {
		t.Run(row.name, func(t *testing.T) {
			output, err := call(t, t.Context(), grpccall.Config{Address: row.address, Method: check, TLS: row.tls}, attempt())
			switch {
			case row.err == "":
				want(t, output, err, `{"code":"OK","response":{"status":"SERVING"}}`, "")
			case err == nil || !strings.Contains(err.Error(), row.err) || output != "":
				t.Errorf("%s, %v; want %s", output, err, row.err)
			}
		})
	}
}

func TestTheFilesOfACallAreReadForEachAttempt(t *testing.T) {
	a, stranger := newAuthority(t), newAuthority(t)
	address := a.listen(false)
	trusted := filepath.Join(t.TempDir(), "trusted")
	made, err := grpccall.New(grpccall.Config{Address: address, Method: check, TLS: &task.TLSSpec{CAFile: trusted, ServerName: "billing.test"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		from *authority
		ok   bool
	}{{stranger, false}, {a, true}} {
		data, err := os.ReadFile(row.from.file("ca.crt"))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(trusted, data, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := made.Do(t.Context(), attempt()); (err == nil) != row.ok {
			t.Errorf("ok %v: %v", row.ok, err)
		}
	}
}
