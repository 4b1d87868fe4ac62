package agent

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/portage-kafka/portage/agent/internal/consume"
	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/cluster/group"
)

// seat is the membership of one side: the group member once the cluster could be opened, and until then what it will be told.
type seat struct {
	side   consume.Side
	maxAge time.Duration // of partition counts
	name   string        // of the cluster
	cfg    group.Config
	s      *clusters
	post   func(consume.Input)
	ctx    context.Context
	cancel context.CancelFunc

	work *sync.WaitGroup

	member atomic.Pointer[group.Member]
	led    atomic.Pointer[group.Inventory] // asked last for an assignment that we make
	due    chan struct{}                   // partition counts are wanted now
	mu     sync.Mutex                      // orders what is told
	early  []group.Input
}

// sit starts to join. It returns at once.
func sit(ctx context.Context, work *sync.WaitGroup, s *clusters, j consume.Join, cfg group.Config, maxAge time.Duration, post func(consume.Input)) *seat {
	t := &seat{side: j.Side, name: j.Cluster, cfg: cfg, s: s, maxAge: maxAge, post: post, work: work, due: make(chan struct{}, 1)}
	t.ctx, t.cancel = context.WithCancel(ctx)
	work.Go(t.run)
	return t
}

// run opens the cluster, joins, and hands over what the member reports, until the seat is given up.
func (t *seat) run() {
	c, err := t.s.wait(t.ctx, t.name)
	if err != nil {
		return
	}
	t.cfg.Inventory = t.inventory(group.Counts(c))
	m, err := t.join(c)
	if m == nil {
		if err != nil { // the configuration was validated
			t.cfg.Log.Error().Err(err).Msg("join")
		}
		return
	}
	defer m.Close()
	t.work.Go(func() { t.count(m, group.Counts(c)) })
	for {
		select {
		case e, open := <-m.Events():
			if !open {
				return
			}
			t.post(consume.MemberEvent{Side: t.side, Event: e})
			if _, assigned := e.(group.Assigned); assigned {
				t.assigned(m.Status())
			}
		case <-t.ctx.Done():
			return
		}
	}
}

// join seats the member and tells it what came early; it is nil if it was told to leave meanwhile.
func (t *seat) join(c *cluster.Client) (*group.Member, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ctx.Err() != nil {
		return nil, nil
	}
	m, err := group.Join(c, t.cfg)
	if err != nil {
		return nil, err
	}
	t.member.Store(m)
	for _, in := range t.early {
		m.Do(in)
	}
	t.early = nil
	return m, nil
}

// tell hands the member an input. One that was never seated has left as soon as it is told to.
func (t *seat) tell(in group.Input) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if m := t.member.Load(); m != nil {
		m.Do(in)
		return
	}
	if _, leave := in.(group.Leave); leave {
		t.cancel()
		t.work.Go(func() { t.post(consume.MemberEvent{Side: t.side, Event: group.Left{}}) })
		return
	}
	t.early = append(t.early, in)
}

// lease is the member's present lease, none without a member.
func (t *seat) lease() group.Lease {
	m := t.member.Load()
	if m == nil {
		return group.Lease{}
	}
	return m.Lease()
}
