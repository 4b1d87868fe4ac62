package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/testkit/realkafka"
)

// partitions of each topic.
const partitions = 16

// bench is two clusters and what is measured on them.
type bench struct {
	opts     options
	clusters []*realkafka.Cluster
	// source and target are clients of the bench itself.
	source, target *cluster.Client
	dir            string
	movers         []mover
	samples        []sample
	latencies      []delays
}

func open(ctx context.Context, o options) (b *bench, err error) {
	b = &bench{opts: o}
	defer func() {
		if err != nil {
			err = errors.Join(err, b.close())
		}
	}()
	if b.dir, err = os.MkdirTemp("", "portage-bench-copy-"); err != nil {
		return b, err
	}
	b.clusters, err = realkafka.StartAll(ctx,
		realkafka.Options{Version: realkafka.Source, Brokers: 1, HeapMB: 1024, FullJIT: true, Name: "source"},
		realkafka.Options{Version: realkafka.Target, Brokers: 1, HeapMB: 1024, FullJIT: true, Name: "target"})
	if err != nil {
		return b, err
	}
	if b.source, err = b.dial(ctx, 0, "source"); err != nil {
		return b, err
	}
	if b.target, err = b.dial(ctx, 1, "target"); err != nil {
		return b, err
	}
	for _, name := range o.movers {
		m, err := b.mover(ctx, name)
		if err != nil {
			return b, err
		}
		b.movers = append(b.movers, m)
	}
	return b, nil
}

func (b *bench) bootstrap(i int) []string { return b.clusters[i].Bootstrap(realkafka.Internal) }

func (b *bench) dial(ctx context.Context, i int, name string) (*cluster.Client, error) {
	return cluster.Open(ctx, name, cluster.Config{Bootstrap: b.bootstrap(i)})
}

func (b *bench) close() error {
	for _, c := range []*cluster.Client{b.source, b.target} {
		if c != nil {
			_ = c.Close()
		}
	}
	for _, c := range b.clusters {
		c.Stop()
	}
	if b.opts.keep {
		fmt.Fprintln(os.Stderr, "logs are in "+b.dir)
		return nil
	}
	return os.RemoveAll(b.dir)
}

// brokersCPU is the processor time of both clusters so far.
func (b *bench) brokersCPU() (sum time.Duration, err error) {
	for _, c := range b.clusters {
		used, err := c.CPU()
		if err != nil {
			return 0, err
		}
		sum += used
	}
	return sum, nil
}

// all are the partitions of a topic.
func all() []int32 {
	list := make([]int32, partitions)
	for i := range list {
		list[i] = int32(i)
	}
	return list
}
