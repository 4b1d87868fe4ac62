package cluster

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"

	"github.com/portage-kafka/portage/cluster/auth"
	"github.com/portage-kafka/portage/cluster/wire"
	"github.com/stretchr/testify/require"
)

func dialed(stage string, err error) error {
	return &wire.DialError{Address: "b:1", Stage: stage, Err: err}
}

// TestHints: for each way in which a connection fails, what to check; nothing where the error says it all.
func TestHints(t *testing.T) {
	plain := &auth.SASL{Mechanism: auth.Plain, Username: "me", Password: "p"}
	msk := &auth.SASL{Mechanism: "aws-msk-iam"}
	eof := fmt.Errorf("the broker closed the connection: %w", io.ErrUnexpectedEOF)
	alert := &net.OpError{Op: "remote error", Err: errors.New("tls: bad certificate")}
	for _, c := range []struct {
		cfg  Config
		err  error
		says string
	}{
		{Config{}, dialed("connect", errors.New("refused")), "advertised.listeners"},
		{Config{}, dialed("version exchange", wire.ErrNotKafka), "whether the listener uses TLS"},
		{Config{}, &wire.VersionError{API: metadataKey}, "a controller's port"},
		{Config{}, context.DeadlineExceeded, "no answer in time"},
		{Config{}, eof, "does this listener want TLS or SASL"},
		{Config{SASL: plain}, eof, "want TLS, or did"},
		{Config{TLS: &auth.TLS{}}, eof, "want SASL, or did"},
		{Config{TLS: &auth.TLS{}, SASL: plain}, eof, "did the login expire"},
		{Config{}, errors.New("anything else"), ""},

		{Config{TLS: &auth.TLS{}}, dialed("TLS handshake", x509.UnknownAuthorityError{}), "set tls.ca"},
		{Config{TLS: &auth.TLS{}}, dialed("TLS handshake", x509.HostnameError{Certificate: &x509.Certificate{}, Host: "b"}), "tls.server_name"},
		{Config{TLS: &auth.TLS{}}, dialed("TLS handshake", x509.CertificateInvalidError{Reason: x509.Expired}), "is not valid now"},
		{Config{TLS: &auth.TLS{}}, dialed("TLS handshake", tls.RecordHeaderError{Msg: "x"}), "does not speak TLS"},
		{Config{TLS: &auth.TLS{}}, dialed("TLS handshake", io.EOF), "does this port speak TLS"},
		{Config{TLS: &auth.TLS{}}, dialed("version exchange", alert), "wants a client certificate"},
		{Config{TLS: &auth.TLS{}}, dialed("TLS handshake", errors.New("anything else")), ""},

		{Config{SASL: plain}, dialed("login", &wire.LoginError{Code: 58}), `wrong user name or password for PLAIN user "me"`},
		{Config{SASL: plain}, dialed("login", &wire.LoginError{Code: 33}), "does not offer PLAIN"},
		{Config{SASL: plain}, dialed("login", &wire.LoginError{Code: 34}), "does not use SASL"},
		{Config{SASL: &auth.SASL{Mechanism: "oauthbearer"}}, dialed("login", &auth.RefusedError{}), "does not accept the token"},
		{Config{SASL: msk}, dialed("login", &wire.LoginError{Code: 58}), "kafka-cluster:Connect"},
		{Config{SASL: &auth.SASL{Mechanism: "KERBEROS"}}, dialed("login", &wire.LoginError{Code: 58}), ""},
		{Config{SASL: plain}, dialed("login", &auth.SecretError{Err: errors.New("no such file")}), "check the secret's reference"},
		{Config{SASL: plain}, dialed("login", &auth.SecretError{Err: &auth.ExpiredError{}}), ""},
	} {
		client := newClient("a", c.cfg)
		hint := client.hintForFailure(c.err)
		if c.says == "" {
			require.Empty(t, hint, "%v", c.err)
		} else {
			require.Contains(t, hint, c.says, "%v", c.err)
		}
		require.NoError(t, client.Close())
	}
}

// TestRotatingCredentials: what brokers refuse is being rotated if it was good at first and is kept by reference.
func TestRotatingCredentials(t *testing.T) {
	login, cert := dialed("login", &wire.LoginError{Code: 58}), dialed("TLS handshake", x509.CertificateInvalidError{Reason: x509.Expired})
	hungUp := dialed("login", &wire.LoginError{Err: io.ErrUnexpectedEOF})
	kept := Config{TLS: &auth.TLS{CA: "/ca.pem"}, SASL: &auth.SASL{Mechanism: auth.Plain, Password: "file:/pw"}}
	literal := Config{TLS: &auth.TLS{}, SASL: &auth.SASL{Mechanism: auth.Plain, Password: "pw"}}
	for _, c := range []struct {
		cfg    Config
		opened bool
		err    error
		want   bool
	}{
		{kept, true, login, true}, {kept, true, cert, true}, {kept, false, login, false}, {kept, false, cert, false},
		{literal, true, login, false}, {literal, true, cert, false}, {Config{}, true, cert, false}, {kept, true, errors.New("another"), false},
		{literal, true, hungUp, true}, {literal, false, hungUp, false},
	} {
		client := newClient("a", c.cfg)
		client.opened = c.opened
		err := client.wrap(c.err, failure{api: "Produce"})
		require.Equal(t, c.want, client.rotating(c.err), "%+v", c)
		if c.err == login || c.err == cert || c.err == hungUp {
			require.Equal(t, c.want, Retriable(fmt.Errorf("produce: %w", err)), "%+v", c)
			require.False(t, Uncertain(err))
		}
		require.NoError(t, client.Close())
	}
}
