package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/portage-kafka/portage/commands/plan"
)

// resolve reads a plan file and checks it against the clusters.
func (a *app) resolve(ctx context.Context, file string) (*plan.Resolved, error) {
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil, usage(fmt.Errorf("read the plan: %w", err))
	}
	p, err := plan.Parse(raw)
	if err == nil {
		var r *plan.Resolved
		r, err = plan.Resolve(ctx, p, func(ctx context.Context, name string) (plan.Cluster, error) { return a.cluster(ctx, name) })
		if err == nil {
			return r, nil
		}
	}
	return nil, refusedPlan(file, err)
}

// refusedPlan refuses a plan for its problems; another error stays what it is.
func refusedPlan(file string, err error) error {
	var problems plan.Problems
	if errors.As(err, &problems) {
		return refusedf("%s:\n%w", file, err)
	}
	return err
}

func createVerb(a *app) *cobra.Command {
	var file string
	var force bool
	cmd := &cobra.Command{
		Use: "create -f PLAN", Short: "Create the migration that a plan file describes", Args: exactly(0),
		RunE: a.within(func(ctx context.Context, _ []string) error {
			if file == "" {
				return usage(errors.New("name the plan file with -f"))
			}
			r, err := a.resolve(ctx, file)
			if err != nil {
				return err
			}
			if err := a.gate(ctx, r, force); err != nil {
				return err
			}
			return a.create(ctx, r)
		}),
	}
	cmd.Flags().StringVarP(&file, "file", "f", "", "plan file")
	cmd.Flags().BoolVar(&force, "despite-preflight", false, "create although pre-flight checks fail")
	return cmd
}

func (a *app) create(ctx context.Context, r *plan.Resolved) error {
	desk, err := a.operator(ctx)
	if err != nil {
		return err
	}
	rs, err := desk.Commands.Create(ctx, r)
	if err != nil {
		return err
	}
	t, err := receipts(rs...)
	if err != nil {
		return err
	}
	t.note = fmt.Sprintf("migration %s created: %d topics, %d groups, plan %s. Next: portage start %s", r.Plan.Migration, len(r.Topics), len(r.Groups), r.Hash[:12], r.Plan.Migration)
	return a.print(t)
}
