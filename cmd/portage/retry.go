package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/portage-kafka/portage/events"
)

func retryVerb(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "retry MIGRATION TOPIC...", Short: "Let stopped topics go on after their cause was removed", Args: atLeast(2),
		RunE: a.within(func(ctx context.Context, args []string) error {
			return a.sendEach(ctx, args[0], topicStreams(args[1:]), events.RetryRequested{})
		}),
	}
}
