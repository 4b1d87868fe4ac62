package auth

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

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
	MSKIAM      = "AWS_MSK_IAM" // package msk; configuration files may write aws-msk-iam
)

const mechanisms = "PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER or AWS_MSK_IAM"

// SASL authenticates connections.
type SASL struct {
	// Mechanism is PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER or AWS_MSK_IAM, in upper or lower case.
	Mechanism string `yaml:"mechanism" json:"mechanism"`
	// Username and Password are for PLAIN and SCRAM.
	Username string `yaml:"username,omitempty" json:"username,omitempty"`
	Password Secret `yaml:"password,omitempty" json:"password,omitempty"`
	// Token is for OAUTHBEARER: usually file:… or command:…, since tokens expire.
	Token Secret `yaml:"token,omitempty" json:"token,omitempty"`
	// Extensions are sent along with the token (KIP-342), for example logicalCluster for Confluent Cloud.
	Extensions map[string]string `yaml:"extensions,omitempty" json:"extensions,omitempty"`
	// Region, Profile and RoleARN are for AWS_MSK_IAM; all may be empty. Region is that of the brokers (default: the one
	// in their host names), Profile names the section of the shared AWS configuration with the credentials (default: the
	// usual chain of the AWS SDKs), RoleARN the role that those credentials assume.
	Region  string `yaml:"region,omitempty" json:"region,omitempty"`
	Profile string `yaml:"profile,omitempty" json:"profile,omitempty"`
	RoleARN string `yaml:"role_arn,omitempty" json:"role_arn,omitempty"`

	// Login performs the mechanism of its Name instead of this package, once for each connection. AWS_MSK_IAM needs one:
	// msk.New. It learns the broker's address from sasl.MetadataFromContext.
	Login sasl.Mechanism `yaml:"-" json:"-"`
}

// Name is the mechanism as brokers spell it.
func (s *SASL) Name() string {
	name := strings.ToUpper(s.Mechanism)
	if name == "AWS-MSK-IAM" {
		return MSKIAM
	}
	return name
}

// Validate checks the fields without resolving secrets. That AWS_MSK_IAM has its Login is for whoever connects to check.
func (s *SASL) Validate() error {
	name := s.Name()
	switch {
	case name == "":
		return fmt.Errorf("sasl.mechanism is missing: %s", mechanisms)
	case s.Login != nil && s.Login.Name() != name:
		return fmt.Errorf("sasl.mechanism is %s and its login performs %s: set sasl.mechanism: %s", name, s.Login.Name(), s.Login.Name())
	case s.Login == nil && !slices.Contains([]string{Plain, Scram256, Scram512, OAuthBearer, MSKIAM}, name):
		return fmt.Errorf("sasl.mechanism %q is not supported: use %s", s.Mechanism, mechanisms)
	case s.Login == nil && s.byPassword() && (s.Username == "" || s.Password == ""):
		return fmt.Errorf("sasl.mechanism %s needs sasl.username and sasl.password", name)
	case s.Login == nil && name == OAuthBearer && s.Token == "":
		return errors.New("sasl.mechanism OAUTHBEARER needs sasl.token: file:PATH or command:PROGRAM")
	case s.RoleARN != "" && !strings.HasPrefix(s.RoleARN, "arn:"):
		return fmt.Errorf("sasl.role_arn %q is no ARN: write it in full, such as arn:aws:iam::123456789012:role/kafka", s.RoleARN)
	}
	if err := s.strangers(); err != nil {
		return err
	}
	return s.validateExtensions()
}

func (s *SASL) byPassword() bool {
	name := s.Name()
	return name == Plain || name == Scram256 || name == Scram512
}

// strangers finds a field that is set and means nothing to the mechanism: most likely the mechanism is the wrong one.
func (s *SASL) strangers() error {
	name := s.Name()
	for _, f := range []struct {
		field   string
		set, of bool
	}{
		{"username", s.Username != "", s.byPassword()},
		{"password", s.Password != "", s.byPassword()},
		{"token", s.Token != "", name == OAuthBearer},
		{"extensions", len(s.Extensions) > 0, name == OAuthBearer},
		{"region", s.Region != "", name == MSKIAM},
		{"profile", s.Profile != "", name == MSKIAM},
		{"role_arn", s.RoleARN != "", name == MSKIAM},
	} {
		if f.set && !f.of {
			return fmt.Errorf("sasl.%s does not belong to sasl.mechanism %s: remove it", f.field, name)
		}
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
func (s *SASL) Client() sasl.Mechanism {
	if s.Login != nil {
		return s.Login
	}
	return mechanism{*s}
}

// ByReference says whether what proves the identity is kept elsewhere and may be replaced while portage runs.
func (s *SASL) ByReference() bool {
	return s.Login != nil || s.secret().IsReference()
}

// secret is what proves the identity.
func (s *SASL) secret() Secret {
	if s.Name() == OAuthBearer {
		return s.Token
	}
	return s.Password
}

// mechanism is a sasl.Mechanism that reads its secret when a connection starts.
type mechanism struct{ SASL }

// Name is sasl.Mechanism.
func (m mechanism) Name() string { return m.SASL.Name() }

// Start is sasl.Mechanism.
func (m mechanism) Start(ctx context.Context) (sasl.StateMachine, []byte, error) {
	inner, err := m.resolve(ctx)
	if err != nil {
		return nil, nil, err
	}
	return inner.Start(ctx)
}

func (m mechanism) resolve(ctx context.Context) (sasl.Mechanism, error) {
	value, err := m.secret().Resolve(ctx)
	if err != nil {
		return nil, &SecretError{err}
	}
	switch m.Name() {
	case Plain:
		return plain.Mechanism{Username: m.Username, Password: value}, nil
	case Scram256:
		return scram.Mechanism(scram.SHA256, m.Username, value)
	case Scram512:
		return scram.Mechanism(scram.SHA512, m.Username, value)
	}
	if err := fresh(m.Token, value, time.Now()); err != nil {
		return nil, &SecretError{err}
	}
	return bearer{token: value, extensions: m.Extensions}, nil
}

// SecretError says that a secret could not be read, or is over, so the broker was never asked.
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
