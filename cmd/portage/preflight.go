package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/portage-kafka/portage/cluster/preflight"
	"github.com/portage-kafka/portage/commands/plan"
	"github.com/portage-kafka/portage/events"
)

func preflightVerb(a *app) *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use: "preflight -f PLAN", Short: "Look for what could lose data or make the migration fail, before anything is created", Args: exactly(0),
		RunE: a.within(func(ctx context.Context, _ []string) error {
			if file == "" {
				return usage(errors.New("name the plan file with -f"))
			}
			r, err := a.resolve(ctx, file)
			if err != nil {
				return err
			}
			report, err := a.preflight(ctx, r)
			if err != nil {
				return err
			}
			t := findings(report.Findings)
			failed := len(report.Failures())
			if failed == 0 {
				t.note = "no check fails. Next: portage create -f " + file
			}
			if err := a.print(t); err != nil {
				return err
			}
			if failed > 0 {
				return refusedf("%d checks fail", failed)
			}
			return nil
		}),
	}
	cmd.Flags().StringVarP(&file, "file", "f", "", "plan file")
	return cmd
}

func findings(fs []preflight.Finding) *table {
	t := &table{head: []string{"CHECK", "NAME", "SUBJECT", "RESULT", "EVIDENCE", "FIX"}, value: fs}
	for _, f := range fs {
		t.add(fmt.Sprint(f.Check), f.Name, f.Subject, string(f.Severity), f.Evidence, f.Fix)
	}
	return t
}

func (a *app) preflight(ctx context.Context, r *plan.Resolved) (preflight.Report, error) {
	source, err := a.cluster(ctx, r.Source.Name)
	if err != nil {
		return preflight.Report{}, err
	}
	control, err := a.control(ctx)
	if err != nil {
		return preflight.Report{}, err
	}
	s := preflight.Subject{
		Source: source, Control: control, Groups: r.Plan.Groups,
		ControlTopics: []string{events.TopicEvents, events.TopicDirectives, events.TopicOffsets, events.TopicProgress},
	}
	for _, t := range r.Topics {
		target, err := a.cluster(ctx, t.Body.Target.Name)
		if err != nil {
			return preflight.Report{}, err
		}
		s.Pairs = append(s.Pairs, preflight.Pair{Topic: t.Name, Target: target, TargetTopic: t.Body.TargetTopic, ReplicationFactor: t.Body.ReplicationFactor})
	}
	return preflight.Run(ctx, s)
}

// gate keeps a migration from being created that pre-flight checks stand
// against.
func (a *app) gate(ctx context.Context, r *plan.Resolved, despite bool) error {
	report, err := a.preflight(ctx, r)
	if err != nil || despite {
		return err
	}
	if failed := report.Failures(); len(failed) > 0 {
		if err := a.print(findings(failed)); err != nil {
			return err
		}
		return refusedf("%d pre-flight checks fail: nothing was created", len(failed))
	}
	return nil
}
