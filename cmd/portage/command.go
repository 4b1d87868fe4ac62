package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

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
	return a.printReceipts(r)
}

// sendEach sends one command to each of several streams. One that is refused
// does not keep the others back; the receipts are shown together.
func (a *app) sendEach(ctx context.Context, migration string, streams []events.Stream, body events.Body) error {
	desk, err := a.operator(ctx)
	if err != nil {
		return err
	}
	var sent []commands.Receipt
	var errs []error
	for _, s := range streams {
		r, err := desk.Commands.Send(ctx, migration, s, body)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		sent = append(sent, r)
	}
	if len(sent) > 0 {
		errs = append(errs, a.printReceipts(sent...))
	}
	return errors.Join(errs...)
}

func (a *app) printReceipts(rs ...commands.Receipt) error {
	t, err := receipts(rs...)
	if err != nil {
		return err
	}
	return a.print(t)
}

func receipts(rs ...commands.Receipt) (*table, error) {
	shown := make([]receipt, len(rs))
	t := &table{head: []string{"POSITION", "EVENT", "STREAM", "VERDICT", "ID"}, value: shown}
	for i, r := range rs {
		raw, err := events.Encode(r.Event)
		if err != nil {
			return nil, err
		}
		shown[i] = receipt{Event: raw, Note: r.Note}
		t.add(fmt.Sprint(r.Note.Position), string(r.Event.Type), string(r.Event.Stream), string(r.Note.Verdict), r.Event.ID)
	}
	return t, nil
}

// simple is a verb that sends one event to the migration's own stream.
func simple(a *app, use, short string, body func() events.Body) *cobra.Command {
	return &cobra.Command{
		Use: use + " MIGRATION", Short: short, Args: exactly(1),
		RunE: a.within(func(ctx context.Context, args []string) error {
			return a.send(ctx, args[0], events.MigrationStream, body())
		}),
	}
}

// explained is a verb whose event keeps the reason that is given for it.
func explained(a *app, use, short string, body func(reason string) events.Body) *cobra.Command {
	reason := new(string)
	cmd := simple(a, use, short, func() events.Body { return body(*reason) })
	cmd.Flags().StringVar(reason, "reason", "", "why, for the audit")
	return cmd
}

// These want so many arguments and call anything else a usage error.
func exactly(n int) cobra.PositionalArgs { return arguments(cobra.ExactArgs(n)) }
func atLeast(n int) cobra.PositionalArgs { return arguments(cobra.MinimumNArgs(n)) }
func atMost(n int) cobra.PositionalArgs  { return arguments(cobra.MaximumNArgs(n)) }

func arguments(wanted cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := wanted(cmd, args); err != nil {
			return usage(fmt.Errorf("%w: see %s --help", err, cmd.CommandPath()))
		}
		return nil
	}
}

// family is a command that only has others below it: without one of them it
// shows its help, with any other word it is a usage error.
func family(cmd *cobra.Command) *cobra.Command {
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			meant := ""
			if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
				meant = " did you mean " + strings.Join(near, " or ") + "?"
			}
			return usage(fmt.Errorf("%s has no command %q:%s see %s --help", cmd.CommandPath(), args[0], meant, cmd.CommandPath()))
		}
		return nil
	}
	cmd.SuggestionsMinimumDistance = 2
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	return cmd
}

func startVerb(a *app) *cobra.Command {
	return simple(a, "start", "Let a planned migration begin", func() events.Body { return events.StartRequested{} })
}

func pauseVerb(a *app) *cobra.Command {
	return explained(a, "pause", "Stop copying and keep new steps from starting", func(r string) events.Body { return events.PauseRequested{Reason: r} })
}

func resumeVerb(a *app) *cobra.Command {
	return simple(a, "resume", "End a pause", func() events.Body { return events.ResumeRequested{} })
}

func cancelVerb(a *app) *cobra.Command {
	return explained(a, "cancel", "End a migration of which nothing has moved yet", func(r string) events.Body { return events.CancelRequested{Reason: r} })
}

func completeVerb(a *app) *cobra.Command {
	return simple(a, "complete", "Verify and finish a migration of which everything has moved", func() events.Body { return events.CompleteRequested{} })
}
