package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/fsm"
	"github.com/portage-kafka/portage/projector"
)

func approveVerb(a *app) *cobra.Command {
	var step, note string
	cmd := &cobra.Command{
		Use: "approve MIGRATION", Short: "Let the step that waits for a person start", Args: exactly(1),
		RunE: a.within(func(ctx context.Context, args []string) error {
			var index int
			err := a.looking(ctx, args[0], func(v *projector.View) (err error) {
				m, _ := v.Migration(args[0])
				index, err = stepOf(m, step)
				return err
			})
			if err != nil {
				return err
			}
			return a.send(ctx, args[0], events.MigrationStream, events.Approved{Step: index, Note: note})
		}),
	}
	cmd.Flags().StringVar(&step, "step", "", "name of a later step, or its index in the plan from 0, to approve it ahead (default: the step that waits)")
	cmd.Flags().StringVar(&note, "note", "", "for the audit")
	return cmd
}

// stepOf finds a step by its name or index; "" is the one that waits for an
// approval.
func stepOf(m *fsm.Migration, step string) (int, error) {
	if step == "" {
		index, awaiting := m.StepIs()
		if !awaiting {
			return 0, refusedf("no step of %q waits for an approval: it is %s; name a later one with --step to approve it ahead", m.Name, m.Phase)
		}
		return index, nil
	}
	if index, err := strconv.Atoi(step); err == nil {
		return index, nil // whether there is one is judged with the command
	}
	var names []string
	if m.Plan != nil {
		for i, s := range m.Plan.Steps {
			if s.Do == step {
				return i, nil
			}
			names = append(names, s.Do)
		}
	}
	return 0, usage(fmt.Errorf("--step %q: the steps of %q are %s", step, m.Name, strings.Join(names, ", ")))
}
