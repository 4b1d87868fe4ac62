// Command copy measures, on the same real brokers in one run, how fast portage
// copies and what that costs, against MirrorMaker 2 and against the limit: the
// same batches sent to the target from memory.
//
//	go run ./testkit/bench/copy            # 2 GB of each kind of data, everything twice
//	go run ./testkit/bench/copy -mb 300 -runs 1 -data lz4,single -movers portage,limit
//
// Each mover copies each topic in turn, in the other order the second time. A
// copy is timed from its first to its last record on the target, so that no
// start-up counts. MB are bytes of record batches as they stand in the source's
// log. CPU is user and system time per GB, of the mover's process and,
// separately, of both brokers. Latency is from the source's acknowledgement of a
// record to its arrival at a consumer of the target, at 1,000 records per second,
// once the brokers are warm. Beside every goal stands what was reached; at the end,
// in which functions portage's processor time went (the profile takes about one
// percent of it).
//
// The machine is shared and noisy: believe ratios of one run, not its figures.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

// options are the flags.
type options struct {
	bytes   int64
	runs    int
	data    []string
	movers  []string
	seconds int
	keep    bool
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, flags()); err != nil {
		fmt.Fprintln(os.Stderr, "bench copy: "+err.Error())
		stop()
		os.Exit(1)
	}
}

func flags() options {
	mb := flag.Int64("mb", 2048, "size of each topic in MB")
	runs := flag.Int("runs", 2, "how often each mover copies each topic")
	data := flag.String("data", "none,lz4,zstd,single", "kinds of data")
	movers := flag.String("movers", "portage,mm2-default,mm2-tuned,limit", "what copies")
	seconds := flag.Int("latency", 30, "seconds of the latency measurement; 0 for none")
	keep := flag.Bool("keep", false, "keep the movers' logs")
	flag.Parse()
	return options{bytes: *mb * 1e6, runs: *runs, data: strings.Split(*data, ","), movers: strings.Split(*movers, ","), seconds: *seconds, keep: *keep}
}

func run(ctx context.Context, o options) (err error) {
	b, err := open(ctx, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	for _, name := range o.data {
		if err := b.throughput(ctx, name); err != nil {
			return err
		}
	}
	if o.seconds > 0 {
		for _, m := range b.movers {
			if err := b.latency(ctx, m); err != nil {
				return err
			}
		}
	}
	if err := b.report(os.Stdout); err != nil {
		return err
	}
	return b.profiles(ctx, os.Stdout)
}

// throughput loads a topic and lets every mover copy it.
func (b *bench) throughput(ctx context.Context, name string) error {
	d, err := datasetNamed(name)
	if err != nil {
		return err
	}
	loaded, err := b.load(ctx, d)
	if err != nil {
		return fmt.Errorf("load %s: %w", name, err)
	}
	order := slices.Clone(b.movers)
	for n := range b.opts.runs {
		for _, m := range order {
			s, err := b.measure(ctx, m, loaded, n)
			if err != nil {
				return fmt.Errorf("%s copies %s: %w", m.name(), name, err)
			}
			b.samples = append(b.samples, s)
			fmt.Fprintf(os.Stderr, "%s  %-7s %-12s %6.1f MB/s, CPU-s per GB: mover %.2f, brokers %.2f\n",
				time.Now().Format(time.TimeOnly), name, m.name(), s.rate(), s.moverPerGB(), s.brokersPerGB())
		}
		slices.Reverse(order)
	}
	return b.source.DeleteTopic(ctx, loaded.topic)
}
