package cluster_test

import (
	"context"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/cluster/auth"
	"github.com/portage-kafka/portage/cluster/auth/authtest"
	"github.com/portage-kafka/portage/testkit/realkafka"
	"github.com/stretchr/testify/require"
)

// session is how long brokers let a password's login last in these tests, tokenLife how long a token is valid.
const (
	session   = 3 * time.Second
	tokenLife = 8 * time.Second
)

// TestRealRotation: brokers that end sessions (KIP-368) and know expiring credentials never make a running client fail as
// long as its files are kept up to date.
func TestRealRotation(t *testing.T) {
	for _, version := range realkafka.Versions() {
		t.Run(version, func(t *testing.T) {
			k := realkafka.ForTest(t, realkafka.Options{
				Version: version, Users: []realkafka.User{{Name: "u", Password: "first"}},
				Listeners: []realkafka.Listener{{Name: "SCRAM", SASL: realkafka.Scram512}, {Name: "OAUTH", SASL: realkafka.OAuth}},
				Properties: map[string]string{
					"listener.name.scram.scram-sha-512.connections.max.reauth.ms": "3000",
					"listener.name.oauth.oauthbearer.connections.max.reauth.ms":   "600000",
				},
			})
			admin := open(t, cluster.Config{Bootstrap: k.Bootstrap(realkafka.Internal)})
			require.NoError(t, admin.CreateTopic(within(t), cluster.TopicSpec{Name: "t", Partitions: 2}))
			t.Run("password", func(t *testing.T) { realPassword(t, k, admin) })
			t.Run("token", func(t *testing.T) { realToken(t, k) })
		})
	}
}

// counting returns a configuration that counts its connections.
func counting(bootstrap []string, s *auth.SASL) (cluster.Config, *atomic.Int64) {
	opened := &atomic.Int64{}
	return cluster.Config{Bootstrap: bootstrap, SASL: s, Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
		opened.Add(1)
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}}, opened
}

// polling reads the idle partition by long polls until stop is called, which returns the first error that a client in
// rotation may not have.
func polling(t *testing.T, c *cluster.Client) (stop func() error) {
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		for ctx.Err() == nil {
			_, err := c.Read(ctx, "t", 1, 0, cluster.ReadOptions{Wait: session})
			if err != nil && ctx.Err() == nil && !cluster.Retriable(err) {
				ended <- err
				return
			}
		}
		ended <- nil
	}()
	return func() error { cancel(); return <-ended }
}

func realPassword(t *testing.T, k *realkafka.Cluster, admin *cluster.Client) {
	file := authtest.File(t, "password", "first")
	cfg, opened := counting(k.Bootstrap("SCRAM"), &auth.SASL{Mechanism: auth.Scram512, Username: "u", Password: auth.Secret("file:" + file)})
	c := open(t, cfg)
	stop := polling(t, c)
	for _, password := range []string{"second", "third"} {
		setPassword(t, admin, "u", password)
		replace(t, file, password)
		require.Eventually(t, func() bool { // a broker may learn of the password after it was accepted
			err := works(t, c)
			require.True(t, err == nil || cluster.Retriable(err), "%v", err)
			return err == nil
		}, 20*time.Second, 50*time.Millisecond)
		for before := opened.Load(); opened.Load() < before+4; time.Sleep(20 * time.Millisecond) {
			require.NoError(t, works(t, c))
		}
	}
	require.NoError(t, stop())
	_, err := cluster.Open(within(t), "late", cluster.Config{Bootstrap: cfg.Bootstrap, SASL: &auth.SASL{Mechanism: auth.Scram512, Username: "u", Password: "second"}})
	require.ErrorIs(t, err, cluster.ErrAuthentication)
	require.False(t, cluster.Retriable(err))
}

func realToken(t *testing.T, k *realkafka.Cluster) {
	file := authtest.File(t, "token", "")
	renew := func() time.Time {
		token, err := k.Token("u", time.Now().Add(tokenLife))
		require.NoError(t, err)
		replace(t, file, token)
		return time.Now()
	}
	renewed := renew()
	cfg, opened := counting(k.Bootstrap("OAUTH"), &auth.SASL{Mechanism: auth.OAuthBearer, Token: auth.Secret("file:" + file)})
	c := open(t, cfg)
	stop := polling(t, c)
	for begin, before := time.Now(), opened.Load(); time.Since(begin) < 2*tokenLife || opened.Load() < before+4; time.Sleep(20 * time.Millisecond) {
		if time.Since(renewed) > tokenLife/3 {
			renewed = renew()
		}
		require.NoError(t, works(t, c))
	}
	require.NoError(t, stop())

	var err error
	for ; err == nil; time.Sleep(20 * time.Millisecond) { // until the last token is over
		err = works(t, c)
	}
	var over *auth.ExpiredError
	require.ErrorAs(t, err, &over, "never a connection that the broker cuts off in the middle of a request")
	require.True(t, cluster.Retriable(err), "%v", err)
	require.False(t, cluster.Uncertain(err), "%v", err)
	renew()
	require.NoError(t, works(t, c))
}
