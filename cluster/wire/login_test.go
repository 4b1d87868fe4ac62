package wire_test

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/portage-kafka/portage/cluster/auth/authtest"
	"github.com/portage-kafka/portage/cluster/wire"
	"github.com/segmentio/kafka-go/sasl"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// script is a broker that follows orders: it answers each request with what answer returns, and hangs up on nil.
type script struct {
	t      *testing.T
	l      net.Listener
	answer func(key, version int16, body []byte) kmsg.Response

	mu     sync.Mutex
	dialed int
	served sync.WaitGroup
}

func play(t *testing.T, answer func(key, version int16, body []byte) kmsg.Response) *script {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := &script{t: t, l: l, answer: answer}
	s.served.Add(1)
	go s.accept()
	t.Cleanup(func() {
		require.NoError(t, l.Close())
		s.served.Wait()
	})
	return s
}

func (s *script) accept() {
	defer s.served.Done()
	for {
		c, err := s.l.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		s.dialed++
		s.mu.Unlock()
		s.served.Add(1)
		go func() {
			defer s.served.Done()
			defer c.Close()
			for s.one(c) == nil {
			}
		}()
	}
}

// one serves a request; the versions in play have headers without tagged fields.
func (s *script) one(c net.Conn) error {
	var size [4]byte
	if _, err := io.ReadFull(c, size[:]); err != nil {
		return err
	}
	req := make([]byte, binary.BigEndian.Uint32(size[:]))
	if _, err := io.ReadFull(c, req); err != nil {
		return err
	}
	key, version := int16(binary.BigEndian.Uint16(req)), int16(binary.BigEndian.Uint16(req[2:]))
	client := int(binary.BigEndian.Uint16(req[8:]))
	resp := s.answer(key, version, req[10+client:])
	if resp == nil {
		return io.EOF
	}
	resp.SetVersion(version)
	out := append(make([]byte, 4), req[4:8]...)
	out = resp.AppendTo(out)
	binary.BigEndian.PutUint32(out, uint32(len(out)-4))
	_, err := c.Write(out)
	return err
}

func (s *script) connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dialed
}

// versions is an ApiVersions response that offers what a login needs, and Metadata.
func versions() kmsg.Response {
	r := kmsg.NewPtrApiVersionsResponse()
	for key, max := range map[int16]int16{3: 8, 17: 1, 18: 2, 36: 1} {
		r.ApiKeys = append(r.ApiKeys, kmsg.ApiVersionsResponseApiKey{ApiKey: key, MaxVersion: max})
	}
	return r
}

// steps is a mechanism that sends "one", "two" … and expects the answers to be the same words.
type steps struct {
	words []string
	fail  error
}

func (steps) Name() string { return "STEPS" }

func (s steps) Start(ctx context.Context) (sasl.StateMachine, []byte, error) {
	if sasl.MetadataFromContext(ctx).Host != "127.0.0.1" {
		return nil, nil, errors.New("the mechanism is not told the host")
	}
	return &stepping{steps: s}, []byte(s.words[0]), s.fail
}

type stepping struct {
	steps
	at int
}

func (s *stepping) Next(_ context.Context, challenge []byte) (bool, []byte, error) {
	if string(challenge) != s.words[s.at] {
		return false, nil, errors.New("unexpected challenge " + string(challenge))
	}
	if s.at++; s.at == len(s.words) {
		return true, nil, nil
	}
	return false, []byte(s.words[s.at]), nil
}

// echo answers a login of steps; verdict changes what it answers.
func echo(verdict func(n int, r *kmsg.SASLAuthenticateResponse) bool) func(key, version int16, body []byte) kmsg.Response {
	n := 0
	return func(key, version int16, body []byte) kmsg.Response {
		switch key {
		case 18:
			return versions()
		case 17:
			return kmsg.NewPtrSASLHandshakeResponse()
		case 36:
			req := kmsg.NewPtrSASLAuthenticateRequest()
			req.Version = version
			if err := req.ReadFrom(body); err != nil {
				return nil
			}
			r := kmsg.NewPtrSASLAuthenticateResponse()
			r.SASLAuthBytes = req.SASLAuthBytes
			if n++; !verdict(n, r) {
				return nil
			}
			return r
		}
		return nil
	}
}

func login(t *testing.T, s *script, m sasl.Mechanism) (*wire.Transport, error) {
	t.Helper()
	cfg := config(s.l.Addr().String())
	cfg.SASL = m
	w := wire.NewTransport(cfg)
	t.Cleanup(func() { require.NoError(t, w.Close()) })
	return w, w.Connect(within(t))
}

func TestLoginInSteps(t *testing.T) {
	s := play(t, echo(func(int, *kmsg.SASLAuthenticateResponse) bool { return true }))
	_, err := login(t, s, steps{words: []string{"one", "two", "three"}})
	require.NoError(t, err)
	require.Equal(t, 1, s.connections())
}

func TestRefusedLogins(t *testing.T) {
	refuse := func(code int16, message string) *script {
		return play(t, echo(func(n int, r *kmsg.SASLAuthenticateResponse) bool {
			if n == 2 {
				r.ErrorCode, r.ErrorMessage = code, kmsg.StringPtr(message)
			}
			return true
		}))
	}
	two := steps{words: []string{"one", "two"}}
	_, err := login(t, refuse(58, "no such user"), two)
	var refused *wire.LoginError
	require.ErrorAs(t, err, &refused)
	require.Equal(t, wire.LoginError{Mechanism: "STEPS", Code: 58, Message: "no such user"}, *refused)
	require.ErrorContains(t, err, "login 127.0.0.1:")
	require.ErrorContains(t, err, "no such user")

	_, err = login(t, play(t, echo(func(n int, _ *kmsg.SASLAuthenticateResponse) bool { return n < 2 })), two)
	require.ErrorAs(t, err, &refused)
	require.Zero(t, refused.Code, "it just hung up")
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)

	_, err = login(t, play(t, func(key, _ int16, _ []byte) kmsg.Response {
		if key == 18 {
			return versions()
		}
		r := kmsg.NewPtrSASLHandshakeResponse()
		r.ErrorCode, r.SupportedMechanisms = 33, []string{"PLAIN"}
		return r
	}), two)
	require.ErrorAs(t, err, &refused)
	require.EqualValues(t, 33, refused.Code)
	require.ErrorContains(t, err, "STEPS: error code 33")

	_, err = login(t, play(t, echo(func(_ int, r *kmsg.SASLAuthenticateResponse) bool {
		r.SASLAuthBytes = []byte("nonsense")
		return true
	})), two)
	require.ErrorContains(t, err, "unexpected challenge nonsense")
	_, err = login(t, play(t, echo(func(int, *kmsg.SASLAuthenticateResponse) bool { return true })), steps{words: two.words, fail: errors.New("no secret")})
	require.ErrorContains(t, err, "no secret")
	_, err = login(t, play(t, func(int16, int16, []byte) kmsg.Response { return kmsg.NewPtrApiVersionsResponse() }), two)
	var missing *wire.VersionError
	require.ErrorAs(t, err, &missing, "a broker without SASL")
}

// A refused login is not tried on the other brokers: that is how accounts get locked.
func TestRefusedLoginIsFinal(t *testing.T) {
	answer := func() func(key, version int16, body []byte) kmsg.Response {
		return echo(func(_ int, r *kmsg.SASLAuthenticateResponse) bool {
			r.ErrorCode = 58
			return true
		})
	}
	a, b := play(t, answer()), play(t, answer())
	cfg := config(a.l.Addr().String(), b.l.Addr().String())
	cfg.SASL = steps{words: []string{"one"}}
	w := wire.NewTransport(cfg)
	require.Error(t, w.Connect(within(t)))
	require.NoError(t, w.Close())
	require.Equal(t, 1, a.connections()+b.connections())
}

func TestConnectionsEndBeforeTheirLogin(t *testing.T) {
	s := play(t, echo(func(_ int, r *kmsg.SASLAuthenticateResponse) bool {
		r.SessionLifetimeMillis = 100
		return true
	}))
	w, err := login(t, s, steps{words: []string{"one"}})
	require.NoError(t, err)
	_, err = w.Versions(within(t), -1)
	require.NoError(t, err)
	begun := s.connections()
	time.Sleep(120 * time.Millisecond)
	_, err = w.Versions(within(t), -1)
	require.NoError(t, err)
	require.Greater(t, s.connections(), begun, "the expired one is replaced")
}

// A broker that accepts and then says nothing holds nobody longer than the time given.
func TestSilenceAtEveryStage(t *testing.T) {
	var wait sync.WaitGroup
	wait.Add(1)
	hold := func(at int16) *script {
		return play(t, func(key, _ int16, _ []byte) kmsg.Response {
			if key == at {
				wait.Wait()
				return nil
			}
			if key == 18 {
				return versions()
			}
			return kmsg.NewPtrSASLHandshakeResponse()
		})
	}
	for _, at := range []int16{18, 17, 36} {
		cfg := config(hold(at).l.Addr().String())
		cfg.SASL, cfg.DialTimeout = steps{words: []string{"one"}}, 100*time.Millisecond
		w := wire.NewTransport(cfg)
		begin := time.Now()
		require.Error(t, w.Connect(within(t)))
		require.Less(t, time.Since(begin), 5*time.Second)
		require.NoError(t, w.Close())
	}
	cfg := config(hold(18).l.Addr().String())
	w := wire.NewTransport(cfg)
	ctx, cancel := context.WithCancel(within(t))
	failed := make(chan error)
	go func() { failed <- w.Connect(ctx) }()
	require.Eventually(t, func() bool { return w.Connections() == 1 }, 5*time.Second, time.Millisecond)
	cancel()
	require.Error(t, <-failed, "cancelling ends it, too")
	go func() { failed <- w.Connect(within(t)) }()
	require.Eventually(t, func() bool { return w.Connections() == 1 }, 5*time.Second, time.Millisecond)
	require.NoError(t, w.Close())
	require.Error(t, <-failed, "and so does closing")
	wait.Done()
}

func TestTLSIsAskedForEveryConnection(t *testing.T) {
	ca := authtest.NewAuthority(t)
	k, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.TLS(ca.Issue(t, "127.0.0.1").Server(t, nil)))
	require.NoError(t, err)
	defer k.Close()
	hosts := make(chan string, 10)
	cfg := config(k.ListenAddrs()...)
	cfg.TLS = func(host string) (*tls.Config, error) {
		hosts <- host
		return &tls.Config{ServerName: host, InsecureSkipVerify: true}, nil
	}
	w := wire.NewTransport(cfg)
	_, err = w.Versions(within(t), -1)
	require.NoError(t, err)
	_, err = w.Versions(within(t), 0)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	require.GreaterOrEqual(t, len(hosts), 2)
	require.Equal(t, "127.0.0.1", <-hosts)

	cfg.TLS = func(string) (*tls.Config, error) { return nil, errors.New("no certificate today") }
	w = wire.NewTransport(cfg)
	err = w.Connect(within(t))
	require.ErrorContains(t, err, "TLS handshake 127.0.0.1:")
	require.ErrorContains(t, err, "no certificate today")
	require.NoError(t, w.Close())
}
