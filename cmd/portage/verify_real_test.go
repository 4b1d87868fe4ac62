package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/portage-kafka/portage/replicator/verify"
	"github.com/portage-kafka/portage/testkit/realkafka"
)

// realDesk is a desk for two clusters of Apache Kafka.
type realDesk struct {
	*desk
	old, next *kgo.Client
}

func newRealDesk(t *testing.T) *realDesk {
	all := realkafka.AllForTest(t, realkafka.Options{Name: "old", Version: realkafka.Source}, realkafka.Options{Name: "new", Version: realkafka.Target})
	d := &realDesk{desk: &desk{t: t, dir: t.TempDir()}}
	d.write("portage.yaml", fmt.Sprintf("control: new\ndata: %s\nclusters:\n  old: {bootstrap: [%q]}\n  new: {bootstrap: [%q]}\n",
		filepath.Join(d.dir, "data"), all[0].Bootstrap(realkafka.Internal)[0], all[1].Bootstrap(realkafka.Internal)[0]))
	for i, k := range []**kgo.Client{&d.old, &d.next} {
		c, err := kgo.NewClient(kgo.SeedBrokers(all[i].Bootstrap(realkafka.Internal)...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
		require.NoError(t, err)
		t.Cleanup(c.Close)
		*k = c
	}
	return d
}

// quickly are the settings of a topic whose cleaner comes at once.
func quickly(policy string) map[string]*string {
	set := func(s string) *string { return &s }
	return map[string]*string{
		"cleanup.policy": set(policy), "segment.ms": set("300"), "min.cleanable.dirty.ratio": set("0.001"), "max.compaction.lag.ms": set("1000"), "delete.retention.ms": set("100"),
	}
}

// never keeps the cleaner of a compacted topic from taking more: what it took
// before stays excused.
func never() map[string]*string {
	set := func(s string) *string { return &s }
	return map[string]*string{"cleanup.policy": set("compact"), "min.cleanable.dirty.ratio": set("1"), "max.compaction.lag.ms": set("9223372036854775807")}
}

func (d *realDesk) topic(k *kgo.Client, name string, partitions int32, configs map[string]*string) {
	_, err := kadm.NewClient(k).CreateTopic(d.t.Context(), partitions, 1, configs, name)
	require.NoError(d.t, err)
}

// keyed appends records of a few keys, some of them tombstones.
func (d *realDesk) keyed(k *kgo.Client, topic string, n int) {
	var all []*kgo.Record
	for i := range n {
		r := &kgo.Record{Topic: topic, Key: []byte(fmt.Sprint("key-", i%17)), Value: []byte(fmt.Sprint(time.Now().UnixNano(), i))}
		if i%13 == 5 {
			r.Value = nil
		}
		all = append(all, r)
	}
	require.NoError(d.t, k.ProduceSync(d.t.Context(), all...).FirstErr())
}

// serve runs the orchestrator and a worker until the test ends.
func (d *desk) serve() {
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() {
		a := newApp(io.Discard, io.Discard)
		defer a.close()
		cmd := root(a)
		cmd.SetArgs([]string{"--config", filepath.Join(d.dir, "portage.yaml"), "serve"})
		served <- cmd.ExecuteContext(ctx)
	}()
	d.t.Cleanup(func() {
		stop()
		<-served
	})
}

// synced waits until all topics of the only migration are copied.
func (d *desk) synced(topics int) {
	require.Eventually(d.t, func() bool {
		out, _ := d.portage("status")
		return strings.Contains(out, fmt.Sprintf("%d/%d", topics, topics))
	}, 2*time.Minute, 200*time.Millisecond, "the topics are copied")
}

// TestRealVerify: on Apache Kafka, what was copied is identical by map, whatever
// the codec, with transactions, LogAppendTime and a source whose cleaner runs on;
// a target's cleaner is told from a loss; and faults in a second copy are named.
func TestRealVerify(t *testing.T) {
	d := newRealDesk(t)
	stamped := "LogAppendTime"
	d.topic(d.old, "plain", 2, nil)
	d.topic(d.old, "stamped", 1, map[string]*string{"message.timestamp.type": &stamped})
	d.topic(d.old, "compacted", 1, quickly("compact"))
	d.topic(d.old, "tx", 1, nil)
	d.fill(d.old, "plain", 0, 0, 5000)
	d.fill(d.old, "plain", 1, 0, 3000)
	d.fill(d.old, "stamped", 0, 0, 200)
	d.keyed(d.old, "compacted", 200)
	d.transactions()

	d.ok("init")
	d.ok("create", "-f", d.write("plan.yaml", "migration: m\nsource: old\ntargets: [new]\ntopics: [{name: plain}, {name: stamped}, {name: compacted}, {name: tx}]\n"))
	d.ok("start", "m")
	d.serve()
	d.synced(4)
	r := d.verified(exitDone, "verify", "m")
	for _, topic := range r.Topics {
		require.Positive(t, topic.Partitions[0].Records, topic.Source.Topic)
		require.Equal(t, "map", topic.AlignedBy)
		if topic.Source.Topic == "stamped" {
			require.Equal(t, []string{"source"}, topic.Partitions[0].Stamped)
		}
		if topic.Source.Topic == "plain" {
			require.Equal(t, topic.Partitions[0].Records, topic.Partitions[0].Passed, "every batch passed through")
		}
	}
	d.sourceCleaned()
	d.targetCleaned()
	d.secondCopy()
}

// transactions writes some that are committed and some that are not.
func (d *realDesk) transactions() {
	k, err := kgo.NewClient(kgo.SeedBrokers(d.old.OptValue("SeedBrokers").([]string)...), kgo.TransactionalID("tx"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	require.NoError(d.t, err)
	defer k.Close()
	for i := range 6 {
		require.NoError(d.t, k.BeginTransaction())
		d.fill(k, "tx", 0, 10*i, 10*i+10)
		require.NoError(d.t, k.EndTransaction(d.t.Context(), kgo.TransactionEndTry(i%2 == 0)))
	}
}

// compared is the partition of the compacted topic, by map or by order.
func (d *realDesk) compared(args ...string) verify.Result {
	return d.verified(exitDone, args...).Topics[0].Partitions[0]
}

// sourceCleaned lets the source's cleaner go on; at every moment both sides are
// found identical, until it has taken something that was copied.
func (d *realDesk) sourceCleaned() {
	require.Eventually(d.t, func() bool {
		d.keyed(d.old, "compacted", 20) // segments roll on an append only
		return d.compared("verify", "m", "compacted").Explained[verify.SourceCompacted] > 50
	}, time.Minute, 500*time.Millisecond)
	byOrder := d.compared("verify", "--source", "old", "--source-topic", "compacted", "--target", "new", "--live")
	require.Greater(d.t, byOrder.Explained[verify.SourceCompacted], int64(50))
}

// targetCleaned lets the target's cleaner run, the source's none any more: what
// it takes is excused, what retention or a person takes is not.
func (d *realDesk) targetCleaned() {
	ctx := d.t.Context()
	alter := func(k *kgo.Client, configs map[string]*string) {
		var all []kadm.AlterConfig
		for name, value := range configs {
			all = append(all, kadm.AlterConfig{Op: kadm.SetConfig, Name: name, Value: value})
		}
		res, err := kadm.NewClient(k).AlterTopicConfigs(ctx, all, "compacted")
		require.NoError(d.t, err)
		require.NoError(d.t, res[0].Err)
	}
	alter(d.old, never())
	alter(d.next, quickly("compact"))
	d.keyed(d.old, "compacted", 100)
	require.Eventually(d.t, func() bool {
		d.keyed(d.old, "compacted", 1)
		p := d.compared("verify", "m", "compacted")
		return p.Explained[verify.TargetCompacted] > 50
	}, time.Minute, 500*time.Millisecond)
}

// secondCopy compares with a copy that another tool might have made, with faults.
func (d *realDesk) secondCopy() {
	d.topic(d.next, "second", 2, nil)
	d.fill(d.next, "second", 0, 0, 4000)
	d.fill(d.next, "second", 0, 4001, 5000)
	d.fill(d.next, "second", 1, 0, 2000)
	d.fill(d.next, "second", 1, 1990, 2000)
	d.fill(d.next, "second", 1, 2000, 3000)
	r := d.verified(exitFailed, "verify", "--source", "old", "--source-topic", "plain", "--target", "new", "--target-topic", "second")
	p := r.Topics[0].Partitions
	require.Equal(d.t, map[verify.Kind]int64{verify.Loss: 1}, p[0].Kinds)
	require.EqualValues(d.t, 4000, p[0].Findings[0].Source)
	require.Equal(d.t, map[verify.Kind]int64{verify.Duplicate: 10}, p[1].Kinds)
	require.EqualValues(d.t, 2000, p[1].Findings[0].Target)
	require.EqualValues(d.t, 1990, *p[1].Findings[0].Of)
}
