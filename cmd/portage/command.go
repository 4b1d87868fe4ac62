package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/portage-kafka/portage/commands"
	"github.com/portage-kafka/portage/events"
)

// send sends one command and shows its receipt.
func (a *app) send(ctx context.Context, migration string, stream events.Stream, body events.Body) error {
	desk, err := a.operator(ctx)
	if err != nil {
		return err
	}
	r, err := desk.Commands.Send(ctx, migration, stream, body)
	if err != nil {
		return err
	}
	return a.print(receipts(r))
}

func receipts(rs ...commands.Receipt) *table {
	t := &table{head: []string{"POSITION", "EVENT", "STREAM", "VERDICT", "ID"}, value: rs}
	for _, r := range rs {
		t.add(fmt.Sprint(r.Note.Position), string(r.Event.Type), string(r.Event.Stream), string(r.Note.Verdict), r.Event.ID)
	}
	return t
}

// simple is a verb that sends one event to the migration's own stream.
func simple(a *app, use, short string, body func(reason string) events.Body) *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use: use + " MIGRATION", Short: short, Args: exactly(1),
		RunE: a.within(func(ctx context.Context, args []string) error {
			return a.send(ctx, args[0], events.MigrationStream, body(reason))
		}),
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the audit")
	return cmd
}

// exactly wants so many arguments and calls anything else a usage error.
func exactly(n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := cobra.ExactArgs(n)(cmd, args); err != nil {
			return usage(err)
		}
		return nil
	}
}

func atLeast(n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := cobra.MinimumNArgs(n)(cmd, args); err != nil {
			return usage(err)
		}
		return nil
	}
}

func startVerb(a *app) *cobra.Command {
	return simple(a, "start", "Let a planned migration begin", func(string) events.Body { return events.StartRequested{} })
}

func pauseVerb(a *app) *cobra.Command {
	return simple(a, "pause", "Stop copying and keep new steps from starting", func(r string) events.Body { return events.PauseRequested{Reason: r} })
}

func resumeVerb(a *app) *cobra.Command {
	return simple(a, "resume", "End a pause", func(string) events.Body { return events.ResumeRequested{} })
}

func cancelVerb(a *app) *cobra.Command {
	return simple(a, "cancel", "End a migration of which nothing has moved yet", func(r string) events.Body { return events.CancelRequested{Reason: r} })
}

func completeVerb(a *app) *cobra.Command {
	return simple(a, "complete", "Verify and finish a migration of which everything has moved", func(string) events.Body { return events.CompleteRequested{} })
}
