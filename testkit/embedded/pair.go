package embedded

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
)

// Names of the two clusters of a Pair, as plans and agents call them.
const (
	SourceName = "source"
	TargetName = "target"
)

// ErrBrokers says that a cluster was asked for with a number of brokers that is not 1 or 3.
var ErrBrokers = errors.New("embedded: a cluster has 1 or 3 brokers")

// Options say how a Pair begins. The zero value is two empty clusters of one broker each.
type Options struct {
	// Brokers is the number of brokers of each cluster: 1 (also for 0) or 3.
	Brokers int
	// Seed places the leaders of topics created by this package; equal seeds give equal placements.
	Seed uint64
	// Source and Target say what each cluster begins with.
	Source, Target Side
	// Log receives kfake's warnings; nil means none.
	Log io.Writer
}

// Side is how one cluster of a Pair begins.
type Side struct {
	// Topics exist from the start.
	Topics []Topic
	// Properties are broker settings (message.max.bytes, log.message.timestamp.type, ...). Those that kfake does not know
	// are kept and shown, and have no effect.
	Properties map[string]string
	// Extra are further kfake options (MaxVersions for an old broker, EnableSASL, TLS, ...); they win over ours.
	Extra []kfake.Opt
}

// Topic is a topic to create. Its replication factor is the number of brokers.
type Topic struct {
	Name       string
	Partitions int32             // at least 1
	Configs    map[string]string // as in CreateTopics; nil means the broker's defaults
}

// Validate says what is wrong with the options, naming the field and the value.
func (o Options) Validate() error {
	if o.Brokers != 0 && o.Brokers != 1 && o.Brokers != 3 {
		return fmt.Errorf("%w: Options.Brokers is %d", ErrBrokers, o.Brokers)
	}
	for _, side := range []struct {
		name string
		Side
	}{{"Source", o.Source}, {"Target", o.Target}} {
		for i, t := range side.Topics {
			if t.Name == "" || t.Partitions < 1 {
				return fmt.Errorf("embedded: Options.%s.Topics[%d] is %q with %d partitions: it needs a name and at least one partition",
					side.name, i, t.Name, t.Partitions)
			}
		}
	}
	return nil
}

// Pair is a source and a target cluster.
type Pair struct {
	Source, Target *Cluster
}

// Start starts both clusters and creates their topics. The caller calls Stop.
func Start(o Options) (*Pair, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	source, err := start(SourceName, o, o.Source)
	if err != nil {
		return nil, err
	}
	target, err := start(TargetName, o, o.Target)
	if err != nil {
		source.Stop()
		return nil, err
	}
	return &Pair{Source: source, Target: target}, nil
}

// Stop stops both clusters and drops their data. It may be called more than once.
func (p *Pair) Stop() {
	p.Source.Stop()
	p.Target.Stop()
}

// ForTest starts a Pair that is stopped when the test ends; it fails the test when that is impossible.
func ForTest(tb testing.TB, o Options) *Pair {
	tb.Helper()
	pair, err := Start(o)
	if err != nil {
		tb.Fatalf("start embedded clusters: %v", err)
	}
	tb.Cleanup(pair.Stop)
	return pair
}
