package log

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/events"
)

// fetchBytes is how much a reader asks for at once: large enough that a replay
// does not wait for the network, small enough to be held several times over.
const fetchBytes = 4 << 20

// Reader reads portage.events in order. It belongs to one goroutine.
type Reader struct {
	c     *cluster.Client
	topic identity
	at    int64            // to fetch from
	queue []cluster.Record // fetched and not handed out yet
	end   int64
}

// NewReader returns a reader whose first record is the one at position from,
// or the next after it.
func NewReader(c *cluster.Client, from int64) *Reader {
	return &Reader{c: c, at: from, topic: identity{topic: events.TopicEvents}}
}

// Pin makes the reader refuse any log but the one with this topic id (see
// [TopicID]); without it, the one that it meets first.
func (r *Reader) Pin(topicID string) *Reader {
	r.topic.id = topicID
	return r
}

// Page is what Next returns.
type Page struct {
	// Records are decoded, in the order of the log. Those that are no events
	// of ours carry a refusal.
	Records []events.Record
	// Next is the position to read from next: also past what compaction took.
	Next int64
	// End is the high watermark as of the latest fetch.
	End int64
	// Bytes is the size of the records' keys and values.
	Bytes int
}

// Next returns at most most records (0: as many as one fetch brings) from where
// the last call ended, and waits up to wait for the first one. No record and no
// error mean that there was none. The reader can be used again after an error,
// but for [ErrTruncated] and [ErrRecreated], which last.
func (r *Reader) Next(ctx context.Context, most int, wait time.Duration) (Page, error) {
	if len(r.queue) == 0 {
		if err := r.fetch(ctx, wait); err != nil {
			return Page{Next: r.at, End: r.end}, err
		}
	}
	take := r.queue
	if most > 0 && len(take) > most {
		take = take[:most]
	}
	r.queue = r.queue[len(take):]
	page := Page{Records: decodeAll(take), Next: r.at, End: r.end}
	if len(r.queue) > 0 {
		page.Next = r.queue[0].Offset
	}
	for i := range take {
		page.Bytes += len(take[i].Key) + len(take[i].Value)
	}
	return page, nil
}

func (r *Reader) fetch(ctx context.Context, wait time.Duration) error {
	if err := r.topic.check(ctx, r.c, false); err != nil {
		return err
	}
	page, err := r.c.Read(ctx, events.TopicEvents, 0, r.at, cluster.ReadOptions{MaxBytes: fetchBytes, Wait: wait})
	if err != nil {
		if _, lost := r.topic.lost(ctx, r.c, 0, r.at, err); errors.Is(lost, ErrTruncated) || errors.Is(lost, ErrRecreated) || errors.Is(lost, ErrMissing) {
			err = lost
		}
		return fmt.Errorf("read %s from position %d: %w", events.TopicEvents, r.at, err)
	}
	// Asked after the fetch, so that no record of another log is ever handed
	// out: fetches name the topic, and only metadata tells its id.
	if err := r.topic.check(ctx, r.c, len(page.Records) > 0 || page.HighWatermark < r.end); err != nil {
		return err
	}
	r.queue, r.at, r.end = page.Records, page.Next, page.HighWatermark
	return nil
}

// decodeAll decodes on all processors: decoding is what a replay spends most
// of its time with.
func decodeAll(from []cluster.Record) []events.Record {
	const chunk = 256
	out := make([]events.Record, len(from))
	if len(from) <= chunk {
		decodeRange(from, out)
		return out
	}
	var wg sync.WaitGroup
	lanes := make(chan struct{}, runtime.GOMAXPROCS(0))
	for at := 0; at < len(from); at += chunk {
		to := min(at+chunk, len(from))
		lanes <- struct{}{}
		wg.Go(func() {
			decodeRange(from[at:to], out[at:to])
			<-lanes
		})
	}
	wg.Wait()
	return out
}

func decodeRange(from []cluster.Record, out []events.Record) {
	for i, rec := range from {
		e, body, refused := events.Decode(rec.Key, rec.Value)
		out[i] = events.Record{
			Position: rec.Offset, Time: time.UnixMilli(rec.Timestamp).UTC(), Event: e, Body: body, Refusal: refused,
		}
	}
}
