package auth

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
)

// TLS secures connections. The zero value uses the system's CAs and no client certificate. Files are read again for
// every connection, so certificates may be renewed while portage runs.
type TLS struct {
	// CA is a PEM file of the authorities that sign the brokers' certificates, or the PEM text itself; empty: those of
	// the operating system.
	CA string `yaml:"ca,omitempty" json:"ca,omitempty"`
	// Cert is a PEM file (or PEM text) of the client certificate and its chain, for mutual TLS. It may hold the key.
	Cert string `yaml:"cert,omitempty" json:"cert,omitempty"`
	// Key is the private key of Cert, unencrypted PEM: a file name, PEM text, or any Secret reference to PEM text. Empty
	// with Cert set: the key is in the file of Cert.
	Key Secret `yaml:"key,omitempty" json:"key,omitempty"`
	// ServerName is the name to expect in the broker's certificate; empty: the host that was dialled.
	ServerName string `yaml:"server_name,omitempty" json:"server_name,omitempty"`
	// AnyHost accepts a certificate for another host name; the chain is still verified (Java:
	// ssl.endpoint.identification.algorithm set to nothing).
	AnyHost bool `yaml:"any_host,omitempty" json:"any_host,omitempty"`
	// Insecure verifies nothing: anyone on the path can read and change everything. For test set-ups.
	Insecure bool `yaml:"insecure,omitempty" json:"insecure,omitempty"`
}

// Validate reads the files and reports what is wrong with them.
func (t *TLS) Validate() error {
	if t.Key != "" && t.Cert == "" {
		return errors.New("tls.key is set without tls.cert: set both for mutual TLS, or none")
	}
	_, err := t.load(context.Background(), "localhost")
	return err
}

// Client returns the configuration for one connection to host, from what the files hold now. A certificate and a key that
// do not match, or a file that is absent, are looked at again for a moment: they may be in the course of being replaced.
func (t *TLS) Client(ctx context.Context, host string) (*tls.Config, error) {
	return patiently(ctx, func() (*tls.Config, error) { return t.load(ctx, host) })
}

// Expires is when the client certificate ends that a connection would show now; zero without one.
func (t *TLS) Expires(ctx context.Context) (time.Time, error) {
	if t.Cert == "" {
		return time.Time{}, nil
	}
	pair, err := patiently(ctx, func() (tls.Certificate, error) { return t.pair(ctx) })
	if err != nil {
		return time.Time{}, err
	}
	return pair.Leaf.NotAfter, nil
}

// ByReference says whether certificates or keys are in files, which may be replaced while portage runs.
func (t *TLS) ByReference() bool {
	return isFile(t.CA) || isFile(t.Cert) || t.Key.IsReference() || isFile(string(t.Key))
}

func isFile(value string) bool { return value != "" && !strings.Contains(value, pemMark) }

// load is Client without the patience.
func (t *TLS) load(ctx context.Context, host string) (*tls.Config, error) {
	cfg := &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}
	if t.ServerName != "" {
		cfg.ServerName = t.ServerName
	}
	if t.CA != "" {
		roots, err := t.roots()
		if err != nil {
			return nil, err
		}
		cfg.RootCAs = roots
	}
	if t.Cert != "" {
		pair, err := t.pair(ctx)
		if err != nil {
			return nil, err
		}
		cfg.Certificates = []tls.Certificate{pair}
	}
	if t.Insecure || t.AnyHost {
		cfg.InsecureSkipVerify = true
	}
	if t.AnyHost && !t.Insecure {
		cfg.VerifyConnection = chainOnly(cfg.RootCAs)
	}
	return cfg, nil
}

// chainOnly verifies a broker's certificate chain without its host name.
func chainOnly(roots *x509.CertPool) func(tls.ConnectionState) error {
	return func(s tls.ConnectionState) error {
		if len(s.PeerCertificates) == 0 {
			return errors.New("the broker sent no certificate")
		}
		between := x509.NewCertPool()
		for _, c := range s.PeerCertificates[1:] {
			between.AddCert(c)
		}
		_, err := s.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: between})
		return err
	}
}

func (t *TLS) roots() (*x509.CertPool, error) {
	text, err := pemText("tls.ca", t.CA)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("tls.ca: no certificate in %s", pemName(t.CA))
	}
	return pool, nil
}

func (t *TLS) pair(ctx context.Context) (tls.Certificate, error) {
	cert, err := pemText("tls.cert", t.Cert)
	if err != nil {
		return tls.Certificate{}, err
	}
	if strings.Contains(t.Cert, "PRIVATE KEY") {
		return tls.Certificate{}, errors.New("tls.cert holds a private key as text, where it would be printed: put it into tls.key")
	}
	key := cert
	if t.Key != "" {
		if key, err = t.keyText(ctx); err != nil {
			return tls.Certificate{}, err
		}
	}
	if err := refuseEncrypted(key); err != nil {
		return tls.Certificate{}, err
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("tls.cert %s and tls.key: %w", pemName(t.Cert), err)
	}
	return pair, nil
}

func (t *TLS) keyText(ctx context.Context) ([]byte, error) {
	if !t.Key.IsReference() {
		_, value := t.Key.split()
		return pemText("tls.key", value)
	}
	text, err := t.Key.once(ctx)
	if err != nil {
		return nil, fmt.Errorf("tls.key: %w", err)
	}
	return []byte(text), nil
}

// refuseEncrypted names the one kind of key that Go cannot read.
func refuseEncrypted(key []byte) error {
	for block, rest := pem.Decode(key); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == "ENCRYPTED PRIVATE KEY" || block.Headers["DEK-Info"] != "" {
			return errors.New("tls.key is encrypted: decrypt it with `openssl pkcs8 -in KEY -out KEY.pem` and protect the file by its permissions")
		}
	}
	return nil
}

const pemMark = "-----BEGIN "

// pemText returns PEM text given as itself or as a file name.
func pemText(field, value string) ([]byte, error) {
	if strings.Contains(value, pemMark) {
		return []byte(value), nil
	}
	text, err := os.ReadFile(value)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", field, err)
	}
	if !strings.Contains(string(text), pemMark) {
		return nil, fmt.Errorf("%s: %s is not PEM; convert a JKS or PKCS#12 store with `keytool -importkeystore` and `openssl pkcs12 -nodes`", field, value)
	}
	return text, nil
}

// pemName names PEM material in messages without printing it.
func pemName(value string) string {
	if strings.Contains(value, pemMark) {
		return "the given PEM text"
	}
	return value
}
