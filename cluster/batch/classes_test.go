package batch_test

import (
	"bytes"
	"flag"
	"testing"

	"github.com/portage-kafka/portage/cluster/batch"
	"github.com/portage-kafka/portage/testkit/realkafka/classes"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write testdata/classes anew (see package testkit/realkafka/classes)")

const goldens = "testdata/classes"

// What real brokers served is judged, rewritten and encoded as it was when it was looked at.
func TestGoldens(t *testing.T) {
	all, err := classes.Load(goldens)
	require.NoError(t, err)
	require.NotEmpty(t, all)
	for name, g := range all {
		want, err := g.Text()
		require.NoError(t, err)
		g.Result = classes.Replay(g.Page, classes.Identity())
		if *update {
			require.NoError(t, g.Save(goldens))
			continue
		}
		got, err := g.Text()
		require.NoError(t, err)
		require.Equal(t, want, got, "%s: %s", name, g.About)
	}
}

// Whatever is sent for a page holds the page's committed records and nothing else, in batches that a broker takes: seen
// without the code that made them.
func TestGoldensLoseNothing(t *testing.T) {
	all, err := classes.Load(goldens)
	require.NoError(t, err)
	for name, g := range all {
		var want, got []string
		for _, b := range g.Batches {
			if b.Class == batch.Skip.String() || b.Class == batch.Refuse.String() || g.Stop != "" {
				continue
			}
			for _, r := range kafkaGoDecode(t, batch.Batch(b.Raw)) {
				if r.Offset >= g.Page.From {
					want = append(want, plain([]batch.Record{{Timestamp: timeOf(b, r), Key: r.Key, Value: r.Value, Headers: r.Headers}})...)
				}
			}
		}
		sequence := int32(0)
		for _, s := range g.Sent {
			b := batch.Batch(s.Bytes)
			require.NoError(t, b.Check(), name)
			require.True(t, b.Dense(), name)
			require.EqualValues(t, 0, b.BaseOffset(), name)
			require.Equal(t, batch.Producer{ID: 1001, Epoch: 0, Sequence: sequence}, b.Producer(), name)
			require.Zero(t, b.Attributes()&^7, name)
			sequence += b.Count()
			for _, r := range kafkaGoDecode(t, b) {
				r.Offset = 0
				got = append(got, plain([]batch.Record{r})...)
			}
		}
		if g.Stop == "" {
			require.Equal(t, want, got, name)
		}
	}
}

// timeOf applies LogAppendTime, which kafka-go does not.
func timeOf(b classes.Judged, r batch.Record) int64 {
	if raw := batch.Batch(b.Raw); raw.LogAppendTime() {
		return raw.MaxTimestamp()
	}
	return r.Timestamp
}

// Every class has a golden from a real broker, of every codec where the records are touched, and of both framings of snappy.
func TestGoldensShowEveryClass(t *testing.T) {
	all, err := classes.Load(goldens)
	require.NoError(t, err)
	seen := map[string]bool{}
	for _, g := range all {
		for _, b := range g.Batches {
			seen[b.Class] = true
			seen[b.Reason] = true
			seen[b.Class+" "+b.Codec] = true
			seen[b.Flags] = true
		}
		for _, s := range g.Sent {
			seen["sent "+s.Codec] = true
		}
		seen["rest"] = seen["rest"] || len(g.Rest) > 0
		for _, b := range g.Batches {
			framed := bytes.HasPrefix(batch.Batch(b.Raw).Payload(), []byte("\x82SNAPPY\x00"))
			seen["framed snappy"] = seen["framed snappy"] || framed
			seen["raw snappy"] = seen["raw snappy"] || b.Codec == "snappy" && !framed
		}
	}
	want := []string{"rest", "framed snappy", "raw snappy", "append-time", "delete-horizon", "transactional", "transactional control", "format 0", "format 1",
		"transaction marker", "emptied by compaction", "aborted transaction", "LogAppendTime", "compaction removed records"}
	for _, class := range []batch.Class{batch.Pass, batch.Reencode, batch.Cut, batch.Skip, batch.Refuse} {
		want = append(want, class.String())
	}
	for codec := batch.None; codec <= batch.Zstd; codec++ {
		want = append(want, "sent "+codec.String(), batch.Pass.String()+" "+codec.String(), batch.Reencode.String()+" "+codec.String())
	}
	for _, w := range want {
		require.True(t, seen[w], w)
	}
}
