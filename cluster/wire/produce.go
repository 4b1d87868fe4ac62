package wire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/segmentio/kafka-go/protocol"
)

// Produce appends record batches to partitions that one broker leads (API 0, versions 3 to 8).
type Produce struct {
	// Acks is −1 (all in-sync replicas) or 1 (the leader). 0 is refused: a broker does not answer it.
	Acks int16
	// Timeout is how long the broker waits for the replicas.
	Timeout time.Duration
	// TransactionalID is set only for batches of a transaction.
	TransactionalID string
	// Topics lists the batches. A partition may appear once: brokers process only the last of several.
	Topics []ProduceTopic
}

// ProduceTopic is a topic of a Produce.
type ProduceTopic struct {
	Topic      string
	Partitions []ProducePartition
}

// ProducePartition is one record batch for one partition. Records is sent as it is.
type ProducePartition struct {
	Partition int32
	Records   []byte
}

// ProduceResult is the answer to a Produce, in the broker's order.
type ProduceResult struct {
	Throttle   time.Duration
	Partitions []ProducedPartition
}

// ProducedPartition is a partition of a ProduceResult.
type ProducedPartition struct {
	Topic     string
	Partition int32
	Code      int16 // Kafka's error code, 0 when the batch is in the log
	// Base is the offset of the first record; exact also for a deduplicated retry and for error 7 (timeout).
	Base int64
	// AppendTime is the broker's timestamp in ms for LogAppendTime topics, else −1.
	AppendTime int64
	// LogStart is the partition's first offset (−1 from brokers before version 5).
	LogStart int64
	// Message is the broker's own explanation, empty before version 8.
	Message string
	// Records names the records that made the broker refuse the batch.
	Records []RecordError
}

// RecordError is a record, by its index in the batch, that a broker refused.
type RecordError struct {
	Index   int32
	Message string
}

const (
	produceKey = 0
	produceMin = 3 // the first version that takes v2 record batches
	produceMax = 8 // the last that kafka-go negotiates

	// copyBelow is the size under which a batch is copied next to its header, so that many small ones make one write.
	copyBelow = 32 << 10
)

// Produce sends p to broker. An error leaves open whether the batches were appended, unless it is a *VersionError or a
// *DialError.
func (t *Transport) Produce(ctx context.Context, broker int32, p *Produce) (*ProduceResult, error) {
	if err := p.validate(); err != nil {
		return nil, err
	}
	o := order{api: produceKey, broker: broker, body: func(l *line) (protocol.Message, error) {
		v, err := within(l, produceKey, Range{produceMin, produceMax})
		if err != nil {
			return &reply{api: produceKey, err: err}, nil //nolint:nilerr // the reply carries it: an error here would close the connection
		}
		id := l.peer.correlation()
		if err := p.write(l, v, id, t.cfg.ClientID); err != nil {
			return nil, err
		}
		body, err := readFrame(l, id, nil)
		if err != nil {
			return nil, err
		}
		res, err := parseProduce(body, v)
		return &reply{api: produceKey, value: res}, err
	}}
	value, err := t.run(ctx, o)
	if err != nil {
		return nil, err
	}
	return value.(*ProduceResult), nil
}

var errNoAcks = errors.New("produce with acks=0: a broker does not answer it; use −1 or 1")

func (p *Produce) validate() error {
	if p.Acks == 0 {
		return errNoAcks
	}
	type place struct {
		topic     string
		partition int32
	}
	seen := map[place]bool{}
	for _, t := range p.Topics {
		for _, part := range t.Partitions {
			if at := (place{t.Topic, part.Partition}); seen[at] {
				return fmt.Errorf("produce: %s/%d twice in one request: a broker would process only the last", t.Topic, part.Partition)
			} else {
				seen[at] = true
			}
		}
	}
	return nil
}

// write sends the request: headers and small batches gathered, large batches straight from the caller's memory.
func (p *Produce) write(w io.Writer, v int16, id int32, clientID string) error {
	b := appendHeader(make([]byte, 0, 4096), produceKey, v, id, clientID)
	if p.TransactionalID == "" {
		b = be.AppendUint16(b, 0xffff)
	} else {
		b = appendString(b, p.TransactionalID)
	}
	b = be.AppendUint16(b, uint16(p.Acks))
	b = appendInt32(b, int32(p.Timeout.Milliseconds()))
	b = appendInt32(b, int32(len(p.Topics)))
	be.PutUint32(b, uint32(len(b)-4+p.bodySize()))
	for _, t := range p.Topics {
		b = appendString(b, t.Topic)
		b = appendInt32(b, int32(len(t.Partitions)))
		for _, part := range t.Partitions {
			b = appendInt32(b, part.Partition)
			b = appendInt32(b, int32(len(part.Records)))
			if len(part.Records) < copyBelow {
				b = append(b, part.Records...)
				continue
			}
			if err := writeBoth(w, b, part.Records); err != nil {
				return err
			}
			b = b[:0]
		}
	}
	_, err := w.Write(b)
	return err
}

func writeBoth(w io.Writer, head, records []byte) error {
	if _, err := w.Write(head); err != nil {
		return err
	}
	_, err := w.Write(records)
	return err
}

// bodySize is the size of the topics on the wire.
func (p *Produce) bodySize() int {
	n := 0
	for _, t := range p.Topics {
		n += 2 + len(t.Topic) + 4
		for _, part := range t.Partitions {
			n += 4 + 4 + len(part.Records)
		}
	}
	return n
}

// parseProduce reads the body of a Produce response. Fields by version: 5 log start offset, 8 record errors, message.
func parseProduce(body []byte, v int16) (*ProduceResult, error) {
	r := &reader{b: body}
	res := &ProduceResult{}
	r.each(func() {
		topic := r.string()
		r.each(func() { res.Partitions = append(res.Partitions, parseProduced(r, topic, v)) })
	})
	res.Throttle = millis(r.int32())
	if r.bad {
		return nil, fmt.Errorf("read Produce response version %d: %w", v, errShort)
	}
	return res, nil
}

func parseProduced(r *reader, topic string, v int16) ProducedPartition {
	p := ProducedPartition{Topic: topic, LogStart: -1}
	p.Partition, p.Code = r.int32(), r.int16()
	p.Base, p.AppendTime = r.int64(), r.int64()
	if v >= 5 {
		p.LogStart = r.int64()
	}
	if v >= 8 {
		r.each(func() {
			p.Records = append(p.Records, RecordError{Index: r.int32(), Message: r.string()})
		})
		p.Message = r.string()
	}
	return p
}
