package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/fsm"
	"github.com/portage-kafka/portage/projector"
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
	migration, groups := args[0], args[1:]
	if len(groups) == 0 {
		rows, err := a.groups(ctx, migration)
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
		return refusedf("no group of %q is on the source: `portage status %s` shows where each is", migration, migration)
	}
	streams := make([]events.Stream, len(groups))
	for i, g := range groups {
		streams[i] = events.GroupStream(g)
	}
	return a.sendEach(ctx, migration, streams, events.SwitchRequested{To: events.RouteTarget})
}

func topicStreams(topics []string) []events.Stream {
	streams := make([]events.Stream, len(topics))
	for i, t := range topics {
		streams[i] = events.TopicStream(t)
	}
	return streams
}

func (a *app) switchWriters(ctx context.Context, args []string) error {
	migration, topics := args[0], args[1:]
	if len(topics) == 0 {
		rows, err := a.topics(ctx, migration)
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
		return refusedf("the writers of no topic of %q are on the source: `portage status %s` shows where they are", migration, migration)
	}
	return a.sendEach(ctx, migration, topicStreams(topics), events.SwitchRequested{To: events.RouteTarget, Level: events.LevelRestart})
}

// groups are the rows of a migration, which must be there.
func (a *app) groups(ctx context.Context, migration string) (rows []*fsm.Group, err error) {
	err = a.looking(ctx, migration, func(v *projector.View) (err error) {
		rows, err = v.Groups(migration)
		return err
	})
	return rows, err
}

// topics are the rows of a migration, which must be there.
func (a *app) topics(ctx context.Context, migration string) (rows []*fsm.Topic, err error) {
	err = a.looking(ctx, migration, func(v *projector.View) (err error) {
		rows, err = v.Topics(migration)
		return err
	})
	return rows, err
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
