package driver

import (
	"context"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/cluster/group"
	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/fsm/roster"
)

// inspect asks the coordinator what a group is.
func inspect(ctx context.Context, c *cluster.Client, name string) (snapshot, error) {
	seen, err := group.Inspect(ctx, c, name)
	if err != nil {
		return snapshot{}, err
	}
	out := snapshot{
		Stable: seen.Kind == group.GroupClassic && seen.State == "Stable", Modern: seen.Kind == group.GroupKIP848,
		State: seen.State, Assigned: make(map[events.TopicOffset]string),
	}
	for _, m := range seen.Members {
		out.Members = append(out.Members, roster.Member{ID: m.ID, Instance: m.InstanceID, Incarnation: m.Incarnation})
		for topic, list := range m.Assigned.Partitions {
			for _, p := range list {
				out.Assigned[events.TopicOffset{Topic: topic, Partition: p}] = m.ID
			}
		}
	}
	return out, nil
}
