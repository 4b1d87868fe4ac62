package agent

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/portage-kafka/portage/cluster"
	"github.com/rs/zerolog"
)

// clusters opens clients by name, on first use, and keeps them.
type clusters struct {
	configs map[string]cluster.Config
	log     zerolog.Logger

	mu     sync.Mutex
	slots  map[string]*slot
	closed bool
}

// slot is one cluster; its lock is held while it is being opened.
type slot struct {
	mu     sync.Mutex
	client *cluster.Client
}

var errClosed = errors.New("closed")

func newClusters(configs map[string]cluster.Config, log zerolog.Logger) *clusters {
	return &clusters{configs: configs, log: log, slots: map[string]*slot{}}
}

// get returns the client of a cluster, opening it if that was not done or has failed before.
func (s *clusters) get(ctx context.Context, name string) (*cluster.Client, error) {
	cfg, known := s.configs[name]
	if !known {
		return nil, fmt.Errorf("cluster %q is not in the configuration: add it to Clusters", name)
	}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil, errClosed
	}
	at := s.slots[name]
	if at == nil {
		at = &slot{}
		s.slots[name] = at
	}
	s.mu.Unlock()
	at.mu.Lock()
	defer at.mu.Unlock()
	if at.client != nil {
		return at.client, nil
	}
	c, err := cluster.Open(ctx, name, cfg)
	at.client = c
	return c, err
}

// wait is get, repeated until it works or the context ends.
func (s *clusters) wait(ctx context.Context, name string) (c *cluster.Client, err error) {
	err = again(ctx, s.log, "connect to cluster "+name, func() error {
		c, err = s.get(ctx, name)
		return err
	})
	return c, err
}

// close closes every client; nothing can be opened afterwards.
func (s *clusters) close() error {
	s.mu.Lock()
	s.closed = true
	slots := s.slots
	s.mu.Unlock()
	var errs []error
	for _, at := range slots {
		at.mu.Lock()
		if at.client != nil {
			errs = append(errs, at.client.Close())
		}
		at.mu.Unlock()
	}
	return errors.Join(errs...)
}

// Pauses between attempts at what must succeed in the end.
const (
	againFirst = 50 * time.Millisecond
	againMost  = 5 * time.Second
)

// again repeats f until it succeeds or the context ends; the first failure is logged as a warning, and every tenth.
func again(ctx context.Context, log zerolog.Logger, what string, f func() error) error {
	for attempt, pause := 0, againFirst; ; attempt, pause = attempt+1, min(2*pause, againMost) {
		err := f()
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return errors.Join(err, ctx.Err())
		}
		level := zerolog.DebugLevel
		if attempt%10 == 0 {
			level = zerolog.WarnLevel
		}
		log.WithLevel(level).Err(err).Int("attempt", attempt+1).Msg(what)
		if !pauseFor(ctx, pause) {
			return errors.Join(err, ctx.Err())
		}
	}
}

// pauseFor waits; it returns false if the context ended first.
func pauseFor(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// newIncarnation names this process: the instance and 64 random bits.
func newIncarnation(instance string) string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand
	return instance + "-" + hex.EncodeToString(b[:])
}

// serial runs functions one at a time, in order, without ever making the caller wait.
type serial struct {
	mu   sync.Mutex
	list []func()
	wake chan struct{}
	busy bool
}

func newSerial() *serial { return &serial{wake: make(chan struct{}, 1)} }

func (s *serial) push(f func()) {
	s.mu.Lock()
	s.list = append(s.list, f)
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// run runs what is pushed until the context ends.
func (s *serial) run(ctx context.Context) {
	for {
		for f := s.pop(); f != nil && ctx.Err() == nil; f = s.pop() {
			f()
		}
		select {
		case <-s.wake:
		case <-ctx.Done():
			return
		}
	}
}

func (s *serial) pop() func() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.busy = len(s.list) > 0; !s.busy {
		return nil
	}
	f := s.list[0]
	s.list = s.list[1:]
	return f
}

// idle says that nothing is waiting or running.
func (s *serial) idle() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.busy && len(s.list) == 0
}
