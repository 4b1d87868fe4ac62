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
			for _, topic := range args[1:] {
				if err := a.send(ctx, args[0], events.TopicStream(topic), events.RetryRequested{}); err != nil {
					return err
				}
			}
			return nil
		}),
	}
}
