package verify

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/portage-kafka/portage/cluster/batch"
	"github.com/portage-kafka/portage/fsm/offsetmap"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// filled is a topic of several partitions with the same records on both sides,
// and a request for each.
func filled(t *testing.T, partitions int32, each int) (*sides, []Request) {
	s := newSides(t, partitions)
	var all []Request
	for p := range partitions {
		s.source.Partition, s.target.Partition = p, p
		put(t, s.source, 50, contents(each)...)
		put(t, s.target, 50, contents(each)...)
		all = append(all, Request{Source: s.source, Target: s.target, UpTo: Now})
	}
	return s, all
}

// TestPartitionsAreComparedTogether: results come in the order of the requests,
// progress ends where everything is done, and every partition is saved.
func TestPartitionsAreComparedTogether(t *testing.T) {
	s, all := filled(t, 5, 300)
	s.target.Partition = 3
	put(t, s.target, 1, record{Value: []byte("extra")})
	var seen []Progress
	saved := map[int]Result{}
	cfg := Config{
		Parallel: 2, Range: 100,
		Progress: func(p Progress) { seen = append(seen, p) },
		Save:     func(i int, r Result) error { saved[i] = r; return nil },
	}
	results, err := Run(context.Background(), cfg, all)
	require.NoError(t, err)
	for i, r := range results {
		require.EqualValues(t, i, r.Partition)
		require.EqualValues(t, 300, r.Records)
		require.Equal(t, offsetmap.Pair{Source: 300, Target: 300}, saved[i].Verified)
		if i == 3 {
			require.Equal(t, []Finding{{Kind: Extra, Source: -1, Target: 300}}, bare(r.Findings))
			continue
		}
		require.Equal(t, Identical, r.Verdict)
		require.Equal(t, r.Digest, results[0].Digest, "equal logs, equal digests")
	}
	last := seen[len(seen)-1]
	require.Equal(t, Progress{Done: 5, Partitions: 5, Offsets: 1500, Total: 1500, Records: 1500, Differences: 1}, last)
	require.EqualValues(t, 1, last.Share())
	for i := 1; i < len(seen); i++ {
		require.GreaterOrEqual(t, seen[i].Offsets, seen[i-1].Offsets)
	}
}

// TestPassedThrough: batches that both sides store alike are compared as bytes,
// unless everything is to be decoded; the verdict is the same.
func TestPassedThrough(t *testing.T) {
	_, all := filled(t, 1, 300)
	all[0].Map, all[0].UpTo = mapOf(t, 300, offsetmap.Run{Count: 300}), 260
	results, err := Run(context.Background(), Config{}, all)
	require.NoError(t, err)
	require.EqualValues(t, 260, results[0].Records)
	require.EqualValues(t, 250, results[0].Passed, "the last batch is cut by the bound")
	all[0].After, all[0].UpTo = &results[0], 300
	results, err = Run(context.Background(), Config{}, all)
	require.NoError(t, err)
	require.EqualValues(t, 300, results[0].Records, "the rest of the batch is not its whole")
	all[0].After = nil
	results, err = Run(context.Background(), Config{Deep: true}, all)
	require.NoError(t, err)
	require.Zero(t, results[0].Passed)
	require.Equal(t, Identical, results[0].Verdict)
}

// TestWhatTheSameBytesMean: equal stored bytes are equal records only under the
// same codec, count, time and kind of time.
func TestWhatTheSameBytesMean(t *testing.T) {
	b := one(t, build(t, batch.LZ4, contents(5)))
	require.True(t, b.passedThrough(one(t, build(t, batch.LZ4, contents(5)))))
	for name, edit := range map[string]func(*raw){
		"codec":         func(r *raw) { r.Attributes ^= 1 },
		"stamped":       func(r *raw) { r.Attributes |= logAppendTime },
		"count":         func(r *raw) { r.NumRecords++ },
		"last delta":    func(r *raw) { r.LastOffsetDelta++ },
		"time":          func(r *raw) { r.FirstTimestamp++ },
		"a byte":        func(r *raw) { r.Records = slices.Clone(r.Records); r.Records[9] ^= 1 },
		"a byte less":   func(r *raw) { r.Records = r.Records[1:] },
		"other records": func(r *raw) { r.Records = nil },
	} {
		other := b
		edit(&other)
		require.False(t, b.passedThrough(other), name)
		require.False(t, other.passedThrough(b), name)
	}
	other := b
	other.FirstOffset, other.ProducerID, other.MaxTimestamp, other.PartitionLeaderEpoch = 77, 5, 9, 3
	other.Attributes |= transactional
	require.True(t, b.passedThrough(other), "the rest of the header says nothing of the records")
}

// TestLogAppendTimeIsTheBrokers: of a stamped batch the broker's time is compared,
// as consumers see it, and the result says so.
func TestLogAppendTimeIsTheBrokers(t *testing.T) {
	stamped := contents(3)
	for i := range stamped {
		stamped[i].Timestamp = 1002
	}
	w := &world{source: sideOf(contents(3)...), target: sideOf(stamped...), q: Request{UpTo: 3}}
	w.source.per, w.source.stamped = 3, true
	res := w.compare(t)
	require.Empty(t, res.Summary())
	require.Equal(t, []string{"source"}, res.Stamped)
	w.source.stamped = false
	res = w.compare(t)
	require.Equal(t, map[Kind]int64{Timestamp: 2}, res.Kinds)
	require.Empty(t, res.Stamped)
}

// TestPatience: a leader that moves and a broker that refuses for a while are
// waited for, those that stay away are not.
func TestPatience(t *testing.T) {
	s, all := filled(t, 1, 300)
	kf := s.pair.Target.Kfake()
	kf.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Topic: "orders", Err: kerr.NotLeaderForPartition, Count: 3})
	results, err := Run(context.Background(), Config{FetchBytes: 1000}, all)
	require.NoError(t, err)
	require.Equal(t, Identical, results[0].Verdict, results[0].Problem)

	fault := kf.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Topic: "orders", Err: kerr.NotLeaderForPartition, Count: -1})
	results, err = Run(context.Background(), Config{Patience: time.Millisecond}, all)
	require.NoError(t, err)
	require.Equal(t, Unknown, results[0].Verdict)
	require.Contains(t, results[0].Problem, "read orders/0 on target from offset 0")
	fault.Remove()
}

// TestInterrupted: what was compared before the context ended stays, and the rest
// is unknown.
func TestInterrupted(t *testing.T) {
	_, all := filled(t, 2, 300)
	ctx, cancel := context.WithCancel(context.Background())
	var saved []Result
	cfg := Config{Range: 50, Parallel: 1, FetchBytes: 1000, Save: func(i int, r Result) error {
		saved = append(saved, r)
		cancel()
		return nil
	}}
	results, err := Run(ctx, cfg, all)
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, Unknown, results[0].Verdict)
	require.Equal(t, Unknown, results[1].Verdict)
	require.GreaterOrEqual(t, results[0].Records, int64(50))
	all[0].After = &saved[len(saved)-1]
	results, err = Run(context.Background(), Config{Deep: true}, all)
	require.NoError(t, err)
	require.Equal(t, Identical, results[0].Verdict)
	require.EqualValues(t, 300, results[0].Records)
	require.Zero(t, results[0].From.Source)
}

// TestSaveFails: a result that cannot be saved ends the comparison of its
// partition.
func TestSaveFails(t *testing.T) {
	_, all := filled(t, 1, 300)
	results, err := Run(context.Background(), Config{Range: 100, Save: func(int, Result) error { return errors.New("disk full") }}, all)
	require.NoError(t, err)
	require.Equal(t, Unknown, results[0].Verdict)
	require.Equal(t, "disk full", results[0].Problem)
}

// TestRetentionOvertakes: by order nothing may be missed between two comparisons,
// by map only what the target lacks, too.
func TestRetentionOvertakes(t *testing.T) {
	s, all := filled(t, 1, 300)
	first := all[0]
	first.UpTo = 100
	deleteBelow(t, s.target, 300)
	put(t, s.target, 50, contents(100)...)
	results, err := Run(context.Background(), Config{}, []Request{first})
	require.NoError(t, err)
	require.Equal(t, Identical, results[0].Verdict, "%+v", results[0])
	deleteBelow(t, s.source, 150)
	all[0].After = &results[0]
	results, err = Run(context.Background(), Config{}, all)
	require.NoError(t, err)
	require.Equal(t, Unknown, results[0].Verdict)
	require.Contains(t, results[0].Problem, "the log starts at 150, 100 comes next")
}

// TestRetentionOvertakesReading: what retention takes while a partition is read
// ends a comparison by order, and is the source's own affair by map.
func TestRetentionOvertakesReading(t *testing.T) {
	for _, m := range []*offsetmap.Map{nil, mapOf(t, 300, offsetmap.Run{Count: 300})} {
		_, all := filled(t, 1, 300)
		all[0].Map = m
		cfg := Config{Range: 50, FetchBytes: 1000, Save: func(_ int, r Result) error {
			if r.Verified.Source == 50 {
				deleteBelow(t, all[0].Source, 250)
			}
			return nil
		}}
		results, err := Run(context.Background(), cfg, all)
		require.NoError(t, err)
		if m == nil {
			require.Equal(t, Unknown, results[0].Verdict)
			require.Contains(t, results[0].Problem, "retention has overtaken the comparison: the log starts at 250 now")
			continue
		}
		require.Equal(t, Identical, results[0].Verdict, "%+v", results[0])
		require.Positive(t, results[0].Explained[SourceExpired])
		require.EqualValues(t, 300, results[0].Records+results[0].Explained[SourceExpired])
	}
}

// TestCreatedAnew: an earlier result of another log is not gone on with.
func TestCreatedAnew(t *testing.T) {
	_, all := filled(t, 1, 10)
	all[0].After = &Result{Verified: offsetmap.Pair{Source: 11, Target: 11}}
	results, err := Run(context.Background(), Config{}, all)
	require.NoError(t, err)
	require.Contains(t, results[0].Problem, "was compared up to 11, and is to be compared up to 10")
}

// TestConfig: defaults are filled in, and what is wrong is named.
func TestConfig(t *testing.T) {
	var c Config
	require.NoError(t, c.Validate())
	require.Len(t, c.Key, 32)
	require.EqualValues(t, 16384, c.Range)
	var d Config
	require.NoError(t, d.Validate())
	require.NotEqual(t, c.Key, d.Key, "drawn at random")
	for says, c := range map[string]Config{
		"Range is -1":     {Range: -1},
		"Step is -1":      {Step: -1},
		"Window is 7":     {Window: 7},
		"LookBack is -1":  {LookBack: -1},
		"Holes is -1":     {Holes: -1},
		"Findings is -1":  {Findings: -1},
		"Parallel is -1":  {Parallel: -1},
		"FetchBytes is":   {FetchBytes: -1},
		"Patience is":     {Patience: -1},
		"Key has 5 bytes": {Key: []byte("short")},
	} {
		require.ErrorContains(t, c.Validate(), says)
		_, err := Run(context.Background(), c, nil)
		require.ErrorContains(t, err, says)
	}
}

// TestProgress: share and time left, from nothing to all.
func TestProgress(t *testing.T) {
	for _, c := range []struct {
		p     Progress
		share float64
		left  time.Duration
		ok    bool
	}{
		{Progress{Total: 100}, 0, 0, false},
		{Progress{}, 1, 0, false},
		{Progress{Offsets: 25, Total: 100}, 0.25, 30 * time.Second, true},
		{Progress{Offsets: 100, Total: 100}, 1, 0, true},
		{Progress{Offsets: 120, Total: 100}, 1, 0, true},
	} {
		require.Equal(t, c.share, c.p.Share())
		left, ok := c.p.Left(10 * time.Second)
		require.Equal(t, c.ok, ok)
		require.Equal(t, c.left, left)
	}
	_, ok := Progress{Offsets: 5, Total: 10}.Left(0)
	require.False(t, ok)
}
