package main

import (
	"context"
	"errors"
	"flag"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/portage-kafka/portage/agent"
	"github.com/portage-kafka/portage/testkit/workload"
)

// consumeFlags are those of a consuming service.
type consumeFlags struct {
	common
	label           string
	groups          list
	latency, jitter time.Duration
	session         time.Duration
	commit          time.Duration
}

func parseConsume(args []string) (consumeFlags, error) {
	var c consumeFlags
	f := flag.NewFlagSet("consume", flag.ContinueOnError)
	c.register(f)
	f.StringVar(&c.label, "label", "", "instance in the journal (default: --instance)")
	f.Var(&c.groups, "group", "group and the topics that it reads, as NAME=TOPIC,TOPIC; may be repeated")
	f.DurationVar(&c.latency, "latency", 0, "how long a handler takes")
	f.DurationVar(&c.jitter, "jitter", 0, "how much longer it may take")
	f.DurationVar(&c.session, "session", 0, "session timeout of the group's members (default: the SDK's)")
	f.DurationVar(&c.commit, "commit", 0, "time between two commits (default: the SDK's)")
	err := parse(f, args)
	if c.label == "" {
		c.label = c.instance
	}
	return c, err
}

// consume runs a consumer for each group until ctx ends.
func consume(ctx context.Context, log zerolog.Logger, args []string) (err error) {
	c, err := parseConsume(args)
	if err != nil {
		return err
	}
	groups, err := parseGroups(c.groups)
	if err != nil {
		return err
	}
	all, journal, err := c.open()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, journal.Close()) }()
	consumers := make([]*agent.Consumer, len(groups))
	for i, of := range groups {
		if consumers[i], err = c.consumer(of, all, journal, log); err != nil {
			return err
		}
	}
	g, ctx := errgroup.WithContext(ctx)
	for _, consumer := range consumers {
		g.Go(func() error { return consumer.Run(ctx) })
	}
	return g.Wait()
}

func (c consumeFlags) consumer(of group, all clusters, journal *workload.Journal, log zerolog.Logger) (*agent.Consumer, error) {
	h, err := workload.NewHandler(workload.HandlerConfig{
		Group: of.name, Instance: c.label, Latency: c.latency, Jitter: c.jitter, Seed: seed(of.name + c.label), Journal: journal,
	})
	if err != nil {
		return nil, err
	}
	return agent.NewConsumer(agent.ConsumerConfig{
		Group: of.name, Topics: of.topics, Instance: c.instance, Home: c.home, Control: all.Control, Clusters: all.Clusters,
		Session: c.session, CommitInterval: c.commit,
		Handler: func(ctx context.Context, r agent.Record) error { return h.Handle(ctx, delivery(r)) },
	}, agent.WithLogger(log))
}

func delivery(r agent.Record) workload.Delivery {
	d := workload.Delivery{
		Place: workload.Place{Cluster: r.Cluster, Topic: r.Topic, Partition: r.Partition, Offset: r.Offset},
		Key:   r.Key, Value: r.Value,
	}
	for _, h := range r.Headers {
		d.Headers = append(d.Headers, workload.Header{Key: h.Key, Value: h.Value})
	}
	return d
}
