package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/events/log"
	"github.com/portage-kafka/portage/fsm"
	"github.com/portage-kafka/portage/fsm/offsetmap"
	"github.com/portage-kafka/portage/replicator"
)

// translation is an offset of one side and what it is on the other.
type translation struct {
	Migration string         `json:"migration"`
	Topic     string         `json:"topic"`
	Partition int32          `json:"partition"`
	Source    int64          `json:"source"`
	Target    int64          `json:"target"`
	Kind      offsetmap.Kind `json:"kind"`
	// Watermark is the source offset up to which the copy has come.
	Watermark int64 `json:"watermark"`
}

func translateVerb(a *app) *cobra.Command {
	var migration string
	var inverse bool
	cmd := &cobra.Command{
		Use: "translate TOPIC PARTITION OFFSET", Short: "Show which target offset a source offset has, exactly", Args: exactly(3),
		Long: "Show which target offset a source offset has, exactly: where a reader that was to read OFFSET next goes on. TOPIC is the name on the source. The kind says why: image (the record was copied there), gap (it was not copied, the next one is there), frontier (nothing above is copied yet) or deleted (the source had deleted it before copying began). An offset beyond the copy is never guessed: exit code 4.",
		RunE: a.within(func(ctx context.Context, args []string) error {
			partition, err1 := strconv.ParseInt(args[1], 10, 32)
			offset, err2 := strconv.ParseInt(args[2], 10, 64)
			if err1 != nil || err2 != nil || partition < 0 || offset < 0 {
				return usage(fmt.Errorf("partition %q, offset %q: give numbers from 0", args[1], args[2]))
			}
			t, err := a.topicOf(ctx, migration, args[0])
			if err != nil {
				return err
			}
			return a.translate(ctx, t, int32(partition), offset, inverse)
		}),
	}
	cmd.Flags().StringVar(&migration, "migration", "", "the migration, where the topic is in several")
	cmd.Flags().BoolVar(&inverse, "inverse", false, "OFFSET is one of the target: show the source's")
	return cmd
}

// topicOf finds a topic by its name, in the migration that is named or in the
// only one that has it.
func (a *app) topicOf(ctx context.Context, migration, topic string) (found *fsm.Topic, err error) {
	view, err := a.view(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, view.Close()) }()
	all, err := view.Migrations()
	if err != nil {
		return nil, err
	}
	var names []string
	for _, m := range all {
		if t, ok := view.Topic(m.Name, topic); ok && (migration == "" || migration == m.Name) {
			found, names = t, append(names, m.Name)
		}
	}
	switch {
	case len(names) == 0:
		return nil, fmt.Errorf("no migration has a topic %q: `portage status MIGRATION` lists the topics of one", topic)
	case len(names) > 1:
		return nil, usage(fmt.Errorf("topic %q is in migrations %v: name one with --migration", topic, names))
	}
	return found, nil
}

func (a *app) translate(ctx context.Context, t *fsm.Topic, partition int32, offset int64, inverse bool) error {
	if partition >= t.Plan.Partitions {
		return usage(fmt.Errorf("partition %d: %s has %d partitions", partition, t.Topic, t.Plan.Partitions))
	}
	m, err := a.offsetMap(ctx, t, partition)
	if err != nil {
		return err
	}
	name, topic, ask := t.Plan.Source.Name, t.Topic, m.Translate
	if inverse {
		name, topic, ask = t.Plan.Target.Name, t.Plan.TargetTopic, m.Inverse
	}
	start, err := a.logStart(ctx, name, topic, partition)
	if err != nil {
		return err
	}
	at, err := ask(offset, start)
	if errors.Is(err, offsetmap.ErrNotYet) {
		return &codedError{exitWaiting, fmt.Errorf("%s/%d: %w", topic, partition, err)}
	}
	if err != nil {
		return fmt.Errorf("%s/%d: %w", topic, partition, err)
	}
	shown := translation{Migration: t.Migration, Topic: t.Topic, Partition: partition, Source: offset, Target: at.Offset, Kind: at.Kind, Watermark: m.Watermark()}
	if inverse {
		shown.Source, shown.Target = at.Offset, offset
	}
	kind, err := at.Kind.MarshalText()
	if err != nil {
		return err
	}
	table := &table{head: []string{"MIGRATION", "TOPIC", "PARTITION", "SOURCE", "TARGET", "KIND", "COPIED UP TO"}, value: shown}
	table.add(shown.Migration, shown.Topic, fmt.Sprint(partition), fmt.Sprint(shown.Source), fmt.Sprint(shown.Target), string(kind), fmt.Sprint(shown.Watermark))
	return a.print(table)
}

// offsetMap is the map of a partition as it is published.
func (a *app) offsetMap(ctx context.Context, t *fsm.Topic, partition int32) (m offsetmap.Map, err error) {
	control, err := a.control(ctx)
	if err != nil {
		return m, err
	}
	_, blocks, err := log.NewOffsets(control, log.Options{Logger: a.log}).Load(ctx, events.CopyKey{Migration: t.Migration, Topic: t.Topic, Partition: partition})
	if err != nil {
		return m, err
	}
	m, err = replicator.Map(blocks, t.Recopies)
	if errors.Is(err, replicator.ErrNoMap) {
		return m, &codedError{exitWaiting, fmt.Errorf("%s/%d is not copied yet: %w", t.Topic, partition, err)}
	}
	return m, err
}

func (a *app) logStart(ctx context.Context, clusterName, topic string, partition int32) (int64, error) {
	c, err := a.cluster(ctx, clusterName)
	if err != nil {
		return 0, err
	}
	at, err := c.ListOffsets(ctx, topic, []int32{partition}, cluster.Earliest)
	return at[partition], err
}
