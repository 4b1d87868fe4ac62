package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/portage-kafka/portage/testkit/realkafka"
)

// mirrorMaker is MirrorMaker 2 with its defaults, or with what is commonly done
// to make it fast.
type mirrorMaker struct {
	b     *bench
	tuned bool
}

func (m mirrorMaker) name() string {
	if m.tuned {
		return "mm2-tuned"
	}
	return "mm2-default"
}

// start runs a MirrorMaker 2 under an alias of its own: what it remembers of
// offsets goes by the alias.
func (m mirrorMaker) start(ctx context.Context, l *loaded, number int) (moving, error) {
	alias := strings.ReplaceAll(copyName(m.name(), l, number), "-", "")
	props := map[string]string{
		"clusters":                             alias + ",target",
		alias + ".bootstrap.servers":           strings.Join(m.b.bootstrap(0), ","),
		"target.bootstrap.servers":             strings.Join(m.b.bootstrap(1), ","),
		alias + "->target.enabled":             "true",
		alias + "->target.topics":              l.topic,
		"target->" + alias + ".enabled":        "false",
		"replication.factor":                   "1",
		"checkpoints.topic.replication.factor": "1", "heartbeats.topic.replication.factor": "1", "offset-syncs.topic.replication.factor": "1",
		"offset.storage.replication.factor": "1", "status.storage.replication.factor": "1", "config.storage.replication.factor": "1",
	}
	if m.tuned {
		m.tune(props, alias)
	}
	process, err := realkafka.StartMirrorMaker(ctx, props)
	if err != nil {
		return moving{}, err
	}
	failed := make(chan error, 1)
	go func() {
		<-process.Done()
		failed <- errors.New(process.Tail(20))
	}()
	return moving{
		topic: alias + "." + l.topic, cpu: process.CPU, failed: failed, stop: func(context.Context) error { return process.Stop() },
	}, nil
}

// tune raises what limits throughput by default: tasks, and sizes of polls and
// batches.
func (mirrorMaker) tune(props map[string]string, alias string) {
	for name, value := range map[string]string{
		"tasks.max": "4", "refresh.topics.interval.seconds": "5", "sync.topic.acls.enabled": "false",
		alias + ".consumer.max.poll.records": "5000", alias + ".consumer.fetch.max.bytes": "52428800", alias + ".consumer.max.partition.fetch.bytes": "4194304",
		"target.producer.batch.size": "262144", "target.producer.linger.ms": "20", "target.producer.compression.type": "none", "target.producer.max.request.size": "4000000",
	} {
		props[name] = value
	}
}

// copyName names a copy of a topic on the target.
func copyName(mover string, l *loaded, number int) string {
	return fmt.Sprintf("%s-%s-%d", mover, l.name, number)
}
