package auth

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/segmentio/kafka-go/sasl"
	"github.com/segmentio/kafka-go/sasl/plain"
	"github.com/segmentio/kafka-go/sasl/scram"
)

// The SASL mechanisms, by the names that brokers use.
const (
	Plain       = "PLAIN"
	Scram256    = "SCRAM-SHA-256"
	Scram512    = "SCRAM-SHA-512"
	OAuthBearer = "OAUTHBEARER"
)

// SASL authenticates connections.
type SASL struct {
	// Mechanism is PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER.
	Mechanism string `yaml:"mechanism" json:"mechanism"`
	// Username and Password are for PLAIN and SCRAM.
	Username string `yaml:"username,omitempty" json:"username,omitempty"`
	Password Secret `yaml:"password,omitempty" json:"password,omitempty"`
	// Token is for OAUTHBEARER: usually file:… or command:…, since tokens expire.
	Token Secret `yaml:"token,omitempty" json:"token,omitempty"`
	// Extensions are sent along with the token (KIP-342), for example logicalCluster for Confluent Cloud.
	Extensions map[string]string `yaml:"extensions,omitempty" json:"extensions,omitempty"`
}

// Validate checks the fields without resolving secrets.
func (s *SASL) Validate() error {
	switch s.Mechanism {
	case Plain, Scram256, Scram512:
		if s.Username == "" || s.Password == "" {
			return fmt.Errorf("sasl.mechanism %s needs sasl.username and sasl.password", s.Mechanism)
		}
		if s.Token != "" {
			return fmt.Errorf("sasl.token does not belong to sasl.mechanism %s: remove it", s.Mechanism)
		}
	case OAuthBearer:
		if s.Token == "" {
			return errors.New("sasl.mechanism OAUTHBEARER needs sasl.token: file:PATH or command:PROGRAM")
		}
		return s.validateExtensions()
	case "":
		return errors.New("sasl.mechanism is missing: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER")
	default:
		return fmt.Errorf("sasl.mechanism %q is not supported: use PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER", s.Mechanism)
	}
	return nil
}

func (s *SASL) validateExtensions() error {
	for k, v := range s.Extensions {
		if k == "" || k == "auth" || strings.ContainsAny(k+v, "\x01") {
			return fmt.Errorf("sasl.extensions: %q=%q is not allowed (RFC 7628)", k, v)
		}
	}
	return nil
}

// Client returns the mechanism for kafka-go. It resolves the secret for every connection.
func (s *SASL) Client() sasl.Mechanism { return mechanism{*s} }

// mechanism is a sasl.Mechanism that reads its secret when a connection starts.
type mechanism struct{ SASL }

// Name is sasl.Mechanism.
func (m mechanism) Name() string { return m.Mechanism }

// Start is sasl.Mechanism.
func (m mechanism) Start(ctx context.Context) (sasl.StateMachine, []byte, error) {
	inner, err := m.resolve(ctx)
	if err != nil {
		return nil, nil, err
	}
	return inner.Start(ctx)
}

func (m mechanism) resolve(ctx context.Context) (sasl.Mechanism, error) {
	secret := m.Password
	if m.Mechanism == OAuthBearer {
		secret = m.Token
	}
	value, err := secret.Resolve(ctx)
	if err != nil {
		return nil, &SecretError{err}
	}
	switch m.Mechanism {
	case Plain:
		return plain.Mechanism{Username: m.Username, Password: value}, nil
	case Scram256:
		return scram.Mechanism(scram.SHA256, m.Username, value)
	case Scram512:
		return scram.Mechanism(scram.SHA512, m.Username, value)
	}
	return bearer{token: value, extensions: m.Extensions}, nil
}

// SecretError says that a secret could not be read, so the broker was never asked.
type SecretError struct{ Err error }

// Error is error.
func (e *SecretError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *SecretError) Unwrap() error { return e.Err }

// bearer is OAUTHBEARER (RFC 7628, KIP-255): one message with the token, then the broker's verdict.
type bearer struct {
	token      string
	extensions map[string]string
}

// Name is sasl.Mechanism.
func (bearer) Name() string { return OAuthBearer }

// Start is sasl.Mechanism.
func (b bearer) Start(context.Context) (sasl.StateMachine, []byte, error) {
	var msg strings.Builder
	msg.WriteString("n,,\x01auth=Bearer " + b.token + "\x01")
	for _, k := range slices.Sorted(maps.Keys(b.extensions)) {
		msg.WriteString(k + "=" + b.extensions[k] + "\x01")
	}
	msg.WriteString("\x01")
	return b, []byte(msg.String()), nil
}

// Next is sasl.StateMachine: an empty challenge is success, anything else is the broker's reason in JSON.
func (b bearer) Next(_ context.Context, challenge []byte) (bool, []byte, error) {
	if len(challenge) == 0 {
		return true, nil, nil
	}
	return false, nil, &RefusedError{Reason: fmt.Sprintf("%.300s", challenge)}
}

// RefusedError is a broker's no to a token.
type RefusedError struct{ Reason string }

// Error is error.
func (e *RefusedError) Error() string { return "the broker refused the token: " + e.Reason }
