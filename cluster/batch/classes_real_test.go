package batch_test

import (
	"context"
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/cluster/batch"
	"github.com/portage-kafka/portage/testkit/realkafka"
	"github.com/portage-kafka/portage/testkit/realkafka/classes"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"
)

// TestRealClasses writes every scene on real brokers, compares what they serve with the goldens, and copies it to a real
// target, which takes it and shows the same records.
func TestRealClasses(t *testing.T) {
	for _, version := range classes.Sources() {
		t.Run(version, func(t *testing.T) {
			quick := map[string]string{"transactional.id.expiration.ms": "3600000"}
			all := realkafka.AllForTest(t, realkafka.Options{Name: "source", Version: version, Properties: quick},
				realkafka.Options{Name: "target", Version: realkafka.Target})
			source, target := connect(t, all[0]), connect(t, all[1])
			for _, s := range classes.Scenes(version) {
				t.Run(s.Name, func(t *testing.T) {
					t.Parallel()
					from := source
					from.Name = s.Name
					require.NoError(t, s.Make(within(t), from))
					comparePages(t, s, from)
					to := target
					to.Name = s.Name
					copyScene(t, s, from, to)
				})
			}
		})
	}
}

func connect(t *testing.T, c *realkafka.Cluster) classes.Topic {
	t.Helper()
	client, err := cluster.Open(within(t), c.Name(), cluster.Config{Bootstrap: c.Bootstrap(realkafka.Internal)})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, client.Close()) })
	return classes.Topic{Version: c.Version(), Bootstrap: c.Bootstrap(realkafka.Internal), Client: client}
}

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// comparePages holds what the source serves now against the goldens, or writes them.
func comparePages(t *testing.T, s classes.Scene, from classes.Topic) {
	t.Helper()
	pages, err := s.Pages(within(t), from)
	require.NoError(t, err)
	all, err := classes.Load(goldens)
	require.NoError(t, err)
	for i, p := range pages {
		g := classes.Golden{Scene: s.GoldenName(i), About: s.About, Version: from.Version, Page: p}
		g.Result = classes.Replay(p, classes.Identity())
		if *update {
			require.NoError(t, g.Save(goldens))
			continue
		}
		want, found := all[g.Name()]
		require.True(t, found, "%s has no golden: run with -update and look at it", g.Name())
		require.Equal(t, outline(want), outline(g), g.Name())
	}
}

// outline is what is the same of a scene every time it is written: not bytes, times and producer ids.
func outline(g classes.Golden) (lines []string) {
	lines = append(lines, g.About, fmt.Sprint(g.Page.From, g.Page.HighWatermark, g.Page.LastStable, g.Page.Limits, g.Next, len(g.Rest) > 0, g.Stop))
	for _, a := range g.Page.Aborted {
		lines = append(lines, fmt.Sprint("aborted from ", a.First))
	}
	for _, b := range g.Batches {
		lines = append(lines, fmt.Sprint(b.Shape, b.Class, b.Reason))
	}
	for _, s := range g.Sent {
		lines = append(lines, fmt.Sprint(s.Origins, s.Codec, s.Encoded, batch.Batch(s.Bytes).Count()))
	}
	return lines
}

// copyScene copies the whole partition and requires the target to hold the source's committed records, or to refuse.
func copyScene(t *testing.T, s classes.Scene, from, to classes.Topic) {
	t.Helper()
	configs := map[string]string{"compression.type": "producer", "retention.ms": "-1"}
	maps.Copy(configs, s.Target)
	require.NoError(t, to.Client.CreateTopic(within(t), cluster.TopicSpec{Name: to.Name, Partitions: 1, ReplicationFactor: 1, Configs: configs}))
	pid, epoch, err := to.Client.InitProducerID(within(t))
	require.NoError(t, err)
	id := batch.Producer{ID: pid, Epoch: epoch}
	end, why := int64(0), ""
	for at := int64(0); why == ""; {
		page, err := from.Fetch(within(t), at, 1<<20)
		require.NoError(t, err)
		page.Limits = s.Limits
		r := classes.Replay(page, id)
		for _, sent := range r.Sent {
			base, err := to.Client.Append(within(t), to.Name, 0, sent.Batch)
			if code, _ := cluster.Code(err); s.Code != 0 && code == s.Code {
				t.Logf("the target refuses with %d: %v", code, err)
				why = fmt.Sprint(code)
				break
			}
			require.NoError(t, err, "the target takes %s", sent.Origins)
			require.Equal(t, end, base)
			requireStored(t, to, base, sent)
			end, id = base+int64(sent.Batch.Count()), id.After(sent.Batch.Count())
		}
		if why == "" {
			why = r.Stop
		}
		if r.Next == at || r.Next >= page.LastStable {
			break
		}
		at = r.Next
	}
	if s.Stops != "" {
		require.Contains(t, why, s.Stops)
		return
	}
	require.Empty(t, why)
	require.Equal(t, committed(t, from), committed(t, to))
}

// requireStored requires that the target has stored the bytes that were sent.
func requireStored(t *testing.T, to classes.Topic, base int64, sent classes.Sent) {
	t.Helper()
	page, err := to.Fetch(within(t), base, 1<<20)
	require.NoError(t, err)
	b, _ := batch.Split(page.Records)
	require.Equal(t, base, b.BaseOffset())
	require.Equal(t, []byte(sent.Batch[16:]), []byte(b[16:]), "from the format version on, the target keeps every byte")
}

// committed reads a partition's committed records with a client of another library, without their offsets.
func committed(t *testing.T, topic classes.Topic) (all []string) {
	t.Helper()
	ends, err := topic.Client.ListOffsets(within(t), topic.Name, []int32{0}, cluster.Stable)
	require.NoError(t, err)
	k, err := kgo.NewClient(kgo.SeedBrokers(topic.Bootstrap...), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic.Name: {0: kgo.NewOffset().At(0)}}))
	require.NoError(t, err)
	defer k.Close()
	ctx := within(t)
	for next := int64(0); next < ends[0]; {
		got := k.PollFetches(ctx)
		require.NoError(t, got.Err(), "at %d of %d", next, ends[0])
		got.EachRecord(func(r *kgo.Record) {
			next = r.Offset + 1
			if !r.Attrs.IsControl() {
				all = append(all, fmt.Sprintf("%d %q/%v %q/%v %v", r.Timestamp.UnixMilli(), r.Key, r.Key == nil, r.Value, r.Value == nil, r.Headers))
			}
		})
	}
	return all
}
