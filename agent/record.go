package agent

import (
	"fmt"
	"time"

	"github.com/portage-kafka/portage/agent/internal/consume"
	"github.com/portage-kafka/portage/cluster/batch"
)

// Record is one record as a handler sees it. Key, Value and headers must not be modified, but may be kept.
type Record struct {
	// Topic is the name under which the service subscribed, whatever the topic is called on Cluster.
	Topic     string
	Partition int32
	// Offset is the record's on Cluster. The same record has another offset on another cluster.
	Offset int64
	// Cluster is the name of the cluster that the record was read from.
	Cluster   string
	Timestamp time.Time
	// Key and Value are nil for Kafka's null.
	Key, Value []byte
	Headers    []Header
}

// Header is a header of a record. Keys may repeat, and their order counts.
type Header = batch.Header

// TopicPartition names a partition by the topic's name at home.
type TopicPartition struct {
	Topic     string
	Partition int32
}

// String is the usual "orders/3".
func (p TopicPartition) String() string { return fmt.Sprintf("%s/%d", p.Topic, p.Partition) }

// Assignment says that partitions will be read from a cluster from now on.
type Assignment struct {
	Cluster    string
	Partitions []TopicPartition
}

// Revocation says that partitions are not read from a cluster any more.
type Revocation struct {
	Cluster    string
	Partitions []TopicPartition
	// Lost is true when the group had given the partitions away before they could be handed over: what was handled last may
	// be handled again elsewhere, and what belongs to the partitions must not be written any more.
	Lost bool
}

func outside(list []consume.Partition) []TopicPartition {
	out := make([]TopicPartition, len(list))
	for i, p := range list {
		out[i] = TopicPartition{Topic: p.Topic, Partition: p.ID}
	}
	return out
}

// recordOf makes the handler's form of a record.
func recordOf(l consume.Lane, r batch.Record) Record {
	return Record{
		Topic: l.Partition.Topic, Partition: l.Partition.ID, Offset: r.Offset, Cluster: l.Cluster,
		Timestamp: time.UnixMilli(r.Timestamp), Key: r.Key, Value: r.Value, Headers: r.Headers,
	}
}
