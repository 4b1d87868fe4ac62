package replicator

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/events"
	"github.com/rs/zerolog"
)

// Version is the release of the directives that this package obeys: one that
// asks for a later worker is left alone.
const Version = "0.1"

// Config configures a [Worker]. Control, Clusters and Name are required;
// everything else has a default, which Validate fills in.
type Config struct {
	// Control is the control cluster: directives, offsets, progress, events and
	// the workers' group. It stays the caller's to close, after Run.
	Control *cluster.Client
	// Clusters returns the client of a cluster by its name in directives. It is
	// asked again after an error; the clients stay the caller's to close.
	Clusters func(ctx context.Context, name string) (*cluster.Client, error)
	// Name is the worker's incarnation: different for every process. It appears
	// in events, claims and progress. Host is for people.
	Name, Host string

	// Group is the consumer group in which workers share the partitions, on the
	// control cluster. Default "portage-workers".
	Group string
	// Instance makes the worker a static member of the group (group.instance.id):
	// a process that takes the place of a dead one has its partitions after Grace
	// instead of Session. Two living processes must never have the same, and a
	// process may take one only if its predecessor is known to be dead, for
	// example by a lock on a file of the host, which the system gives back when a
	// process ends. Stop does not leave the group then: a process that is started
	// again within Session has its partitions again, one that stays away loses them
	// after it. Empty: the worker is a member under a new id each time.
	Instance string
	// Grace is how long after its start a static member claims nothing: the last
	// requests of its predecessor may still be on their way. Default 2s.
	Grace time.Duration
	// Heartbeat, Session and Rebalance are the group's times (see package
	// cluster/group). A worker sends only within Session of its last answered
	// heartbeat, and its partitions are taken over when Session has passed after
	// its death. Where brokers do not allow such a short one, it is doubled.
	// Defaults 1s, 6s (the shortest that brokers allow by default), 30s.
	Heartbeat, Session, Rebalance time.Duration

	// Reshare is how often a worker looks whether it copies much more or much less
	// than the group knows: then it has the partitions shared anew. Default 5m.
	Reshare time.Duration

	// FetchWait is how long a source broker may hold an empty fetch. Default 250ms.
	FetchWait time.Duration
	// FetchBytes bounds the answer to one fetch, PartitionBytes one partition's
	// share of it. Defaults 8 MiB, 1 MiB.
	FetchBytes, PartitionBytes int
	// Buffer is how many fetched bytes may wait for an acknowledgement of their
	// targets, TargetBuffer how many of them for one target cluster, so that one
	// that hangs leaves room for the others, and PartitionBuffer how many of one
	// partition. The worker's memory is bounded by Buffer and one answer of
	// FetchBytes for each source broker. Defaults 256 MiB, 128 MiB, 4 MiB.
	Buffer, TargetBuffer, PartitionBuffer int
	// Streams is the number of produce requests that may be under way to one
	// target broker; a partition always takes the same one. Default 2.
	Streams int
	// RequestBytes is the size at which a produce request is full. Default 4 MiB.
	RequestBytes int
	// ProduceTimeout is how long a target broker waits for its replicas. Default 30s.
	ProduceTimeout time.Duration
	// Batches of at most MergeBelow bytes are merged into batches of about
	// MergeUpTo bytes when several wait. Defaults 4 KiB, 64 KiB.
	MergeBelow, MergeUpTo int

	// PublishEvery is the least time between two publications of one
	// partition's map, unless a group that is switching waits for it. Default
	// 100ms.
	PublishEvery time.Duration
	// BlockRuns is the number of runs after which a map block is full. Default 1000.
	BlockRuns int
	// ProgressEvery is the time between two reports on a partition that moves. Default 1s.
	ProgressEvery time.Duration
	// IdentityEvery is how often topic ids and partition counts are compared
	// with the directive's. Default 5s.
	IdentityEvery time.Duration
	// Patience is how long a cluster may deny access without a break before a
	// partition stops: rights and secrets change in steps. Default 30s.
	Patience time.Duration
	// Starting is how many partitions of the same two clusters may ask brokers at a
	// time for what is not asked for many at once: producer ids, what stands on the
	// target after a restart or a doubt. Default 32.
	Starting int
	// Verifying is how many partitions may be compared at a time. Default 2.
	Verifying int

	// Nonce makes the last part of a claim's key: random for every call.
	// Default: 64 random bits in hex.
	Nonce func() string
	// Log receives what happens; the zero value discards it.
	Log zerolog.Logger
	// Hooks observe; see Hooks.
	Hooks Hooks
}

// Hooks are called synchronously and must return quickly; nil ones are skipped.
type Hooks struct {
	// Fetched is called after every fetch from a source broker, with the number
	// of partitions in its session.
	Fetched func(clusterName string, broker int32, partitions, bytes int, took time.Duration, err error)
	// Produced is called after every produce request to a target broker.
	Produced func(clusterName string, broker int32, batches, bytes int, took time.Duration, err error)
	// Published is called after every publication of map blocks.
	Published func(partitions int, took time.Duration, err error)
	// Progress is called with every report, published or not.
	Progress func(key events.CopyKey, p events.Progress)
	// Doubt is called when a partition has to be rechecked.
	Doubt func(key events.CopyKey, reason string)
	// Stopped is called when a partition stops.
	Stopped func(key events.CopyKey, code, reason string)
	// Owned is called with the number of partitions that the worker has.
	Owned func(partitions int)
}

// Validate fills in defaults and says what is wrong, naming the field, its
// value and the fix.
func (c *Config) Validate() error {
	if c.Group == "" {
		c.Group = "portage-workers"
	}
	if c.Nonce == nil {
		c.Nonce = randomNonce
	}
	errs := []error{c.validateDurations(), c.validateNumbers()}
	if c.Control == nil {
		errs = append(errs, errors.New("field Control is nil: give a client of the control cluster"))
	}
	if c.Clusters == nil {
		errs = append(errs, errors.New("field Clusters is nil: give a function that connects to a cluster by name"))
	}
	if c.Name == "" {
		errs = append(errs, errors.New("field Name is empty: give a name that no other process has, ever"))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("replicator configuration: %w", err)
	}
	return nil
}

func (c *Config) validateDurations() error {
	var errs []error
	for _, d := range []struct {
		name  string
		field *time.Duration
		value time.Duration
	}{
		{"Heartbeat", &c.Heartbeat, time.Second},
		{"Session", &c.Session, 6 * time.Second},
		{"Grace", &c.Grace, 2 * time.Second},
		{"Rebalance", &c.Rebalance, 30 * time.Second},
		{"Reshare", &c.Reshare, 5 * time.Minute},
		{"FetchWait", &c.FetchWait, 250 * time.Millisecond},
		{"ProduceTimeout", &c.ProduceTimeout, 30 * time.Second},
		{"PublishEvery", &c.PublishEvery, 100 * time.Millisecond},
		{"ProgressEvery", &c.ProgressEvery, time.Second},
		{"IdentityEvery", &c.IdentityEvery, 5 * time.Second},
		{"Patience", &c.Patience, 30 * time.Second},
	} {
		if *d.field == 0 {
			*d.field = d.value
		}
		if *d.field < 0 {
			errs = append(errs, fmt.Errorf("field %s is %v: give a positive duration", d.name, *d.field))
		}
	}
	return errors.Join(errs...)
}

func (c *Config) validateNumbers() error {
	var errs []error
	for _, n := range []struct {
		name  string
		field *int
		value int
	}{
		{"FetchBytes", &c.FetchBytes, 8 << 20},
		{"PartitionBytes", &c.PartitionBytes, 1 << 20},
		{"Buffer", &c.Buffer, 256 << 20},
		{"TargetBuffer", &c.TargetBuffer, 128 << 20},
		{"PartitionBuffer", &c.PartitionBuffer, 4 << 20},
		{"Streams", &c.Streams, 2},
		{"RequestBytes", &c.RequestBytes, 4 << 20},
		{"MergeBelow", &c.MergeBelow, 4 << 10},
		{"MergeUpTo", &c.MergeUpTo, 64 << 10},
		{"BlockRuns", &c.BlockRuns, 1000},
		{"Starting", &c.Starting, 32},
		{"Verifying", &c.Verifying, 2},
	} {
		if *n.field == 0 {
			*n.field = n.value
		}
		if *n.field < 0 {
			errs = append(errs, fmt.Errorf("field %s is %d: give a positive number", n.name, *n.field))
		}
	}
	if c.MergeUpTo < c.MergeBelow {
		errs = append(errs, fmt.Errorf("field MergeUpTo is %d, below MergeBelow of %d: merged batches would be smaller than those merged", c.MergeUpTo, c.MergeBelow))
	}
	return errors.Join(errs...)
}

// alignAtOnce records take about 10 MB.
const alignAtOnce = 100_000

// limits are those of a core.
func (c *Config) limits() limits {
	return limits{
		owner: c.Name, buffer: c.PartitionBuffer, mergeBelow: c.MergeBelow, mergeUpTo: c.MergeUpTo,
		alignAtOnce: alignAtOnce, blockRuns: c.BlockRuns, publishEvery: c.PublishEvery,
	}
}

// randomNonce is 64 random bits in hex.
func randomNonce() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails (package crypto/rand)
	return hex.EncodeToString(b[:])
}
