package demo

import (
	"context"
	"fmt"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/testkit/embedded"
	"github.com/portage-kafka/portage/testkit/realkafka"
	"github.com/portage-kafka/portage/testkit/workload"
)

// side is one cluster as the parts of the demo reach it.
type side struct {
	config   cluster.Config
	workload workload.ClusterConfig
}

// pair is both clusters.
type pair struct {
	source, target side
	stop           func()
}

const (
	sourceName = "source"
	targetName = "target"
)

func sideAt(name string, bootstrap []string) side {
	return side{config: cluster.Config{Bootstrap: bootstrap}, workload: workload.ClusterConfig{Name: name, Bootstrap: bootstrap}}
}

func (d *demo) startClusters(ctx context.Context) (pair, error) {
	if d.Real {
		return d.startReal(ctx)
	}
	p, err := embedded.Start(embedded.Options{Seed: 1})
	if err != nil {
		return pair{}, err
	}
	return embeddedPair(p), nil
}

func embeddedPair(p *embedded.Pair) pair {
	return pair{source: sideAt(sourceName, p.Source.Bootstrap()), target: sideAt(targetName, p.Target.Bootstrap()), stop: p.Stop}
}

// startReal fetches Apache Kafka where it is not there yet, and starts one
// broker of each version.
func (d *demo) startReal(ctx context.Context) (pair, error) {
	if err := realkafka.Fetch(ctx, realkafka.Source, realkafka.Target); err != nil {
		return pair{}, err
	}
	source, err := realkafka.Start(ctx, realkafka.Options{Version: realkafka.Source, Brokers: 1})
	if err != nil {
		return pair{}, fmt.Errorf("start the source: %w", err)
	}
	target, err := realkafka.Start(ctx, realkafka.Options{Version: realkafka.Target, Brokers: 1})
	if err != nil {
		source.Stop()
		return pair{}, fmt.Errorf("start the target: %w", err)
	}
	stop := func() {
		source.Stop()
		target.Stop()
	}
	return pair{source: sideAt(sourceName, source.Bootstrap(realkafka.Internal)), target: sideAt(targetName, target.Bootstrap(realkafka.Internal)), stop: stop}, nil
}
