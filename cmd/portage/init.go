package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/portage-kafka/portage/events/log"
)

func initVerb(a *app) *cobra.Command {
	var factor int
	cmd := &cobra.Command{
		Use: "init", Short: "Create the control topics, or check those that are there", Args: exactly(0),
		Long: "Create the control topics on the control cluster, or check those that are there.\n\nThe configuration names the clusters:\n\n  control: new\n  clusters:\n    old: {bootstrap: [old-1:9092]}\n    new: {bootstrap: [new-1:9092]}\n",
		RunE: a.within(func(ctx context.Context, _ []string) error {
			control, err := a.control(ctx)
			if err != nil {
				return err
			}
			report, err := log.Init(ctx, control, log.InitOptions{ReplicationFactor: factor})
			if perr := a.print(controlTable(report)); perr != nil {
				return perr
			}
			return err
		}),
	}
	cmd.Flags().IntVar(&factor, "replication-factor", 0, "of the control topics (default: 3, or all brokers where there are fewer)")
	return cmd
}

func controlTable(r log.Report) *table {
	t := &table{head: []string{"TOPIC", "STATE", "REPLICATION", "FINDING"}, value: r}
	for _, topic := range r.Topics {
		state := "there"
		if topic.Created {
			state = "created"
		}
		t.add(topic.Name, state, fmt.Sprint(topic.ReplicationFactor), "")
		for _, f := range topic.Problems {
			t.add("", "problem", "", f.String())
		}
		for _, f := range topic.Warnings {
			t.add("", "warning", "", f.String())
		}
	}
	return t
}
