package agent

import (
	"time"

	"github.com/portage-kafka/portage/agent/internal/consume"
	"github.com/rs/zerolog"
)

// ConsumerOption is an option of NewConsumer.
type ConsumerOption interface{ forConsumer(*consumerOptions) }

// ProducerOption is an option of NewProducer.
type ProducerOption interface{ forProducer(*producerOptions) }

// Option is an option of both.
type Option interface {
	ConsumerOption
	ProducerOption
}

type consumerOptions struct {
	log     zerolog.Logger
	observe ConsumerObserver
}

type producerOptions struct {
	log     zerolog.Logger
	observe ProducerObserver
}

type logOption struct{ log zerolog.Logger }

func (o logOption) forConsumer(c *consumerOptions) { c.log = o.log }
func (o logOption) forProducer(p *producerOptions) { p.log = o.log }

// WithLogger says where to log; nothing is logged without it.
func WithLogger(l zerolog.Logger) Option { return logOption{l} }

type consumerObserverOption struct{ observe ConsumerObserver }

func (o consumerObserverOption) forConsumer(c *consumerOptions) { c.observe = o.observe }

// WithConsumerObserver sets functions that see what a consumer does.
func WithConsumerObserver(o ConsumerObserver) ConsumerOption { return consumerObserverOption{o} }

type producerObserverOption struct{ observe ProducerObserver }

func (o producerObserverOption) forProducer(p *producerOptions) { p.observe = o.observe }

// WithProducerObserver sets functions that see what a producer does.
func WithProducerObserver(o ProducerObserver) ProducerOption { return producerObserverOption{o} }

// ConsumerObserver is for metrics and alarms. Each function may be nil, may be called from several goroutines, and must not
// block.
type ConsumerObserver struct {
	// Notice is called when something changes that people may want to know.
	Notice func(Notice)
	// Handled is called after every call of the handler, with its result.
	Handled func(r Record, took time.Duration, err error)
	// Fetched is called for every answer to a fetch that had records: how many, and their bytes on the wire.
	Fetched func(cluster string, records, bytes int)
}

// Notice is something that people may want to know.
type Notice struct {
	Kind NoticeKind
	// Side is "source" or "target".
	Side string
	Text string
	// Partition is what it is about, nil for the whole instance.
	Partition *TopicPartition
	// Position is the event position of the directive in force, −1 without one.
	Position int64
	// Pause is, for Resumed, how long moving partitions stood still: from the order to hold until the first was open again.
	Pause time.Duration
}

// NoticeKind says what a Notice is about.
type NoticeKind string

// The kinds of notice.
const (
	NoticeReady   NoticeKind = "ready"   // a member of the group where the order in force wants it
	NoticeObeyed  NoticeKind = "obeyed"  // another order is in force
	NoticeStale   NoticeKind = "stale"   // an older directive was ignored
	NoticeHeld    NoticeKind = "held"    // moving partitions stand still
	NoticeResumed NoticeKind = "resumed" // they flow again
	NoticeAlarm   NoticeKind = "alarm"   // somebody should look
	NoticeMember  NoticeKind = "member"  // a membership changed
)

func noticeOf(n consume.Notice) Notice {
	out := Notice{Kind: NoticeKind(n.Kind), Side: n.Side.String(), Text: n.Text, Position: n.Position, Pause: n.Pause}
	if n.Partition != nil {
		out.Partition = &TopicPartition{Topic: n.Partition.Topic, Partition: n.Partition.ID}
	}
	return out
}
