package classes

import (
	"context"
	"fmt"
	"maps"
	"time"

	"github.com/portage-kafka/portage/cluster/batch"
	"github.com/portage-kafka/portage/testkit/realkafka"
	"github.com/twmb/franz-go/pkg/kgo"
)

// cleaned configures a topic that is cleaned as soon as its segment rolls, which roll makes it do: so there is one cleaning,
// of everything that was written before, and the same is left of it every time.
func cleaned(more map[string]string) map[string]string {
	all := map[string]string{
		"cleanup.policy": "compact", "segment.ms": fmt.Sprint(10 * time.Minute.Milliseconds()), "min.cleanable.dirty.ratio": "0.001",
	}
	maps.Copy(all, more)
	return all
}

// roll writes a record so much later that it begins a segment.
func roll(ctx context.Context, t Topic) error {
	return t.put(ctx, []*kgo.Record{keyed(2*time.Hour.Milliseconds(), "roll")})
}

// keysOf are records with keys PREFIX-0, PREFIX-1 …
func keysOf(prefix string, ms int64, numbers ...int) (all []*kgo.Record) {
	for _, n := range numbers {
		all = append(all, keyed(ms+int64(n), fmt.Sprintf("%s-%d", prefix, n)))
	}
	return all
}

// cleanedScenes are what the log cleaner leaves.
func cleanedScenes() []Scene {
	return []Scene{{
		Name: "holes", About: "compaction has taken records from the begin, the middle and the end of batches of all codecs", Versions: Sources(),
		Source: cleaned(nil), write: holes,
	}, {
		Name: "emptied", About: "compaction has taken all records: the last batch of a producer stays, empty; another is gone", Versions: Sources(),
		Source: cleaned(nil), write: emptied, pages: []ask{{0, 1 << 20}, {1, 1 << 20}},
	}, {
		Name: "tombstones", About: "deletes that the cleaner has met once: from 3.1 on the batch says until when they stay", Versions: Sources(),
		Source: cleaned(nil), write: tombstones,
	}, {
		Name: "cleaned-transactions", About: "compaction of committed and aborted transactions", Versions: Sources(),
		Source: cleaned(nil), write: cleanedTransactions,
	}}
}

// holes writes a batch of six records in each codec, then other values for some of the keys.
func holes(ctx context.Context, t Topic) error {
	gone := [][]int{{0}, {2, 3}, {5}, {0, 1, 2, 3, 4}, {0, 5}}
	for _, c := range codecs() {
		if err := t.put(ctx, keysOf(c.name, 0, 0, 1, 2, 3, 4, 5), kgo.ProducerBatchCompression(c.option)); err != nil {
			return err
		}
	}
	var again []*kgo.Record
	for i, c := range codecs() {
		again = append(again, keysOf(c.name, 10, gone[i]...)...)
	}
	if err := t.put(ctx, again); err != nil {
		return err
	}
	if err := roll(ctx, t); err != nil {
		return err
	}
	return t.wait(ctx, "five batches with holes", func(all []batch.Batch) bool { return count(all, hasHole) == 5 })
}

func hasHole(b batch.Batch) bool { return b.Count() > 0 && !b.Dense() }

func isEmpty(b batch.Batch) bool { return b.Count() == 0 }

func count(all []batch.Batch, is func(batch.Batch) bool) (n int) {
	for _, b := range all {
		if is(b) {
			n++
		}
	}
	return n
}

// emptied lets one producer write a key twice, and another write it again.
func emptied(ctx context.Context, t Topic) error {
	first, err := t.writer()
	if err != nil {
		return err
	}
	defer first.Close()
	for ms := range int64(2) {
		if err := put(ctx, first, keysOf("k", 10*ms, 0, 1)...); err != nil {
			return err
		}
	}
	if err := t.put(ctx, keysOf("k", 20, 0, 1, 2)); err != nil {
		return err
	}
	if err := roll(ctx, t); err != nil {
		return err
	}
	return t.wait(ctx, "an empty batch", func(all []batch.Batch) bool { return count(all, isEmpty) == 1 })
}

// tombstones writes deletes among other records, with a hole and without.
func tombstones(ctx context.Context, t Topic) error {
	deleted := at(3, []byte("a-1"), nil)
	for _, records := range [][]*kgo.Record{
		{keyed(0, "a-0"), at(1, []byte("b-0"), nil), keyed(2, "c-0")},
		{keyed(3, "a-0"), deleted, keyed(4, "d-0")},
	} {
		if err := t.put(ctx, records, kgo.ProducerBatchCompression(kgo.Lz4Compression())); err != nil {
			return err
		}
	}
	if err := roll(ctx, t); err != nil {
		return err
	}
	return t.wait(ctx, "a hole, and two horizons from 3.1 on", func(all []batch.Batch) bool {
		horizons := count(all, func(b batch.Batch) bool { return b.Attributes()&0x40 != 0 })
		return count(all, hasHole) == 1 && (horizons == 2 || t.Version == realkafka.Oldest)
	})
}

// cleanedTransactions commits, aborts, and commits other values. Brokers stamp markers with their own time, so this scene
// plays today: an older record before a marker would make the segment roll too early.
func cleanedTransactions(ctx context.Context, t Topic) error {
	now := time.Now().UnixMilli() - began
	for i, commit := range []bool{true, false, true} {
		w, err := t.writer(kgo.TransactionalID(fmt.Sprint(t.Name, i%2)))
		if err != nil {
			return err
		}
		defer w.Close()
		if err := t.transaction(ctx, w, commit, keysOf("k", now+int64(10*i), i/2, 2)); err != nil {
			return err
		}
	}
	if err := t.put(ctx, keysOf("roll", now+30*time.Minute.Milliseconds(), 0)); err != nil {
		return err
	}
	return t.wait(ctx, "a hole", func(all []batch.Batch) bool { return count(all, hasHole) == 1 })
}
