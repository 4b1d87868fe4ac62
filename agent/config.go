package agent

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/portage-kafka/portage/agent/internal/consume"
	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/cluster/group"
	"github.com/rs/zerolog"
)

// Version is the release of this SDK, as directives and reports name it.
const Version = consume.Version

// Start says where a group begins that has never committed on its home cluster.
type Start string

// Where to begin.
const (
	Earliest Start = "earliest" // at the first record that still exists
	Latest   Start = "latest"   // after the last record
)

// ConsumerConfig configures a Consumer. The first block is required; everything else has a default, which Validate fills in.
type ConsumerConfig struct {
	// Group is the consumer group, the same on every cluster.
	Group string
	// Topics are what the group reads, by their names on the home cluster. Records carry these names wherever they come from.
	Topics []string
	// Instance names the place of this process in the service: unique among the group's running instances and kept by a
	// restart, for example the name of a pod of a StatefulSet.
	Instance string
	// Home is the cluster that the group lives on when no migration says otherwise; change it only after a migration has
	// finished. Control has the control topics.
	Home, Control string
	// Clusters says how to reach every cluster that a directive may name, by the names that migrations use. It must have Home
	// and Control; a migration whose target is missing here cannot be started.
	Clusters map[string]cluster.Config
	// Handler handles one record. It is called for one record of a partition at a time, for several partitions at once.
	// Its context is cancelled when the partition is lost (the group has given it to another instance), when a migration
	// abandons the record, and when StopTimeout has passed after a stop.
	Handler func(ctx context.Context, r Record) error

	// HomeID is the home cluster's id. It is asked for at the start when empty; give it so that instances can start after the
	// home cluster was switched off.
	HomeID string
	// Start is where to begin in a partition that the group has never committed on the home cluster; partitions that are added
	// while the instance runs begin at their first record. After a crossing to
	// another cluster it is never used. Earliest.
	Start Start
	// Host is shown to people beside the instance. Empty.
	Host string

	// CommitInterval is how often what is handled is committed; also, how much may be repeated after a crash. 1 s.
	CommitInterval time.Duration
	// Heartbeat, Session and Rebalance are those of the group protocol: 1 s, 10 s and 30 s. Rebalance must be longer than the
	// longest handler, and Session longer than the hold of migrations (5 s): an instance that dies while held costs a session.
	Heartbeat, Session, Rebalance time.Duration
	// MetadataMaxAge is how old the partition counts of the topics may get: then the cluster is asked again, and the group
	// rebalances if they have grown. 1 min.
	MetadataMaxAge time.Duration
	// RetryFirst and RetryMost bound the pause after a handler's error, which doubles from one to the other. 100 ms, 30 s.
	RetryFirst, RetryMost time.Duration
	// Buffer is how many bytes of fetched records wait per partition, 1 GiB at most. 1 MiB.
	Buffer int
	// StopTimeout is how long handlers may take to finish after a stop before their contexts are cancelled. 30 s.
	StopTimeout time.Duration

	// OnAssigned is called before the first record of newly assigned partitions is handled, OnRevoked after the last one was
	// handled and its offset committed, and before the partitions go elsewhere: to another instance, or to another cluster.
	// They are called one at a time; while one runs, its partitions wait, so a slow one makes the pause of a switch longer.
	OnAssigned func(ctx context.Context, a Assignment)
	OnRevoked  func(ctx context.Context, r Revocation)
}

// Validate fills in defaults and says what is wrong, naming the field, its value and the fix.
func (c *ConsumerConfig) Validate() error {
	setDefault(&c.Start, Earliest)
	setDefault(&c.CommitInterval, time.Second)
	setDefault(&c.Heartbeat, time.Second)
	setDefault(&c.Session, 10*time.Second)
	setDefault(&c.Rebalance, 30*time.Second)
	setDefault(&c.MetadataMaxAge, defaultMaxAge)
	setDefault(&c.RetryFirst, 100*time.Millisecond)
	setDefault(&c.RetryMost, 30*time.Second)
	setDefault(&c.Buffer, 1<<20)
	setDefault(&c.StopTimeout, 30*time.Second)
	inner := c.core("checked")
	return errors.Join(inner.Validate(), c.validate(), validateClusters(c.Clusters, c.Home, c.Control))
}

func (c *ConsumerConfig) validate() error {
	switch {
	case c.Handler == nil:
		return errors.New("field Handler is nil: give a function that handles a record")
	case c.RetryFirst <= 0 || c.RetryMost < c.RetryFirst:
		return fmt.Errorf("fields RetryFirst %v and RetryMost %v: want 0 < RetryFirst ≤ RetryMost", c.RetryFirst, c.RetryMost)
	case c.Buffer <= 0 || c.Buffer > maxBuffer:
		return fmt.Errorf("field Buffer is %d: want 1 to %d bytes", c.Buffer, maxBuffer)
	case c.MetadataMaxAge <= 0:
		return fmt.Errorf("field MetadataMaxAge is %v: want more than 0", c.MetadataMaxAge)
	case c.StopTimeout <= 0:
		return fmt.Errorf("field StopTimeout is %v: want more than 0", c.StopTimeout)
	case c.Group == "":
		return nil // said by the core, and the members' errors name the group
	}
	member := c.member(group.Open(group.Identity{Kind: group.KindAgent}, c.Topics...), zerolog.Nop())
	return member.Validate()
}

// maxBuffer keeps what a fetch asks for within the 32 bits that it has for that.
const maxBuffer = 1 << 30

// member is the configuration of a membership on either side.
func (c *ConsumerConfig) member(offer group.Offer, log zerolog.Logger) group.Config {
	return group.Config{
		Group: c.Group, Offer: offer, Heartbeat: c.Heartbeat, Session: c.Session, Rebalance: c.Rebalance, Log: log,
	}
}

// core is the configuration of the consumer's core.
func (c *ConsumerConfig) core(incarnation string) consume.Config {
	return consume.Config{
		Group: c.Group, Topics: slices.Clone(c.Topics), Home: c.Home, Clusters: slices.Sorted(maps.Keys(c.Clusters)),
		Instance: c.Instance, Incarnation: incarnation, Host: c.Host, Start: consume.StartAt(c.Start), Commit: c.CommitInterval,
	}
}

func validateClusters(all map[string]cluster.Config, needed ...string) error {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if err := all[name].Validate(); err != nil {
			errs = append(errs, fmt.Errorf("field Clusters[%q]: %w", name, err))
		}
	}
	for _, name := range needed {
		if _, there := all[name]; !there {
			errs = append(errs, fmt.Errorf("field Clusters has %q, but not %q: say how to reach it", slices.Sorted(maps.Keys(all)), name))
		}
	}
	return errors.Join(errs...)
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
