package demo

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/cmd/internal/operator"
	"github.com/portage-kafka/portage/cmd/internal/service"
	"github.com/portage-kafka/portage/commands/plan"
	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/events/log"
	"github.com/portage-kafka/portage/fsm"
	"github.com/portage-kafka/portage/projector"
	"github.com/portage-kafka/portage/testkit/oracle"
)

// desk is the person who runs the migration: connections, and a fold of the log.
type desk struct {
	*operator.Operator
	clusters map[string]*cluster.Client
}

func (d *demo) newDesk(ctx context.Context) (o *desk, err error) {
	o = &desk{clusters: make(map[string]*cluster.Client)}
	for name, cfg := range d.configs() {
		if o.clusters[name], err = cluster.Open(ctx, name, cfg); err != nil {
			return o, err
		}
	}
	if _, err := log.Init(ctx, o.clusters[targetName], log.InitOptions{}); err != nil {
		return o, err
	}
	o.Operator, err = operator.New(operator.Options{Control: o.clusters[targetName], Name: "demo", Logger: d.Logger})
	return o, err
}

func (o *desk) close() {
	if o.Operator != nil {
		_ = o.Close()
	}
	for _, c := range o.clusters {
		if c != nil {
			_ = c.Close()
		}
	}
}

func (o *desk) client(_ context.Context, name string) (*cluster.Client, error) {
	if c := o.clusters[name]; c != nil {
		return c, nil
	}
	return nil, fmt.Errorf("the demo has no cluster %q", name)
}

// story runs the migration from the plan to the audit, with live clients around it.
func (d *demo) story(ctx context.Context) (err error) {
	o, err := d.newDesk(ctx)
	defer o.close()
	if err != nil {
		return err
	}
	for _, name := range topics() {
		if err := o.clusters[sourceName].CreateTopic(ctx, cluster.TopicSpec{Name: name, Partitions: partitionsPerTopic, ReplicationFactor: 1}); err != nil {
			return err
		}
	}
	g, ctx := errgroup.WithContext(ctx)
	services, stopServices := context.WithCancel(ctx)
	defer stopServices()
	for i := range 2 {
		g.Go(func() error { return d.process(services, o, i == 0) })
	}
	g.Go(func() error { return d.consumers(services) })
	g.Go(func() error {
		defer stopServices()
		return d.migrate(ctx, o)
	})
	return g.Wait()
}

// process is one of portage's own: the orchestrator with a worker, or a worker.
func (d *demo) process(ctx context.Context, o *desk, serve bool) error {
	opt := service.Options{
		Control: o.clusters[targetName], Clusters: o.client, Host: "demo", Incarnation: operator.NewID(), Logger: d.Logger,
	}
	if serve {
		return service.Serve(ctx, opt)
	}
	return service.Work(ctx, opt)
}

// migrate plays the operator and the services' rollout.
func (d *demo) migrate(ctx context.Context, o *desk) (err error) {
	list, err := d.startWriters(ctx)
	defer func() { err = errors.Join(err, d.endWriters(ctx, list)) }()
	if err != nil {
		return err
	}
	if err := d.plan(ctx, o); err != nil {
		return err
	}
	return d.narrated(ctx, o, func() error { return d.steps(ctx, o, list) })
}

// steps takes the migration from the copy to the audit.
func (d *demo) steps(ctx context.Context, o *desk, list []*writer) error {
	for _, s := range []struct {
		what string
		do   func() error
		done func(*fsm.Migration) bool
	}{
		{"copying all topics", func() error { return nil }, func(m *fsm.Migration) bool { return m.Count.Synced == m.Count.Topics }},
		{"switching the consumer groups, live", func() error { return d.approve(ctx, o, 1) }, func(m *fsm.Migration) bool { return m.Count.Readers == m.Count.Groups }},
		{"moving the producers: a rollout restarts them one by one", func() error { return d.moveWriters(ctx, o, list) }, func(m *fsm.Migration) bool { return m.Count.Writers == m.Count.Topics }},
		{"writing on the target a while, then stopping", func() error { return d.stopWriters(ctx, list) }, func(m *fsm.Migration) bool { return m.Count.Quiet == m.Count.Topics }},
		{"comparing both sides and finishing", func() error { return d.approve(ctx, o, 3) }, func(m *fsm.Migration) bool { return m.Phase == events.PhaseFinished }},
	} {
		d.say("── %s", s.what)
		if err := s.do(); err != nil {
			return err
		}
		if err := d.until(ctx, o, s.what, s.done); err != nil {
			return err
		}
	}
	if err := d.drained(ctx, o); err != nil {
		return err
	}
	return d.replay(ctx, o)
}

func (d *demo) startWriters(ctx context.Context) (list []*writer, err error) {
	rate := d.Rate / float64(len(topics())*writers)
	for _, t := range topics() {
		for i := range writers {
			w, err := d.newWriter(t, i)
			if err != nil {
				return list, err
			}
			if err := w.start(ctx, rate); err != nil {
				return list, err
			}
			list = append(list, w)
		}
	}
	d.say("%d producers write %.0f records/s to %d topics, %d groups of %d instances read them", len(list), d.Rate, len(topics()), len(groups()), instances)
	return list, nil
}

// plan drafts, checks and creates the migration, and starts it.
func (d *demo) plan(ctx context.Context, o *desk) error {
	source := o.clusters[sourceName]
	if err := d.groupsAppear(ctx, source); err != nil {
		return err
	}
	p, err := plan.Draft(ctx, source, plan.Selection{Migration: migration, Source: sourceName, Targets: []string{targetName}, Topics: topics()})
	if err != nil {
		return err
	}
	p.Policy.Quiet, p.Policy.Silent = 500*time.Millisecond, 30*time.Second
	r, err := plan.Resolve(ctx, p, func(ctx context.Context, name string) (plan.Cluster, error) { return o.client(ctx, name) })
	if err != nil {
		return err
	}
	if _, err := o.Commands.Create(ctx, r); err != nil {
		return err
	}
	d.say("plan %s: %d topics and %d groups from %s to %s", r.Hash[:12], len(r.Topics), len(r.Groups), sourceName, targetName)
	_, err = o.Commands.Send(ctx, migration, events.MigrationStream, events.StartRequested{})
	return err
}

// groupsAppear waits until every group has committed something.
func (d *demo) groupsAppear(ctx context.Context, source *cluster.Client) error {
	for _, g := range groups() {
		for {
			reads, err := plan.GroupTopics(ctx, source, g.Name)
			if err != nil {
				return err
			}
			if len(reads) == len(g.Topics) {
				break
			}
			if err := pause(ctx, 50*time.Millisecond); err != nil {
				return err
			}
		}
	}
	return nil
}

func pause(ctx context.Context, t time.Duration) error {
	select {
	case <-time.After(t):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (d *demo) approve(ctx context.Context, o *desk, step int) error {
	_, err := o.Commands.Send(ctx, migration, events.MigrationStream, events.Approved{Step: step})
	return err
}

// moveWriters approves the step and, once new processes are sent to the
// target, restarts every writer.
func (d *demo) moveWriters(ctx context.Context, o *desk, list []*writer) error {
	if err := d.approve(ctx, o, 2); err != nil {
		return err
	}
	rate := d.Rate / float64(len(list))
	for _, w := range list {
		if err := d.untilTopic(ctx, o, w.topic, func(t *fsm.Topic) bool { return t.Writers != events.PhaseOnSource && t.Writers != events.PhaseArming }); err != nil {
			return err
		}
		if err := w.restart(ctx, rate); err != nil {
			return err
		}
	}
	return nil
}

func (d *demo) stopWriters(ctx context.Context, list []*writer) error {
	if err := pause(ctx, time.Second); err != nil {
		return err
	}
	return d.endWriters(ctx, list)
}

// endWithin bounds the end of a writer: everything sent is answered by then.
const endWithin = 10 * time.Second

// endWriters ends those that still run, also when the demo itself was ended.
func (d *demo) endWriters(ctx context.Context, list []*writer) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endWithin)
	defer cancel()
	var errs []error
	for _, w := range list {
		errs = append(errs, w.end(ctx))
	}
	return errors.Join(errs...)
}

// until waits for a state of the migration; it says what is waited for when
// that takes long.
func (d *demo) until(ctx context.Context, o *desk, what string, done func(*fsm.Migration) bool) error {
	return d.watch(ctx, o, func(v *projector.View) bool {
		m, ok := v.Migration(migration)
		return ok && done(m)
	}, what)
}

func (d *demo) untilTopic(ctx context.Context, o *desk, topic string, done func(*fsm.Topic) bool) error {
	return d.watch(ctx, o, func(v *projector.View) bool {
		t, ok := v.Topic(migration, topic)
		return ok && done(t)
	}, "topic "+topic)
}

// patience is how long the demo waits for one step.
const patience = 2 * time.Minute

func (d *demo) watch(ctx context.Context, o *desk, done func(*projector.View) bool, what string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := o.Until(ctx, migration, done); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// narrated tells every change of a phase as it happens, while do does its work,
// and to the last one.
func (d *demo) narrated(ctx context.Context, o *desk, do func() error) error {
	watched, stop := context.WithCancel(ctx)
	told := make(chan int64, 1)
	go func() { told <- d.narrate(watched, o) }()
	err := do()
	stop()
	d.tellFrom(o, <-told)
	return err
}

// narrate returns what is to be told next when ctx is done.
func (d *demo) narrate(ctx context.Context, o *desk) (next int64) {
	for {
		next = d.tellFrom(o, next)
		select {
		case <-o.Store().Changed(next - 1):
		case <-ctx.Done():
			return next
		}
	}
}

// tellFrom tells what followed from the events at a position and behind it, and
// returns the position behind the last one.
func (d *demo) tellFrom(o *desk, next int64) int64 {
	v := o.Store().View()
	notes, err := v.Notes(migration, next, v.Applied(), projector.All)
	next = v.Applied() + 1
	if err := errors.Join(err, v.Close()); err != nil {
		d.say("the story cannot be told any more: %v", err)
	}
	for _, n := range notes {
		d.tellNote(n)
	}
	return next
}

func (d *demo) tellNote(n projector.Note) {
	if n.Verdict != fsm.Accepted || len(n.Moves) == 0 || slices.Contains([]events.Type{"TopicPlanned", "GroupPlanned"}, n.Type) {
		return
	}
	for _, m := range n.Moves {
		d.say("%-18s %s", n.Stream, m)
	}
	if n.Stream.Kind() == events.OfGroup {
		d.mark(n)
	}
}

// mark notes when a group began and ended its crossing, for the oracle.
func (d *demo) mark(n projector.Note) {
	at := d.journal.Now()
	d.tell.Lock()
	defer d.tell.Unlock()
	i := slices.IndexFunc(d.pauses, func(s oracle.Switch) bool { return s.Group == n.Stream.Name() })
	switch {
	case n.Type == "SwitchRequested" && i < 0:
		d.pauses = append(d.pauses, oracle.Switch{Group: n.Stream.Name(), From: at, To: at})
	case i >= 0:
		d.pauses[i].To = at
	}
}

// drained waits until every group has committed what there is on the target.
func (d *demo) drained(ctx context.Context, o *desk) error {
	target := o.clusters[targetName]
	for _, g := range groups() {
		for _, t := range g.Topics {
			for {
				left, err := lag(ctx, target, g.Name, t)
				if err != nil {
					return err
				}
				if left == 0 {
					break
				}
				if err := pause(ctx, 50*time.Millisecond); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// lag is how many records of a topic a group has not committed.
func lag(ctx context.Context, c *cluster.Client, group, topic string) (left int64, err error) {
	numbers := make([]int32, partitionsPerTopic)
	for i := range numbers {
		numbers[i] = int32(i)
	}
	ends, err := c.ListOffsets(ctx, topic, numbers, cluster.Latest)
	if err != nil {
		return 0, err
	}
	at, err := c.Offsets(ctx, group, true, map[string][]int32{topic: numbers})
	if err != nil {
		return 0, err
	}
	for _, n := range numbers {
		left += max(0, ends[n]-max(0, at[topic][n].At))
	}
	return left, nil
}

// replay folds the log anew: it must come to the digests of the live fold.
// Events may still come in between the two (guards settle), so both are read
// again until they stand at the same event.
func (d *demo) replay(ctx context.Context, o *desk) error {
	for {
		r, err := projector.Replay(ctx, service.LogOf(o.clusters[targetName]), migration)
		if err != nil {
			return err
		}
		live, err := o.digests(ctx)
		if err != nil {
			return err
		}
		again := r.Digests[0]
		if live.Position != again.Position {
			if err := pause(ctx, 50*time.Millisecond); err != nil {
				return err
			}
			continue
		}
		if live != again {
			return fmt.Errorf("the replay comes to state %s and log %s, the live fold to %s and %s", again.State, again.Log, live.State, live.Log)
		}
		d.say("replayed %d events: state digest %s, as live", again.Events, live.State.String()[:16])
		return nil
	}
}

func (o *desk) digests(ctx context.Context) (projector.Digests, error) {
	v, err := o.View(ctx)
	if err != nil {
		return projector.Digests{}, err
	}
	live, _ := v.Digests(migration)
	return live, v.Close()
}
