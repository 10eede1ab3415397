package storetest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/ports"
	"github.com/livygateway/livygateway/internal/store"
)

// Authority is a certificate authority of one test.
type Authority struct {
	// CA is the file of its certificate.
	CA string

	t    testing.TB
	dir  string
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

// NewAuthority makes an authority.
func NewAuthority(t testing.TB) *Authority {
	t.Helper()
	a := &Authority{t: t, dir: t.TempDir(), key: newKey(t)}
	template := certificate("authority of a test")
	template.IsCA, template.BasicConstraintsValid, template.KeyUsage = true, true, x509.KeyUsageCertSign
	der := a.sign(template, template, a.key)
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	a.cert = cert
	a.CA = a.write("ca.crt", "CERTIFICATE", der)
	return a
}

// Issue makes a certificate for names and addresses, and returns its files.
func (a *Authority) Issue(name string, hosts ...string) (cert, key string) {
	a.t.Helper()
	k := newKey(a.t)
	template := certificate(name)
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	cert = a.write(name+".crt", "CERTIFICATE", a.sign(template, a.cert, k))
	der, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		a.t.Fatal(err)
	}
	return cert, a.write(name+".key", "PRIVATE KEY", der)
}

// StartTLSServer starts a redis-server that also speaks TLS, at another address, with a
// certificate for hosts. As Redis does by default, it asks clients for a certificate of
// the same authority.
func StartTLSServer(t testing.TB, a *Authority, hosts ...string) (s *Server, tlsAddr string) {
	t.Helper()
	port := ports.Spare(t)
	s = StartServer(t, a.tlsArgs(port, hosts...)...)
	return s, "127.0.0.1:" + strconv.Itoa(port)
}

// StartTLSSentinel starts such a server with a Sentinel, which speaks TLS too and
// announces the server's address. The options are for opening a store on them, without
// any files.
func StartTLSSentinel(t testing.TB, a *Authority, hosts ...string) store.Options {
	t.Helper()
	_, addr := StartTLSServer(t, a, hosts...)
	host, primary, _ := net.SplitHostPort(addr)
	plain, secure, dir := ports.Spare(t), ports.Spare(t), t.TempDir()
	conf := filepath.Join(dir, "sentinel.conf")
	text := fmt.Sprintf("sentinel monitor %s %s %s 1\n", masterName, host, primary)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	args := append([]string{
		conf, "--port", strconv.Itoa(plain), "--bind", "127.0.0.1", "--dir", dir,
		"--logfile", filepath.Join(dir, "sentinel.log"), "--tls-replication", "yes",
	}, a.tlsArgs(secure, hosts...)...)
	s := &Server{t: t, binary: "redis-sentinel", args: args, addr: "127.0.0.1:" + strconv.Itoa(plain), dir: dir}
	s.launch()
	s.AwaitReply("PING", "PONG")
	return store.Options{URL: fmt.Sprintf("rediss+sentinel://127.0.0.1:%d/%s", secure, masterName)}
}

func (a *Authority) tlsArgs(port int, hosts ...string) []string {
	cert, key := a.Issue("server", hosts...)
	return []string{"--tls-port", strconv.Itoa(port), "--tls-cert-file", cert, "--tls-key-file", key, "--tls-ca-cert-file", a.CA}
}

func certificate(name string) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (a *Authority) sign(template, parent *x509.Certificate, key *ecdsa.PrivateKey) []byte {
	a.t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	return der
}

func (a *Authority) write(name, kind string, der []byte) string {
	a.t.Helper()
	path := filepath.Join(a.dir, name)
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		a.t.Fatal(err)
	}
	return path
}
