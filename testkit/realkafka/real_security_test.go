package realkafka

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl/oauth"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

// everyWay has one listener for each combination that clients meet in the field, as far as the version knows it.
func everyWay(version string) Options {
	o := Options{
		Version: version,
		ACLs:    true,
		Users:   []User{{"alice", "alice-secret"}, {"bob", "bob-secret"}},
		Listeners: []Listener{
			{Name: "TLS", TLS: ServerTLS},
			{Name: "MTLS", TLS: MutualTLS},
			{Name: "PLAIN", SASL: Plain},
			{Name: "SCRAM256", SASL: Scram256},
			{Name: "SCRAM512_TLS", TLS: ServerTLS, SASL: Scram512},
			{Name: "OAUTH_TLS", TLS: ServerTLS, SASL: OAuth},
			{Name: "OAUTH", SASL: OAuth},
		},
	}
	if keepsZoo(version) {
		o.Listeners = slices.DeleteFunc(o.Listeners, func(l Listener) bool { return l.SASL == OAuth })
	}
	return o
}

// options turns a configuration into those of a client.
func options(t *testing.T, cfg ClientConfig) []kgo.Opt {
	t.Helper()
	opts := []kgo.Opt{kgo.SeedBrokers(cfg.Bootstrap...), kgo.RetryTimeout(2 * time.Second), kgo.RequestRetries(1)}
	if cfg.TLS {
		pool := x509.NewCertPool()
		ca, err := os.ReadFile(cfg.CA)
		require.NoError(t, err)
		require.True(t, pool.AppendCertsFromPEM(ca))
		conf := &tls.Config{RootCAs: pool}
		if cfg.Cert != "" {
			pair, err := tls.LoadX509KeyPair(cfg.Cert, cfg.Key)
			require.NoError(t, err)
			conf.Certificates = append(conf.Certificates, pair)
		}
		opts = append(opts, kgo.DialTLSConfig(conf))
	}
	switch cfg.Mechanism {
	case Plain:
		opts = append(opts, kgo.SASL(plain.Auth{User: cfg.User, Pass: cfg.Password}.AsMechanism()))
	case Scram256:
		opts = append(opts, kgo.SASL(scram.Auth{User: cfg.User, Pass: cfg.Password}.AsSha256Mechanism()))
	case Scram512:
		opts = append(opts, kgo.SASL(scram.Auth{User: cfg.User, Pass: cfg.Password}.AsSha512Mechanism()))
	case OAuth:
		opts = append(opts, kgo.SASL(oauth.Auth{Token: cfg.Token}.AsMechanism()))
	}
	return opts
}

func connect(t *testing.T, cfg ClientConfig) *kgo.Client {
	t.Helper()
	client, err := kgo.NewClient(append(options(t, cfg), manual())...)
	require.NoError(t, err)
	t.Cleanup(client.Close)
	return client
}

func config(t *testing.T, c *Cluster, listener, user string) ClientConfig {
	t.Helper()
	cfg, err := c.ClientConfig(listener, user)
	require.NoError(t, err)
	return cfg
}

// refused expects that no request of the client is answered.
func refused(t *testing.T, cfg ClientConfig, why string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	require.Error(t, connect(t, cfg).Ping(ctx), why)
}

func TestRealSecurity(t *testing.T) {
	for version, brokers := range map[string]int{Oldest: 1, Source: 1, Target: 3} {
		t.Run(version, func(t *testing.T) {
			o := everyWay(version)
			o.Brokers = brokers
			c := ForTest(t, o)
			for _, l := range c.opts.Listeners {
				t.Run(l.Name, func(t *testing.T) { comesIn(t, c, l) })
			}
			t.Run("wrong", func(t *testing.T) { staysOut(t, c) })
			t.Run("java", func(t *testing.T) { javaComesIn(t, c) })
		})
	}
}

// comesIn shows that a user is authenticated as itself: denied everything, then allowed what an ACL says. A listener that asks
// nobody who he is lets everyone in as ANONYMOUS, whom the authorizer takes for one of the cluster's own.
func comesIn(t *testing.T, c *Cluster, l Listener) {
	client := connect(t, config(t, c, l.Name, "alice"))
	require.NoError(t, client.Ping(within(t, 20*time.Second)))
	topic := "t-" + strings.ToLower(l.Name)
	if l.TLS != MutualTLS && l.SASL == "" {
		roundTrip(t, client, topic, 2)
		return
	}
	_, err := kadm.NewClient(client).CreateTopic(within(t, 20*time.Second), 2, -1, nil, topic)
	require.ErrorIs(t, err, kerr.TopicAuthorizationFailed)

	for _, op := range []kmsg.ACLOperation{kmsg.ACLOperationCreate, kmsg.ACLOperationWrite, kmsg.ACLOperationRead} {
		require.NoError(t, c.CreateACL(within(t, 20*time.Second),
			ACL{User: "alice", Operation: op, Resource: kmsg.ACLResourceTypeTopic, Name: topic, Prefixed: op == kmsg.ACLOperationCreate}))
	}
	roundTrip(t, client, topic, 2)
	require.NoError(t, c.CreateACL(within(t, 20*time.Second),
		ACL{User: "alice", Deny: true, Operation: kmsg.ACLOperationWrite, Resource: kmsg.ACLResourceTypeTopic, Name: topic}))
	err = client.ProduceSync(within(t, 20*time.Second), &kgo.Record{Topic: topic, Value: []byte("x")}).FirstErr()
	require.ErrorIs(t, err, kerr.TopicAuthorizationFailed)
}

func staysOut(t *testing.T, c *Cluster) {
	wrong := config(t, c, "PLAIN", "alice")
	wrong.Password = "guess"
	refused(t, wrong, "wrong password, PLAIN")
	wrong = config(t, c, "SCRAM256", "bob")
	wrong.Password = "guess"
	refused(t, wrong, "wrong password, SCRAM")
	wrong = config(t, c, "MTLS", "alice")
	wrong.Cert, wrong.Key = "", ""
	refused(t, wrong, "no certificate")
	if c.signer == nil {
		return
	}
	wrong = config(t, c, "OAUTH", "alice")
	expired, err := c.Token("alice", time.Now().Add(-time.Hour))
	require.NoError(t, err)
	wrong.Token = expired
	refused(t, wrong, "expired token")
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	wrong.Token, err = (&signer{key}).token("alice", time.Now(), time.Now().Add(time.Hour))
	require.NoError(t, err)
	refused(t, wrong, "token signed by a stranger")
}

// javaComesIn runs one of Kafka's own tools with each client.properties.
func javaComesIn(t *testing.T, c *Cluster) {
	tools := max(c.Version(), Source)
	for _, listener := range []string{"MTLS", "PLAIN", "SCRAM512_TLS", "OAUTH_TLS"} {
		if c.Bootstrap(listener) == nil {
			continue
		}
		cfg := config(t, c, listener, "alice")
		file := filepath.Join(t.TempDir(), "client.properties")
		require.NoError(t, os.WriteFile(file, []byte(cfg.Properties()), 0o600))
		cmd, err := Command(within(t, time.Minute), tools, "org.apache.kafka.tools.TopicCommand", "--list", "--bootstrap-server", cfg.Bootstrap[0], "--command-config", file)
		require.NoError(t, err)
		if cfg.TokenFile != "" {
			cmd.Args = append([]string{cmd.Args[0], "-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls=file://" + cfg.TokenFile,
				"-Dorg.apache.kafka.sasl.oauthbearer.allowed.files=" + cfg.TokenFile}, cmd.Args[1:]...)
		}
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s: %s", listener, out)
		require.Contains(t, strings.Fields(string(out)), "t-mtls", "%s sees what alice may see: %s", listener, out)
		require.NotContains(t, strings.Fields(string(out)), "t-tls", "%s is not alice: %s", listener, out)
	}
}
