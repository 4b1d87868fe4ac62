package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/portage-kafka/portage/commands/plan"
)

func planVerb(a *app) *cobra.Command {
	var s plan.Selection
	var file string
	cmd := &cobra.Command{
		Use: "plan MIGRATION --source CLUSTER --target CLUSTER", Short: "Draft a plan file from what there is on the source", Args: exactly(1),
		Long: "Draft a plan file from what there is on the source: all topics that are not internal and the groups that read them, or those named.\nReview the file, then check it with `portage preflight` and create the migration with `portage create`.",
		RunE: a.within(func(ctx context.Context, args []string) error {
			s.Migration = args[0]
			return a.draft(ctx, s, file)
		}),
	}
	f := cmd.Flags()
	f.StringVar(&s.Source, "source", "", "cluster that the topics leave")
	f.StringSliceVar(&s.Targets, "target", nil, "cluster that they reach")
	f.StringSliceVar(&s.Topics, "topic", nil, "topic to move (default: all)")
	f.StringSliceVar(&s.Groups, "group", nil, "group to move (default: all that read one of the topics)")
	f.StringVarP(&file, "file", "f", "", "write to this file instead of standard output; an existing file is kept")
	return cmd
}

func (a *app) draft(ctx context.Context, s plan.Selection, file string) error {
	if s.Source == "" || len(s.Targets) == 0 {
		return usage(errors.New("name the clusters with --source and --target"))
	}
	source, err := a.cluster(ctx, s.Source)
	if err != nil {
		return err
	}
	p, err := plan.Draft(ctx, source, s)
	if err != nil {
		return err
	}
	raw, err := p.Marshal()
	if err != nil {
		return err
	}
	if file == "" {
		_, err = a.out.Write(raw)
		return err
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return fmt.Errorf("write the plan: %w", err)
	}
	_, err = f.Write(raw)
	return errors.Join(err, f.Close())
}

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
	var problems plan.Problems
	if errors.As(err, &problems) {
		return nil, &codedError{exitRefused, fmt.Errorf("%s:\n%w", file, err)}
	}
	return nil, err
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
