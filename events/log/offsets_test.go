package log

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/cluster/batch"
	"github.com/portage-kafka/portage/events"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func claim(owner string) events.Claim {
	return events.Claim{OwnerEpoch: 2, ProducerID: 7, Owner: owner, Nonce: "n-" + owner}
}

func block(ownerEpoch int32, number int, watermark int64) events.Block {
	return events.Block{OwnerEpoch: ownerEpoch, ProducerID: 7, Number: number, Watermark: watermark, Runs: []byte{byte(watermark)}}
}

// publishClaim publishes one claim as an owner of its own.
func publishClaim(t *testing.T, ctx context.Context, c *cluster.Client, k events.CopyKey, claim events.Claim) {
	t.Helper()
	require.NoError(t, NewOffsets(c, Options{}).PublishClaims(ctx, map[events.CopyKey]events.Claim{k: claim}))
}

func TestClaimsAndBlocks(t *testing.T) {
	f := ready(t, 1)
	ctx := within(t, 10*time.Second)
	o := NewOffsets(f.c, Options{})
	next := claim("w2")
	next.OwnerEpoch, next.Nonce = 3, "later"
	for _, c := range []events.Claim{claim("w1"), claim("w1"), claim("w2"), next} { // the same claim again is the same claim
		publishClaim(t, ctx, f.c, at(3), c)
	}
	publishClaim(t, ctx, f.c, at(4), claim("w2"))

	for _, b := range []events.Block{block(2, 0, 5), block(2, 0, 8), block(2, 1, 9), block(3, 0, 11), block(10, 0, 12)} {
		require.NoError(t, o.PublishBlock(ctx, at(3), b))
	}
	require.NoError(t, o.PublishBlock(ctx, at(4), block(2, 0, 1)))
	claims, blocks, err := NewOffsets(f.c, Options{}).Load(ctx, at(3))
	require.NoError(t, err)
	require.Equal(t, []events.Claim{claim("w1"), claim("w2"), next}, claims, "in the order of the log, void ones among them")
	require.Equal(t, []events.Block{block(2, 0, 8), block(2, 1, 9), block(3, 0, 11), block(10, 0, 12)}, blocks)

	f.Compact()
	claims, blocks, err = NewOffsets(f.c, Options{}).Load(ctx, at(3))
	require.NoError(t, err)
	require.Len(t, claims, 3)
	require.Len(t, blocks, 4)
	claims, blocks, err = o.Load(ctx, at(99))
	require.NoError(t, err)
	require.Empty(t, claims)
	require.Empty(t, blocks)
}

// TestClaimsOfRivals: owners claim the same partitions at once, in batches that are
// lost on the way. Every claim is there, in the one order that everybody sees.
func TestClaimsOfRivals(t *testing.T) {
	f := ready(t, 1)
	f.wire.then(deliver, loseAck, loseSend, loseAck, deliver, loseSend)
	ctx := within(t, 20*time.Second)
	const owners, partitions = 6, 20
	var wg sync.WaitGroup
	for i := range owners {
		wg.Go(func() {
			claims := map[events.CopyKey]events.Claim{}
			for p := range int32(partitions) {
				claims[at(p)] = claim(fmt.Sprint("w", i))
			}
			if err := NewOffsets(f.c, Options{}).PublishClaims(ctx, claims); err != nil {
				t.Errorf("claim: %v", err)
			}
		})
	}
	wg.Wait()
	for p := range int32(partitions) {
		one, _, err := NewOffsets(f.c, Options{}).Load(ctx, at(p))
		require.NoError(t, err)
		require.Len(t, one, owners)
		other, _, err := NewOffsets(f.c, Options{}).Load(ctx, at(p))
		require.NoError(t, err)
		require.Equal(t, one, other)
	}
}

// TestClaimsGoTogether: claims of many partitions take one request to each leader.
func TestClaimsGoTogether(t *testing.T) {
	f := ready(t, 1)
	ctx := within(t, 20*time.Second)
	claims := map[events.CopyKey]events.Claim{}
	for p := range int32(500) {
		claims[at(p)] = claim("w1")
	}
	require.NoError(t, NewOffsets(f.c, Options{}).PublishClaims(ctx, claims))
	require.Equal(t, 1, f.wire.sent())
	loaded, err := NewOffsets(f.c, Options{}).LoadAll(ctx, slices.Collect(maps.Keys(claims)))
	require.NoError(t, err)
	for k, c := range claims {
		require.Equal(t, []events.Claim{c}, loaded[k].Claims)
	}
}

// TestClaimsDoNotWaitForBlocks: while one partition of the topic takes no blocks,
// claims go to the others.
func TestClaimsDoNotWaitForBlocks(t *testing.T) {
	f := ready(t, 1)
	ctx := within(t, 20*time.Second)
	o := NewOffsets(f.c, Options{})
	other := int32(1)
	for at(other).ControlPartition() == at(0).ControlPartition() {
		other++
	}
	stuck := f.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: events.TopicOffsets, Partitions: []int32{at(0).ControlPartition()}, Err: kerr.NotEnoughReplicas, Count: -1})
	done := make(chan error, 1)
	go func() {
		done <- o.PublishBlocks(ctx, map[events.CopyKey][]events.Block{at(0): {block(0, 0, 1)}, at(other): {block(0, 0, 1)}})
	}()
	require.Eventually(t, func() bool { return stuck.Hits() > 0 }, 10*time.Second, time.Millisecond)
	require.NoError(t, o.PublishClaims(ctx, map[events.CopyKey]events.Claim{at(other): claim("w1")}))
	require.Empty(t, done, "the blocks are still on their way")
	stuck.Remove()
	require.NoError(t, <-done)
}

func TestLoadManyPartitions(t *testing.T) {
	f := ready(t, 3)
	ctx := within(t, 20*time.Second)
	o := NewOffsets(f.c, Options{})
	blocks := map[events.CopyKey][]events.Block{}
	var keys []events.CopyKey
	for p := range int32(60) {
		blocks[at(p)] = []events.Block{block(0, 0, int64(p)), block(0, 1, int64(p)+1)}
		keys = append(keys, at(p))
	}
	require.NoError(t, o.PublishBlocks(ctx, blocks))
	loaded, err := o.LoadAll(ctx, keys)
	require.NoError(t, err)
	require.Len(t, loaded, 60)
	for k, want := range blocks {
		require.Equal(t, want, loaded[k].Blocks)
	}
	tail := o.Tail(nil)
	defer tail.Close()
	records := drain(t, tail)
	require.Len(t, records, 120)
	for _, r := range records {
		require.NoError(t, r.Refusal)
		require.NotNil(t, r.Block)
		require.Equal(t, blocks[r.Key.Copy][r.Key.Number], *r.Block)
	}
}

// TestAMapIsNeverGuessed: a refused record under a partition's key is an error
// for that partition, and for no other.
func TestAMapIsNeverGuessed(t *testing.T) {
	f := ready(t, 1)
	ctx := within(t, 20*time.Second)
	o := NewOffsets(f.c, Options{})
	require.NoError(t, o.PublishBlock(ctx, at(1), block(0, 0, 5)))
	part := at(1).ControlPartition()
	plant(t, f.c, events.TopicOffsets, part,
		batch.Record{Key: []byte("foreign"), Value: []byte("x")},
		batch.Record{Key: []byte(block(0, 9, 0).Key(at(2)).String()), Value: []byte("x")})
	_, blocks, err := o.Load(ctx, at(1))
	require.NoError(t, err)
	require.Len(t, blocks, 1)
	plant(t, f.c, events.TopicOffsets, part, batch.Record{Key: []byte(block(0, 0, 0).Key(at(1)).String()), Value: []byte("x")})
	_, _, err = o.Load(ctx, at(1))
	var refused *events.Refusal
	require.ErrorAs(t, err, &refused)
	require.ErrorContains(t, err, "offset 3")
	plant(t, f.c, events.TopicOffsets, part, batch.Record{Key: []byte(claim("w").Key(at(1)).String()), Value: []byte("{}")})
	_, _, err = o.Load(ctx, at(1))
	require.ErrorContains(t, err, "offset 4")

	tail := o.Tail([]int32{part})
	defer tail.Close()
	refusals := 0
	for _, r := range drain(t, tail) {
		if r.Refusal != nil {
			require.Nil(t, r.Block)
			require.Nil(t, r.Claim)
			refusals++
		}
	}
	require.Equal(t, 4, refusals)
}

func TestRemovedBlocks(t *testing.T) {
	f := ready(t, 1)
	ctx := within(t, 20*time.Second)
	o := NewOffsets(f.c, Options{})
	require.NoError(t, o.PublishBlock(ctx, at(1), block(0, 0, 5)))
	plant(t, f.c, events.TopicOffsets, at(1).ControlPartition(), batch.Record{Key: []byte(block(0, 0, 5).Key(at(1)).String())})
	_, blocks, err := o.Load(ctx, at(1))
	require.NoError(t, err)
	require.Empty(t, blocks)
}

func TestOffsetsThatCannotBe(t *testing.T) {
	f := ready(t, 1)
	ctx := within(t, 5*time.Second)
	o := NewOffsets(f.c, Options{})
	require.ErrorContains(t, o.PublishBlock(ctx, at(1), block(-1, 0, 5)), "block move/orders/1/-1.0")
	require.ErrorContains(t, o.PublishClaims(ctx, map[events.CopyKey]events.Claim{at(1): {}}), "owner")
	require.ErrorContains(t, NewProgress(f.c, Options{}).Publish(ctx, at(1), events.Progress{}), "progress of move/orders/1")
	require.Zero(t, f.wire.sent())
}
