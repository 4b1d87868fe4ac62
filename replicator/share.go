package replicator

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/portage-kafka/portage/cluster/group"
	"github.com/portage-kafka/portage/events"
)

// This file shares the partitions with other workers through the group
// protocol. One goroutine does so, the conductor (work).

// errRefused ends a worker whose offer the group does not take.
var errRefused = errors.New("the workers' group has refused this worker")

// work waits for the directives, joins the group and works until told to stop.
func (w *Worker) work(ctx context.Context) error {
	if err := w.awaitDirectives(ctx); err != nil {
		return err
	}
	for session := w.cfg.Session; !w.stopped(); session *= 2 {
		err := w.join(ctx, session)
		var refused *group.CodeError
		if !errors.As(err, &refused) || refused.Code != codeSession || session >= longestSession {
			return err
		}
		w.cfg.Log.Warn().Err(err).Dur("session", session).Msg("the brokers want a longer session")
	}
	return nil
}

// codeSession is INVALID_SESSION_TIMEOUT: the brokers' group.min.session.timeout.ms
// is longer. Sessions are tried up to longestSession.
const (
	codeSession    = 26
	longestSession = time.Minute
)

// join works as a member of the group.
func (w *Worker) join(ctx context.Context, session time.Duration) error {
	m, err := group.Join(w.cfg.Control, w.groupConfig(session))
	if err != nil {
		return fmt.Errorf("join the workers' group: %w", err)
	}
	defer m.Close()
	w.mu.Lock()
	w.member = m
	w.mu.Unlock()
	err = w.conduct(ctx, m)
	w.drop(w.partitions())
	return err
}

// awaitDirectives waits until what is there has been read: a leader must know
// every unit.
func (w *Worker) awaitDirectives(ctx context.Context) error {
	for {
		w.mu.Lock()
		ready := w.caughtUp
		w.mu.Unlock()
		if ready {
			return nil
		}
		select {
		case <-w.changed:
		case <-w.stopping:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (w *Worker) groupConfig(session time.Duration) group.Config {
	known := map[string]float64{} // the member's own goroutine calls the assignor
	return group.Config{
		Group: w.cfg.Group, InstanceID: w.cfg.Instance, Offer: w.offer(),
		Heartbeat: w.cfg.Heartbeat, Session: session, Rebalance: w.cfg.Rebalance, Log: w.cfg.Log,
		Inventory: func(context.Context, []string) (group.Inventory, error) { return w.inventory(), nil },
		Assignors: map[string]group.Assign{group.ProtocolUnits: func(inv group.Inventory, peers []group.Peer) map[string]group.Assignment {
			return assign(inv, peers, known)
		}},
	}
}

// offer is what the worker brings to a join: never the same twice, and with the
// rates of what it has.
func (w *Worker) offer() group.Offer {
	rates, sum := w.measured()
	w.told = sum
	stamp := strconv.FormatInt(int64(w.now()), 10) + encodeRates(rates)
	return group.Workers(group.Identity{Kind: group.KindWorker, Incarnation: w.cfg.Name, Host: w.cfg.Host, Stamp: stamp})
}

// measured are the rates of what the worker has been assigned, and their sum.
func (w *Worker) measured() (rates []float64, sum float64) {
	rates = make([]float64, len(w.assigned))
	for i, name := range w.assigned {
		if p := w.named(name); p != nil {
			rates[i] = p.rate()
			sum += rates[i]
		}
	}
	return rates, sum
}

// reshare lets the group share anew if this worker's rate is not what it was any
// more: nobody knew it when the copy began, and some partitions are done before
// others.
func (w *Worker) reshare(ctx context.Context, m *group.Member) {
	w.mu.Lock()
	alone := len(w.owned) == len(w.orders.units())
	w.mu.Unlock()
	if _, sum := w.measured(); alone || w.holding.Load() || !m.Status().Assigned || !shifted(w.told, sum) {
		return
	}
	w.rejoined = w.now()
	if err := w.rejoin(ctx, m, time.Now().Add(w.cfg.Rebalance)); err != nil {
		w.cfg.Log.Error().Err(err).Msg("sharing anew failed")
	}
}

// named is the partition of a unit, nil if the worker does not have it.
func (w *Worker) named(name string) *partition {
	k, err := events.ParseCopyKey(name)
	if err != nil {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.owned[k]
}

// rate is about how many bytes per second are copied of the partition.
func (p *partition) rate() float64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.meter.measure(p.core.bytes, p.w.now())
	return p.meter.rate
}

// inventory is what there is to share; the group's leader is asked for it.
func (w *Worker) inventory() group.Inventory {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.supplied = w.orders.units()
	return group.Inventory{Units: w.supplied}
}

// rejoinEvery is the least time from a rebalance to the next one that a leader
// asks for. It counts from the end: one of many partitions takes longer than this,
// and nothing is copied meanwhile.
const rejoinEvery = 500 * time.Millisecond

// conduct answers the group and the directives.
func (w *Worker) conduct(ctx context.Context, m *group.Member) error {
	w.later, w.rejoined = time.NewTimer(time.Hour), -rejoinEvery
	defer w.later.Stop()
	uneven := time.NewTicker(w.cfg.Reshare)
	defer uneven.Stop()
	for {
		select {
		case e, open := <-m.Events():
			if !open {
				return group.ErrClosed
			}
			if err := w.happened(ctx, m, e); err != nil {
				return err
			}
		case <-w.changed:
			w.reorder(ctx, m)
		case <-w.later.C:
			w.reorder(ctx, m)
		case <-uneven.C:
			w.reshare(ctx, m)
		case <-w.stopping:
			return w.finish(ctx, m)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// happened reacts to one event of the group.
func (w *Worker) happened(ctx context.Context, m *group.Member, e group.Event) error {
	switch e := e.(type) {
	case group.Assigned:
		w.assigned = e.Assignment.Units
		w.assign(ctx, w.assigned)
		w.holding.Store(false)
		w.rejoined = w.now()
		w.settle(ctx, m)
		w.reorder(ctx, m)
	case group.RebalanceNeeded:
		return w.rejoin(ctx, m, e.Deadline)
	case group.Lost:
		if e.Final {
			return fmt.Errorf("another process has the group.instance.id %q, give every worker one of its own: %w", w.cfg.Instance, e.Why)
		}
		w.lost = true
		return w.rejoin(ctx, m, e.Deadline)
	case group.Refused:
		if !e.Member {
			return fmt.Errorf("%w: %w", errRefused, e.Why)
		}
	}
	return nil
}

// rejoin lets go of what was promised in the former generation and joins the
// next one.
func (w *Worker) rejoin(ctx context.Context, m *group.Member, deadline time.Time) error {
	w.hold(ctx, deadline)
	if err := m.Rejoin(w.offer()); err != nil {
		return fmt.Errorf("rejoin the workers' group: %w", err)
	}
	return nil
}

// settle has a static member share once more after its first assignment: it may
// have taken the place of a leader without the group having noticed, and then
// nobody leads.
func (w *Worker) settle(ctx context.Context, m *group.Member) {
	if w.cfg.Instance == "" || w.settled {
		return
	}
	w.settled = true
	if err := w.rejoin(ctx, m, time.Now().Add(w.cfg.Rebalance)); err != nil {
		w.cfg.Log.Error().Err(err).Msg("settling in the workers' group failed")
	}
}

// reorder gives the partitions their orders, and lets the leader rejoin when
// there is something else to share.
func (w *Worker) reorder(ctx context.Context, m *group.Member) {
	w.mu.Lock()
	jobs, units, supplied := map[string]*job{}, w.orders.units(), w.supplied
	for name, j := range w.orders.jobs() { // one for all partitions of a topic
		jobs[name] = &j
	}
	w.mu.Unlock()
	for _, p := range w.partitions() {
		p.order(jobs[topicName(p.key.Migration, p.key.Topic)])
	}
	w.limitRates()
	s := m.Status()
	if !s.Assigned || !s.Leader || slices.Equal(units, supplied) {
		return
	}
	if wait := w.rejoined + rejoinEvery - w.now(); wait > 0 { // a rebalance stops everybody: not one for each of many orders
		w.later.Reset(wait)
		return
	}
	w.rejoined = w.now()
	if err := w.rejoin(ctx, m, time.Now().Add(w.cfg.Rebalance)); err != nil { // impossible: it is the same offer but for the stamp
		w.cfg.Log.Error().Err(err).Msg("sharing anew failed")
	}
}

// assign takes what the group gives: partitions that stay go on as they are.
func (w *Worker) assign(ctx context.Context, units []string) {
	mine := map[events.CopyKey]bool{}
	for _, u := range units {
		k, err := events.ParseCopyKey(u)
		if err != nil {
			w.cfg.Log.Error().Err(err).Msg("the group's leader assigned something that is no partition")
			continue
		}
		mine[k] = true
	}
	var gone []*partition
	for _, p := range w.partitions() {
		if !mine[p.key] {
			gone = append(gone, p)
		}
	}
	w.drop(gone)
	for _, p := range w.partitions() {
		p.renew(w.lost)
	}
	w.lost = false
	w.mu.Lock()
	for k := range mine {
		if w.owned[k] == nil {
			w.owned[k] = newPartition(ctx, w, k)
		}
	}
	n := len(w.owned)
	w.mu.Unlock()
	if w.cfg.Hooks.Owned != nil {
		w.cfg.Hooks.Owned(n)
	}
}

// drop lets go of partitions and waits for their goroutines.
func (w *Worker) drop(gone []*partition) {
	for _, p := range gone {
		p.close()
	}
	for _, p := range gone {
		p.end()
		w.mu.Lock()
		delete(w.owned, p.key)
		w.mu.Unlock()
	}
}

// hold stops sending, waits for the answers to what is under way, and publishes
// the map, all until the deadline: a batch that lands after the next owner has
// looked would be copied twice.
func (w *Worker) hold(ctx context.Context, deadline time.Time) {
	w.holding.Store(true)
	if deadline.IsZero() {
		return
	}
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	for _, p := range w.partitions() {
		if !p.awaitIdle(ctx) {
			w.cfg.Log.Warn().Stringer("partition", p.key).Msg("a batch is still unanswered at the deadline of the rebalance")
		}
	}
	if err := w.publisher.flush(ctx); err != nil && ctx.Err() == nil {
		w.cfg.Log.Warn().Err(err).Msg("publishing the offset map before a rebalance failed")
	}
}

// finish is the graceful end. A static member keeps its place for its session.
func (w *Worker) finish(ctx context.Context, m *group.Member) error {
	w.hold(ctx, time.Now().Add(w.cfg.Rebalance))
	if w.cfg.Instance != "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, w.cfg.Session)
	defer cancel()
	left := make(chan error, 1)
	go func() { left <- m.Leave(ctx) }()
	for {
		select {
		case err := <-left:
			if err != nil {
				w.cfg.Log.Warn().Err(err).Msg("leaving the workers' group failed; its session will end")
			}
			return nil
		case _, open := <-m.Events(): // keep reading, or Leave would not be answered
			if !open {
				return <-left
			}
		}
	}
}

func compareKeys(a, b events.CopyKey) int {
	return cmp.Or(cmp.Compare(a.Migration, b.Migration), cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
}
