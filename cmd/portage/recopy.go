package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/portage-kafka/portage/events"
)

func recopyVerb(a *app) *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use: "recopy MIGRATION TOPIC...", Short: "Delete what was copied of topics and begin anew, as long as nobody has read it", Args: atLeast(2),
		Long: "Delete what was copied of topics and begin anew: what to do about a copy that is doubled, that somebody else has written to, or whose source topic was deleted and created again: then the one that is there now is copied. The target topic is deleted if portage created it; its readers and writers must still be on the source.",
		RunE: a.within(func(ctx context.Context, args []string) error {
			return a.sendEach(ctx, args[0], topicStreams(args[1:]), events.RecopyRequested{Reason: reason})
		}),
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the audit")
	return cmd
}
