package log

import (
	"testing"
	"time"

	"github.com/portage-kafka/portage/events"
	"github.com/stretchr/testify/require"
)

func TestClaimsAndBlocks(t *testing.T) {
	f := ready(t, 1)
	ctx := within(t, 10*time.Second)
	o := NewOffsets(f.c, Options{})
	k := events.CopyKey{Migration: "move", Topic: "orders", Partition: 3}
	first := events.Claim{ProducerID: 7, Epoch: 0, Owner: "w1", Nonce: "a"}
	void, err := o.PublishClaim(ctx, k, first)
	require.NoError(t, err)
	require.False(t, void)
	second := events.Claim{ProducerID: 7, Epoch: 0, Owner: "w2", Nonce: "b"}
	void, err = NewOffsets(f.c, Options{}).PublishClaim(ctx, k, second)
	require.NoError(t, err)
	require.True(t, void)
	require.NoError(t, o.PublishBlock(ctx, k, events.Block{ProducerID: 7, Number: 0, Watermark: 5, Runs: []byte{1}}))
	require.NoError(t, o.PublishBlock(ctx, k, events.Block{ProducerID: 7, Number: 0, Watermark: 8, Runs: []byte{1, 2}}))
	require.NoError(t, o.PublishBlock(ctx, k, events.Block{ProducerID: 7, Number: 1, Watermark: 9, Runs: []byte{3}}))
	claims, blocks, err := o.Load(ctx, k)
	require.NoError(t, err)
	require.Equal(t, []events.Claim{first, second}, claims)
	require.Len(t, blocks, 2)
	require.EqualValues(t, 8, blocks[0].Watermark)
}
