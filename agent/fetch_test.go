package agent

import (
	"encoding/binary"
	"hash/crc32"
	"testing"

	"github.com/portage-kafka/portage/cluster/batch"
	"github.com/portage-kafka/portage/cluster/wire"
	"github.com/stretchr/testify/require"
)

// stored is a batch as a broker serves it: from an offset on, with attribute bits set.
func stored(t testing.TB, from int64, bits uint16, producer *batch.Producer, values ...string) []byte {
	var list []batch.Record
	for _, v := range values {
		list = append(list, batch.Record{Value: []byte(v)})
	}
	b, err := batch.Build(batch.Spec{Producer: producer, Transactional: producer != nil}, list)
	require.NoError(t, err)
	binary.BigEndian.PutUint64(b[0:], uint64(from))
	binary.BigEndian.PutUint16(b[21:], binary.BigEndian.Uint16(b[21:])|bits)
	binary.BigEndian.PutUint32(b[17:], crc32.Checksum(b[21:], crc32.MakeTable(crc32.Castagnoli)))
	return b
}

func join(parts ...[]byte) (all []byte) {
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

func valuesOf(c chunk) (list []string) {
	for _, r := range c.records {
		list = append(list, string(r.Value))
	}
	return list
}

func TestDecodeFetched(t *testing.T) {
	pid := &batch.Producer{ID: 7}
	const control = 1 << 5
	plain := stored(t, 10, 0, nil, "a", "b", "c")
	txn := stored(t, 13, 0, pid, "x", "y")
	abort := stored(t, 15, control, pid, "marker")
	last := stored(t, 16, 0, nil, "d")
	for _, k := range []struct {
		name    string
		p       wire.FetchedPartition
		offset  int64
		want    []string
		next    int64
		corrupt bool
	}{
		{"nothing", wire.FetchedPartition{}, 10, nil, 10, false},
		{"all", wire.FetchedPartition{Records: plain}, 10, []string{"a", "b", "c"}, 13, false},
		{"a batch that begins below", wire.FetchedPartition{Records: plain}, 12, []string{"c"}, 13, false},
		{"committed transaction", wire.FetchedPartition{Records: join(plain, txn, abort, last)}, 10, []string{"a", "b", "c", "x", "y", "d"}, 17, false},
		{"aborted transaction", wire.FetchedPartition{Records: join(plain, txn, abort, last), Aborted: []batch.Aborted{{ProducerID: 7, First: 13}}}, 10, []string{"a", "b", "c", "d"}, 17, false},
		{"begun before the offset", wire.FetchedPartition{Records: join(txn, abort, last), Aborted: []batch.Aborted{{ProducerID: 7, First: 2}}}, 14, []string{"d"}, 17, false},
		{"only a marker", wire.FetchedPartition{Records: abort}, 15, nil, 16, false},
		{"a truncated end", wire.FetchedPartition{Records: join(plain, last[:len(last)-3])}, 10, []string{"a", "b", "c"}, 13, false},
		{"a flipped bit", wire.FetchedPartition{Records: join(plain, append(append([]byte{}, last[:len(last)-1]...), last[len(last)-1]^1))}, 10, []string{"a", "b", "c"}, 13, true},
	} {
		t.Run(k.name, func(t *testing.T) {
			c, err := decodeFetched(k.p, k.offset)
			require.Equal(t, k.want, valuesOf(c))
			require.Equal(t, k.next, c.next)
			if k.corrupt {
				require.ErrorIs(t, err, batch.ErrCorrupt)
			} else {
				require.NoError(t, err)
			}
		})
	}
}

// Whatever a broker sends: no panic, no offset below the one asked for, never backwards.
func FuzzDecodeFetched(f *testing.F) {
	pid := &batch.Producer{ID: 7}
	f.Add(stored(f, 10, 0, nil, "a", "b"), int64(10), int64(7), int64(0))
	f.Add(join(stored(f, 13, 0, pid, "x"), stored(f, 14, 1<<5, pid, "m")), int64(13), int64(7), int64(13))
	f.Add([]byte{}, int64(0), int64(0), int64(0))
	f.Fuzz(func(t *testing.T, raw []byte, offset, producer, first int64) {
		c, err := decodeFetched(wire.FetchedPartition{Records: raw, Aborted: []batch.Aborted{{ProducerID: producer, First: first}}}, offset)
		if c.next < offset {
			t.Fatalf("next is %d, asked for %d (%v)", c.next, offset, err)
		}
		for _, r := range c.records {
			if r.Offset < offset {
				t.Fatalf("record at %d, asked for %d", r.Offset, offset)
			}
		}
	})
}
