package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/portage-kafka/portage/cmd/internal/service"
	"github.com/portage-kafka/portage/projector"
)

func replayVerb(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "replay [MIGRATION]", Short: "Fold the whole log anew in memory and show the digests it comes to", Args: cobra.MaximumNArgs(1),
		Long: "Fold the whole log anew in memory and show the digests it comes to. The live projection's digests, where this machine has one, must be the same at the same position; a checkpoint in the log that differs ends the replay and names its position.",
		RunE: a.within(func(ctx context.Context, args []string) error {
			control, err := a.control(ctx)
			if err != nil {
				return err
			}
			migration := ""
			if len(args) > 0 {
				migration = args[0]
			}
			r, err := projector.Replay(ctx, service.LogOf(control), migration)
			if err != nil {
				return err
			}
			return a.print(replayTable(r))
		}),
	}
}

func replayTable(r projector.Replayed) *table {
	t := &table{head: []string{"MIGRATION", "POSITION", "EVENTS", "LOG DIGEST", "STATE DIGEST"}, value: r.Digests}
	for _, d := range r.Digests {
		t.add(d.Migration, fmt.Sprint(d.Position), fmt.Sprint(d.Events), d.Log.String(), d.State.String())
	}
	t.note = fmt.Sprintf("folded %d events anew, no checkpoint differs", r.Health.Applied+1)
	return t
}
