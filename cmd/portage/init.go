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

// controlTopic is a control topic as init shows it.
type controlTopic struct {
	Name              string           `json:"name"`
	Created           bool             `json:"created"`
	ReplicationFactor int              `json:"replication_factor"`
	Problems          []controlFinding `json:"problems"`
	Warnings          []controlFinding `json:"warnings"`
}

// controlFinding is a setting of a control topic that is not as it should be.
type controlFinding struct {
	Setting string `json:"setting"`
	Have    string `json:"have"`
	Want    string `json:"want"`
	Why     string `json:"why"`
	Fix     string `json:"fix"`
}

func controlFindings(fs []log.Finding) []controlFinding {
	out := make([]controlFinding, len(fs))
	for i, f := range fs {
		out[i] = controlFinding{f.Setting, f.Have, f.Want, f.Why, f.Fix}
	}
	return out
}

func controlTable(r log.Report) *table {
	t := &table{head: []string{"TOPIC", "STATE", "REPLICATION", "FINDING"}}
	var shown []controlTopic
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
		shown = append(shown, controlTopic{topic.Name, topic.Created, topic.ReplicationFactor, controlFindings(topic.Problems), controlFindings(topic.Warnings)})
	}
	t.value = shown
	return t
}
