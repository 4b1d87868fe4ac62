package produce

import (
	"encoding/binary"

	"github.com/portage-kafka/portage/events"
)

// Partitioner picks partitions as Kafka's Java client does: murmur2 of the key;
// records without a key stay with one partition until it is Rotated.
type Partitioner struct {
	partitions int32
	sticky     int32
}

// NewPartitioner is for a topic of so many partitions; records without a key
// begin at first modulo that.
func NewPartitioner(partitions int32, first uint32) *Partitioner {
	return &Partitioner{partitions: partitions, sticky: int32(first % uint32(partitions))}
}

// Pick is the partition for a key; nil is no key.
func (p *Partitioner) Pick(key []byte) int32 {
	if key == nil {
		return p.sticky
	}
	return int32(murmur2(key)&0x7fffffff) % p.partitions
}

// Grow follows a topic that has got partitions: keys are spread anew, records
// without a key stay where they are until Rotated.
func (p *Partitioner) Grow(partitions int32) { p.partitions = max(p.partitions, partitions) }

// Rotated moves records without a key on to the next partition: called when a
// batch of them is full.
func (p *Partitioner) Rotated() { p.sticky = (p.sticky + 1) % p.partitions }

// Writable is how many of a topic's partitions a producer on a side writes to,
// by the topic's latest directive. While producers are moved, and afterwards,
// partitions that the source gets are not copied: what is written there would
// stay behind.
func Writable(d events.Directive, side string, partitions int32) int32 {
	if side == events.RouteSource && d.Topic != nil && d.Topic.Level != "" && d.Topic.Partitions > 0 {
		return min(partitions, d.Topic.Partitions)
	}
	return partitions
}

// murmur2 is the hash of org.apache.kafka.common.utils.Utils.murmur2.
func murmur2(b []byte) uint32 {
	const seed, m, r = uint32(0x9747b28c), uint32(0x5bd1e995), 24
	h := seed ^ uint32(len(b))
	for ; len(b) >= 4; b = b[4:] {
		k := binary.LittleEndian.Uint32(b) * m
		k = (k ^ k>>r) * m
		h = h*m ^ k
	}
	switch len(b) {
	case 3:
		h ^= uint32(b[2]) << 16
		fallthrough
	case 2:
		h ^= uint32(b[1]) << 8
		fallthrough
	case 1:
		h = (h ^ uint32(b[0])) * m
	}
	h = (h ^ h>>13) * m
	return h ^ h>>15
}
