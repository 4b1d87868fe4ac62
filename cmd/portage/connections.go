package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/portage-kafka/portage/cluster"
)

// connections opens clusters by name, each once and by itself: one that cannot be
// reached keeps nobody waiting who asks for another one.
type connections struct {
	open func(ctx context.Context, name string) (*cluster.Client, error)
	// again is the pause after a cluster could not be opened.
	again time.Duration

	mu     sync.Mutex
	byName map[string]*connection
}

// connection is one cluster; its lock is held while it is being opened.
type connection struct {
	mu     sync.Mutex
	client *cluster.Client
	// failed is why the last attempt failed, and until when nobody tries again:
	// those who have waited for it need not all wait for attempts of their own.
	failed error
	until  time.Time
}

// get returns the client of a cluster, opening it if that was not done yet.
func (s *connections) get(ctx context.Context, name string) (*cluster.Client, error) {
	at := s.at(name)
	at.mu.Lock()
	defer at.mu.Unlock()
	switch {
	case at.client != nil:
		return at.client, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case time.Now().Before(at.until):
		return nil, at.failed
	}
	c, err := s.open(ctx, name)
	if err != nil {
		if ctx.Err() == nil { // another caller may have more time
			at.failed, at.until = err, time.Now().Add(s.again)
		}
		return nil, err
	}
	at.client = c
	return c, nil
}

func (s *connections) at(name string) *connection {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byName == nil {
		s.byName = make(map[string]*connection)
	}
	at := s.byName[name]
	if at == nil {
		at = &connection{}
		s.byName[name] = at
	}
	return at
}

// close closes every client.
func (s *connections) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for _, at := range s.byName {
		at.mu.Lock()
		if at.client != nil {
			errs = append(errs, at.client.Close())
		}
		at.mu.Unlock()
	}
	return errors.Join(errs...)
}
