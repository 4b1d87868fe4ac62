// Package projector folds portage.events into rows: it reads the log in the
// order of its positions, lets package fsm judge every record, and keeps what
// follows in a Pebble store. The store is a cache of the log: losing it loses
// nothing.
//
// # Use
//
//	events := projector.Log{ // how to reach portage.events, over a cluster.Client c
//		ClusterID: c.ID(),
//		TopicID:   func(ctx context.Context) (string, error) { return log.TopicID(ctx, c) },
//		End:       func(ctx context.Context) (int64, error) { return log.End(ctx, c) },
//		Reader: func(from int64, topicID string) projector.Reader {
//			return log.NewReader(c, from).Pin(topicID)
//		},
//		Retriable: cluster.Retriable,
//	}
//	store, err := projector.Open(projector.Options{Dir: dir, Logger: logger})
//	if errors.Is(err, projector.ErrLocked) { // another process has it: fold in memory
//		store, err = projector.Open(projector.Options{Logger: logger})
//	}
//	defer store.Close()
//	p, err := projector.New(projector.Config{Store: store, Log: events, Logger: logger})
//	applied, err := p.CatchUp(ctx) // one look: fold to the end that the log has now
//	err = p.Run(ctx)               // a service: fold to the end and follow it until ctx is done
//
//	view := store.View() // a snapshot: as of one position, safe for concurrent use
//	defer view.Close()
//	row, ok := view.Group("orders-eu", "billing")
//
//	for after := int64(-1); ; { // level-triggered: look, act, wait for more
//		view := store.View()
//		after = view.Applied()
//		...
//		view.Close()
//		select {
//		case <-store.Changed(after):
//		case <-ctx.Done():
//		}
//	}
//
// [Store.Wait] waits until a position is folded: append, wait, look at the note.
// [View.Try] judges events before they are written. [At] folds a prefix of the
// log into memory, [Replay] the whole of it, for audits.
//
// # Duties of the caller
//
// One Projector per Store, and one of CatchUp and Run at a time. Close views
// before the store. Rows are shared: never modify one. Views and stores are
// safe for concurrent use. Open's folder belongs to the store alone.
//
// # Commits
//
// Every fetched batch of records becomes one Pebble batch: rows, indexes,
// notes, outbox, digests and the applied position stand or fall together. The
// store has no write-ahead log of its own, because portage.events is one:
// what a crash takes (at most twice Options.MemTableBytes) is folded
// again. Nothing outside may depend on a commit having survived.
//
// # Layout
//
// Options.Dir holds Pebble's files in rows/ and a LOCK. Keys begin with a letter; strings in keys are escaped so that their order is
// kept (see keys.go), numbers are 8 bytes big-endian.
//
//	M                                          applied position, tally, identity of the log, format   JSON
//	m  migration                               row                                                    JSON
//	t  migration, topic                        row                                                    JSON
//	g  migration, group                        row                                                    JSON
//	c  cluster id, kind, name                  claim                                                  JSON
//	o  migration, stream, axis                 open effect                                            JSON
//	d  partition, cluster id, addressee        latest directive                                       JSON
//	r  position, partition, cluster, addressee the same by position                                   empty
//	s  event id, migration                     position of the first occurrence                       8 bytes
//	n  position                                note                                                   note.go
//	h  migration, stream, position             notes by stream                                        empty
//	x  position                                foreign and repeated records                           empty
//	l  migration                               digests as of the applied position                     JSON
//	k  migration, position                     digests as of a milestone                              JSON
//	w  milliseconds                            first position with a later broker time                8 bytes
//
// # Digests
//
// The log digest of a migration chains the first occurrence of each of its
// events. The state digest sums a hash of each of its rows (migration, topics,
// groups, open effects), so that it costs a step only what the step changed.
// Claims and directives belong to a source cluster and are taken over by later
// migrations: they are left out, so an ended migration keeps its digests. A row
// is hashed as the JSON that is stored: a field added to a row later must be
// left out when empty, or every digest of a log written before changes.
//
// A checkpoint can be compared only with the digests at its own position, so
// these are kept for every 1000th position (a milestone); [View.Checkpoint]
// says what to append. A checkpoint at another position is compared if nothing
// happened in the migration between it and the event, else it is counted as
// not compared.
package projector
