package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/clockd/clockd/daemon/store/postgres/pgtest"
	"github.com/jackc/pgx/v5"
)

// A password that the URL does not have comes from where libpq looks for one.
func TestThePasswordIsReadFromWhereLibpqReadsIt(t *testing.T) {
	server := database(t, pgtest.Config{Files: map[string][]byte{"pg_hba.conf": []byte(
		"local all all trust\nhost all test 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n")}})
	url := strings.Replace(server.Database(t), "test@", "guarded@", 1)
	if err := server.Exec(t.Context(), "postgres", "CREATE ROLE guarded LOGIN SUPERUSER PASSWORD 'geheim'"); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name, env string
		ready     bool
	}{
		{"in the environment", "PGPASSWORD=geheim", true},
		{"in a file", "PGPASSFILE=" + write(t, "pgpass", "*:*:*:guarded:geheim\n"), true},
		{"in a service file", "PGSERVICEFILE=" + write(t, "pg_service.conf", "[here]\npassword=geheim\n"), true},
		{"wrong", "PGPASSWORD=geheimnis", false},
		{"nowhere", "PGPASSFILE=/dev/null", false},
	} {
		t.Run(row.name, func(t *testing.T) {
			where := url
			if row.name == "in a service file" {
				where += "?service=here"
			}
			p := launchAs(t, func(cmd *exec.Cmd) { cmd.Env = append(cmd.Env, row.env) }, "serve", "--store", where, "--listen", socket(t))
			ready := p.ready()
			if row.ready {
				if p.kill(); !ready || strings.Contains(p.log.text.String(), "geheim") {
					t.Error(p.log.text.String())
				}
				return
			}
			if code, said := p.ended(), p.log.text.String(); code != exitUsage || !strings.Contains(said, "PGPASSFILE") || strings.Contains(said, "geheim") {
				t.Errorf("exit code %d:\n%s", code, said)
			}
		})
	}
}

func TestTheDatabaseIsTrustedByItsCertificate(t *testing.T) {
	ours, others := newAuthority(t), newAuthority(t)
	certificate, key := ours.issue(t, "localhost")
	// Who is no test of ours comes by TLS only, and who has a certificate needs no password.
	server := database(t, pgtest.Config{
		Settings: map[string]string{"ssl": "on", "ssl_cert_file": "server.crt", "ssl_key_file": "server.key", "ssl_ca_file": "ca.crt"},
		Files: map[string][]byte{
			"server.crt": certificate, "server.key": key, "ca.crt": ours.certificate,
			"pg_hba.conf": []byte("local all all trust\nhost all test 127.0.0.1/32 trust\nhostssl all known 127.0.0.1/32 cert\nhostssl all anyone 127.0.0.1/32 trust\n"),
		},
	})
	url := strings.Replace(server.Database(t), "127.0.0.1", "localhost", 1)
	for _, sql := range []string{"CREATE ROLE known LOGIN SUPERUSER", "CREATE ROLE anyone LOGIN SUPERUSER"} {
		if err := server.Exec(t.Context(), "postgres", sql); err != nil {
			t.Fatal(err)
		}
	}
	known, knownKey := ours.issue(t, "known")
	stranger, strangerKey := others.issue(t, "known")
	ca := "&sslrootcert=" + write(t, "ca.crt", string(ours.certificate))
	for _, row := range []struct {
		name, user, host, params string
		want                     string // of what ends it; empty: it is ready
	}{
		{"the right CA", "anyone", "localhost", "sslmode=verify-full" + ca, ""},
		{"a certificate of the client", "known", "localhost", "sslmode=verify-full" + ca + "&sslcert=" + write(t, "known.crt", string(known)) + "&sslkey=" + write(t, "known.key", string(knownKey)), ""},
		{"the wrong CA", "anyone", "localhost", "sslmode=verify-full&sslrootcert=" + write(t, "other.crt", string(others.certificate)), "the certificate of the server is not trusted"},
		{"another host", "anyone", "127.0.0.1", "sslmode=verify-full" + ca, "the certificate of the server is not trusted"},
		{"another host, of which only the CA is asked", "anyone", "127.0.0.1", "sslmode=verify-ca" + ca, ""},
		{"no TLS", "anyone", "localhost", "sslmode=disable", "does not let this user in"},
		{"no certificate of the client", "known", "localhost", "sslmode=verify-full" + ca, "does not let this user in"},
		{"a certificate of a stranger", "known", "localhost", "sslmode=verify-full" + ca + "&sslcert=" + write(t, "s.crt", string(stranger)) + "&sslkey=" + write(t, "s.key", string(strangerKey)), "the server does not take"},
	} {
		t.Run(row.name, func(t *testing.T) {
			where := strings.NewReplacer("test@", row.user+"@", "localhost", row.host).Replace(url) + "?" + row.params
			p := launch(t, "serve", "--store", where, "--listen", socket(t))
			if row.want != "" {
				if code, said := p.ended(), p.log.text.String(); code != exitUsage || !strings.Contains(said, row.want) {
					t.Errorf("exit code %d, want %d with %q:\n%s", code, exitUsage, row.want, said)
				}
				return
			}
			if !p.ready() {
				t.Fatal(p.log.text.String())
			}
			conn, err := pgx.Connect(t.Context(), server.URL("postgres"))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close(t.Context())
			var all, encrypted int
			if err := conn.QueryRow(t.Context(), "SELECT count(*), count(*) FILTER (WHERE ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename = $1", row.user).Scan(&all, &encrypted); err != nil {
				t.Fatal(err)
			}
			if all == 0 || encrypted != all {
				t.Errorf("%d of %d connections are encrypted", encrypted, all)
			}
			p.kill()
		})
	}
}

// authority is a CA of a test's own.
type authority struct {
	certificate []byte // PEM
	parsed      *x509.Certificate
	key         *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{parsed: &x509.Certificate{Subject: pkix.Name{CommonName: "a CA"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}}
	a.certificate, a.key = a.sign(t, a.parsed)
	return a
}

// issue makes a certificate for a name, a server's or a client's, and its key.
func (a *authority) issue(t *testing.T, name string) (certificate, key []byte) {
	t.Helper()
	certificate, private := a.sign(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	})
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return certificate, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

// sign makes a certificate of a template; the first is that of the CA itself.
func (a *authority) sign(t *testing.T, template *x509.Certificate) ([]byte, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer := a.key
	if signer == nil {
		signer = key
	}
	template.SerialNumber, template.NotBefore, template.NotAfter = big.NewInt(time.Now().UnixNano()), time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	der, err := x509.CreateCertificate(rand.Reader, template, a.parsed, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), key
}
