package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/events/log"
	"github.com/portage-kafka/portage/fsm"
	"github.com/portage-kafka/portage/projector"
	"github.com/portage-kafka/portage/replicator"
	"github.com/portage-kafka/portage/replicator/verify"
)

// pairedTopic is a topic on two clusters, and its partitions to be compared.
type pairedTopic struct {
	source, target verifiedSide
	byMap          bool
	requests       []verify.Request
	// problem says why the topic, problems why partitions cannot be compared.
	problem  string
	problems []verify.Result
	// stops say why the copy waits for a person: what may be wrong with the target
	// beyond the map does not show in a comparison along it.
	stops []string
}

// verifiedSide is a topic as the report names it.
type verifiedSide struct {
	// Name is the cluster's name in the configuration, Cluster its own id.
	Name string `json:"name"`
	verify.Place

	client     *cluster.Client
	partitions int32
	compacted  bool
	retention  time.Duration // 0: for ever
}

// toVerify finds the topics and their partitions.
func (a *app) toVerify(ctx context.Context, o comparison, args []string) ([]*pairedTopic, error) {
	if len(args) > 0 {
		return a.migrationToVerify(ctx, o, args[0], args[1:])
	}
	t := &pairedTopic{}
	if err := a.sides(ctx, t, o); err != nil {
		return nil, err
	}
	if t.source.partitions != t.target.partitions {
		return nil, fmt.Errorf("%s has %d partitions on %s, %s has %d on %s: records can only be compared partition by partition",
			o.sourceTopic, t.source.partitions, o.source, o.targetTopic, t.target.partitions, o.target)
	}
	return []*pairedTopic{t}, t.add(o, verify.Request{Live: o.live})
}

// migrationToVerify are the topics of a migration. One that cannot be compared
// keeps none of the others back.
func (a *app) migrationToVerify(ctx context.Context, o comparison, migration string, names []string) ([]*pairedTopic, error) {
	var rows []*fsm.Topic
	err := a.looking(ctx, migration, func(v *projector.View) (err error) {
		rows, err = v.Topics(migration)
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, n := range names {
		if !slices.ContainsFunc(rows, func(t *fsm.Topic) bool { return t.Topic == n }) {
			return nil, fmt.Errorf("migration %s has no topic %q: `portage status %s` lists them", migration, n, migration)
		}
	}
	var all []*pairedTopic
	for _, row := range rows {
		if len(names) > 0 && !slices.Contains(names, row.Topic) {
			continue
		}
		t := &pairedTopic{byMap: true, source: named(row.Plan.Source.Name, row.Topic), target: named(row.Plan.Target.Name, row.Plan.TargetTopic)}
		for _, s := range stopsOf(row) {
			t.stops = append(t.stops, s.Code+": "+s.Reason)
		}
		if err := a.copied(ctx, o, t, row); err != nil {
			if ctx.Err() != nil {
				return nil, err
			}
			t.problem = err.Error()
		}
		all = append(all, t)
	}
	return all, nil
}

func named(clusterName, topic string) verifiedSide {
	return verifiedSide{Name: clusterName, Place: verify.Place{Topic: topic}}
}

// copied prepares a topic of a migration.
func (a *app) copied(ctx context.Context, o comparison, t *pairedTopic, row *fsm.Topic) error {
	if row.Target == nil {
		return errors.New("nothing was copied yet")
	}
	o.source, o.sourceTopic, o.target, o.targetTopic = t.source.Name, t.source.Topic, t.target.Name, t.target.Topic
	if err := a.sides(ctx, t, o); err != nil {
		return err
	}
	t.source.partitions = row.Plan.Partitions // others are not in the migration
	if err := t.add(o, verify.Request{Shared: row.Writers != events.PhaseOnSource, Losses: row.Losses}); err != nil {
		return err
	}
	return a.maps(ctx, t, row)
}

// sides looks both sides of a topic up.
func (a *app) sides(ctx context.Context, t *pairedTopic, o comparison) error {
	t.source, t.target = named(o.source, o.sourceTopic), named(o.target, o.targetTopic)
	return errors.Join(a.side(ctx, &t.source), a.side(ctx, &t.target))
}

func (a *app) side(ctx context.Context, s *verifiedSide) error {
	c, err := a.cluster(ctx, s.Name)
	if err != nil {
		return err
	}
	found, err := c.Topics(ctx, s.Topic)
	if err != nil {
		return err
	}
	topic, ok := found[s.Topic]
	if !ok {
		return fmt.Errorf("topic %q is not on %s", s.Topic, s.Name)
	}
	configs, err := c.TopicConfigs(ctx, s.Topic)
	if err != nil {
		return err
	}
	s.client, s.Cluster, s.TopicID, s.partitions = c, c.ID(), hex.EncodeToString(topic.ID[:]), int32(len(topic.Partitions))
	policy := configs["cleanup.policy"].Value
	s.compacted = strings.Contains(policy, "compact")
	if ms, err := strconv.ParseInt(configs["retention.ms"].Value, 10, 64); err == nil && ms > 0 && strings.Contains(policy, "delete") {
		s.retention = time.Duration(min(ms, int64(maxRetention/time.Millisecond))) * time.Millisecond
	}
	return nil
}

// maxRetention is the longest retention that a duration can hold, about.
const maxRetention = 290 * 365 * 24 * time.Hour

// add makes a request of every partition that is wanted.
func (t *pairedTopic) add(o comparison, q verify.Request) error {
	for _, p := range o.partitions {
		if p < 0 || p >= t.source.partitions {
			return usage(fmt.Errorf("--partition %d: %s has %d partitions", p, t.source.Topic, t.source.partitions))
		}
	}
	q.UpTo, q.Compacted, q.TargetCompacted = verify.Now, t.source.compacted, t.target.compacted
	if o.allowExpired && t.target.retention > 0 {
		q.TargetKeepsFrom = time.Now().Add(-t.target.retention).UnixMilli()
	}
	for p := range t.source.partitions {
		if o.wanted(p) {
			q.Source = verify.Side{Client: t.source.client, Topic: t.source.Topic, Partition: p}
			q.Target = verify.Side{Client: t.target.client, Topic: t.target.Topic, Partition: p}
			t.requests = append(t.requests, q)
		}
	}
	return nil
}

// maps gives the requests their offset maps. A partition without one is unknown.
func (a *app) maps(ctx context.Context, t *pairedTopic, row *fsm.Topic) error {
	all := t.requests
	t.requests = nil // whatever fails, nothing is compared without its map
	control, err := a.control(ctx)
	if err != nil {
		return err
	}
	keys := make([]events.CopyKey, len(all))
	for i, q := range all {
		keys[i] = events.CopyKey{Migration: row.Migration, Topic: row.Topic, Partition: q.Source.Partition}
	}
	loaded, err := log.NewOffsets(control, log.Options{Logger: a.log}).LoadAll(ctx, keys)
	if err != nil {
		return fmt.Errorf("read the offset map: %w", err)
	}
	for i, q := range all {
		m, err := replicator.Map(loaded[keys[i]].Blocks, row.Recopies)
		if err != nil {
			t.problems = append(t.problems, verify.Result{Partition: q.Source.Partition, Verdict: verify.Unknown, Problem: err.Error()})
			continue
		}
		q.Map = &m
		t.requests = append(t.requests, q)
	}
	return nil
}
