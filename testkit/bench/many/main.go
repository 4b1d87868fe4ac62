// Command many measures how a worker bears very many partitions.
//
//	go run ./testkit/bench/many                          # 10,000 partitions on embedded clusters
//	go run ./testkit/bench/many -rtt 40ms                # … as if every broker were far away
//	go run ./testkit/bench/many -real -partitions 2000   # on one real broker a side
//
// A worker process stands ready in its group with nothing to do; then the orders
// to copy all topics are published, one record in each partition. The clock runs
// from before the first order, until the target holds a record of every partition
// (copied) and portage.offsets a position of every one (published). Then the
// worker has nothing to do again: the processor time that it uses then, the memory
// that each partition has added once all garbage is gone, and the connections that
// it has open to a broker, and had at most, are what idle partitions cost. At the
// end it leaves, and another process takes over with a further record in every
// partition; that clock runs from the start of the process.
//
// A real broker keeps a file and two mapped ones open for each partition, so
// -real needs a hard limit of open files (ulimit -Hn) above -partitions, and on
// Linux a vm.max_map_count of more than twice as many.
//
// The machine is shared and noisy: timings are printed beside what they should
// be, and decide nothing.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// options are the flags.
type options struct {
	partitions, perTopic int
	real                 bool
	brokers              int
	rtt, calm, idle      time.Duration
}

// calm is how long the worker is left alone before it counts as idle: its last
// reports on what it has done go out within some seconds.
const calm = 5 * time.Second

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := start(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench many: "+err.Error())
		stop()
		os.Exit(1)
	}
}

// start is the bench, or the worker process that it starts (see worker.go).
func start(ctx context.Context) error {
	if len(os.Args) == 2 && os.Args[1] == workerWord {
		return work(ctx, os.Stdin, os.Stdout)
	}
	o, err := flags()
	if err != nil {
		return err
	}
	f, err := run(ctx, o)
	if err != nil {
		return err
	}
	return f.report(os.Stdout)
}

func flags() (o options, err error) {
	flag.IntVar(&o.partitions, "partitions", 10_000, "how many partitions to copy")
	flag.IntVar(&o.perTopic, "per-topic", 100, "how many of them a topic has")
	flag.BoolVar(&o.real, "real", false, "on real brokers (Java) instead of embedded ones")
	flag.IntVar(&o.brokers, "brokers", 0, "brokers of each cluster: 1 or 3 (default: 3 embedded, 1 real)")
	flag.DurationVar(&o.rtt, "rtt", 0, "how much later each answer reaches the worker")
	flag.DurationVar(&o.idle, "idle", 10*time.Second, "how long to watch the idle worker")
	flag.Parse()
	o.calm = calm
	if o.brokers == 0 {
		o.brokers = 3
		if o.real {
			o.brokers = 1
		}
	}
	return o, o.validate()
}

func (o options) validate() error {
	switch {
	case o.partitions < 1 || o.perTopic < 1:
		return fmt.Errorf("-partitions is %d, -per-topic %d: give positive numbers", o.partitions, o.perTopic)
	case o.brokers != 1 && o.brokers != 3:
		return fmt.Errorf("-brokers is %d: give 1 or 3", o.brokers)
	case o.rtt < 0 || o.idle <= 0:
		return fmt.Errorf("-rtt is %v, -idle %v: give no negative time, and time to watch", o.rtt, o.idle)
	}
	return nil
}

// run measures everything once.
func run(ctx context.Context, o options) (f figures, err error) {
	b, err := open(ctx, o)
	if err != nil {
		return f, err
	}
	defer b.close()
	if err := b.load(ctx); err != nil {
		return f, fmt.Errorf("create and fill the topics: %w", err)
	}
	w, err := b.hire(ctx)
	if err != nil {
		return f, fmt.Errorf("start the worker: %w", err)
	}
	f, err = b.measure(ctx, w)
	if err = errors.Join(err, w.dismiss()); err != nil {
		return f, err
	}
	f.succeeded, err = b.succeed(ctx)
	return f, err
}
