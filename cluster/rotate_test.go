package cluster_test

import (
	"crypto/pbkdf2"
	"crypto/sha512"
	"crypto/tls"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/cluster/auth"
	"github.com/portage-kafka/portage/cluster/auth/authtest"
	"github.com/portage-kafka/portage/cluster/batch"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// setPassword gives a SCRAM-SHA-512 user another password.
func setPassword(t *testing.T, admin *cluster.Client, user, password string) {
	t.Helper()
	salt := []byte("salt of the test")
	salted, err := pbkdf2.Key(sha512.New, password, salt, 4096, sha512.Size)
	require.NoError(t, err)
	req := kmsg.NewPtrAlterUserSCRAMCredentialsRequest()
	req.Upsertions = []kmsg.AlterUserSCRAMCredentialsRequestUpsertion{{Name: user, Mechanism: 2, Iterations: 4096, Salt: salt, SaltedPassword: salted}}
	resp, err := cluster.Do[*kmsg.AlterUserSCRAMCredentialsResponse](within(t), admin, req, cluster.OnController())
	require.NoError(t, err)
	require.Zero(t, resp.Results[0].ErrorCode, "%v", resp.Results[0].ErrorMessage)
}

// replace puts another text into a file the way careful programs do: by renaming.
func replace(t *testing.T, path, text string) {
	t.Helper()
	fresh := filepath.Join(t.TempDir(), "fresh")
	require.NoError(t, os.WriteFile(fresh, []byte(text), 0o600))
	require.NoError(t, os.Rename(fresh, path))
}

// works calls the cluster in two ways.
func works(t *testing.T, c *cluster.Client) error {
	t.Helper()
	if _, err := c.Append(within(t), "t", 0, built(t, batch.Spec{}, "x")); err != nil {
		return err
	}
	_, err := c.Topics(within(t))
	return err
}

// TestPasswordIsRotated: a client whose logins expire goes on without a failed call when the password changes in the file
// and on the brokers; while only the brokers know of it, their refusal counts as passing.
func TestPasswordIsRotated(t *testing.T) {
	k := brokers(t, kfake.EnableSASL(), kfake.Superuser(auth.Plain, "admin", "admin"), kfake.Superuser(auth.Scram512, "u", "first"),
		kfake.SeedTopics(1, "t"), kfake.BrokerConfigs(map[string]string{"connections.max.reauth.ms": "300"}))
	file := authtest.File(t, "password", "first\n")
	cfg := config(k)
	cfg.SASL = &auth.SASL{Mechanism: auth.Scram512, Username: "u", Password: auth.Secret("file:" + file)}
	c, admin := open(t, cfg), as(t, k, "admin")
	for _, password := range []string{"second", "third"} {
		setPassword(t, admin, "u", password)
		replace(t, file, password+"\n")
		logins := k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.SASLHandshake}, Observe: true, Count: -1})
		for logins.Hits() < 4 {
			require.NoError(t, works(t, c))
		}
	}
	cfg.SASL = &auth.SASL{Mechanism: auth.Scram512, Username: "u", Password: "second"}
	require.False(t, cluster.Retriable(refused(t, cfg)), "at the start a wrong password is a mistake")

	setPassword(t, admin, "u", "fourth")
	var err error
	for err == nil {
		err = works(t, c)
	}
	require.ErrorIs(t, err, cluster.ErrAuthentication)
	require.True(t, cluster.Retriable(err), "it was good before, and is read anew")
	require.False(t, cluster.Uncertain(err))
	replace(t, file, "fourth\n")
	require.NoError(t, works(t, c))
}

// bearers makes brokers take OAUTHBEARER tokens, each for life, as long as they are the current one.
type bearers struct {
	mu      sync.Mutex
	current string
	logins  map[string]int
}

func takeTokens(k *kfake.Cluster, life time.Duration) *bearers {
	b := &bearers{logins: map[string]int{}}
	k.ControlKey(int16(kmsg.SASLHandshake), func(r kmsg.Request) (kmsg.Response, error, bool) {
		k.KeepControl()
		return r.ResponseKind(), nil, true
	})
	k.ControlKey(int16(kmsg.SASLAuthenticate), func(r kmsg.Request) (kmsg.Response, error, bool) {
		k.KeepControl()
		resp := r.ResponseKind().(*kmsg.SASLAuthenticateResponse)
		token := strings.Trim(strings.TrimPrefix(string(r.(*kmsg.SASLAuthenticateRequest).SASLAuthBytes), "n,,\x01auth=Bearer "), "\x01")
		b.mu.Lock()
		defer b.mu.Unlock()
		b.logins[token]++
		resp.SessionLifetimeMillis = life.Milliseconds()
		if token != b.current {
			resp.ErrorCode, resp.ErrorMessage = 58, kmsg.StringPtr("token expired")
		}
		return resp, nil, true
	})
	return b
}

func (b *bearers) take(token string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.current = token
}

func (b *bearers) took(token string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.logins[token]
}

// TestTokensAreRotated: a running client logs in with the token that the file, or the command, gives at that time.
func TestTokensAreRotated(t *testing.T) {
	for _, scheme := range []string{"file:", "command:cat "} {
		t.Run(scheme, func(t *testing.T) {
			k := brokers(t, kfake.SeedTopics(1, "t"))
			b := takeTokens(k, 300*time.Millisecond)
			b.take("token-0")
			file := authtest.File(t, "token", "token-0\n")
			cfg := config(k)
			cfg.SASL = &auth.SASL{Mechanism: auth.OAuthBearer, Token: auth.Secret(scheme + file)}
			c := open(t, cfg)
			for n := 1; n <= 3; n++ {
				token := fmt.Sprintf("token-%d", n)
				replace(t, file, token+"\n")
				b.take(token)
				for b.took(token) < 2 {
					require.NoError(t, works(t, c))
				}
			}
			b.take("one that nobody has yet")
			var err error
			for err == nil {
				err = works(t, c)
			}
			require.ErrorIs(t, err, cluster.ErrAuthentication)
			require.ErrorContains(t, err, "token expired")
			require.True(t, cluster.Retriable(err))
		})
	}
}

// seen are the client certificates that brokers were shown, by serial number.
type seen struct {
	mu      sync.Mutex
	serials map[string]int
}

func (s *seen) note(state tls.ConnectionState) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.serials[state.PeerCertificates[0].SerialNumber.String()]++
	return nil
}

func (s *seen) kinds() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.serials)
}

// TestCertificatesAreRotated: connections that were opened with a certificate near its end give way to ones with the
// certificate that has replaced it, and no call fails, not even a long poll that was waiting meanwhile.
func TestCertificatesAreRotated(t *testing.T) {
	ca := authtest.NewAuthority(t)
	shown := &seen{serials: map[string]int{}}
	server := ca.Issue(t, "127.0.0.1").Server(t, ca)
	server.VerifyConnection = shown.note
	k := brokers(t, kfake.SeedTopics(2, "t"), kfake.TLS(server))
	first := ca.IssueUntil(t, time.Now().Add(3*time.Second), "portage")
	cert, key := authtest.File(t, "cert.pem", first.Cert), authtest.File(t, "key.pem", first.Key)
	cfg := config(k)
	cfg.TLS = &auth.TLS{CA: authtest.File(t, "ca.pem", ca.PEM), Cert: cert, Key: auth.Secret(key)}
	c := open(t, cfg)
	require.NoError(t, works(t, c))
	require.Equal(t, 1, shown.kinds())
	next := ca.Issue(t, "portage")
	replace(t, cert, next.Cert)
	replace(t, key, next.Key)

	polled := make(chan error, 1)
	go func() {
		page, err := c.Read(within(t), "t", 1, 0, cluster.ReadOptions{Wait: 20 * time.Second})
		if err == nil && len(page.Records) != 1 {
			err = fmt.Errorf("%d records", len(page.Records))
		}
		polled <- err
	}()
	for shown.kinds() < 2 {
		require.NoError(t, works(t, c))
	}
	_, err := c.Append(within(t), "t", 1, built(t, batch.Spec{}, "x"))
	require.NoError(t, err)
	require.NoError(t, <-polled)
}
