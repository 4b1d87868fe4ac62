package log

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/cluster/batch"
	"github.com/portage-kafka/portage/cluster/wire"
	"github.com/portage-kafka/portage/events"
	"github.com/rs/zerolog"
)

// Options configure the directives, offsets and progress of one client; the
// zero value is ready for use.
type Options struct {
	// Patience is how long one write or read to the end tries (a shorter
	// deadline of its context counts). Default 1 minute.
	Patience time.Duration
	// Logger hears of failed sends and refused records; the zero value discards.
	Logger zerolog.Logger
}

func (o Options) withDefaults() Options {
	if o.Patience <= 0 {
		o.Patience = defaultPatience
	}
	return o
}

// writer overwrites keys of a state topic. A late copy of an older value would
// undo a newer one, so every batch has a producer id and a sequence number: it
// is repeated under the same number until it is answered, and brokers drop the
// copies (five batches back; only one is ever under way). A batch that is given
// up is fenced: the next one has a higher producer epoch, after which brokers
// refuse the former (error 47).
type writer struct {
	c     *cluster.Client
	o     Options
	topic string
	parts [events.ControlPartitions]lane
}

// lane is the order of one partition: one writer at a time.
type lane struct {
	mu       sync.Mutex
	known    bool
	identity batch.Producer // of the next batch
}

// Kafka's error codes that say something about a producer id.
const (
	codeOutOfSequence     = 45
	codeDuplicateSequence = 46
	codeFenced            = 47
	codeUnknownProducer   = 59
)

// write appends records to their partitions and returns when all are there. It
// holds the partitions' lanes for so long.
func (w *writer) write(ctx context.Context, records map[int32][]batch.Record) error {
	ctx, cancel := context.WithTimeout(ctx, w.o.Patience)
	defer cancel()
	partitions := slices.Sorted(maps.Keys(records)) // one order for all: no deadlock
	for _, p := range partitions {
		w.parts[p].mu.Lock()
		defer w.parts[p].mu.Unlock()
	}
	var errs []error
	todo, err := w.split(ctx, partitions, records)
	if err != nil {
		return fmt.Errorf("write to %s: %w", w.topic, err)
	}
	for len(todo) > 0 {
		var failed error
		todo, failed = w.writeFirst(ctx, todo)
		errs = append(errs, failed)
	}
	return errors.Join(errs...)
}

// split cuts the records into batches that a topic takes by default.
func (w *writer) split(ctx context.Context, partitions []int32, records map[int32][]batch.Record) (map[int32][]batch.Piece, error) {
	todo := make(map[int32][]batch.Piece, len(partitions))
	for _, p := range partitions {
		if err := w.identify(ctx, &w.parts[p]); err != nil {
			return nil, err
		}
		pieces, err := batch.Encode(batch.Spec{Producer: &batch.Producer{}}, records[p], batchLimit)
		if err != nil {
			return nil, err
		}
		todo[p] = pieces
	}
	return todo, nil
}

// identify gives a lane a producer id of its own: sequences are counted per
// partition, and so is the epoch that fences.
func (w *writer) identify(ctx context.Context, l *lane) error {
	if l.known && l.identity.Epoch < math.MaxInt16 {
		return nil
	}
	id, epoch, err := w.c.InitProducerID(ctx)
	if err != nil {
		return fmt.Errorf("get a producer id: %w", err)
	}
	l.known, l.identity = true, batch.Producer{ID: id, Epoch: epoch}
	return nil
}

// writeFirst writes the first batch of every partition and returns what is left
// to write. A partition that fails for good is given up.
func (w *writer) writeFirst(ctx context.Context, todo map[int32][]batch.Piece) (map[int32][]batch.Piece, error) {
	open := make(map[int32]batch.Batch, len(todo))
	for p, pieces := range todo {
		open[p] = pieces[0].Batch
		if err := open[p].Rewrite(w.parts[p].identity); err != nil {
			return nil, err
		}
	}
	failed := w.settle(ctx, open)
	left := make(map[int32][]batch.Piece)
	var errs []error
	for _, p := range slices.Sorted(maps.Keys(todo)) {
		l := &w.parts[p]
		if err := failed[p]; err != nil {
			l.raise()
			errs = append(errs, fmt.Errorf("write to %s/%d: %w", w.topic, p, err))
			continue
		}
		l.identity = l.identity.After(open[p].Count())
		if rest := todo[p][1:]; len(rest) > 0 {
			left[p] = rest
		}
	}
	return left, errors.Join(errs...)
}

// raise fences everything that was sent so far by the next batch.
func (l *lane) raise() {
	l.identity.Epoch++ // at its end, identify gets another id
	l.identity.Sequence = 0
}

// settle sends one batch for each partition until each is answered for good,
// and returns the errors.
func (w *writer) settle(ctx context.Context, open map[int32]batch.Batch) map[int32]error {
	failed, doubt := make(map[int32]error), make(map[int32]bool)
	pending := maps.Clone(open)
	for attempt := 0; len(pending) > 0; attempt++ {
		if attempt > 0 && !pause(ctx, attempt-1) {
			break
		}
		for p, err := range w.send(ctx, pending) {
			delete(failed, p)
			verdict := w.weigh(ctx, p, pending[p], err)
			if verdict == nil {
				delete(pending, p)
				continue
			}
			failed[p] = verdict
			doubt[p] = doubt[p] || cluster.Uncertain(err)
			if !again(verdict) {
				failed[p] = missing(w.topic, verdict)
				delete(pending, p)
			}
		}
	}
	for p, err := range failed {
		if doubt[p] {
			failed[p] = unknown("gave up", err)
		}
	}
	return failed
}

func again(err error) bool {
	return errors.Is(err, errRenewed) || cluster.Retriable(err) && !errors.Is(err, cluster.ErrUnknownTopic)
}

// weigh says what an answer to a batch means: nil that it is in the log, an
// error that it is not or may not be. An identity that the broker does not
// take is replaced, for the next attempt.
func (w *writer) weigh(ctx context.Context, p int32, b batch.Batch, err error) error {
	code, coded := cluster.Code(err)
	l := &w.parts[p]
	switch {
	case err == nil, coded && code == codeDuplicateSequence:
		return nil
	case coded && (code == codeOutOfSequence || code == codeUnknownProducer):
		l.raise() // the broker has forgotten the producer: begin anew
	case coded && code == codeFenced:
		l.known = false
	default:
		return err
	}
	if renewed := errors.Join(w.identify(ctx, l), b.Rewrite(l.identity)); renewed != nil {
		return renewed
	}
	w.o.Logger.Info().Err(err).Str("topic", w.topic).Int32("partition", p).Int16("epoch", l.identity.Epoch).Msg("producer renewed")
	return errRenewed
}

// errRenewed has a batch sent again under another identity.
var errRenewed = errors.New("the brokers no longer knew the producer")

// send makes one request to each leader and returns every partition's answer.
func (w *writer) send(ctx context.Context, batches map[int32]batch.Batch) map[int32]error {
	answers := make(map[int32]error, len(batches))
	byLeader := make(map[int32][]wire.ProducePartition)
	for _, p := range slices.Sorted(maps.Keys(batches)) {
		leader, err := w.c.Leader(ctx, w.topic, p)
		if err != nil {
			answers[p] = err
			continue
		}
		byLeader[leader] = append(byLeader[leader], wire.ProducePartition{Partition: p, Records: batches[p]})
	}
	for _, leader := range slices.Sorted(maps.Keys(byLeader)) {
		parts := byLeader[leader]
		res, err := w.c.Produce(ctx, leader, &wire.Produce{Acks: -1, Timeout: produceTimeout,
			Topics: []wire.ProduceTopic{{Topic: w.topic, Partitions: parts}}})
		for _, part := range parts {
			answers[part.Partition] = err
		}
		if err == nil {
			w.read(leader, parts, res, answers)
		}
	}
	for p, err := range answers {
		if err != nil {
			w.o.Logger.Warn().Err(err).Str("topic", w.topic).Int32("partition", p).Msg("write failed")
		}
	}
	return answers
}

// produceTimeout is how long a broker waits for its replicas.
const produceTimeout = 30 * time.Second

func (w *writer) read(leader int32, asked []wire.ProducePartition, res *wire.ProduceResult, answers map[int32]error) {
	for _, part := range asked {
		answers[part.Partition] = fmt.Errorf("no answer for partition %d: %w", part.Partition, context.DeadlineExceeded)
	}
	for _, got := range res.Partitions {
		answers[got.Partition] = w.c.Refused(leader, got)
	}
}
