package cluster_test

import (
	"bytes"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/cluster/auth"
	"github.com/portage-kafka/portage/cluster/auth/authtest"
	"github.com/portage-kafka/portage/cluster/batch"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func secured(t *testing.T) *kfake.Cluster {
	return brokers(t, kfake.EnableSASL(),
		kfake.Superuser(auth.Plain, "plain", "plain-pw"), kfake.Superuser(auth.Scram256, "scram", "scram-pw"), kfake.Superuser(auth.Scram512, "scram5", "scram5-pw"))
}

// refused opens a cluster and returns the error.
func refused(t *testing.T, cfg cluster.Config) error {
	t.Helper()
	c, err := cluster.Open(within(t), "a", cfg)
	if err == nil {
		require.NoError(t, c.Close())
	}
	require.Error(t, err)
	require.ErrorContains(t, err, `cluster "a": broker 127.0.0.1:`)
	return err
}

// TestLogin: every mechanism logs in to every broker.
func TestLogin(t *testing.T) {
	k := secured(t)
	for _, s := range []auth.SASL{
		{Mechanism: auth.Plain, Username: "plain", Password: "plain-pw"},
		{Mechanism: auth.Scram256, Username: "scram", Password: "scram-pw"},
		{Mechanism: auth.Scram512, Username: "scram5", Password: auth.Secret("file:" + authtest.File(t, "pw", "scram5-pw\n"))},
	} {
		cfg := config(k)
		cfg.SASL = &s
		c := open(t, cfg)
		require.NoError(t, c.CreateTopic(within(t), cluster.TopicSpec{Name: s.Username, Partitions: 3}))
		for p := range int32(3) {
			appendValues(t, c, s.Username, p, "over every broker's own connection")
		}
	}
}

// TestWrongPasswordIsCalledThat: a wrong password is an error of its own kind, after few attempts, without the password.
func TestWrongPasswordIsCalledThat(t *testing.T) {
	k := secured(t)
	for _, s := range []auth.SASL{
		{Mechanism: auth.Plain, Username: "plain", Password: "nonsense"},
		{Mechanism: auth.Scram256, Username: "scram", Password: "nonsense"},
		{Mechanism: auth.Scram512, Username: "nobody", Password: "nonsense"},
	} {
		cfg := config(k)
		cfg.SASL = &s
		logins := k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.SASLHandshake}, Observe: true, Count: -1})
		err := refused(t, cfg)
		require.LessOrEqual(t, logins.Hits(), 3, "once per broker at most: accounts get locked")
		require.ErrorIs(t, err, cluster.ErrAuthentication, "%v", err)
		require.ErrorContains(t, err, fmt.Sprintf("wrong user name or password for %s user %q", s.Mechanism, s.Username))
		require.False(t, cluster.Retriable(err))
		require.NotContains(t, err.Error(), "nonsense")
	}
}

// TestPasswordIsReadAgain: each connection logs in with what the file says then.
func TestPasswordIsReadAgain(t *testing.T) {
	k := secured(t)
	file := authtest.File(t, "pw", "plain-pw")
	cfg := config(k)
	cfg.SASL = &auth.SASL{Mechanism: auth.Plain, Username: "plain", Password: auth.Secret("file:" + file)}
	c := open(t, cfg)
	require.NoError(t, os.WriteFile(file, []byte("nonsense"), 0o600))
	_, err := c.Versions(within(t), 0) // the first connection to this broker logs in with what the file says now
	require.ErrorIs(t, err, cluster.ErrAuthentication)
	require.NoError(t, os.Remove(file))
	_, err = c.Versions(within(t), 0)
	require.ErrorContains(t, err, "check the secret's reference")
	require.NoError(t, os.WriteFile(file, []byte("plain-pw"), 0o600))
	_, err = c.Versions(within(t), 0)
	require.NoError(t, err)
}

// Brokers close a connection whose login has expired (KIP-368) instead of answering. It must be replaced before that, so
// that no write is left in doubt.
func TestExpiringLogins(t *testing.T) {
	k := brokers(t, kfake.EnableSASL(), kfake.Superuser(auth.Plain, "u", "p"), kfake.SeedTopics(1, "t"),
		kfake.BrokerConfigs(map[string]string{"connections.max.reauth.ms": "300"}))
	cfg := config(k)
	cfg.SASL = &auth.SASL{Mechanism: auth.Plain, Username: "u", Password: "p"}
	c := open(t, cfg)
	logins := k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.SASLHandshake}, Observe: true, Count: -1})
	for end := time.Now().Add(1500 * time.Millisecond); time.Now().Before(end); {
		_, err := c.Append(within(t), "t", 0, built(t, batch.Spec{}, "x"))
		require.NoError(t, err)
		_, err = c.Topics(within(t))
		require.NoError(t, err)
	}
	require.Greater(t, logins.Hits(), 3, "connections were replaced")
}

// TestMechanismNotOffered: a mechanism that the listener lacks is named.
func TestMechanismNotOffered(t *testing.T) {
	k := brokers(t, kfake.EnableSASL(), kfake.Superuser(auth.Plain, "plain", "plain-pw"))
	cfg := config(k)
	cfg.SASL = &auth.SASL{Mechanism: auth.OAuthBearer, Token: "t"}
	err := refused(t, cfg)
	require.ErrorIs(t, err, cluster.ErrAuthentication)
	require.ErrorContains(t, err, "does not offer OAUTHBEARER")
}

// TestNoLoginWhereOneIsWanted: so is a missing login.
func TestNoLoginWhereOneIsWanted(t *testing.T) {
	err := refused(t, config(secured(t)))
	require.ErrorContains(t, err, "does this listener want TLS or SASL")
}

func tlsBrokers(t *testing.T, clients *authtest.Authority, hosts ...string) (*kfake.Cluster, *authtest.Authority) {
	ca := authtest.NewAuthority(t)
	return brokers(t, kfake.TLS(ca.Issue(t, hosts...).Server(t, clients))), ca
}

// TestTLS: an authority from a file is trusted, and none with insecure.
func TestTLS(t *testing.T) {
	k, ca := tlsBrokers(t, nil, "127.0.0.1")
	cfg := config(k)
	cfg.TLS = &auth.TLS{CA: authtest.File(t, "ca.pem", ca.PEM)}
	c := open(t, cfg)
	require.NoError(t, c.CreateTopic(within(t), cluster.TopicSpec{Name: "t", Partitions: 3}))
	for p := range int32(3) {
		appendValues(t, c, "t", p, "secret")
	}
	cfg.TLS = &auth.TLS{Insecure: true}
	open(t, cfg)
}

// TestTLSMistakesAreNamed: each mistake on either side of TLS says which setting to mend.
func TestTLSMistakesAreNamed(t *testing.T) {
	k, _ := tlsBrokers(t, nil, "127.0.0.1")
	cfg := config(k)
	cfg.TLS = &auth.TLS{}
	err := refused(t, cfg)
	require.ErrorContains(t, err, "set tls.ca")
	require.ErrorIs(t, err, cluster.ErrUnreachable)
	require.False(t, cluster.Retriable(err), "nobody but a person can mend it")
	k, ca := tlsBrokers(t, nil, "kafka.example")
	cfg = config(k)
	cfg.TLS = &auth.TLS{CA: ca.PEM}
	require.ErrorContains(t, refused(t, cfg), "tls.server_name")
	cfg.TLS.ServerName = "kafka.example"
	open(t, cfg)
	cfg.TLS = &auth.TLS{CA: ca.PEM, AnyHost: true}
	open(t, cfg)
	cfg.TLS = nil
	require.ErrorContains(t, refused(t, cfg), "TLS")

	plain := config(brokers(t))
	plain.TLS = &auth.TLS{CA: ca.PEM}
	plain.DialTimeout = 300 * time.Millisecond
	err = refused(t, plain)
	require.ErrorContains(t, err, "TLS handshake")
}

// TestMutualTLS: brokers get the client's certificate; one that is missing or foreign is told.
func TestMutualTLS(t *testing.T) {
	clients := authtest.NewAuthority(t)
	k, ca := tlsBrokers(t, clients, "127.0.0.1")
	pair := clients.Issue(t, "portage")
	cfg := config(k)
	cfg.TLS = &auth.TLS{CA: ca.PEM, Cert: authtest.File(t, "cert.pem", pair.Cert), Key: auth.Secret(authtest.File(t, "key.pem", pair.Key))}
	open(t, cfg)
	cfg.TLS = &auth.TLS{CA: ca.PEM}
	require.ErrorContains(t, refused(t, cfg), "tls.cert")
	stranger := authtest.NewAuthority(t).Issue(t, "stranger")
	cfg.TLS = &auth.TLS{CA: ca.PEM, Cert: stranger.Cert, Key: auth.Secret(stranger.Key)}
	require.ErrorContains(t, refused(t, cfg), "tls.cert")
}

// TestLoginOverTLS: SASL runs inside TLS.
func TestLoginOverTLS(t *testing.T) {
	ca := authtest.NewAuthority(t)
	k := brokers(t, kfake.TLS(ca.Issue(t, "127.0.0.1").Server(t, nil)), kfake.EnableSASL(), kfake.Superuser(auth.Scram512, "u", "p"))
	cfg := config(k)
	cfg.TLS, cfg.SASL = &auth.TLS{CA: ca.PEM}, &auth.SASL{Mechanism: auth.Scram512, Username: "u", Password: "p"}
	c := open(t, cfg)
	_, err := c.Topics(within(t))
	require.NoError(t, err)
	cfg.SASL = &auth.SASL{Mechanism: auth.Scram512, Username: "u", Password: "q"}
	require.ErrorIs(t, refused(t, cfg), cluster.ErrAuthentication)
}

// Nothing of a password may appear in logs, whatever goes wrong.
func TestLogsHoldNoSecret(t *testing.T) {
	k := secured(t)
	var log bytes.Buffer
	cfg := config(k)
	cfg.Log = zerolog.New(&log)
	cfg.SASL = &auth.SASL{Mechanism: auth.Plain, Username: "plain", Password: "hunter2"}
	err := refused(t, cfg)
	cfg.Log.Info().Interface("config", cfg).Msgf("%v %+v %#v", cfg.SASL, cfg, cfg.SASL)
	require.Contains(t, log.String(), "call failed")
	require.NotContains(t, log.String()+err.Error(), "hunter2")
}
