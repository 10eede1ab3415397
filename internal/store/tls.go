package store

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"

	"github.com/livygateway/livygateway/internal/gateway"
)

// checkTLS checks the options of TLS and reads their files once.
func (o *Options) checkTLS() error {
	set := []struct{ name, value string }{
		{"ca", o.CAFile}, {"cert", o.CertFile}, {"key", o.KeyFile}, {"server_name", o.ServerName},
	}
	for _, s := range set {
		if s.value != "" && o.TLS == nil {
			return gateway.Invalid(s.name, s.value, "goes with TLS only: write the URL of Redis with rediss://")
		}
	}
	if o.TLS == nil {
		return nil
	}
	_, err := o.tlsConfig("")
	return err
}

// tlsConfig makes the configuration of one connection, to a host.
func (o *Options) tlsConfig(host string) (*tls.Config, error) {
	c := o.TLS.Clone()
	switch {
	case o.ServerName != "":
		c.ServerName = o.ServerName
	case c.ServerName == "":
		c.ServerName = host
	}
	if o.CAFile != "" {
		text, err := os.ReadFile(o.CAFile)
		if err != nil {
			return nil, gateway.Invalid("ca", o.CAFile, "must be a file that can be read: "+reason(err))
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(text) {
			return nil, gateway.Invalid("ca", o.CAFile, "must hold a certificate in PEM")
		}
	}
	if o.CertFile == "" && o.KeyFile == "" {
		return c, nil
	}
	if o.CertFile == "" || o.KeyFile == "" {
		return nil, gateway.Invalid("cert", o.CertFile, "must be two files, of a certificate and of its key")
	}
	pair, err := tls.LoadX509KeyPair(o.CertFile, o.KeyFile)
	if err != nil {
		return nil, gateway.Invalid("cert", o.CertFile, "must be, with "+o.KeyFile+", a certificate and its key in PEM: "+reason(err))
	}
	c.Certificates = []tls.Certificate{pair}
	return c, nil
}

// reason is an error without the path, which the message around it has.
func reason(err error) string {
	if p, ok := errors.AsType[*os.PathError](err); ok {
		return p.Err.Error()
	}
	return err.Error()
}

// dial makes a connection, with TLS where it is wanted, within ConnectTimeout.
func (o Options) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, o.ConnectTimeout)
	defer cancel()
	dial := o.Dialer
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	conn, err := dial(ctx, network, addr)
	if err != nil || o.TLS == nil {
		return conn, err
	}
	secured, err := o.secure(ctx, conn, addr)
	if err != nil {
		_ = conn.Close()
		// Whatever is wrong with a certificate today may be right with the next one.
		return nil, &net.OpError{Op: "TLS handshake", Net: network, Addr: conn.RemoteAddr(), Err: err}
	}
	return secured, nil
}

func (o *Options) secure(ctx context.Context, conn net.Conn, addr string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		host = addr
	}
	c, err := o.tlsConfig(host)
	if err != nil {
		return nil, fmt.Errorf("reading the files of TLS: %w", err)
	}
	secured := tls.Client(conn, c)
	return secured, secured.HandshakeContext(ctx)
}
