package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/fsm"
)

func switchVerb(a *app) *cobra.Command {
	cmd := family(&cobra.Command{Use: "switch", Short: "Move readers (groups) or writers (topics) to the target"})
	cmd.AddCommand(
		&cobra.Command{
			Use: "readers MIGRATION [GROUP...]", Short: "Move consumer groups; without names all that are still on the source", Args: atLeast(1),
			RunE: a.within(a.switchReaders),
		},
		&cobra.Command{
			Use: "writers MIGRATION [TOPIC...]", Short: "Move the producers of topics, by a rollout of their services; without names all that are still on the source", Args: atLeast(1),
			RunE: a.within(a.switchWriters),
		},
	)
	return cmd
}

func (a *app) switchReaders(ctx context.Context, args []string) error {
	groups := args[1:]
	if len(groups) == 0 {
		rows, err := a.groups(ctx, args[0])
		if err != nil {
			return err
		}
		for _, g := range rows {
			if g.Readers == events.PhaseOnSource {
				groups = append(groups, g.Group)
			}
		}
	}
	if len(groups) == 0 {
		return &codedError{exitRefused, fmt.Errorf("no group of %q is on the source", args[0])}
	}
	streams := make([]events.Stream, len(groups))
	for i, g := range groups {
		streams[i] = events.GroupStream(g)
	}
	return a.sendEach(ctx, args[0], streams, events.SwitchRequested{To: events.RouteTarget})
}

func topicStreams(topics []string) []events.Stream {
	streams := make([]events.Stream, len(topics))
	for i, t := range topics {
		streams[i] = events.TopicStream(t)
	}
	return streams
}

func (a *app) switchWriters(ctx context.Context, args []string) error {
	topics := args[1:]
	if len(topics) == 0 {
		rows, err := a.topics(ctx, args[0])
		if err != nil {
			return err
		}
		for _, t := range rows {
			if t.Writers == events.PhaseOnSource {
				topics = append(topics, t.Topic)
			}
		}
	}
	if len(topics) == 0 {
		return &codedError{exitRefused, fmt.Errorf("the writers of no topic of %q are on the source", args[0])}
	}
	return a.sendEach(ctx, args[0], topicStreams(topics), events.SwitchRequested{To: events.RouteTarget, Level: events.LevelRestart})
}

func (a *app) groups(ctx context.Context, migration string) (rows []*fsm.Group, err error) {
	view, err := a.view(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, view.Close()) }()
	return view.Groups(migration)
}

func (a *app) topics(ctx context.Context, migration string) (rows []*fsm.Topic, err error) {
	view, err := a.view(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, view.Close()) }()
	return view.Topics(migration)
}

func abortVerb(a *app) *cobra.Command {
	var group, topic, reason string
	cmd := &cobra.Command{
		Use: "abort MIGRATION --group GROUP | --topic TOPIC", Short: "End an undecided switch where it began", Args: exactly(1),
		RunE: a.within(func(ctx context.Context, args []string) error {
			body := events.AbortRequested{Code: "operator", Reason: reason}
			switch {
			case group != "" && topic == "":
				return a.send(ctx, args[0], events.GroupStream(group), body)
			case topic != "" && group == "":
				return a.send(ctx, args[0], events.TopicStream(topic), body)
			}
			return usage(errors.New("name either --group or --topic"))
		}),
	}
	cmd.Flags().StringVar(&group, "group", "", "the group whose readers' switch to abort")
	cmd.Flags().StringVar(&topic, "topic", "", "the topic whose writers' switch to abort")
	cmd.Flags().StringVar(&reason, "reason", "asked for by an operator", "why, for the audit")
	return cmd
}

func approveVerb(a *app) *cobra.Command {
	step := -1
	var note string
	cmd := &cobra.Command{
		Use: "approve MIGRATION", Short: "Let the step that waits for a person start", Args: exactly(1),
		RunE: a.within(func(ctx context.Context, args []string) error {
			index := step
			if index < 0 {
				i, err := a.awaiting(ctx, args[0])
				if err != nil {
					return err
				}
				index = i
			}
			return a.send(ctx, args[0], events.MigrationStream, events.Approved{Step: index, Note: note})
		}),
	}
	cmd.Flags().IntVar(&step, "step", -1, "index of the step in the plan, from 0 (default: the one that waits)")
	cmd.Flags().StringVar(&note, "note", "", "for the audit")
	return cmd
}

// awaiting is the step that waits for an approval.
func (a *app) awaiting(ctx context.Context, migration string) (index int, err error) {
	view, err := a.view(ctx)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, view.Close()) }()
	m, ok := view.Migration(migration)
	if !ok {
		return 0, &codedError{exitRefused, fmt.Errorf("there is no migration %q", migration)}
	}
	index, awaiting := m.StepIs()
	if !awaiting {
		return 0, &codedError{exitRefused, fmt.Errorf("no step of %q waits for an approval: it is %s; name a later one with --step to approve it ahead", migration, m.Phase)}
	}
	return index, nil
}
