package classes

import (
	"context"

	"github.com/portage-kafka/portage/cluster"
	"github.com/twmb/franz-go/pkg/kgo"
)

// transaction writes one transaction of one batch.
func (t Topic) transaction(ctx context.Context, w *kgo.Client, commit bool, records []*kgo.Record) error {
	if err := w.BeginTransaction(); err != nil {
		return err
	}
	if err := put(ctx, w, records...); err != nil {
		return err
	}
	return t.end(ctx, w, commit)
}

// end ends a transaction and waits for its marker, which the coordinator writes after it has answered.
func (t Topic) end(ctx context.Context, w *kgo.Client, commit bool) error {
	before, err := t.Client.ListOffsets(ctx, t.Name, []int32{0}, cluster.Latest)
	if err != nil {
		return err
	}
	if err := w.EndTransaction(ctx, kgo.TransactionEndTry(commit)); err != nil {
		return err
	}
	return t.until(ctx, "a marker", func() (bool, error) {
		now, err := t.Client.ListOffsets(ctx, t.Name, []int32{0}, cluster.Latest)
		return now[0] > before[0], err
	})
}

// transactionScenes are transactions of all fates.
func transactionScenes() []Scene {
	return []Scene{{
		Name: "transactions", About: "interleaved transactions: from the begin, from within an aborted one, and from its marker", Versions: Sources(),
		pages: []ask{{0, 1 << 20}, {5, 1 << 20}, {8, 1 << 20}}, write: interleaved,
	}, {
		Name: "open-transaction", About: "what stands behind the last stable offset is not served", Versions: Sources(), write: leftOpen,
	}}
}

// interleaved writes: a 0-1, b 2-3, plain 4, a 5-6, abort of a 7, b 8, commit of b 9, a 10-11, commit of a 12.
func interleaved(ctx context.Context, t Topic) error {
	a, err := t.writer(kgo.TransactionalID(t.Name + "-a"))
	if err != nil {
		return err
	}
	defer a.Close()
	b, err := t.writer(kgo.TransactionalID(t.Name+"-b"), kgo.ProducerBatchCompression(kgo.ZstdCompression()))
	if err != nil {
		return err
	}
	defer b.Close()
	ms := int64(0)
	write := func(w *kgo.Client, key string, n int) func() error {
		return func() error {
			ms += 10
			return put(ctx, w, keysOf(key, ms, []int{0, 1}[:n]...)...)
		}
	}
	end := func(w *kgo.Client, commit bool) func() error {
		return func() error { return t.end(ctx, w, commit) }
	}
	for _, step := range []func() error{
		a.BeginTransaction, b.BeginTransaction, write(a, "a", 2), write(b, "b", 2),
		func() error { return t.put(ctx, keysOf("plain", 25, 0)) },
		write(a, "a", 2), end(a, false), write(b, "b", 1), end(b, true),
		a.BeginTransaction, write(a, "a", 2), end(a, true),
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// leftOpen commits one transaction and leaves another open, until it times out; a plain record stands behind it.
func leftOpen(ctx context.Context, t Topic) error {
	w, err := t.writer(kgo.TransactionalID(t.Name))
	if err != nil {
		return err
	}
	defer w.Close()
	if err := t.transaction(ctx, w, true, keysOf("k", 0, 0, 1)); err != nil {
		return err
	}
	if err := w.BeginTransaction(); err != nil {
		return err
	}
	if err := put(ctx, w, keysOf("k", 10, 0, 1)...); err != nil {
		return err
	}
	return t.put(ctx, keysOf("plain", 20, 0))
}
