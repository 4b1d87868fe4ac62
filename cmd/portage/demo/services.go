package demo

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/portage-kafka/portage/agent"
	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/testkit/workload"
)

// instances is how many instances each group has, writers how many producers
// each topic.
const (
	instances = 3
	writers   = 2
)

func (d *demo) configs() map[string]cluster.Config {
	return map[string]cluster.Config{sourceName: d.pair.source.config, targetName: d.pair.target.config}
}

// consumers runs all groups until ctx is done.
func (d *demo) consumers(ctx context.Context) error {
	var all []*agent.Consumer
	for _, g := range groups() {
		for i := range instances {
			c, err := d.consumer(g.Name, g.Topics, i)
			if err != nil {
				return err
			}
			all = append(all, c)
		}
	}
	errs := make([]error, len(all))
	var wg sync.WaitGroup
	for i, c := range all {
		wg.Go(func() {
			if err := c.Run(ctx); !errors.Is(err, context.Canceled) {
				errs[i] = err
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

func (d *demo) consumer(group string, topics []string, i int) (*agent.Consumer, error) {
	name := fmt.Sprintf("%s-%d", group, i)
	cfg := workload.HandlerConfig{Group: group, Instance: name, Journal: d.journal, Latency: time.Millisecond}
	if group == "billing" && i == 0 && d.plant == workload.PlantReprocess {
		cfg.Plant = d.plant
	}
	h, err := workload.NewHandler(cfg)
	if err != nil {
		return nil, err
	}
	return agent.NewConsumer(agent.ConsumerConfig{
		Group: group, Topics: topics, Instance: name, Home: sourceName, Control: targetName, Clusters: d.configs(),
		Handler: func(ctx context.Context, r agent.Record) error { return h.Handle(ctx, delivery(r)) },
	}, agent.WithLogger(d.Logger), agent.WithConsumerObserver(agent.ConsumerObserver{Notice: func(n agent.Notice) { d.notice(name, n) }}))
}

// delivery is a record as the workload's handler takes it.
func delivery(r agent.Record) workload.Delivery {
	out := workload.Delivery{Place: workload.Place{Cluster: r.Cluster, Topic: r.Topic, Partition: r.Partition, Offset: r.Offset}, Key: r.Key, Value: r.Value}
	for _, h := range r.Headers {
		out.Headers = append(out.Headers, workload.Header{Key: h.Key, Value: h.Value})
	}
	return out
}

// notice tells of an instance's pause.
func (d *demo) notice(instance string, n agent.Notice) {
	switch n.Kind {
	case agent.NoticeResumed:
		d.say("%s consumes on the %s again after a pause of %v", instance, n.Side, n.Pause.Round(100*time.Microsecond))
	case agent.NoticeAlarm:
		d.say("%s: %s", instance, n.Text)
	}
}

// writer is one place of a service that produces; it is restarted to move it.
type writer struct {
	d         *demo
	topic     string
	instance  string
	generator *workload.Generator
	producer  *agent.Producer
	stop      context.CancelFunc
	done      chan error
}

func (d *demo) newWriter(topic string, i int) (*writer, error) {
	w := &writer{d: d, topic: topic, instance: fmt.Sprintf("%s-writer-%d", topic, i)}
	cfg := workload.GeneratorConfig{Run: run, Producer: w.instance, Topics: []string{topic}, Keys: 20, Headers: 1, Journal: d.journal, Seed: uint64(i)}
	if topic == "orders" && i == 0 && d.plant != workload.PlantReprocess {
		cfg.Plant, cfg.PlantAt = d.plant, 50
	}
	var err error
	w.generator, err = workload.NewGenerator(cfg)
	return w, err
}

// start begins a process of the writer: it finds its cluster and writes.
func (w *writer) start(ctx context.Context, rate float64) (err error) {
	w.producer, err = agent.NewProducer(agent.ProducerConfig{
		Topic: w.topic, Instance: w.instance, Home: sourceName, Control: targetName, Clusters: w.d.configs(), Linger: 2 * time.Millisecond,
	}, agent.WithLogger(w.d.Logger.With().Str("instance", w.instance).Logger()))
	if err != nil {
		return err
	}
	ctx, w.stop = context.WithCancel(ctx)
	w.done = make(chan error, 1)
	go func() { w.done <- w.write(ctx, rate) }()
	return nil
}

// write sends records at a rate until ctx is done.
func (w *writer) write(ctx context.Context, rate float64) error {
	select {
	case <-w.producer.Ready():
	case <-ctx.Done():
		return nil
	}
	ticker := time.NewTicker(time.Duration(float64(time.Second) / rate))
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-ticker.C:
			if err := w.send(w.generator.Next(now)); err != nil {
				return err
			}
		}
	}
}

func (w *writer) send(r workload.Record) error {
	m := agent.Message{Key: r.Key, Value: r.Value, Timestamp: r.Time}
	for _, h := range r.Headers {
		m.Headers = append(m.Headers, agent.Header{Key: h.Key, Value: h.Value})
	}
	return w.producer.SendAsync(context.Background(), m, func(a agent.Ack, err error) {
		at := workload.Place{Cluster: a.Cluster, Topic: a.Topic, Partition: a.Partition, Offset: a.Offset}
		if err != nil {
			w.generator.Unknown(r, at)
			return
		}
		w.generator.Acked(r, at)
	})
}

// end closes the process in an orderly way; one that does not run has ended.
func (w *writer) end(ctx context.Context) error {
	if w.stop == nil {
		return nil
	}
	w.stop()
	w.stop = nil
	err := <-w.done
	return errors.Join(err, w.producer.Close(ctx))
}

// restart is what a rollout does to one place.
func (w *writer) restart(ctx context.Context, rate float64) error {
	if err := w.end(ctx); err != nil {
		return err
	}
	return w.start(ctx, rate)
}
