package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/events/log"
)

// diagnosis is what doctor found on one cluster.
type diagnosis struct {
	Cluster string `json:"cluster"`
	ID      string `json:"id,omitempty"`
	Brokers int    `json:"brokers"`
	Role    string `json:"role,omitempty"`
	Problem string `json:"problem,omitempty"`
}

func doctorVerb(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "doctor", Short: "Check that every cluster answers and that the control topics are fit; list what portage must be allowed", Args: exactly(0),
		RunE: a.within(func(ctx context.Context, _ []string) error {
			cfg, err := a.config()
			if err != nil {
				return err
			}
			t := &table{head: []string{"CLUSTER", "ID", "BROKERS", "ROLE", "PROBLEM"}}
			var list []diagnosis
			var errs []error
			for _, name := range cfg.Names() {
				d, err := a.diagnose(ctx, name, name == cfg.Control)
				errs = append(errs, err)
				list = append(list, d)
				t.add(d.Cluster, d.ID, fmt.Sprint(d.Brokers), d.Role, d.Problem)
			}
			t.value, t.note = list, privileges
			if err := a.print(t); err != nil {
				return err
			}
			if err := errors.Join(errs...); err != nil {
				return &codedError{exitCode(err), errSilent}
			}
			return nil
		}),
	}
}

func (a *app) diagnose(ctx context.Context, name string, control bool) (diagnosis, error) {
	d := diagnosis{Cluster: name}
	if control {
		d.Role = "control"
	}
	c, err := a.cluster(ctx, name)
	if err != nil {
		d.Problem = err.Error()
		return d, err
	}
	d.ID = c.ID()
	brokers, err := brokersOf(ctx, c)
	if err == nil && control {
		_, err = log.Check(ctx, c)
	}
	d.Brokers = brokers
	if err != nil {
		d.Problem = err.Error()
	}
	return d, err
}

func brokersOf(ctx context.Context, c *cluster.Client) (int, error) {
	list, _, err := c.Brokers(ctx)
	return len(list), err
}

// privileges are the least that portage's principal needs.
const privileges = `
Least privileges of portage's principal:
  every cluster  Cluster: Describe, DescribeConfigs
  source         Topic (moving): Describe, DescribeConfigs, Read · Group (moving): Describe, Read
  target         Cluster: IdempotentWrite, Create · Topic (moving): Describe, DescribeConfigs, AlterConfigs, Create, Read, Write, Delete · Group (moving): Describe, Read
  control        Cluster: IdempotentWrite, Create · Topic portage.*: all · Group portage-*: Describe, Read
Services with the SDK need, beside their own: Topic portage.*: Describe, Read on the control cluster, Topic portage.events: Write there, and their topics and groups on the target.`
