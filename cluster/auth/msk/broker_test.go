package msk

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/cluster/auth"
	"github.com/portage-kafka/portage/cluster/auth/authtest"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// iam is a cluster that checks AWS_MSK_IAM logins as MSK does.
type iam struct {
	*kfake.Cluster
	cfg cluster.Config

	mu      sync.Mutex
	secrets map[string]string // by access key id: those that may log in
	logins  []string          // access key ids, in the order of the logins
}

// newIAM starts it. Its logins last for life.
func newIAM(t *testing.T, life time.Duration) *iam {
	ca := authtest.NewAuthority(t)
	k, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.TLS(ca.Issue(t, "127.0.0.1").Server(t, nil)))
	require.NoError(t, err)
	t.Cleanup(k.Close)
	b := &iam{Cluster: k, secrets: map[string]string{}}
	b.cfg = cluster.Config{Bootstrap: k.ListenAddrs(), TLS: &auth.TLS{CA: ca.PEM}, SASL: &auth.SASL{Mechanism: "aws-msk-iam", Region: "eu-central-1"}}
	b.cfg.SASL.Login = New(*b.cfg.SASL)
	k.ControlKey(int16(kmsg.SASLHandshake), func(r kmsg.Request) (kmsg.Response, error, bool) {
		k.KeepControl()
		resp := r.ResponseKind().(*kmsg.SASLHandshakeResponse)
		if r.(*kmsg.SASLHandshakeRequest).Mechanism != "AWS_MSK_IAM" {
			resp.ErrorCode = 33
		}
		return resp, nil, true
	})
	k.ControlKey(int16(kmsg.SASLAuthenticate), func(r kmsg.Request) (kmsg.Response, error, bool) {
		k.KeepControl()
		resp := r.ResponseKind().(*kmsg.SASLAuthenticateResponse)
		if err := b.check(r.(*kmsg.SASLAuthenticateRequest).SASLAuthBytes); err != nil {
			resp.ErrorCode, resp.ErrorMessage = 58, kmsg.StringPtr(err.Error())
			return resp, nil, true
		}
		resp.SASLAuthBytes, resp.SessionLifetimeMillis = []byte(`{"version":"2020_10_22","request-id":"x"}`), life.Milliseconds()
		return resp, nil, true
	})
	return b
}

func (b *iam) check(message []byte) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	_, after, _ := strings.Cut(string(message), `"x-amz-credential":"`)
	id, _, _ := strings.Cut(after, "/")
	b.logins = append(b.logins, id)
	secret, known := b.secrets[id]
	if !known {
		return fmt.Errorf("[x]: Access denied")
	}
	fields, want := resign(panicking{}, message, secret, "eu-central-1")
	if fields["x-amz-signature"] != want {
		return fmt.Errorf("[x]: Invalid signature")
	}
	return nil
}

// panicking is a require.TestingT for another goroutine than the test's.
type panicking struct{}

func (panicking) Errorf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }
func (panicking) FailNow()                          {}

func (b *iam) allow(id, secret string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.secrets[id] = secret
}

func (b *iam) sawLogin(id string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.logins) > 0 && b.logins[len(b.logins)-1] == id
}

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// TestClusterTakesTheLogin: a client works over IAM, and when keys are rotated in the shared file while it runs, its next
// connections log in with the fresh ones and no call fails.
func TestClusterTakesTheLogin(t *testing.T) {
	h, b := newHome(t), newIAM(t, 500*time.Millisecond)
	rotate := func(id string) {
		b.allow(id, "secret of "+id)
		h.write(h.credentials, fmt.Sprintf("[default]\naws_access_key_id = %s\naws_secret_access_key = secret of %s\n", id, id))
	}
	rotate("KEY1")
	c, err := cluster.Open(within(t), "msk", b.cfg)
	require.NoError(t, err)
	defer func() { require.NoError(t, c.Close()) }()
	for _, id := range []string{"KEY2", "KEY3"} {
		rotate(id)
		require.Eventually(t, func() bool {
			_, err := c.Topics(within(t))
			require.NoError(t, err)
			return b.sawLogin(id)
		}, 20*time.Second, 10*time.Millisecond)
	}
}

// TestRefusedIdentity: the broker's no and its reason reach the caller, with what to check.
func TestRefusedIdentity(t *testing.T) {
	h, b := newHome(t), newIAM(t, 0)
	h.write(h.credentials, "[default]\naws_access_key_id = STRANGER\naws_secret_access_key = hunter2\n")
	_, err := cluster.Open(within(t), "msk", b.cfg)
	require.ErrorIs(t, err, cluster.ErrAuthentication)
	require.False(t, cluster.Retriable(err))
	for _, say := range []string{"Access denied", "kafka-cluster:Connect", "sasl.region"} {
		require.ErrorContains(t, err, say)
	}
	b.allow("STRANGER", "another secret")
	_, err = cluster.Open(within(t), "msk", b.cfg)
	require.ErrorContains(t, err, "Invalid signature")
	require.NotContains(t, err.Error(), "hunter2")
}

// TestNoCredentials: the caller learns which source failed and that no broker was asked.
func TestNoCredentials(t *testing.T) {
	newHome(t)
	b := newIAM(t, 0)
	_, err := cluster.Open(within(t), "msk", b.cfg)
	var failed *CredentialError
	require.ErrorAs(t, err, &failed)
	require.NotErrorIs(t, err, cluster.ErrAuthentication)
	require.False(t, cluster.Uncertain(err))
	require.NotContains(t, err.Error(), "check the secret's reference", "the error says better what to do")
	require.Empty(t, b.logins)
}
