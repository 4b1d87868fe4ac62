package e2e

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"golang.org/x/sync/errgroup"

	"github.com/portage-kafka/portage/fsm"
	"github.com/portage-kafka/portage/testkit/oracle"
	"github.com/portage-kafka/portage/testkit/realkafka"
	"github.com/portage-kafka/portage/testkit/workload"
)

var (
	soakFor    = flag.Duration("soak", 2*time.Minute, "how long TestRealSoak lets things break")
	soakTopics = flag.Int("soak.topics", 50, "topics that TestRealSoak copies")
	soakSeed   = flag.Uint64("soak.seed", 0, "seed of what breaks when; 0 draws one")
)

// soakPatience bounds a wait: six brokers with 1,200 replicas each have been seen to take minutes to be in sync again on two
// processors, and all partitions are compared by one command.
const soakPatience = 10 * time.Minute

// soak is a copy of many topics between clusters of three brokers, of which everything breaks now and then.
type soak struct {
	*bench
	r       *rand.Rand
	topics  []oracle.Topic
	kinds   map[string][]string // topics by kind
	workers []worker
	started int
	story   map[string]int // what was done, and how often
}

// TestRealSoak copies topics of all kinds while workers are killed and frozen, brokers of both sides restarted and leaders
// moved. In the end nothing is lost, doubled or out of order, both sides compare equal, and every offset translates exactly.
func TestRealSoak(t *testing.T) {
	b := realBench(t, realkafka.Options{Brokers: 3}, realkafka.Options{Brokers: 3})
	b.patience = soakPatience
	seed := *soakSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("seed %d: repeat with -soak.seed", seed)
	s := &soak{bench: b, r: rand.New(rand.NewPCG(seed, 0)), kinds: map[string][]string{}, story: map[string]int{}}
	s.init()
	s.create()
	s.history()
	s.serve("", "--no-worker")
	for range 3 {
		s.hire()
	}
	s.do("create", "-f", s.write("plan.yaml", s.plan()))
	s.do("start", "soak")

	live, stop := context.WithCancel(t.Context())
	var g errgroup.Group
	s.live(live, &g)
	s.breaking(time.Now().Add(*soakFor))
	stop()
	require.NoError(t, g.Wait())
	t.Logf("what was done: %v", s.story)
	s.caughtUp()
	s.judge("soak", verdict{topics: s.topics})
	s.translate("soak", s.names(), partitionsOf)
	compared := s.portage("verify", "soak")
	require.Zero(t, compared.code, "both sides compare equal\n%s%s", compared.out, compared.err)
}

// The kinds of topics: what makes the batch classes.
const (
	kindPlain        = "plain"        // large batches of all codecs
	kindTiny         = "tiny"         // batches of one record
	kindOld          = "old"          // records three days old: brokers forget who wrote them
	kindTransactions = "transactions" // committed and aborted
	kindCompacted    = "compacted"    // holes, tombstones, emptied batches
	kindStamped      = "stamped"      // times of the broker
)

// create makes the topics, of each kind in turn.
func (s *soak) create() {
	s.t.Helper()
	configs := map[string]map[string]string{
		kindOld:       {"retention.ms": "-1"},
		kindCompacted: {"cleanup.policy": "compact", "segment.ms": "2000", "min.cleanable.dirty.ratio": "0.01", "max.compaction.lag.ms": "2000"},
		kindStamped:   {"message.timestamp.type": "LogAppendTime"},
	}
	all := []string{kindPlain, kindTiny, kindOld, kindTransactions, kindCompacted, kindStamped}
	admin := s.admin(source)
	for i := range *soakTopics {
		kind := all[i%len(all)]
		name := fmt.Sprintf("%s-%02d", kind, i)
		set := map[string]*string{"min.insync.replicas": kadm.StringPtr("2")}
		for k, v := range configs[kind] {
			set[k] = kadm.StringPtr(v)
		}
		_, err := admin.CreateTopic(s.t.Context(), partitionsOf, 3, set, name)
		require.NoError(s.t, err)
		s.kinds[kind] = append(s.kinds[kind], name)
		s.topics = append(s.topics, oracle.Topic{Name: name, Compacted: kind == kindCompacted})
	}
	s.healed(s.kafka[0])
	s.eventually("all topics to be there", func() bool {
		ends, err := admin.ListEndOffsets(s.t.Context(), s.names()...)
		return err == nil && ends.Error() == nil && len(ends) == len(s.topics)
	})
}

// writer says how the topics of a kind are written.
func (s *soak) writer(kind, producer string) workload.ProducerConfig {
	p := workload.ProducerConfig{Generator: workload.GeneratorConfig{
		Producer: producer, Topics: s.kinds[kind], Keys: 200, MinBytes: 100, MaxBytes: 1500, Headers: 1, Seed: s.r.Uint64(),
	}}
	codecs := workload.Codecs()
	p.Codec = codecs[s.r.IntN(len(codecs))]
	switch kind {
	case kindTiny:
		p.Linger, p.Generator.MaxBytes = -1, 200
	case kindTransactions:
		p.Transactions = workload.Transactions{ID: producer, Size: 20, AbortEvery: 3}
	case kindCompacted:
		p.Generator.Keys, p.Generator.Tombstones = 50, 9
	}
	return p
}

// history fills the topics before anything breaks. Old records are written now only: a producer of such records is
// forgotten by its own cluster, too.
func (s *soak) history() {
	s.t.Helper()
	var g errgroup.Group
	for kind := range s.kinds {
		p := s.writer(kind, kind+"-before")
		p.Count = int64(400 * len(s.kinds[kind]))
		if kind == kindOld {
			p.Age, p.Count = 72*time.Hour, int64(4000*len(s.kinds[kind]))
		}
		g.Go(func() error { return s.filling(source, p) })
	}
	require.NoError(s.t, g.Wait())
}

// live writes until ctx ends.
func (s *soak) live(ctx context.Context, g *errgroup.Group) {
	for kind := range s.kinds {
		if kind == kindOld {
			continue
		}
		p := s.writer(kind, kind+"-live")
		p.Rate = 40
		g.Go(func() error { return s.writing(ctx, source, p) })
	}
}

func (s *soak) plan() string {
	text := "migration: soak\nsource: source\ntargets: [target]\nstrategy: consumers-first\ntopics:\n"
	for _, t := range s.topics {
		text += fmt.Sprintf("  - {name: %s}\n", t.Name)
	}
	return text
}

// hire starts one more worker.
func (s *soak) hire() {
	s.started++
	s.workers = append(s.workers, s.work(fmt.Sprint("worker-", s.started)))
}

// breaking does one harm after the other until a time.
func (s *soak) breaking(until time.Time) {
	s.t.Helper()
	for time.Now().Before(until) {
		harm := []func() string{s.killWorker, s.killWorker, s.freezeWorker, s.freezeWorker, s.restartBroker, s.freezeBroker, s.moveLeaders, s.pauseCopy}[s.r.IntN(8)]
		name := harm()
		s.story[name]++
		s.t.Logf("%s %s", time.Now().Format(time.TimeOnly), name)
		s.rest(time.Second, 4*time.Second)
	}
}

// rest lets some time pass: what happens in it is drawn, not waited for.
func (s *soak) rest(least, most time.Duration) {
	time.Sleep(least + time.Duration(s.r.Int64N(int64(most-least))))
}

func (s *soak) killWorker() string {
	i := s.r.IntN(len(s.workers))
	s.workers[i].kill()
	s.workers = slices.Delete(s.workers, i, i+1)
	s.hire()
	return "worker killed"
}

func (s *soak) freezeWorker() string {
	w := s.workers[s.r.IntN(len(s.workers))]
	w.freeze()
	s.rest(time.Second, 20*time.Second) // past its session sometimes
	w.thaw()
	return "worker frozen"
}

// aBroker is a broker of either side.
func (s *soak) aBroker() (side *realkafka.Cluster, id int) {
	side = s.kafka[s.r.IntN(2)]
	ids := side.Brokers()
	return side, ids[s.r.IntN(len(ids))]
}

func (s *soak) restartBroker() string {
	side, id := s.aBroker()
	how := "stopped"
	if s.r.IntN(2) == 0 {
		how = "killed"
		require.NoError(s.t, side.Kill(id, os.Kill))
	}
	require.NoError(s.t, side.Restart(s.t.Context(), id))
	s.healed(side)
	return side.Name() + " broker " + how
}

func (s *soak) freezeBroker() string {
	side, id := s.aBroker()
	require.NoError(s.t, side.Pause(id))
	s.rest(time.Second, 8*time.Second)
	require.NoError(s.t, side.Resume(id))
	s.healed(side)
	return side.Name() + " broker frozen"
}

// healed waits until every replica is in sync: two brokers out of three are never away at a time.
func (s *soak) healed(side *realkafka.Cluster) {
	s.t.Helper()
	admin := s.admin(side.Name())
	s.eventually("replicas of "+side.Name()+" in sync", func() bool {
		all, err := admin.ListTopics(s.t.Context())
		if err != nil || all.Error() != nil {
			return false
		}
		for _, t := range all {
			for _, p := range t.Partitions {
				if len(p.ISR) < len(p.Replicas) || p.Leader < 0 {
					return false
				}
			}
		}
		return true
	})
}

func (s *soak) moveLeaders() string {
	side := s.kafka[s.r.IntN(2)]
	_, err := s.admin(side.Name()).ElectLeaders(s.t.Context(), kadm.ElectPreferredReplica, nil)
	require.NoError(s.t, err)
	return side.Name() + " leaders moved"
}

func (s *soak) pauseCopy() string {
	s.do("pause", "soak")
	s.rest(time.Second, 3*time.Second)
	s.do("resume", "soak")
	return "copy paused"
}

// partitionsOf is how many partitions each topic has.
const partitionsOf = 8

// names are the topics' names.
func (s *soak) names() (list []string) {
	for _, t := range s.topics {
		list = append(list, t.Name)
	}
	return list
}

// caughtUp waits until the published maps have reached the ends of the source.
func (s *soak) caughtUp() {
	s.t.Helper()
	admin := s.admin(source)
	s.eventually("the copy to be at the source's ends", func() bool {
		ends, err := admin.ListCommittedOffsets(s.t.Context(), s.names()...)
		if err != nil || ends.Error() != nil {
			return false
		}
		maps, behind := s.offsetMaps("soak", s.names(), partitionsOf), ""
		ends.Each(func(o kadm.ListedOffset) {
			if at := maps[logOffset{o.Topic, o.Partition, 0}].Watermark(); at < o.Offset {
				behind = fmt.Sprintf("%s/%d is copied to %d of %d", o.Topic, o.Partition, at, o.Offset)
			}
		})
		return behind == ""
	})
	s.counted("soak", "no topic stopped", func(c fsm.Count) bool { return c.Stopped == 0 && c.Synced == len(s.topics) })
}
