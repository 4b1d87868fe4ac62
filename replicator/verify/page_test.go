package verify

import (
	"bytes"
	"context"
	"encoding/binary"
	"testing"

	"github.com/klauspost/compress/snappy"
	"github.com/portage-kafka/portage/cluster/batch"
	"github.com/portage-kafka/portage/cluster/wire"
	"github.com/stretchr/testify/require"
)

// stamped is a batch of n records at a base offset, by a producer, with
// attributes.
func stamped(base int64, n int, producer int64, attributes int16) []byte {
	rs := contents(n)
	for i := range rs {
		rs[i].Offset += base
	}
	b := encoded(rs, false)
	binary.BigEndian.PutUint64(b[43:], uint64(producer))
	binary.BigEndian.PutUint16(b[21:], uint16(attributes))
	return seal(b)
}

func offsetsOf(p page) (all []int64) {
	for _, b := range p.batches {
		all = append(all, b.FirstOffset)
	}
	return all
}

// TestPageOfTransactions: aborted transactions and markers are left out, also
// those begun before the page; other producers and later transactions are not.
func TestPageOfTransactions(t *testing.T) {
	var records []byte
	for _, b := range [][]byte{
		stamped(10, 2, 1, transactional), // of a transaction begun at 5, aborted
		stamped(12, 2, 2, transactional), // committed
		stamped(14, 2, 1, 0),             // not in a transaction, though by the same producer
		stamped(16, 1, 1, transactional|control),
		stamped(17, 2, 1, transactional), // the producer's next one, committed
		stamped(19, 1, 1, transactional|control),
		stamped(20, 2, 1, transactional), // aborted again
		stamped(22, 1, 2, transactional|control),
		stamped(23, 1, 1, transactional|control),
	} {
		records = append(records, b...)
	}
	g := pager{}
	p, err := g.read(wire.FetchedPartition{Records: records, LastStable: 24, LogStart: 3, Aborted: []batch.Aborted{{ProducerID: 1, First: 5}, {ProducerID: 1, First: 20}}}, 10)
	require.NoError(t, err)
	require.Equal(t, []int64{12, 14, 17}, offsetsOf(p))
	require.EqualValues(t, 24, p.next)
	require.EqualValues(t, 3, p.start)
}

// TestPageEdges: a page may begin below what was asked for, end in half a batch,
// hold emptied batches or nothing at all.
func TestPageEdges(t *testing.T) {
	empty := stamped(4, 1, -1, 0)[:61]
	binary.BigEndian.PutUint32(empty[57:], 0)
	records := append(append(stamped(0, 4, -1, 0), seal(empty)...), stamped(5, 5, -1, 0)...)
	g := pager{until: 10}
	read := func(records []byte, from, stable int64) (page, error) {
		return g.read(wire.FetchedPartition{Records: records, LastStable: stable}, from)
	}
	p, err := read(records, 2, 10)
	require.NoError(t, err)
	require.Equal(t, []int64{0, 5}, offsetsOf(p), "an emptied batch is only offsets")
	p, err = read(records, 4, 10)
	require.NoError(t, err)
	require.Equal(t, []int64{5}, offsetsOf(p))
	p, err = read(records[:len(records)-1], 0, 10)
	require.NoError(t, err)
	require.Equal(t, []int64{0}, offsetsOf(p))
	require.EqualValues(t, 5, p.next, "the half batch is asked for again")
	p, err = read(nil, 3, 10)
	require.NoError(t, err)
	require.EqualValues(t, 10, p.next, "compaction has taken all that was between")
	_, err = read(nil, 10, 10)
	require.ErrorIs(t, err, ErrNotYet)
	_, err = read(records[:30], 0, 10)
	require.ErrorIs(t, err, errCorrupt)
	bad := bytes.Clone(records)
	bad[70] ^= 1
	_, err = read(bad, 0, 10)
	require.ErrorIs(t, err, errCorrupt)
}

// TestTape: a cursor gives what lies between its offsets, batch by batch or record
// by record, and can be wound back within its page.
func TestTape(t *testing.T) {
	s := sideOf(contents(30)...)
	s.per = 10
	ctx := context.Background()
	c := &cursor{pager: pager{until: 25}, next: 25, page: s.batches(t), batches: s.batches(t)}
	b, ok, err := c.whole(ctx)
	require.NoError(t, err)
	require.True(t, ok)
	require.EqualValues(t, 0, b.FirstOffset)
	c.takeWhole()
	r, ok, err := c.peek(ctx)
	require.NoError(t, err)
	require.True(t, ok)
	require.EqualValues(t, 10, r.Offset)
	_, ok, _ = c.whole(ctx)
	require.False(t, ok, "the batch was opened")
	c.take()
	require.EqualValues(t, 11, c.at())
	require.True(t, c.seek(3))
	_, ok, _ = c.whole(ctx)
	require.False(t, ok, "the batch begins before")
	var got []int64
	for {
		r, ok, err := c.peek(ctx)
		require.NoError(t, err)
		if !ok {
			break
		}
		c.take()
		got = append(got, r.Offset)
	}
	require.EqualValues(t, 3, got[0])
	require.EqualValues(t, 24, got[len(got)-1])
	require.Len(t, got, 22)
	require.True(t, c.seek(20))
	_, ok, _ = c.whole(ctx)
	require.False(t, ok, "the batch ends behind the bound")
	require.False(t, c.seek(26))
	c.begin = 10
	require.False(t, c.seek(9))
	c.close()
}

// TestUnpackerIsBounded: what claims or turns out to be too large is refused,
// and one unpacker serves batch after batch, codec after codec.
func TestUnpackerIsBounded(t *testing.T) {
	var u unpacker
	defer u.close()
	for round := range 3 {
		for codec := range batch.Codec(5) {
			rs := records(10 + round)
			got, err := one(t, build(t, codec, rs)).decode(&u)
			require.NoError(t, err, "%s", codec)
			requireRecords(t, rs, got, 0)
		}
	}
	claim := binary.AppendUvarint(nil, maxRecords+1) // the header of a snappy block
	_, err := u.unpack(2, append(claim, make([]byte, 100)...))
	require.ErrorContains(t, err, "claim to hold")
	_, err = u.unpack(2, append([]byte("\x82SNAPPY\x00\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00\x63"), snappy.Encode(nil, []byte("x"))...))
	require.ErrorContains(t, err, "cut short")
	_, err = u.unpack(7, nil)
	require.ErrorContains(t, err, "unknown codec 7")
	rs := contents(1000)
	for _, codec := range []batch.Codec{batch.Gzip, batch.LZ4, batch.Zstd} {
		b := one(t, build(t, codec, rs))
		tight := unpacker{most: 5000}
		_, err = b.decode(&tight)
		require.ErrorContains(t, err, "decompresses to more than 5000 bytes", "%s", codec)
		tight.close()
	}
}
