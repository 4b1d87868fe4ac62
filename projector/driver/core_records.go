package driver

import (
	"bytes"
	"fmt"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/cluster/batch"
	"github.com/portage-kafka/portage/cluster/wire"
	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/fsm/offsetmap"
)

// place is a partition of a topic, by the topic's name on the cluster in
// question.
type place struct {
	topic     string
	partition int32
}

// peeked is the first record at or above an offset; there is none where nothing
// can be read yet.
type peeked struct {
	record cluster.Record
	there  bool
	err    error
}

// firstOf finds the first committed record from an offset on in an answer to a
// fetch; sure is false where the answer does not tell.
func firstOf(p wire.FetchedPartition, offset int64) (first peeked, sure bool) {
	if p.Code != 0 {
		return peeked{}, false
	}
	filter := batch.NewFilter(p.Aborted)
	for b, rest := batch.Split(p.Records); b != nil; b, rest = batch.Split(rest) {
		if filter.Aborted(b) || b.Control() {
			continue
		}
		records, err := b.Records()
		if err != nil {
			return peeked{}, false
		}
		for _, r := range records {
			if r.Offset >= offset {
				return peeked{record: r, there: true}, true
			}
		}
	}
	return peeked{}, len(p.Records) == 0 && offset >= p.LastStable
}

// images says where on the target the records are that were found on the source
// from the cut on. Compaction may have taken the record at the cut from the
// source since it was copied: what counts is the image of the first one that is
// left. One that was not copied yet has none and needs none.
func images(cut []events.CutPoint, found map[place]peeked, maps copies, starts offsets) (at map[place]int64, why string) {
	at = make(map[place]int64)
	for _, c := range cut {
		p := place{c.Topic, c.Partition}
		m, copied := maps(c.Topic, c.Partition)
		first := found[p]
		if !first.there || !copied || m.Watermark() <= first.record.Offset {
			continue
		}
		image, err := m.Translate(first.record.Offset, starts[c.Topic][c.Partition])
		if err != nil || image.Kind != offsetmap.Image || image.Offset < c.Target {
			return nil, fmt.Sprintf("%s/%d: source record %d is not among the copied records from %d on", c.Topic, c.Partition, first.record.Offset, c.Target)
		}
		at[p] = image.Offset
	}
	return at, ""
}

// sameRecord compares key, value and headers; times may differ where a source
// writes its own.
func sameRecord(a, b cluster.Record) bool {
	if !bytes.Equal(a.Key, b.Key) || !bytes.Equal(a.Value, b.Value) || (a.Key == nil) != (b.Key == nil) || (a.Value == nil) != (b.Value == nil) || len(a.Headers) != len(b.Headers) {
		return false
	}
	for i := range a.Headers {
		if a.Headers[i].Key != b.Headers[i].Key || !bytes.Equal(a.Headers[i].Value, b.Headers[i].Value) {
			return false
		}
	}
	return true
}
