package main

import (
	"context"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/events/log"
	"github.com/portage-kafka/portage/testkit/embedded"
	"github.com/portage-kafka/portage/testkit/realkafka"
)

// bench is two clusters, of which the target is the control cluster, too.
type bench struct {
	opts   options
	setup  setup
	stop   []func()
	source *cluster.Client
	target *cluster.Client
	topics []topic
}

func open(ctx context.Context, o options) (b *bench, err error) {
	b = &bench{opts: o, setup: setup{RTT: o.rtt}}
	defer func() {
		if err != nil {
			b.close()
		}
	}()
	begin := b.embedded
	if o.real {
		begin = b.realKafka
	}
	if err := begin(ctx); err != nil {
		return b, err
	}
	if b.source, err = b.dial(ctx, "source", b.setup.Source); err != nil {
		return b, err
	}
	if b.target, err = b.dial(ctx, "target", b.setup.Target); err != nil {
		return b, err
	}
	_, err = log.Init(ctx, b.target, log.InitOptions{})
	return b, err
}

func (b *bench) embedded(context.Context) error {
	pair, err := embedded.Start(embedded.Options{Brokers: b.opts.brokers})
	if err != nil {
		return err
	}
	b.stop = append(b.stop, pair.Stop)
	b.setup.Source, b.setup.Target = pair.Source.Bootstrap(), pair.Target.Bootstrap()
	return nil
}

// spareFiles is what a broker opens besides a file for each partition: control
// topics, libraries, connections.
const spareFiles = 1000

func (b *bench) realKafka(ctx context.Context) error {
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil {
		return fmt.Errorf("read the limit of open files: %w", err)
	}
	if need := uint64(b.opts.partitions + spareFiles); files.Max < need {
		return fmt.Errorf("the hard limit of open files is %d, a broker with %d partitions needs about %d: raise it (ulimit -Hn), or take fewer partitions", files.Max, b.opts.partitions, need)
	}
	o := realkafka.Options{Version: realkafka.Source, Brokers: b.opts.brokers, HeapMB: 1024, FullJIT: true, Name: "source", Log: os.Stderr}
	to := o
	to.Version, to.Name = realkafka.Target, "target"
	clusters, err := realkafka.StartAll(ctx, o, to)
	if err != nil {
		return err
	}
	for _, c := range clusters {
		b.stop = append(b.stop, c.Stop)
	}
	b.setup.Source, b.setup.Target = clusters[0].Bootstrap(realkafka.Internal), clusters[1].Bootstrap(realkafka.Internal)
	return nil
}

// dial opens a client of the bench itself. Brokers may be slow to create topics.
func (b *bench) dial(ctx context.Context, name string, addresses []string) (*cluster.Client, error) {
	c, err := cluster.Open(ctx, name, cluster.Config{Bootstrap: addresses, RequestTimeout: 2 * time.Minute, Settle: time.Minute})
	if err == nil {
		b.stop = append(b.stop, func() { _ = c.Close() })
	}
	return c, err
}

// close ends everything, the last thing begun first.
func (b *bench) close() {
	for i := len(b.stop) - 1; i >= 0; i-- {
		b.stop[i]()
	}
}
