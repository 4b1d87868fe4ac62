package replicator

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/cluster/batch"
	"github.com/portage-kafka/portage/cluster/wire"
	"github.com/portage-kafka/portage/testkit/realkafka"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

var updateGolden = flag.Bool("update", false, "TestRealModel: write testdata/broker as the newest Apache Kafka answers")

// TestRealModel holds Apache Kafka against the table of the simulator's model:
// what the model assumes is what brokers do. With -update the newest version
// writes the table and the older one is held against it.
func TestRealModel(t *testing.T) {
	realkafka.Require(t)
	for _, version := range []string{realkafka.Target, realkafka.Source} {
		for needs, files := range goldenByCluster(t) {
			t.Run(fmt.Sprintf("%s with %s", version, needs), func(t *testing.T) { answerGolden(t, version, needs, files) })
		}
	}
}

// brokersNeeded is what a script asks for in its first line.
type brokersNeeded struct {
	count int
	check string
}

func (n brokersNeeded) String() string {
	return fmt.Sprintf("%d brokers, expiry check every %s", n.count, n.check)
}

func goldenByCluster(t *testing.T) map[brokersNeeded][]string {
	all := map[brokersNeeded][]string{}
	for _, path := range goldenFiles(t) {
		n := brokersNeeded{count: 1, check: "24h"} // none, however slow the machine is
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			if d.Cmd == "brokers" {
				n.count = int(argInt(t, d, "count", 1))
				d.MaybeScanArgs(t, "check", &n.check)
			}
			return d.Expected
		})
		all[n] = append(all[n], path)
	}
	return all
}

func answerGolden(t *testing.T, version string, needs brokersNeeded, files []string) {
	check, err := time.ParseDuration(needs.check)
	require.NoError(t, err)
	properties := map[string]string{"producer.id.expiration.check.interval.ms": fmt.Sprint(check.Milliseconds())}
	if needs.count > 1 { // a follower that is stopped for a while stays in sync
		properties["broker.session.timeout.ms"], properties["replica.lag.time.max.ms"] = "30000", "90000"
	}
	k := realkafka.ForTest(t, realkafka.Options{Name: "golden", Version: version, Brokers: needs.count, Properties: properties})
	c, err := cluster.Open(t.Context(), "golden", cluster.Config{Bootstrap: k.Bootstrap(realkafka.Internal)})
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	for _, path := range files {
		t.Run(filepath.Base(path), func(t *testing.T) {
			s := &kafkaSubject{t: t, cluster: k, c: c, prefix: filepath.Base(path), txns: map[int64]*openTxn{}}
			g := newGolden(t, s)
			if *updateGolden && version == realkafka.Target {
				require.NoError(t, flag.Set("rewrite", "true"))
				defer func() { require.NoError(t, flag.Set("rewrite", "false")) }()
			}
			datadriven.RunTest(t, path, g.run)
		})
	}
}

// kafkaSubject answers the table by asking brokers.
type kafkaSubject struct {
	t       *testing.T
	cluster *realkafka.Cluster
	c       *cluster.Client
	prefix  string
	topics  int
	name    string
	id      [16]byte
	configs map[string]string
	// leader and follower are the brokers that have the partition; stopped says
	// that the follower is.
	leader, follower int32
	stopped          bool
	txns             map[int64]*openTxn
}

type openTxn struct {
	id    string
	epoch int16
	added bool
}

func (s *kafkaSubject) within(d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	s.t.Cleanup(cancel)
	return ctx
}

// eventually polls until f says that a state is reached.
func (s *kafkaSubject) eventually(what string, f func() (bool, error)) {
	s.t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	var err error
	for end := time.Now().Add(startWithin); ; <-tick.C {
		var ok bool
		if ok, err = f(); ok {
			return
		}
		require.True(s.t, time.Now().Before(end), "in vain: %s (%v)", what, err)
	}
}

func (s *kafkaSubject) topic(configs map[string]string) {
	s.topics++
	s.name, s.configs = fmt.Sprintf("%s-%d-%d", s.prefix, s.topics, time.Now().UnixMilli()), configs
	s.create()
}

func (s *kafkaSubject) create() {
	s.leader, s.follower = 1, 2
	t := kmsg.NewCreateTopicsRequestTopic()
	t.Topic, t.NumPartitions, t.ReplicationFactor = s.name, -1, -1
	a := kmsg.NewCreateTopicsRequestTopicReplicaAssignment()
	a.Replicas = []int32{1, 2}[:min(len(s.cluster.Brokers()), 2)]
	t.ReplicaAssignment = append(t.ReplicaAssignment, a)
	all := map[string]string{"retention.ms": "-1", "min.insync.replicas": "1", "unclean.leader.election.enable": "true"}
	for k, v := range s.configs {
		all[k] = v
	}
	for k, v := range all {
		c := kmsg.NewCreateTopicsRequestTopicConfig()
		c.Name, c.Value = k, kmsg.StringPtr(v)
		t.Configs = append(t.Configs, c)
	}
	req := kmsg.NewPtrCreateTopicsRequest()
	req.Topics, req.TimeoutMillis = append(req.Topics, t), 10000
	s.eventually("the topic is created", func() (bool, error) {
		resp, err := cluster.Do[*kmsg.CreateTopicsResponse](s.within(20*time.Second), s.c, req, cluster.OnController())
		if err != nil {
			return false, err
		}
		code := resp.Topics[0].ErrorCode
		s.id = resp.Topics[0].TopicID
		return code == 0, fmt.Errorf("code %d", code)
	})
	s.settle()
}

// settle waits until the leader of the topic as it was created last answers and,
// unless the follower is stopped, it has everything. It returns the log's edges.
func (s *kafkaSubject) settle() (e logEnds) {
	s.eventually("the partition is led and replicated", func() (bool, error) {
		p, id, err := s.metadata()
		if err != nil || p.Leader != s.leader || id != s.id {
			return false, fmt.Errorf("topic %x, led by %d: %w", id, p.Leader, err)
		}
		e, err = s.look(p)
		replicated := s.stopped || len(p.Replicas) == 1 || (len(p.ISR) == 2 && e.high == e.end)
		return err == nil && replicated, err
	})
	return e
}

// metadata asks the leader: others may be stopped.
func (s *kafkaSubject) metadata() (p cluster.Partition, id [16]byte, err error) {
	req := kmsg.NewPtrMetadataRequest()
	t := kmsg.NewMetadataRequestTopic()
	t.Topic = kmsg.StringPtr(s.name)
	req.Topics = append(req.Topics, t)
	resp, err := cluster.Do[*kmsg.MetadataResponse](s.within(20*time.Second), s.c, req, cluster.OnBroker(s.leader))
	if err != nil || len(resp.Topics[0].Partitions) == 0 {
		return p, id, errors.Join(err, errors.New("no partition"))
	}
	x := resp.Topics[0].Partitions[0]
	return cluster.Partition{Leader: x.Leader, LeaderEpoch: x.LeaderEpoch, Replicas: x.Replicas, ISR: x.ISR}, resp.Topics[0].TopicID, nil
}

// look reads the log's edges.
func (s *kafkaSubject) look(p cluster.Partition) (e logEnds, err error) {
	for _, x := range []struct {
		into      *int64
		at        int64
		isolation int8
	}{{&e.start, -2, 0}, {&e.high, -1, 0}, {&e.stable, -1, 1}} {
		if *x.into, err = s.list(x.at, x.isolation); err != nil {
			return e, err
		}
	}
	e.end, err = epochEnd(s.within(20*time.Second), &link{Client: s.c}, s.name, p, p.LeaderEpoch)
	return e, err
}

func (s *kafkaSubject) list(at int64, isolation int8) (int64, error) {
	req := kmsg.NewPtrListOffsetsRequest()
	t := kmsg.NewListOffsetsRequestTopic()
	p := kmsg.NewListOffsetsRequestTopicPartition()
	p.Timestamp, p.CurrentLeaderEpoch = at, -1
	t.Topic, t.Partitions = s.name, append(t.Partitions, p)
	req.ReplicaID, req.IsolationLevel, req.Topics = -1, isolation, append(req.Topics, t)
	resp, err := cluster.Do[*kmsg.ListOffsetsResponse](s.within(20*time.Second), s.c, req, cluster.OnBroker(s.leader))
	if err != nil {
		return 0, err
	}
	got := resp.Topics[0].Partitions[0]
	return got.Offset, kerr.ErrorForCode(got.ErrorCode)
}

func (s *kafkaSubject) ends() logEnds { return s.settle() }

func (s *kafkaSubject) epochEnd(epoch int32) (end int64, current bool) {
	s.eventually("the leader says where an epoch ended", func() (bool, error) {
		p, _, err := s.metadata()
		if err != nil {
			return false, err
		}
		current = epoch >= p.LeaderEpoch
		end, err = epochEnd(s.within(20*time.Second), &link{Client: s.c}, s.name, p, epoch)
		return err == nil, err
	})
	return end, current
}

func (s *kafkaSubject) producerID(transactional bool) int64 {
	if !transactional {
		id, epoch, err := s.c.InitProducerID(s.within(20 * time.Second))
		require.NoError(s.t, err)
		require.Zero(s.t, epoch)
		return id
	}
	name := fmt.Sprintf("%s-txn-%d", s.name, len(s.txns))
	req := kmsg.NewPtrInitProducerIDRequest()
	req.TransactionalID, req.TransactionTimeoutMillis, req.ProducerID, req.ProducerEpoch = kmsg.StringPtr(name), 900_000, -1, -1 // the most: nobody else shall end it
	var resp *kmsg.InitProducerIDResponse
	s.eventually("the transaction coordinator answers", func() (ok bool, err error) {
		resp, err = cluster.Do[*kmsg.InitProducerIDResponse](s.within(20*time.Second), s.c, req, cluster.OnBroker(s.coordinator(name)), cluster.AtMost(4))
		return err == nil && resp.ErrorCode == 0, err
	})
	s.txns[resp.ProducerID] = &openTxn{id: name, epoch: resp.ProducerEpoch}
	return resp.ProducerID
}

func (s *kafkaSubject) coordinator(name string) (node int32) {
	s.eventually("there is a transaction coordinator", func() (bool, error) {
		req := kmsg.NewPtrFindCoordinatorRequest()
		req.CoordinatorKey, req.CoordinatorType = name, 1
		resp, err := cluster.Do[*kmsg.FindCoordinatorResponse](s.within(20*time.Second), s.c, req, cluster.AtMost(3))
		if err != nil {
			return false, err
		}
		node = resp.NodeID
		return resp.ErrorCode == 0, fmt.Errorf("code %d", resp.ErrorCode)
	})
	return node
}

// startWithin is how long a broker may take to start, and everything else that is waited for, on a busy machine.
const startWithin = 5 * time.Minute

// followerWait is how long the leader holds a follower's fetch at most (replica.fetch.wait.max.ms).
const followerWait = 500 * time.Millisecond

// How long a broker waits for the followers before it answers with error 7: with one that is stopped it always does, else never.
const (
	lagWithin     = 1500 * time.Millisecond
	produceWithin = 2 * time.Minute
)

func (s *kafkaSubject) send(b batch.Batch, o sendOptions) (a answer) {
	within := produceWithin
	if s.stopped {
		within = lagWithin
	}
	req := &wire.Produce{Acks: o.acks, Timeout: within, Topics: []wire.ProduceTopic{{Topic: s.name, Partitions: []wire.ProducePartition{{Records: b}}}}}
	if o.txn {
		x := s.txns[b.Producer().ID]
		req.TransactionalID = x.id
		s.join(x, b.Producer())
	}
	s.eventually("the leader answers", func() (bool, error) {
		res, err := s.c.Produce(s.within(2*produceWithin), s.leader, req)
		if err != nil {
			return false, err
		}
		p := res.Partitions[0]
		a = answer{code: p.Code, base: p.Base, message: messageOf(p)}
		passing := p.Code == 3 || p.Code == 6 || p.Code == 74 // the broker does not know its partition yet
		return !passing, nil
	})
	return a
}

// join adds the partition to the producer's transaction.
func (s *kafkaSubject) join(x *openTxn, p batch.Producer) {
	if x.added {
		return
	}
	req := kmsg.NewPtrAddPartitionsToTxnRequest()
	t := kmsg.NewAddPartitionsToTxnRequestTopic()
	t.Topic, t.Partitions = s.name, []int32{0}
	req.TransactionalID, req.ProducerID, req.ProducerEpoch, req.Topics = x.id, p.ID, p.Epoch, append(req.Topics, t)
	s.eventually("the partition is in the transaction", func() (bool, error) {
		resp, err := cluster.Do[*kmsg.AddPartitionsToTxnResponse](s.within(20*time.Second), s.c, req, cluster.OnBroker(s.coordinator(x.id)), cluster.AtMost(3))
		if err != nil {
			return false, err
		}
		code := resp.Topics[0].Partitions[0].ErrorCode
		return code == 0, fmt.Errorf("code %d", code)
	})
	x.added = true
}

func (s *kafkaSubject) endTransaction(pid int64, commit bool) {
	x, before := s.txns[pid], s.ends().end
	req := kmsg.NewPtrEndTxnRequest()
	req.TransactionalID, req.ProducerID, req.ProducerEpoch, req.Commit = x.id, pid, x.epoch, commit
	s.eventually("the transaction ends", func() (bool, error) {
		resp, err := cluster.Do[*kmsg.EndTxnResponse](s.within(20*time.Second), s.c, req, cluster.OnBroker(s.coordinator(x.id)), cluster.AtMost(4))
		if err != nil {
			return false, err
		}
		return resp.ErrorCode == 0, fmt.Errorf("code %d", resp.ErrorCode)
	})
	x.added = false
	s.eventually("the marker is written", func() (bool, error) { return s.ends().end > before, nil })
}

func (s *kafkaSubject) serve(from int64, size int, committed bool) fetched {
	s.settle()
	return s.fetch(&wire.Fetch{MaxBytes: 50 << 20, Committed: committed}, from, size)
}

func (s *kafkaSubject) fetch(f *wire.Fetch, from int64, size int) (got fetched) {
	f.Topics = []wire.FetchTopic{{Topic: s.name, Partitions: []wire.FetchPartition{{Offset: from, MaxBytes: int32(size)}}}}
	s.eventually("the leader serves a fetch", func() (bool, error) {
		res, err := s.c.Fetch(s.within(20*time.Second+f.MaxWait), s.leader, f)
		if err != nil {
			return false, err
		}
		p := res.Partitions[0]
		got = fetched{code: p.Code, page: pageOf(p, true)}
		return p.Code != 3 && p.Code != 6 && p.Code != 74, kerr.ErrorForCode(p.Code)
	})
	return got
}

func (s *kafkaSubject) restart(killed bool) {
	if killed {
		require.NoError(s.t, s.cluster.Kill(int(s.leader), syscall.SIGKILL))
	}
	require.NoError(s.t, s.cluster.Restart(s.within(startWithin), int(s.leader)))
	s.settle()
}

// expire waits until the leader does not list producers any more whose last
// record is older than a day (producer.id.expiration.ms).
func (s *kafkaSubject) expire() {
	req := kmsg.NewPtrDescribeProducersRequest()
	t := kmsg.NewDescribeProducersRequestTopic()
	t.Topic, t.Partitions = s.name, []int32{0}
	req.Topics = append(req.Topics, t)
	s.eventually("old producers are forgotten", func() (bool, error) {
		resp, err := cluster.Do[*kmsg.DescribeProducersResponse](s.within(20*time.Second), s.c, req, cluster.OnBroker(s.leader))
		if err != nil {
			return false, err
		}
		for _, p := range resp.Topics[0].Partitions[0].ActiveProducers {
			if time.Since(time.UnixMilli(p.LastTimestamp)) > 24*time.Hour {
				return false, errors.New("an old producer is known")
			}
		}
		return true, nil
	})
}

func (s *kafkaSubject) trim(to int64) {
	req := kmsg.NewPtrDeleteRecordsRequest()
	t := kmsg.NewDeleteRecordsRequestTopic()
	p := kmsg.NewDeleteRecordsRequestTopicPartition()
	p.Offset = to
	t.Topic, t.Partitions = s.name, append(t.Partitions, p)
	req.Topics, req.TimeoutMillis = append(req.Topics, t), 10000
	s.eventually("the log start moves", func() (bool, error) {
		resp, err := cluster.Do[*kmsg.DeleteRecordsResponse](s.within(20*time.Second), s.c, req, cluster.OnBroker(s.leader))
		if err != nil {
			return false, err
		}
		code := resp.Topics[0].Partitions[0].ErrorCode
		return code == 0, kerr.ErrorForCode(code)
	})
}

// clean waits until the log has so many records.
func (s *kafkaSubject) clean(until int) {
	s.eventually(fmt.Sprintf("%d records are left", until), func() (bool, error) {
		n, e := 0, s.ends()
		for at := e.start; at < e.end; {
			f := s.serve(at, 1<<20, false)
			b, rest := batch.Split(f.records)
			for ; b != nil; b, rest = batch.Split(rest) {
				n, at = n+int(b.Count()), b.NextOffset()
			}
			if len(f.records) == 0 {
				break
			}
		}
		return n == until, fmt.Errorf("there are %d", n)
	})
}

func (s *kafkaSubject) recreate() (sameID bool) {
	before := s.id
	require.NoError(s.t, s.c.DeleteTopic(s.within(20*time.Second), s.name))
	s.create()
	return before == s.id
}

func (s *kafkaSubject) lag(stopped bool) {
	s.settle()
	s.stopped = stopped
	if stopped {
		require.NoError(s.t, s.cluster.Pause(int(s.follower)))
		s.outwait()
		return
	}
	s.stillInSync()
	require.NoError(s.t, s.cluster.Resume(int(s.follower)))
	s.settle()
}

// outwait waits until the fetch is answered that the follower has sent last: it
// gets nothing more. The leader ends fetches that wait for records in the order
// in which their time is over, and ours come later and wait as long.
func (s *kafkaSubject) outwait() {
	end := s.ends().end
	for range 2 {
		f := s.fetch(&wire.Fetch{MaxWait: 2 * followerWait, MinBytes: 1, MaxBytes: 1 << 20}, end, 1<<20)
		require.Empty(s.t, f.records)
	}
}

// stillInSync requires that the controller has not missed the stopped follower.
func (s *kafkaSubject) stillInSync() {
	p, _, err := s.metadata()
	require.NoError(s.t, err)
	require.Len(s.t, p.ISR, 2, "the follower was stopped for too long to stay in sync: the machine is too slow for broker.session.timeout.ms")
}

// leave takes the follower out of the in-sync replicas.
func (s *kafkaSubject) leave() {
	s.settle()
	s.stopped = true
	require.NoError(s.t, s.cluster.Kill(int(s.follower), syscall.SIGTERM))
	s.eventually("the follower is out of sync", func() (bool, error) {
		p, _, err := s.metadata()
		return len(p.ISR) == 1, err
	})
}

// elect makes the follower, which is behind, the leader.
func (s *kafkaSubject) elect(unclean bool) {
	if !unclean {
		s.stillInSync()
	}
	require.NoError(s.t, s.cluster.Kill(int(s.leader), syscall.SIGKILL))
	if unclean {
		require.NoError(s.t, s.cluster.Restart(s.within(startWithin), int(s.follower)))
	} else {
		require.NoError(s.t, s.cluster.Resume(int(s.follower)))
	}
	s.leader, s.follower = s.follower, s.leader
	s.settle()
	require.NoError(s.t, s.cluster.Restart(s.within(startWithin), int(s.follower)))
	s.stopped = false
	s.settle()
}
