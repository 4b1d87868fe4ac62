package agent

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/cluster/batch"
)

// ProducerConfig configures a Producer. The first block is required; everything else has a default, which Validate fills in.
type ProducerConfig struct {
	// Topic is what is written to, by its name on the home cluster.
	Topic string
	// Instance names the place of this process in the service: unique among the topic's running producers and kept by a
	// restart. A new incarnation of an instance stands for the former one, which must be gone by then.
	Instance string
	// Home is the cluster that the topic lives on when no migration says otherwise. Control has the control topics.
	Home, Control string
	// Clusters says how to reach every cluster that a directive may name, by the names that migrations use. It must have Home
	// and Control.
	Clusters map[string]cluster.Config

	// HomeID is the home cluster's id. It is asked for at the start when empty; give it so that instances can start after the
	// home cluster was switched off.
	HomeID string
	// Host is shown to people beside the instance. Empty.
	Host string
	// Linger is how long a record waits for others to share its batch. 5 ms.
	Linger time.Duration
	// BatchBytes is the size of records, uncompressed, at which a batch is full. 64 KiB.
	BatchBytes int
	// Codec is none, gzip, snappy, lz4 or zstd. none.
	Codec string
	// BufferBytes bounds the records that wait for an answer; sends wait for room. 32 MiB.
	BufferBytes int
	// MetadataMaxAge is how old the partition count of the topic may get: then the cluster is asked again. 1 min.
	MetadataMaxAge time.Duration
}

// Validate fills in defaults and says what is wrong, naming the field, its value and the fix.
func (c *ProducerConfig) Validate() error {
	setDefault(&c.Linger, 5*time.Millisecond)
	setDefault(&c.BatchBytes, 64<<10)
	setDefault(&c.BufferBytes, 32<<20)
	setDefault(&c.MetadataMaxAge, defaultMaxAge)
	setDefault(&c.Codec, batch.None.String())
	var errs []error
	if c.Topic == "" || c.Instance == "" {
		errs = append(errs, fmt.Errorf("fields Topic %q and Instance %q: give both", c.Topic, c.Instance))
	}
	if c.Linger < 0 || c.BatchBytes <= 0 || c.BufferBytes < c.BatchBytes {
		errs = append(errs, fmt.Errorf("fields Linger %v, BatchBytes %d and BufferBytes %d: want 0 ≤ Linger and 0 < BatchBytes ≤ BufferBytes", c.Linger, c.BatchBytes, c.BufferBytes))
	}
	if c.MetadataMaxAge <= 0 {
		errs = append(errs, fmt.Errorf("field MetadataMaxAge is %v: want more than 0", c.MetadataMaxAge))
	}
	if _, ok := codecOf(c.Codec); !ok {
		errs = append(errs, fmt.Errorf("field Codec is %q: use none, gzip, snappy, lz4 or zstd", c.Codec))
	}
	return errors.Join(append(errs, validateClusters(c.Clusters, c.Home, c.Control))...)
}

func codecOf(name string) (batch.Codec, bool) {
	all := []batch.Codec{batch.None, batch.Gzip, batch.Snappy, batch.LZ4, batch.Zstd}
	i := slices.IndexFunc(all, func(c batch.Codec) bool { return c.String() == name })
	if i < 0 {
		return batch.None, false
	}
	return all[i], true
}

// Message is a record to send.
type Message struct {
	// Key and Value are nil for Kafka's null. They must not be modified before the message is answered.
	Key, Value []byte
	Headers    []Header
	// Partition is where to write; nil lets the key decide as Kafka's Java client does.
	Partition *int32
	// Timestamp of the record; zero is the time of Send.
	Timestamp time.Time
}

// Ack says where a record stands.
type Ack struct {
	// Cluster and Topic are those written to: after a migration the target's, by its name there.
	Cluster, Topic string
	Partition      int32
	// Offset of the record; −1 when the broker knew a repetition but not its offset any more.
	Offset int64
}

// ProducerObserver is for metrics and alarms. Each function may be nil, may be called from several goroutines, and must not
// block.
type ProducerObserver struct {
	// Routed is called once the route is found: the cluster and the topic's name there.
	Routed func(cluster, topic string)
	// Sent is called for every batch that was answered, with its records and how often it was sent.
	Sent func(partition int32, records, attempts int, took time.Duration, err error)
}

// Errors to test for with errors.Is.
var (
	// ErrClosed: the producer is closed.
	ErrClosed = errors.New("the producer is closed")
	// ErrUnanswered: the record was sent and no answer came before the producer was closed: it may be there or not.
	ErrUnanswered = errors.New("outcome unknown: the record was sent and not answered")
)
