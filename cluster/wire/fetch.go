package wire

import (
	"context"
	"fmt"
	"time"

	"github.com/portage-kafka/portage/cluster/batch"
	"github.com/segmentio/kafka-go/protocol"
)

// Fetch asks one broker for records of partitions that it leads (API 1, versions 4 to 11).
type Fetch struct {
	// MaxWait is how long the broker may hold the request while there are fewer than MinBytes to return.
	MaxWait  time.Duration
	MinBytes int32
	// MaxBytes bounds the response; the first batch is returned whole whatever its size.
	MaxBytes int32
	// Committed hides open transactions (the fetch ends at the last stable offset) and names the aborted ones.
	Committed bool
	// Session makes this an incremental fetch (KIP-227); nil fetches exactly the partitions listed.
	Session *Session
	// Topics lists what to fetch; with a session only what is new or changed.
	Topics []FetchTopic
	// Forget takes partitions out of the session.
	Forget []ForgetTopic
	// Rack lets the broker name a closer replica; empty asks for none.
	Rack string
	// Buf is memory for the response, for example that of an earlier result; nil allocates.
	Buf []byte
}

// Session is the state of an incremental fetch. To begin one send {0, 0}; continue with the id that the broker
// returned and epochs 1, 2, 3 … (after 2147483647 follows 1); to end it send epoch −1 with the id.
type Session struct{ ID, Epoch int32 }

// FetchTopic is a topic of a Fetch.
type FetchTopic struct {
	Topic      string
	Partitions []FetchPartition
}

// FetchPartition is a partition of a Fetch: from Offset on, at most about MaxBytes.
type FetchPartition struct {
	Partition int32
	Offset    int64
	MaxBytes  int32
}

// ForgetTopic names partitions that leave a session.
type ForgetTopic struct {
	Topic      string
	Partitions []int32
}

// FetchResult is the answer to a Fetch. Its Records alias one buffer: they are valid until that is used again.
type FetchResult struct {
	Throttle   time.Duration
	Code       int16 // of the whole request; 70 and 71 mean that the session is lost
	SessionID  int32 // 0 when the broker granted no session
	Partitions []FetchedPartition

	buf []byte
}

// Buffer returns the memory behind the result, to be used for the next Fetch once the result is done with.
func (r *FetchResult) Buffer() []byte { return r.buf }

// FetchedPartition is a partition of a FetchResult.
type FetchedPartition struct {
	Topic     string
	Partition int32
	Code      int16 // Kafka's error code, 0 when all is well
	// HighWatermark is the end of what consumers may read, LastStable that of what is not in an open transaction,
	// LogStart the first offset that still exists (−1 from brokers before fetch version 5).
	HighWatermark, LastStable, LogStart int64
	// Aborted lists the aborted transactions that overlap the records, also those begun before the offset asked for.
	Aborted []batch.Aborted
	// PreferredReplica is the replica that the broker would rather have asked, or −1.
	PreferredReplica int32
	// Records is a run of record batches as the broker sent them. It may begin below the offset asked for and end in
	// a truncated batch: see batch.Split.
	Records []byte
}

const (
	fetchKey = 1
	fetchMin = 4  // the first version that carries v2 record batches
	fetchMax = 11 // the last that kafka-go negotiates; later ones name topics by id
)

// Fetch sends f to broker.
func (t *Transport) Fetch(ctx context.Context, broker int32, f *Fetch) (*FetchResult, error) {
	o := order{api: fetchKey, broker: broker, body: func(l *line) (protocol.Message, error) {
		v, err := within(l, fetchKey, Range{fetchMin, fetchMax})
		if err != nil {
			return &reply{api: fetchKey, err: err}, nil //nolint:nilerr // the reply carries it: an error here would close the connection
		}
		id := l.peer.correlation()
		if _, err := l.Write(f.encode(v, id, t.cfg.ClientID)); err != nil {
			return nil, err
		}
		body, err := readFrame(l, id, f.Buf)
		if err != nil {
			return nil, err
		}
		res, err := parseFetch(body, v)
		return &reply{api: fetchKey, value: res}, err
	}}
	value, err := t.run(ctx, o)
	if err != nil {
		return nil, err
	}
	return value.(*FetchResult), nil
}

// within checks the version that kafka-go negotiated for the connection.
func within(l *line, api int16, want Range) (int16, error) {
	if !l.offered || l.version < want.Min || l.version > want.Max {
		return 0, &VersionError{API: api, Offered: l.offered, Broker: Range{l.version, l.version}, Wanted: want}
	}
	return l.version, nil
}

// encode writes the request. Fields by version: 5 log start offset, 7 sessions, 9 leader epoch, 11 rack.
func (f *Fetch) encode(v int16, id int32, clientID string) []byte {
	b := appendHeader(make([]byte, 0, 512), fetchKey, v, id, clientID)
	b = appendInt32(b, -1) // replica id: a consumer
	b = appendInt32(b, int32(f.MaxWait.Milliseconds()))
	b = appendInt32(b, f.MinBytes)
	b = appendInt32(b, f.MaxBytes)
	b = append(b, isolation(f.Committed))
	if v >= 7 {
		s := Session{0, -1}
		if f.Session != nil {
			s = *f.Session
		}
		b = appendInt32(appendInt32(b, s.ID), s.Epoch)
	}
	b = f.appendTopics(b, v)
	if v >= 7 {
		b = f.appendForgotten(b)
	}
	if v >= 11 {
		b = appendString(b, f.Rack)
	}
	be.PutUint32(b, uint32(len(b)-4))
	return b
}

func isolation(committed bool) byte {
	if committed {
		return 1
	}
	return 0
}

func (f *Fetch) appendTopics(b []byte, v int16) []byte {
	b = appendInt32(b, int32(len(f.Topics)))
	for _, t := range f.Topics {
		b = appendString(b, t.Topic)
		b = appendInt32(b, int32(len(t.Partitions)))
		for _, p := range t.Partitions {
			b = appendInt32(b, p.Partition)
			if v >= 9 {
				b = appendInt32(b, -1) // leader epoch: not fenced
			}
			b = appendInt64(b, p.Offset)
			if v >= 5 {
				b = appendInt64(b, -1) // log start offset: only followers have one
			}
			b = appendInt32(b, p.MaxBytes)
		}
	}
	return b
}

func (f *Fetch) appendForgotten(b []byte) []byte {
	b = appendInt32(b, int32(len(f.Forget)))
	for _, t := range f.Forget {
		b = appendString(b, t.Topic)
		b = appendInt32(b, int32(len(t.Partitions)))
		for _, p := range t.Partitions {
			b = appendInt32(b, p)
		}
	}
	return b
}

// parseFetch reads the body of a Fetch response; Records alias it.
func parseFetch(body []byte, v int16) (*FetchResult, error) {
	r := &reader{b: body}
	res := &FetchResult{buf: body, Throttle: millis(r.int32())}
	if v >= 7 {
		res.Code, res.SessionID = r.int16(), r.int32()
	}
	r.each(func() {
		topic := r.string()
		r.each(func() { res.Partitions = append(res.Partitions, parseFetched(r, topic, v)) })
	})
	if r.bad {
		return nil, fmt.Errorf("read Fetch response version %d: %w", v, errShort)
	}
	return res, nil
}

func parseFetched(r *reader, topic string, v int16) FetchedPartition {
	p := FetchedPartition{Topic: topic, LogStart: -1, PreferredReplica: -1}
	p.Partition, p.Code = r.int32(), r.int16()
	p.HighWatermark, p.LastStable = r.int64(), r.int64()
	if v >= 5 {
		p.LogStart = r.int64()
	}
	r.each(func() {
		p.Aborted = append(p.Aborted, batch.Aborted{ProducerID: r.int64(), First: r.int64()})
	})
	if v >= 11 {
		p.PreferredReplica = r.int32()
	}
	p.Records = r.bytes()
	return p
}

func millis(ms int32) time.Duration { return time.Duration(ms) * time.Millisecond }
