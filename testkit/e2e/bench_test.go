package e2e

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/portage-kafka/portage/testkit/embedded"
	"github.com/portage-kafka/portage/testkit/realkafka"
	"github.com/portage-kafka/portage/testkit/workload"
)

// Names of the clusters in every configuration and journal.
const (
	source = "source"
	target = "target"
)

// bench is a pair of clusters, a folder with portage's configuration, and the processes that run there.
type bench struct {
	t         *testing.T
	dir       string
	programs  programs
	bootstrap map[string][]string
	// sections are the clusters' entries in portage.yaml, as YAML in one line.
	sections  map[string]string
	processes []*process
	naming    sync.Mutex
	journals  []string // of everybody; guarded by naming
	handlers  []string // of consumers
	state     *fold
	named     map[string]int // processes started under a name
	kafka     []*realkafka.Cluster
	patience  time.Duration // of one wait or command
}

// newBench writes the configuration for two clusters; the target holds the control topics.
func newBench(t *testing.T, bootstrap map[string][]string) *bench {
	t.Helper()
	root, err := repository()
	require.NoError(t, err)
	dir := filepath.Join(root, ".cache", "e2e", strings.ReplaceAll(t.Name(), "/", "_"))
	require.NoError(t, os.RemoveAll(dir))
	require.NoError(t, os.MkdirAll(dir, 0o755))
	b := &bench{t: t, dir: dir, programs: built(t), bootstrap: bootstrap, sections: map[string]string{}, named: map[string]int{}, patience: patience}
	for name, addresses := range bootstrap {
		b.sections[name] = fmt.Sprintf("{bootstrap: [%s]}", strings.Join(addresses, ", "))
	}
	b.configure()
	t.Cleanup(b.end)
	return b
}

// configure writes portage.yaml.
func (b *bench) configure() {
	b.t.Helper()
	var y strings.Builder
	fmt.Fprintf(&y, "control: %s\ndata: %s\nclusters:\n", target, filepath.Join(b.dir, "data"))
	for _, name := range slices.Sorted(maps.Keys(b.sections)) {
		fmt.Fprintf(&y, "  %s: %s\n", name, b.sections[name])
	}
	b.write("portage.yaml", y.String())
}

// write makes a file in the folder that all processes work in.
func (b *bench) write(name, text string) string {
	b.t.Helper()
	path := filepath.Join(b.dir, name)
	require.NoError(b.t, os.WriteFile(path, []byte(text), 0o644))
	return path
}

// end kills what still runs, and shows the logs of a test that failed.
func (b *bench) end() {
	for _, p := range b.processes {
		if p.alive() {
			p.leaving = true
			_ = p.cmd.Process.Kill()
			<-p.done
		}
	}
	if b.state != nil {
		b.state.close()
	}
	if !b.t.Failed() {
		return
	}
	shown := map[string]bool{}
	for _, p := range b.processes {
		if !shown[p.log] {
			shown[p.log] = true
			b.t.Log(tail(p.log, 15))
		}
	}
	b.t.Log(tail(filepath.Join(b.dir, "cli.log"), 60))
	b.t.Logf("all logs and journals are in %s", b.dir)
}

// embeddedBench is a bench on embedded clusters.
func embeddedBench(t *testing.T) *bench {
	t.Helper()
	pair := embedded.ForTest(t, embedded.Options{Seed: 1})
	return newBench(t, map[string][]string{source: pair.Source.Bootstrap(), target: pair.Target.Bootstrap()})
}

// realBench is a bench on Apache Kafka. The options may leave out name and version.
func realBench(t *testing.T, from, to realkafka.Options) *bench {
	t.Helper()
	realkafka.Require(t)
	built(t) // before the brokers take the processor
	from.Name, from.Version, to.Name, to.Version = source, realkafka.Source, target, realkafka.Target
	both := realkafka.AllForTest(t, from, to)
	b := newBench(t, map[string][]string{source: both[0].Bootstrap(realkafka.Internal), target: both[1].Bootstrap(realkafka.Internal)})
	b.kafka = both
	return b
}

// cluster says how the workload and the oracle reach a cluster.
func (b *bench) cluster(name string) workload.ClusterConfig {
	return workload.ClusterConfig{Name: name, Bootstrap: b.bootstrap[name]}
}

// admin is a client of a cluster that shares no code with portage.
func (b *bench) admin(name string) *kadm.Client {
	b.t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(b.bootstrap[name]...))
	require.NoError(b.t, err)
	b.t.Cleanup(client.Close)
	return kadm.NewClient(client)
}

// topic creates a topic, and waits until it can be written to.
func (b *bench) topic(cluster, name string, partitions int32, configs map[string]string) {
	b.t.Helper()
	admin, set := b.admin(cluster), map[string]*string{}
	for k, v := range configs {
		set[k] = kadm.StringPtr(v)
	}
	_, err := admin.CreateTopic(b.t.Context(), partitions, 1, set, name)
	require.NoError(b.t, err, "create %s on %s", name, cluster)
	b.eventually(name+" to be there", func() bool {
		listed, err := admin.ListEndOffsets(b.t.Context(), name)
		return err == nil && listed.Error() == nil && len(listed[name]) == int(partitions)
	})
}

// ends are the ends of topics on a cluster, by topic and partition.
func (b *bench) ends(cluster string, topics ...string) map[string]map[int32]int64 {
	b.t.Helper()
	listed, err := b.admin(cluster).ListEndOffsets(b.t.Context(), topics...)
	require.NoError(b.t, err)
	require.NoError(b.t, listed.Error())
	out := map[string]map[int32]int64{}
	listed.Each(func(o kadm.ListedOffset) {
		if out[o.Topic] == nil {
			out[o.Topic] = map[int32]int64{}
		}
		out[o.Topic][o.Partition] = o.Offset
	})
	return out
}

// topicsOf are the names of all topics of a cluster that are not internal.
func (b *bench) topicsOf(cluster string) []string {
	b.t.Helper()
	all, err := b.admin(cluster).ListTopics(b.t.Context())
	require.NoError(b.t, err)
	return all.Names()
}

// journal names a new journal of the folder.
func (b *bench) journal(of string) string {
	path := filepath.Join(b.dir, of+".journal")
	b.naming.Lock()
	defer b.naming.Unlock()
	if !slices.Contains(b.journals, path) {
		b.journals = append(b.journals, path)
	}
	return path
}

// unique makes a name for one more process of an instance: "billing-0.1", then "billing-0.2".
func (b *bench) unique(instance string) string {
	b.named[instance]++
	return fmt.Sprintf("%s.%d", instance, b.named[instance])
}

// total sums ends: how many offsets all partitions of all topics have.
func total(ends map[string]map[int32]int64) (sum int64) {
	for _, partitions := range ends {
		for _, end := range partitions {
			sum += end
		}
	}
	return sum
}
