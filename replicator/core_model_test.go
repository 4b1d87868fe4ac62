package replicator

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"slices"

	"github.com/portage-kafka/portage/cluster/batch"
	"github.com/portage-kafka/portage/events"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// This file holds models of what a core talks to: a source partition, a target
// partition as a broker keeps it, and the partition's part of portage.offsets.

// sourceLog is a model of a source partition. Batches have no gaps between them
// unless compaction made some.
type sourceLog struct {
	batches []batch.Batch
	start   int64
	end     int64
	aborted []batch.Aborted
	// markers are the ends of aborted transactions, in the order of aborted.
	markers []int64
}

func text(format string, args ...any) []byte { return []byte(fmt.Sprintf(format, args...)) }

// rec makes a record that no other offset shares.
func rec(offset int64) batch.Record {
	return batch.Record{
		Offset: offset, Timestamp: 1_000_000 + offset*7, Key: text("k%d", offset%5), Value: text("value of %d", offset),
		Headers: []batch.Header{{Key: "h", Value: text("%d", offset)}},
	}
}

func recs(from, count int64) (all []batch.Record) {
	for o := from; o < from+count; o++ {
		all = append(all, rec(o))
	}
	return all
}

// stored is a batch as a source has it: with offsets, which may have holes, and
// attributes. An empty list of records makes an emptied batch.
func stored(base, last int64, attributes int16, pid int64, records []batch.Record) batch.Batch {
	b := kmsg.RecordBatch{
		FirstOffset: base, PartitionLeaderEpoch: 3, Magic: 2, Attributes: attributes, LastOffsetDelta: int32(last - base),
		FirstTimestamp: 1_000_000, ProducerID: pid, ProducerEpoch: 0, FirstSequence: 0, NumRecords: int32(len(records)),
	}
	for _, r := range records {
		b.MaxTimestamp = max(b.MaxTimestamp, r.Timestamp)
		b.Records = append(b.Records, storedRecord(base, r)...)
	}
	return sealed(b)
}

func storedRecord(base int64, r batch.Record) []byte {
	k := kmsg.Record{TimestampDelta64: r.Timestamp - 1_000_000, OffsetDelta: int32(r.Offset - base), Key: r.Key, Value: r.Value}
	for _, h := range r.Headers {
		k.Headers = append(k.Headers, kmsg.Header{Key: h.Key, Value: h.Value})
	}
	body := k.AppendTo(nil)[1:] // a zero length takes one byte
	return append(binary.AppendVarint(nil, int64(len(body))), body...)
}

func sealed(b kmsg.RecordBatch) batch.Batch {
	raw := b.AppendTo(nil)
	binary.BigEndian.PutUint32(raw[8:], uint32(len(raw)-12))
	binary.BigEndian.PutUint32(raw[17:], crc32.Checksum(raw[21:], crc32.MakeTable(crc32.Castagnoli)))
	return raw
}

// dense appends a batch without holes, compressed with the codec.
func (s *sourceLog) dense(codec batch.Codec, count int64) {
	b, err := batch.Build(batch.Spec{Codec: codec}, recs(s.end, count))
	if err != nil {
		panic(err)
	}
	binary.BigEndian.PutUint64(b, uint64(s.end)) // the CRC does not cover it
	s.put(b)
}

func (s *sourceLog) put(b batch.Batch) {
	s.batches = append(s.batches, b)
	s.end = b.NextOffset()
}

// holes appends a batch of which compaction kept every second record, and
// perhaps a wide gap before it.
func (s *sourceLog) holes(count, before int64) {
	base := s.end + before
	var kept []batch.Record
	for o := base; o < base+2*count; o += 2 {
		kept = append(kept, rec(o))
	}
	s.put(stored(base, base+2*count, 0, -1, kept))
}

// transaction appends a batch of a transaction and its marker.
func (s *sourceLog) transaction(pid, count int64, commit bool) {
	first := s.end
	s.put(stored(first, first+count-1, 0x10, pid, recs(first, count)))
	kind := byte(1)
	if !commit {
		kind = 0
		s.aborted = append(s.aborted, batch.Aborted{ProducerID: pid, First: first})
		s.markers = append(s.markers, s.end)
	}
	s.put(stored(s.end, s.end, 0x30, pid, []batch.Record{{Offset: s.end, Timestamp: 1_000_000, Key: []byte{0, 0, 0, kind}, Value: []byte{0, 0, 0, 0, 0, 0}}}))
}

// emptied appends a batch whose records are all gone.
func (s *sourceLog) emptied(width int64) { s.put(stored(s.end, s.end+width-1, 0, -1, nil)) }

// random appends one batch of any kind.
func (s *sourceLog) random(r *rand.Rand) {
	switch n := 1 + r.Int64N(6); r.IntN(9) {
	case 0:
		s.holes(n, r.Int64N(3))
	case 1:
		s.transaction(500+r.Int64N(3), n, true)
	case 2:
		s.transaction(500+r.Int64N(3), n, false)
	case 3:
		s.emptied(n)
	case 4: // LogAppendTime
		s.put(stored(s.end, s.end+n-1, 0x08, -1, recs(s.end, n)))
	default:
		s.dense(batch.Codec(r.IntN(5)), n)
	}
}

// fetch is a read-committed fetch from an offset of at most some bytes.
func (s *sourceLog) fetch(from int64, size int) page {
	p := page{high: s.end, stable: s.end, start: s.start, first: true}
	last := from
	for _, b := range s.batches {
		if b.NextOffset() <= from {
			continue
		}
		if len(p.records) > 0 && len(p.records)+len(b) > size {
			break
		}
		p.records = append(p.records, b...)
		last = b.NextOffset()
	}
	for i, a := range s.aborted {
		if a.First < last && s.markers[i] >= from {
			p.aborted = append(p.aborted, a)
		}
	}
	return p
}

// committed are the records that a copy must have, in order.
func (s *sourceLog) committed() (all []batch.Record) {
	filter := batch.NewFilter(s.aborted)
	for _, b := range s.batches {
		if filter.Aborted(b) || b.Control() {
			continue
		}
		rs, err := b.Records()
		if err != nil {
			panic(err)
		}
		all = append(all, rs...)
	}
	return all
}

// compact removes a record for good, leaving a hole.
func (s *sourceLog) compact(r *rand.Rand) {
	i := r.IntN(len(s.batches))
	b := s.batches[i]
	rs, err := b.Records()
	if err != nil || b.Control() || b.Transactional() || len(rs) == 0 {
		return
	}
	rs = slices.Delete(rs, 0, 1)
	s.batches[i] = stored(b.BaseOffset(), b.LastOffset(), b.Attributes()&0x08, b.Producer().ID, rs)
}

// targetLog is a model of a target partition with the idempotence of a broker.
type targetLog struct {
	batches  []batch.Batch
	end      int64
	maxBytes int
	known    map[int64]*producerState
}

type producerState struct {
	epoch int16
	last  []remembered // up to five
}

type remembered struct {
	first, count int32
	base         int64
}

func newTarget() *targetLog { return &targetLog{known: map[int64]*producerState{}} }

// produce appends a batch as a broker would.
func (l *targetLog) produce(sent batch.Batch) answer {
	b := batch.Batch(slices.Clone(sent))
	p := b.Producer()
	switch {
	case b.Check() != nil:
		return answer{code: 2}
	case b.BaseOffset() != 0 || !b.Dense() || b.Attributes()&^0x07 != 0:
		return answer{code: 87, message: "not a batch that a broker accepts"}
	case l.maxBytes > 0 && len(b) > l.maxBytes:
		return answer{code: 10}
	}
	if p.ID >= 0 {
		if a, done := l.idempotent(p, b.Count()); done {
			return a
		}
	}
	base := l.end
	binary.BigEndian.PutUint64(b, uint64(base))
	l.batches = append(l.batches, b)
	l.end = b.NextOffset()
	return answer{base: base}
}

func (l *targetLog) idempotent(p batch.Producer, count int32) (answer, bool) {
	st := l.known[p.ID]
	switch {
	case st == nil:
		st = &producerState{epoch: p.Epoch}
		l.known[p.ID] = st
	case p.Epoch < st.epoch:
		return answer{code: 47}, true
	case p.Epoch > st.epoch:
		if p.Sequence != 0 {
			return answer{code: 45}, true
		}
		*st = producerState{epoch: p.Epoch}
	}
	for _, m := range st.last {
		if m.first == p.Sequence && m.count == count {
			return answer{base: m.base}, true
		}
	}
	if n := len(st.last); n > 0 && p.Sequence != after(st.last[n-1].first, st.last[n-1].count) {
		return answer{code: 45}, true
	}
	st.last = append(st.last, remembered{first: p.Sequence, count: count, base: l.end})
	st.last = st.last[max(0, len(st.last)-5):]
	return answer{}, false
}

func after(sequence, count int32) int32 {
	return batch.Producer{Sequence: sequence}.After(count).Sequence
}

// read is an uncommitted fetch of everything from an offset on, up to some bytes.
func (l *targetLog) read(from int64, size int) []byte {
	var out []byte
	for _, b := range l.batches {
		if b.NextOffset() > from && (len(out) == 0 || len(out)+len(b) <= size) {
			out = append(out, b...)
		} else if len(out) > 0 {
			break
		}
	}
	return out
}

// written are the records of the batches that the lineage has written.
func (l *targetLog) written(ours map[int64]bool) (all []batch.Record) {
	for _, b := range l.batches {
		if !ours[b.Producer().ID] {
			continue
		}
		rs, err := b.Records()
		if err != nil {
			panic(err)
		}
		all = append(all, rs...)
	}
	return all
}

// offsetsLog is a model of a partition's records in portage.offsets.
type offsetsLog struct {
	claims []events.Claim
	blocks map[string]events.Block
	order  []string
	nonces int
}

func newOffsets() *offsetsLog { return &offsetsLog{blocks: map[string]events.Block{}} }

func (o *offsetsLog) claim(c events.Claim) (events.Claim, bool) {
	void := slices.ContainsFunc(o.claims, func(x events.Claim) bool { return x.OwnerEpoch == c.OwnerEpoch })
	o.nonces++
	c.Nonce = fmt.Sprint(o.nonces)
	o.claims = append(o.claims, c)
	return c, void
}

func (o *offsetsLog) publish(b events.Block) {
	k := events.OffsetsKey{OwnerEpoch: b.OwnerEpoch, Number: b.Number}.String()
	if _, known := o.blocks[k]; !known {
		o.order = append(o.order, k)
	}
	o.blocks[k] = b
}

func (o *offsetsLog) load() ([]events.Claim, []events.Block) {
	var blocks []events.Block
	for _, k := range o.order {
		blocks = append(blocks, o.blocks[k])
	}
	return slices.Clone(o.claims), blocks
}
