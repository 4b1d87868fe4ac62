package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/fsm"
)

func acceptLossVerb(a *app) *cobra.Command {
	var reason string
	var to int64
	cmd := &cobra.Command{
		Use: "accept-loss MIGRATION TOPIC PARTITION --reason WHY", Short: "Give up the records at which a partition is stopped, and let it go on behind them", Args: exactly(3),
		Long: "Give up the records at which a partition is stopped, and let it go on behind them. `portage why MIGRATION` shows the stops. What is given up is named exactly and stays on record; with the last stop the topic goes on.",
		RunE: a.within(func(ctx context.Context, args []string) error {
			if reason == "" {
				return usage(errors.New("say why with --reason: it is what the audit will show"))
			}
			partition, err := strconv.ParseInt(args[2], 10, 32)
			if err != nil || partition < 0 {
				return usage(fmt.Errorf("partition %q: give a number from 0", args[2]))
			}
			lost, err := a.stopAt(ctx, args[0], args[1], int32(partition))
			if err != nil {
				return err
			}
			lost.To = max(lost.To, to)
			return a.send(ctx, args[0], events.TopicStream(args[1]), events.LossAccepted{Lost: lost, Reason: reason})
		}),
	}
	cmd.Flags().StringVar(&reason, "reason", "", "who decided so and why, for the audit")
	cmd.Flags().Int64Var(&to, "to", 0, "give up more than the stop names, up to before this source offset")
	return cmd
}

// stopAt is what the stop of a partition names.
func (a *app) stopAt(ctx context.Context, migration, topic string, partition int32) (lost events.Interval, err error) {
	view, err := a.view(ctx)
	if err != nil {
		return lost, err
	}
	defer func() { err = errors.Join(err, view.Close()) }()
	t, ok := view.Topic(migration, topic)
	if !ok {
		return lost, &codedError{exitRefused, fmt.Errorf("migration %q has no topic %q: `portage status` lists them", migration, topic)}
	}
	for _, s := range stopsOf(t) {
		if s.Partition == partition && s.From >= s.To {
			return lost, &codedError{exitRefused, fmt.Errorf("partition %d of %s is stopped with code %s, which no loss of records would mend: `portage why %s` shows what would", partition, topic, s.Code, migration)}
		}
		if s.Partition == partition {
			return events.Interval{Partition: partition, From: s.From, To: s.To}, nil
		}
	}
	return lost, &codedError{exitRefused, fmt.Errorf("partition %d of %s is not stopped: there is nothing to give up", partition, topic)}
}

func stopsOf(t *fsm.Topic) []fsm.Stop {
	if t.Stop == nil {
		return nil
	}
	return append([]fsm.Stop{*t.Stop}, t.MoreStops...)
}
