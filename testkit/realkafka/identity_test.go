package realkafka

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// paper is a cluster that was furnished and never started.
func paper(t *testing.T, o Options) *Cluster {
	t.Helper()
	o.Dir = t.TempDir()
	require.NoError(t, o.Validate())
	c, err := prepare(o.withDefaults())
	require.NoError(t, err)
	t.Cleanup(c.Stop)
	return c
}

func TestCertificatesAreValidForLoopbackAndForTheUser(t *testing.T) {
	c := paper(t, everyWay(Source))
	raw, err := os.ReadFile(filepath.Join(c.Dir(), caPEM))
	require.NoError(t, err)
	pool := x509.NewCertPool()
	require.True(t, pool.AppendCertsFromPEM(raw))

	broker, err := os.ReadFile(filepath.Join(c.Dir(), brokerPEM))
	require.NoError(t, err)
	key, rest := pem.Decode(broker)
	require.Equal(t, "PRIVATE KEY", key.Type, "Kafka reads PKCS 8 only")
	block, _ := pem.Decode(rest)
	cert, err := x509.ParseCertificate(block.Bytes)
	require.NoError(t, err)
	for _, host := range []string{"localhost", "127.0.0.1"} {
		_, err = cert.Verify(x509.VerifyOptions{Roots: pool, DNSName: host, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
		require.NoError(t, err, host)
	}

	cfg := config(t, c, "MTLS", "broker") // a user of that name gets a certificate of its own
	pair, err := tls.LoadX509KeyPair(cfg.Cert, cfg.Key)
	require.NoError(t, err)
	leaf, err := x509.ParseCertificate(pair.Certificate[0])
	require.NoError(t, err)
	require.Equal(t, "broker", leaf.Subject.CommonName)
	_, err = leaf.Verify(x509.VerifyOptions{Roots: pool, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	require.NoError(t, err)
	require.NotEqual(t, cert.SerialNumber, leaf.SerialNumber)
	require.Equal(t, cfg, config(t, c, "MTLS", "broker"), "a user has one certificate")
	both, err := os.ReadFile(cfg.Keystore)
	require.NoError(t, err)
	require.Equal(t, 2, strings.Count(string(both), "-----BEGIN "))
}

func TestSecretsAreReadableByTheOwnerOnly(t *testing.T) {
	c := paper(t, everyWay(Source))
	cfg := config(t, c, "MTLS", "alice")
	token := config(t, c, "OAUTH", "alice")
	for _, file := range []string{cfg.Key, cfg.Keystore, token.TokenFile, filepath.Join(c.Dir(), "broker-1", "server.properties")} {
		info, err := os.Stat(file)
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm(), file)
	}
}

// claims checks a token the slow way, with the key that the brokers read, and returns what it says.
func claims(t *testing.T, dir, token string) map[string]any {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(dir, jwksFile))
	require.NoError(t, err)
	var jwks struct{ Keys []struct{ N, E, Kid string } }
	require.NoError(t, json.Unmarshal(raw, &jwks))
	number := func(s string) *big.Int {
		raw, err := base64.RawURLEncoding.DecodeString(s)
		require.NoError(t, err)
		return new(big.Int).SetBytes(raw)
	}
	key := &rsa.PublicKey{N: number(jwks.Keys[0].N), E: int(number(jwks.Keys[0].E).Int64())}

	parts := strings.Split(token, ".")
	require.Len(t, parts, 3)
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	require.NoError(t, rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], number(parts[2]).FillBytes(make([]byte, key.Size()))))
	body, err := base64.RawURLEncoding.DecodeString(parts[1])
	require.NoError(t, err)
	var said map[string]any
	require.NoError(t, json.Unmarshal(body, &said))
	return said
}

func TestTokensAreSignedAndExpire(t *testing.T) {
	c := paper(t, everyWay(Source))
	cfg := config(t, c, "OAUTH", "alice")
	said := claims(t, c.Dir(), cfg.Token)
	require.Equal(t, "alice", said["sub"])
	require.Equal(t, issuer, said["iss"])
	require.Equal(t, audience, said["aud"])
	require.InDelta(t, time.Now().Add(TokenLife).Unix(), said["exp"], 60)
	file, err := os.ReadFile(cfg.TokenFile)
	require.NoError(t, err)
	require.Equal(t, cfg.Token, string(file))

	past := time.Now().Add(-time.Minute)
	expired, err := c.Token("alice", past)
	require.NoError(t, err)
	said = claims(t, c.Dir(), expired)
	require.EqualValues(t, past.Unix(), said["exp"])
	require.Less(t, said["iat"], said["exp"])
}

func TestClientConfigByListener(t *testing.T) {
	c := paper(t, everyWay(Source))
	require.Equal(t, ClientConfig{Bootstrap: c.Bootstrap(Internal)}, config(t, c, Internal, "whoever"))
	require.NotEqual(t, c.Bootstrap("TLS"), c.Bootstrap("PLAIN"))
	tls := config(t, c, "TLS", "")
	require.True(t, tls.TLS)
	require.Empty(t, tls.Cert)
	scram := config(t, c, "SCRAM512_TLS", "bob")
	require.Equal(t, Scram512, scram.Mechanism)
	require.Equal(t, "bob-secret", scram.Password)
	require.NotEmpty(t, scram.CA)

	for want, ask := range map[string][2]string{
		`no listener "NONE"`:             {"NONE", "alice"},
		`no user "eve" with a password`:  {"PLAIN", "eve"},
		`user "../eve": use letters`:     {"MTLS", "../eve"},
		`user "": use letters`:           {"OAUTH", ""},
		`user "-e": use letters, digits`: {"MTLS", "-e"},
	} {
		_, err := c.ClientConfig(ask[0], ask[1])
		require.ErrorIs(t, err, ErrOptions)
		require.ErrorContains(t, err, want)
	}
	plain := paper(t, Options{})
	_, err := plain.Token("alice", time.Now())
	require.ErrorContains(t, err, "no listener with OAUTHBEARER")
	require.NoFileExists(t, filepath.Join(plain.Dir(), caPEM))
	require.NoFileExists(t, filepath.Join(plain.Dir(), jwksFile))
}

func TestIDsLookLikeKafkas(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		id := newID()
		raw, err := base64.RawURLEncoding.DecodeString(id)
		require.NoError(t, err)
		require.Len(t, raw, 16)
		require.NotEqual(t, byte('-'), id[0])
		require.False(t, seen[id])
		seen[id] = true
	}
}
