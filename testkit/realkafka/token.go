package realkafka

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// What the brokers demand of a token besides the signature.
const (
	issuer   = "https://portage.invalid/issuer"
	audience = "portage-test"
	keyID    = "portage-test-key"
)

// jwksFile holds the public key that the brokers check tokens with (RFC 7517), in the cluster's folder.
const jwksFile = "jwks.json"

// TokenLife is how long the tokens of ClientConfig are valid.
const TokenLife = time.Hour

// signer issues the tokens of one cluster.
type signer struct {
	key *rsa.PrivateKey
}

// newSigner creates a key and publishes it in a file, if a listener takes tokens.
func newSigner(o Options, dir string) (*signer, error) {
	if !slices.ContainsFunc(o.Listeners, func(l Listener) bool { return l.SASL == OAuth }) {
		return nil, nil
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	jwks, err := json.Marshal(map[string]any{"keys": []any{map[string]string{
		"kty": "RSA", "use": "sig", "alg": "RS256", "kid": keyID,
		"n": segment(key.N.Bytes()), "e": segment(big.NewInt(int64(key.E)).Bytes()),
	}}})
	if err != nil {
		return nil, err
	}
	return &signer{key}, os.WriteFile(filepath.Join(dir, jwksFile), jwks, 0o600)
}

// token is a signed JSON Web Token (RFC 7519) that says who its bearer is until when.
func (s *signer) token(user string, issued, expires time.Time) (string, error) {
	head, err := json.Marshal(map[string]string{"alg": "RS256", "typ": "JWT", "kid": keyID})
	if err != nil {
		return "", err
	}
	claims, err := json.Marshal(map[string]any{
		"iss": issuer, "aud": audience, "sub": user, "scope": []string{"kafka"}, "iat": issued.Unix(), "exp": expires.Unix(),
	})
	if err != nil {
		return "", err
	}
	text := segment(head) + "." + segment(claims)
	sum := sha256.Sum256([]byte(text))
	signature, err := rsa.SignPKCS1v15(rand.Reader, s.key, crypto.SHA256, sum[:])
	if err != nil {
		return "", err
	}
	return text + "." + segment(signature), nil
}

func segment(raw []byte) string { return base64.RawURLEncoding.EncodeToString(raw) }

// Token is a bearer token for a user that the listeners with OAUTHBEARER accept until the given time (and refuse later).
func (c *Cluster) Token(user string, expires time.Time) (string, error) {
	if c.signer == nil {
		return "", fmt.Errorf("%w: cluster %s has no listener with OAUTHBEARER", ErrOptions, c.opts.Name)
	}
	issued := time.Now()
	if expires.Before(issued) {
		issued = expires.Add(-TokenLife) // an expired token was valid once
	}
	return c.signer.token(user, issued, expires)
}
