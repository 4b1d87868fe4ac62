package realkafka

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
	"slices"
	"sync"
	"time"
)

// Files of a cluster's own authority, in the cluster's folder.
const (
	caPEM     = "ca.pem"     // what clients and brokers trust
	brokerPEM = "broker.pem" // key and certificate of all brokers, valid for loopback
)

// certificateLife is how long certificates are valid; they begin a little earlier, for clocks that differ.
const certificateLife = 30 * 24 * time.Hour

// authority issues the certificates of one cluster.
type authority struct {
	dir  string
	key  *ecdsa.PrivateKey
	cert *x509.Certificate

	mu     sync.Mutex
	issued map[string]identity // by common name
}

// identity are the files of one certificate.
type identity struct {
	Cert, Key string // PEM files
	Both      string // PEM file with the key and then the certificate, as Java wants it
}

// newAuthority creates an authority and the brokers' certificate, if a listener needs them.
func newAuthority(o Options, dir string) (*authority, error) {
	if !slices.ContainsFunc(o.Listeners, func(l Listener) bool { return l.TLS != NoTLS }) {
		return nil, nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := certificate("portage test authority of " + o.Name)
	template.IsCA, template.BasicConstraintsValid = true, true
	template.KeyUsage = x509.KeyUsageCertSign
	raw, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	a := &authority{dir: dir, key: key, issued: map[string]identity{}}
	if a.cert, err = x509.ParseCertificate(raw); err != nil {
		return nil, err
	}
	if err := a.write(caPEM, block("CERTIFICATE", raw)); err != nil {
		return nil, err
	}
	id, err := a.create("broker")
	if err != nil {
		return nil, err
	}
	return a, os.Rename(id.Both, filepath.Join(dir, brokerPEM))
}

func certificate(name string) *x509.Certificate {
	serial, _ := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120)) // never fails, see crypto/rand
	return &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(certificateLife),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
}

// issue makes a certificate for a name, or returns the one made before.
func (a *authority) issue(name string) (identity, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if id, ok := a.issued[name]; ok {
		return id, nil
	}
	id, err := a.create(name)
	if err != nil {
		return identity{}, fmt.Errorf("realkafka: issue a certificate for %s: %w", name, err)
	}
	a.issued[name] = id
	return id, nil
}

func (a *authority) create(name string) (identity, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return identity{}, err
	}
	template := certificate(name)
	template.DNSNames, template.IPAddresses = []string{"localhost"}, []net.IP{net.IPv4(127, 0, 0, 1)}
	raw, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		return identity{}, err
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key) // the only form that Kafka reads
	if err != nil {
		return identity{}, err
	}
	cert, private := block("CERTIFICATE", raw), block("PRIVATE KEY", pkcs8)
	id := identity{Cert: name + ".crt.pem", Key: name + ".key.pem", Both: name + ".both.pem"}
	for file, text := range map[string][]byte{id.Cert: cert, id.Key: private, id.Both: append(private, cert...)} {
		if err := a.write(file, text); err != nil {
			return identity{}, err
		}
	}
	path := func(file string) string { return filepath.Join(a.dir, file) }
	return identity{path(id.Cert), path(id.Key), path(id.Both)}, nil
}

func (a *authority) write(name string, text []byte) error {
	return os.WriteFile(filepath.Join(a.dir, name), text, 0o600)
}

func block(kind string, raw []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: raw})
}
