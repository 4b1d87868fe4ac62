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
	if w.stopped() {
		return nil
	}
	m, err := group.Join(w.cfg.Control, w.groupConfig())
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

func (w *Worker) groupConfig() group.Config {
	return group.Config{
		Group: w.cfg.Group, Offer: w.offer(""), Heartbeat: w.cfg.Heartbeat, Session: w.cfg.Session, Rebalance: w.cfg.Rebalance,
		Log:       w.cfg.Log,
		Inventory: func(context.Context, []string) (group.Inventory, error) { return w.inventory(), nil },
	}
}

func (w *Worker) offer(stamp string) group.Offer {
	return group.Workers(group.Identity{Kind: group.KindWorker, Incarnation: w.cfg.Name, Host: w.cfg.Host, Stamp: stamp})
}

// inventory is what there is to share; the group's leader is asked for it.
func (w *Worker) inventory() group.Inventory {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.supplied = w.orders.units()
	return group.Inventory{Units: w.supplied}
}

// rejoinEvery is the least time between two rebalances that a leader asks for.
const rejoinEvery = 500 * time.Millisecond

// conduct answers the group and the directives.
func (w *Worker) conduct(ctx context.Context, m *group.Member) error {
	w.later, w.rejoined = time.NewTimer(time.Hour), -rejoinEvery
	defer w.later.Stop()
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
		w.assign(ctx, e.Assignment.Units)
		w.holding.Store(false)
		w.reorder(ctx, m)
	case group.RebalanceNeeded:
		w.hold(ctx, e.Deadline)
		m.Ready(e.Generation)
	case group.Lost:
		w.hold(ctx, e.Deadline)
		m.Ready(e.Generation)
	case group.Refused:
		if !e.Member {
			return fmt.Errorf("%w: %w", errRefused, e.Why)
		}
	}
	return nil
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
	s := m.Status()
	if !s.Assigned || !s.Leader || slices.Equal(units, supplied) {
		return
	}
	if wait := w.rejoined + rejoinEvery - w.now(); wait > 0 { // a rebalance stops everybody: not one for each of many orders
		w.later.Reset(wait)
		return
	}
	w.rejoined = w.now()
	w.hold(ctx, time.Now().Add(w.cfg.Rebalance))
	if err := m.Rejoin(w.offer(strconv.FormatInt(int64(w.now()), 10))); err != nil { // impossible: it is the same offer but for the stamp
		w.cfg.Log.Error().Err(err).Msg("rejoining the workers' group failed")
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
		p.renew()
	}
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

// finish is the graceful end.
func (w *Worker) finish(ctx context.Context, m *group.Member) error {
	w.hold(ctx, time.Now().Add(w.cfg.Rebalance))
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
