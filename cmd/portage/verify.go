package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/portage-kafka/portage/replicator/verify"
)

// comparison is what verify was asked for.
type comparison struct {
	source, sourceTopic, target, targetTopic string
	partitions                               []int32
	state                                    string
	deep, live, allowExpired                 bool
	parallel, list                           int
}

const verifyHelp = `Read both sides again and compare key, value, headers in their order, and timestamp of every committed record, in order.

Of a migration each source record is looked for at its image in the offset map, up to where the copy has come. Any two topics
(--source, --source-topic, --target, --target-topic) are aligned by the order of their records, partition by partition, up to their ends as
they are now; --live says that the target is still being filled, so that what the source has behind its end is no difference.

A difference is named with its offsets and key: loss, duplicate, extra, reorder, corrupted (key or value), headers, timestamp, vanished (the
source has lost it), displaced (the offset map is wrong there). What cleaners and the source's retention took is explained instead. Of batches
with LogAppendTime the broker's time is compared, as consumers see it.

With --state FILE the result is kept after every range of records, and a later run goes on from there: its report covers both. --timeout
counts only if it is given. Exit codes: 0 identical, 1 different, 6 unknown (something could not be read, or not yet).`

func verifyVerb(a *app) *cobra.Command {
	var o comparison
	cmd := &cobra.Command{
		Use: "verify MIGRATION [TOPIC...] | verify --source CLUSTER --source-topic T --target CLUSTER [--target-topic U]", Short: "Compare both sides record by record, and name every difference",
		Long: verifyHelp,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.check(args); err != nil {
				return usage(fmt.Errorf("%w: see %s --help", err, cmd.CommandPath()))
			}
			ctx := cmd.Context()
			if cmd.Flags().Changed("timeout") {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, a.flags.timeout)
				defer cancel()
			}
			return unknownUnlessSaid(a.verify(ctx, o, args))
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.source, "source", "", "cluster of the first topic")
	f.StringVar(&o.sourceTopic, "source-topic", "", "the first topic")
	f.StringVar(&o.target, "target", "", "cluster of the second topic")
	f.StringVar(&o.targetTopic, "target-topic", "", "the second topic (default: the name of the first)")
	f.Int32SliceVar(&o.partitions, "partition", nil, "only these partitions, as `N,N`")
	f.StringVar(&o.state, "state", "", "file that keeps what was verified; a later run goes on from there")
	f.BoolVar(&o.deep, "deep", false, "decode every record, even where both sides store the same bytes")
	f.BoolVar(&o.live, "live", false, "the target topic is still being filled (without a migration)")
	f.BoolVar(&o.allowExpired, "allow-expired", false, "excuse what the target's retention.ms took before the source's did")
	f.IntVar(&o.parallel, "parallel", 4, "partitions compared at a time")
	f.IntVar(&o.list, "list", 1000, "differences listed per partition; all are counted")
	return cmd
}

// check says what is wrong with the arguments.
func (o *comparison) check(args []string) error {
	named := o.source != "" || o.sourceTopic != "" || o.target != "" || o.targetTopic != ""
	switch {
	case len(args) == 0 && !named:
		return errors.New("name a migration, or two topics")
	case len(args) > 0 && named:
		return errors.New("name a migration or two topics, not both")
	case named && (o.source == "" || o.sourceTopic == "" || o.target == ""):
		return errors.New("two topics need --source, --source-topic and --target")
	case o.live && !named:
		return errors.New("--live is for two topics: of a migration nothing is compared that is not copied yet")
	case o.parallel < 1 || o.list < 1:
		return fmt.Errorf("--parallel %d, --list %d: give at least 1", o.parallel, o.list)
	}
	if o.targetTopic == "" {
		o.targetTopic = o.sourceTopic
	}
	return nil
}

// verify compares and reports.
func (a *app) verify(ctx context.Context, o comparison, args []string) error {
	topics, err := a.toVerify(ctx, o, args)
	if err != nil {
		return err
	}
	memory, err := loadMemory(o.state)
	if err != nil {
		return err
	}
	cfg := verify.Config{Key: memory.key(), Deep: o.deep, Parallel: o.parallel, Findings: o.list}
	if err := cfg.Validate(); err != nil {
		return err
	}
	requests, err := memory.begin(cfg.Key, topics)
	if err != nil {
		return err
	}
	cfg.Save = memory.save
	meter := newMeter(a.err, a.flags.verbose, time.Now())
	cfg.Progress = meter.hook(time.Now)
	results, err := verify.Run(ctx, cfg, requests)
	meter.clear()
	r := reportOf(cfg.Key, topics, results)
	if err := errors.Join(unlessEnded(ctx, err), memory.close(), a.print(r.table())); err != nil {
		return err
	}
	return r.exit()
}

// unknownUnlessSaid keeps exit code 1 for what differs: after any other failure
// nothing is known.
func unknownUnlessSaid(err error) error {
	if exitCode(err) == exitFailed && !errors.Is(err, errSilent) {
		return &codedError{exitUnknown, err}
	}
	return err
}

// unlessEnded is the error, but for the end of the context: the report says how
// far it came.
func unlessEnded(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil //nolint:nilerr // see above
	}
	return err
}

// wanted says whether a partition is to be compared.
func (o *comparison) wanted(partition int32) bool {
	return len(o.partitions) == 0 || slices.Contains(o.partitions, partition)
}
