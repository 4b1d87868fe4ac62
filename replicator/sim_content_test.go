package replicator

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"sync"

	"github.com/portage-kafka/portage/cluster/batch"
)

// The simulator's records are made of templates, encoded once: a batch is a copy
// of a template with another base time, which is its identity.

// template is a batch whose records have times from 0 on.
type template struct {
	raw     batch.Batch
	records []batch.Record
	largest int64 // of the times
}

// birthStep lies between the base times of two births, in ms: more than any
// record's time in its template.
const birthStep = 64

// library holds the templates.
type library struct {
	plain, packed []*template
	large         *template // one record that is larger than smallLimit
}

// smallLimit is the max.message.bytes of targets that split batches.
const smallLimit = 300

var templates = sync.OnceValue(func() *library {
	r := rand.New(rand.NewPCG(1, 2))
	l := &library{}
	for i := range 96 {
		l.plain = append(l.plain, newTemplate(r, batch.None, 1+i%6, 12))
	}
	for i := range 24 {
		l.packed = append(l.packed, newTemplate(r, batch.Codec(1+i%4), 1+i%6, 12))
	}
	l.large = newTemplate(r, batch.None, 1, smallLimit)
	return l
})

func newTemplate(r *rand.Rand, codec batch.Codec, count, size int) *template {
	t := &template{}
	for i := range count {
		rec := batch.Record{Offset: int64(i), Timestamp: int64(i*11) % 53, Key: text("k%d", r.IntN(40)), Value: text("%d-%0*d", i, size, r.IntN(1000))}
		switch r.IntN(8) {
		case 0:
			rec.Value = nil
		case 1:
			rec.Headers = []batch.Header{{Key: "h", Value: text("%d", i)}, {Key: "h"}}
		case 2:
			rec.Key = []byte{}
		}
		t.largest = max(t.largest, rec.Timestamp)
		t.records = append(t.records, rec)
	}
	raw, err := batch.Build(batch.Spec{Codec: codec}, t.records)
	if err != nil {
		panic(err)
	}
	t.raw = raw
	return t
}

// birth is one writing of a template; a twin has the birth of another batch.
type birth struct {
	*template
	time       int64 // base time of the records, in ms
	appendTime bool  // every record's time is the largest
}

// bytes are the batch as a producer sends it.
func (x birth) bytes() batch.Batch {
	b := slices.Clone(x.raw)
	binary.BigEndian.PutUint64(b[27:], uint64(x.time))
	binary.BigEndian.PutUint64(b[35:], uint64(x.time+x.largest))
	attributes := x.raw.Attributes()
	if x.appendTime {
		attributes |= 0x08
	}
	binary.BigEndian.PutUint16(b[21:], uint16(attributes))
	return b
}

// identify stamps a producer's identity and flags on a batch.
func identify(b batch.Batch, p batch.Producer, flags int16) batch.Batch {
	binary.BigEndian.PutUint16(b[21:], uint16(b.Attributes()|flags))
	binary.BigEndian.PutUint64(b[43:], uint64(p.ID))
	binary.BigEndian.PutUint16(b[51:], uint16(p.Epoch))
	binary.BigEndian.PutUint32(b[53:], uint32(p.Sequence))
	seal(b)
	return b
}

// is says whether a record read somewhere is the i-th of this birth, wherever it
// is stored.
func (x birth) is(i int, r batch.Record) bool {
	want := x.records[i]
	at := want.Timestamp
	if x.appendTime {
		at = x.largest
	}
	if r.Timestamp != x.time+at || !same(want.Key, r.Key) || !same(want.Value, r.Value) || len(want.Headers) != len(r.Headers) {
		return false
	}
	for j, h := range want.Headers {
		if h.Key != r.Headers[j].Key || !same(h.Value, r.Headers[j].Value) {
			return false
		}
	}
	return true
}

func same(a, b []byte) bool { return (a == nil) == (b == nil) && bytes.Equal(a, b) }
