package embedded

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Session timeouts that a group may ask for: Kafka's own lower limit and default upper limit, the latter being the
// longest that a guard may sleep.
const (
	minSession = 6 * time.Second
	maxSession = 30 * time.Minute
)

// Cluster is one embedded cluster.
type Cluster struct {
	name    string
	kfake   *kfake.Cluster
	brokers int
	network *network
	stop    sync.Once

	mu        sync.Mutex
	placement *rand.Rand // places leaders; guarded by mu
}

func start(name string, o Options, side Side) (*Cluster, error) {
	brokers := max(o.Brokers, 1)
	net := newNetwork()
	opts := []kfake.Opt{
		kfake.NumBrokers(brokers),
		kfake.ClusterID("embedded-" + name),
		kfake.ListenFn(net.listen),
		kfake.GroupMinSessionTimeout(minSession),
		kfake.GroupMaxSessionTimeout(maxSession),
		kfake.BrokerConfigs(side.Properties),
	}
	if o.Log != nil {
		opts = append(opts, kfake.WithLogger(kfake.BasicLogger(o.Log, kfake.LogLevelWarn)))
	}
	inner, err := kfake.NewCluster(append(opts, side.Extra...)...)
	if err != nil {
		return nil, fmt.Errorf("embedded: start cluster %s: %w", name, err)
	}
	c := &Cluster{
		name: name, kfake: inner, brokers: brokers, network: net,
		placement: rand.New(rand.NewPCG(o.Seed, uint64(len(name)))),
	}
	for _, t := range side.Topics {
		if err := c.CreateTopic(t); err != nil {
			c.Stop()
			return nil, err
		}
	}
	return c, nil
}

// Name is "source" or "target".
func (c *Cluster) Name() string { return c.name }

// ID is the cluster id that the brokers report.
func (c *Cluster) ID() string { return "embedded-" + c.name }

// Bootstrap is the list of the brokers' addresses (host:port).
func (c *Cluster) Bootstrap() []string { return c.kfake.ListenAddrs() }

// Kfake is the cluster underneath, for faults, compaction, leader moves and looking inside.
func (c *Cluster) Kfake() *kfake.Cluster { return c.kfake }

// CreateTopic creates a topic and places its leaders by the seed.
func (c *Cluster) CreateTopic(t Topic) error {
	if err := c.kfake.CreateTopic(t.Name, t.Partitions, t.Configs); err != nil {
		return fmt.Errorf("embedded: create topic %s with %d partitions on %s: %w", t.Name, t.Partitions, c.name, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	first := c.placement.IntN(c.brokers)
	for p := range t.Partitions {
		leader := int32((first + int(p)) % c.brokers)
		if err := c.kfake.MoveTopicPartition(t.Name, p, leader); err != nil {
			return fmt.Errorf("embedded: place partition %d of %s on broker %d: %w", p, t.Name, leader, err)
		}
	}
	return nil
}

// LoseAcks makes the next count requests of the given kind do their work and answer "timed out" (error 7), which is what
// a client sees whose acknowledgement was lost; count −1 means until the handle is removed. Only requests that a broker
// can answer that way after the work can lose their acknowledgement (Produce, CreateTopics, DeleteTopics, ...); any other
// is refused with the same code before anything is done.
func (c *Cluster) LoseAcks(key kmsg.Key, count int) *kfake.FaultHandle {
	return c.kfake.Fault(kfake.Fault{Keys: []kmsg.Key{key}, Count: count, Err: kerr.RequestTimedOut})
}

// Cut drops the cluster off the network: open connections break, new ones are closed at once. The brokers keep their data
// and go on counting time, so sessions of group members expire. Heal ends it.
func (c *Cluster) Cut() { c.network.cut() }

// Heal lets connections in again after Cut.
func (c *Cluster) Heal() { c.network.heal() }

// Stop stops the brokers and drops their data. It may be called more than once.
func (c *Cluster) Stop() { c.stop.Do(c.kfake.Close) }
