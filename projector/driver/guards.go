package driver

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/cluster/group"
)

// guardInstance is the group.instance.id by which a guard is known.
const guardInstance = group.GuardInstance

// seat is a group on a cluster.
type seat struct{ cluster, group string }

// guards are the driver's memberships in consumer groups. They are static: the
// places outlive the process, and a successor takes them over.
type guards struct {
	cfg      Config
	queue    *queue
	watchers sync.WaitGroup

	mu    sync.Mutex
	seats map[seat]*post
	// aside are the seats that another process has taken from this one.
	aside map[seat]*pauses
}

// post is a guard on its seat.
type post struct {
	*group.Guard
	// sealed says with which protocol type it joined.
	sealed bool
	// gone is closed when the seat is given up.
	gone chan struct{}
	// again are the pauses between attempts to get in; only the worker that has
	// the group's item uses it.
	again pauses
	// it is looked at when the guard's state changes; see guards.join.
	it item
}

func newGuards(cfg Config, q *queue) *guards {
	return &guards{cfg: cfg, queue: q, seats: make(map[seat]*post), aside: make(map[seat]*pauses)}
}

// at is the guard on a seat, nil for none. From now on the item is looked at
// when its state changes: a seat may pass from one migration to the next.
func (gs *guards) at(s seat, it item) *post {
	gs.mu.Lock()
	defer gs.mu.Unlock()
	p := gs.seats[s]
	if p != nil {
		p.it = it
	}
	return p
}

// close stops all guards without leaving their groups.
func (gs *guards) close() {
	gs.mu.Lock()
	seats := gs.seats
	gs.seats = make(map[seat]*post)
	gs.mu.Unlock()
	for _, p := range seats {
		close(p.gone)
		p.Stop()
	}
	gs.watchers.Wait()
}

// join takes the seat, sealed where the predecessor's was.
func (gs *guards) join(c *cluster.Client, s seat, it item, sealed bool, topics []string) error {
	g, err := group.NewGuard(c, group.GuardConfig{
		Group: s.group, Topics: topics, Sealed: sealed, Session: gs.cfg.GuardSession, Log: gs.cfg.Logger,
	})
	if err != nil {
		return err
	}
	p := &post{Guard: g, sealed: sealed, gone: make(chan struct{}), it: it}
	gs.mu.Lock()
	gs.seats[s] = p
	gs.mu.Unlock()
	gs.watchers.Go(func() { gs.follow(p) })
	return nil
}

// follow makes the group due whenever its guard's state changes.
func (gs *guards) follow(p *post) {
	for {
		_, changed := p.State()
		gs.mu.Lock()
		it := p.it
		gs.mu.Unlock()
		gs.queue.addNow(it)
		select {
		case <-changed:
		case <-p.gone:
			return
		}
	}
}

// leave takes the guard out of its group and gives the seat up. A guard that
// could not say good-bye is stopped, too: another one takes its place over and
// leaves.
func (gs *guards) leave(ctx context.Context, s seat, p *post) error {
	err := p.Leave(ctx)
	gs.drop(s, p)
	return err
}

// drop gives the seat up without leaving the group.
func (gs *guards) drop(s seat, p *post) {
	gs.mu.Lock()
	here := gs.seats[s] == p
	if here {
		delete(gs.seats, s)
	}
	gs.mu.Unlock()
	if here {
		close(p.gone)
		p.Stop()
	}
}

// The pauses before a guard that another process has relieved tries to take its
// seat back.
const (
	firstAside = 10 * time.Second
	mostAside  = 10 * time.Minute
)

// stepAside leaves the seat to the other process for a while, longer each time:
// two orchestrators must not take it from each other for ever.
func (gs *guards) stepAside(s seat, p *post) time.Time {
	gs.drop(s, p)
	gs.mu.Lock()
	defer gs.mu.Unlock()
	if gs.aside[s] == nil {
		gs.aside[s] = &pauses{first: firstAside, most: mostAside}
	}
	return gs.aside[s].next(time.Now())
}

// asideUntil is until when the seat is left to another process; zero for not.
func (gs *guards) asideUntil(s seat) time.Time {
	gs.mu.Lock()
	defer gs.mu.Unlock()
	if a := gs.aside[s]; a != nil {
		return a.until
	}
	return time.Time{}
}

// stranger says that the broker refused the guard's protocol name: a client
// inside the group does not offer it.
func (gs *guards) stranger(s seat, it item) string {
	p := gs.at(s, it)
	if p == nil {
		return ""
	}
	if state, _ := p.State(); errors.Is(state.Err, group.ErrStranger) {
		return state.Err.Error()
	}
	return ""
}

// held is the state of a guard that is a member now.
func (gs *guards) held(s seat, it item) (group.GuardState, bool) {
	p := gs.at(s, it)
	if p == nil {
		return group.GuardState{}, false
	}
	state, _ := p.State()
	return state, state.Held
}

// nudge lets the guard ask whether its group rebalances. What it hears it acts
// upon itself; a guard that is not in the group has nothing to ask.
func (gs *guards) nudge(ctx context.Context, s seat, it item) {
	if p := gs.at(s, it); p != nil {
		_ = p.Nudge(ctx)
	}
}

// commit writes offsets under the guard's own generation, and reads them back.
func (gs *guards) commit(ctx context.Context, s seat, it item, generation int32, list []group.Offset) error {
	p := gs.at(s, it)
	if p == nil {
		return fmt.Errorf("no guard of this process in group %s on %s", s.group, s.cluster)
	}
	return p.Commit(ctx, generation, list...)
}
