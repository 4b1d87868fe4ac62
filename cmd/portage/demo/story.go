package demo

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/cmd/internal/operator"
	"github.com/portage-kafka/portage/cmd/internal/service"
	"github.com/portage-kafka/portage/commands"
	"github.com/portage-kafka/portage/commands/plan"
	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/fsm"
	"github.com/portage-kafka/portage/projector"
)

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
	var failed error
	err := o.Until(ctx, migration, func(v *projector.View) bool {
		failed = d.insist(ctx, o, v)
		return failed != nil || done(v)
	})
	if err := errors.Join(err, failed); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// insist asks again for switches that were aborted, as a person would: where a
// machine is too slow for the time in which instances stand still, they go on as
// if nothing had been asked.
func (d *demo) insist(ctx context.Context, o *desk, v *projector.View) error {
	groups, err1 := v.Groups(migration)
	topics, err2 := v.Topics(migration)
	errs := []error{err1, err2}
	again := func(s events.Stream, a *fsm.Abort, body events.Body) {
		d.say("%-18s aborted (%s): asking again", s, a.Code)
		_, err := o.Commands.Send(ctx, migration, s, body)
		var refused *commands.Refused
		if !errors.As(err, &refused) { // it has moved on meanwhile
			errs = append(errs, err)
		}
	}
	for _, g := range groups {
		if g.Readers == events.PhaseOnSource && g.Abort != nil && g.Abort.Epoch == g.Standing.Epoch {
			again(events.GroupStream(g.Group), g.Abort, events.SwitchRequested{To: events.RouteTarget})
		}
	}
	for _, t := range topics {
		if t.Writers == events.PhaseOnSource && t.Abort != nil && t.Abort.Epoch == t.Standing.Epoch {
			again(events.TopicStream(t.Topic), t.Abort, events.SwitchRequested{To: events.RouteTarget, Level: events.LevelRestart})
		}
	}
	return errors.Join(errs...)
}
