package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/portage-kafka/portage/cmd/internal/service"
	"github.com/portage-kafka/portage/projector"
)

func replayVerb(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "replay [MIGRATION]", Short: "Fold the whole log anew in memory and show the digests it comes to", Args: atMost(1),
		Long: "Fold the whole log anew in memory and show the digests it comes to. A checkpoint in the log that differs ends the replay and names its position; the digests of this user's own projection must be the same at the same position.",
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
			same, err := a.compareLive(ctx, r.Digests)
			if err != nil {
				return err
			}
			t := replayTable(r)
			t.note += fmt.Sprintf("; %d digests are those of this machine's projection", same)
			return a.print(t)
		}),
	}
}

// compareLive counts the migrations whose digests are those of the user's own
// projection, which was folded event by event as the log grew. Those that
// changed between the two looks are left out.
func (a *app) compareLive(ctx context.Context, anew []projector.Digests) (same int, err error) {
	view, err := a.view(ctx)
	if err != nil {
		return 0, fmt.Errorf("the projection of this machine, to compare with: %w", err)
	}
	defer func() { err = errors.Join(err, view.Close()) }()
	for _, d := range anew {
		live, ok := view.Digests(d.Migration)
		switch {
		case !ok || live.Position != d.Position:
		case live.Log != d.Log || live.State != d.State:
			return same, fmt.Errorf("migration %s at event %d: the log folds to state %s, log %s, but the projection of this machine has %s, %s: remove %s, it is rebuilt from the log",
				d.Migration, d.Position, d.State, d.Log, live.State, live.Log, filepath.Join(a.cfg.Data, cliFolder))
		default:
			same++
		}
	}
	return same, view.Err()
}

func replayTable(r projector.Replayed) *table {
	t := &table{head: []string{"MIGRATION", "POSITION", "EVENTS", "LOG DIGEST", "STATE DIGEST"}, value: r.Digests}
	for _, d := range r.Digests {
		t.add(d.Migration, fmt.Sprint(d.Position), fmt.Sprint(d.Events), d.Log.String(), d.State.String())
	}
	t.note = fmt.Sprintf("folded %d events anew, no checkpoint differs", r.Health.Applied+1)
	return t
}
