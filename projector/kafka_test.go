package projector

import (
	"context"
	"encoding/hex"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/events/log"
	"github.com/portage-kafka/portage/testkit/embedded"
)

// kafkaLog is portage.events on an embedded cluster, read and written with
// another client than ours: package log is tested on its own.
type kafkaLog struct {
	t       *testing.T
	cluster *embedded.Cluster
	client  *kgo.Client
	sent    int
}

func newKafkaLog(t *testing.T) *kafkaLog {
	pair := embedded.ForTest(t, embedded.Options{Target: embedded.Side{Topics: []embedded.Topic{eventsTopic()}}})
	l := &kafkaLog{t: t, cluster: pair.Target}
	l.client = l.dial()
	return l
}

func eventsTopic() embedded.Topic {
	return embedded.Topic{Name: events.TopicEvents, Partitions: 1, Configs: map[string]string{
		"cleanup.policy": "compact", "message.timestamp.type": "LogAppendTime",
	}}
}

func (l *kafkaLog) dial(opts ...kgo.Opt) *kgo.Client {
	c, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(l.cluster.Bootstrap()...), kgo.RecordPartitioner(kgo.ManualPartitioner())}, opts...)...)
	require.NoError(l.t, err)
	l.t.Cleanup(c.Close)
	return c
}

// append sends events, each under a key of its own.
func (l *kafkaLog) append(es ...events.Event) {
	for _, e := range es {
		l.sent++
		value, err := events.Encode(e)
		require.NoError(l.t, err)
		l.send([]byte(e.Key(fmt.Sprint(l.sent)).String()), value)
	}
}

func (l *kafkaLog) send(key, value []byte) {
	r := &kgo.Record{Topic: events.TopicEvents, Key: key, Value: value}
	require.NoError(l.t, l.client.ProduceSync(within(l.t), r).FirstErr())
}

func (l *kafkaLog) Log() Log {
	return Log{
		ClusterID: l.cluster.ID(),
		TopicID: func(context.Context) (string, error) {
			id := l.cluster.Kfake().TopicInfo(events.TopicEvents).TopicID
			return hex.EncodeToString(id[:]), nil
		},
		End: func(context.Context) (int64, error) {
			return l.cluster.Kfake().PartitionInfo(events.TopicEvents, 0).HighWatermark, nil
		},
		Reader: func(from int64, _ string) Reader {
			at := map[string]map[int32]kgo.Offset{events.TopicEvents: {0: kgo.NewOffset().At(from)}}
			return &kafkaReader{l: l, at: from, client: l.dial(kgo.ConsumePartitions(at))}
		},
	}
}

type kafkaReader struct {
	l      *kafkaLog
	at     int64
	client *kgo.Client
}

func (r *kafkaReader) Next(ctx context.Context, limit int, wait time.Duration) (log.Page, error) {
	ctx, cancel := context.WithTimeout(ctx, max(wait, 10*time.Millisecond))
	defer cancel()
	var page log.Page
	r.client.PollRecords(ctx, limit).EachRecord(func(k *kgo.Record) {
		e, body, refusal := events.Decode(k.Key, k.Value)
		page.Records = append(page.Records, events.Record{Position: k.Offset, Time: k.Timestamp, Event: e, Body: body, Refusal: refusal})
		r.at = k.Offset + 1
	})
	end, err := r.l.Log().End(ctx)
	page.Next, page.End = r.at, end
	return page, err
}

func TestFoldFromKafka(t *testing.T) {
	l := newKafkaLog(t)
	w := newWorld(1, 2, 3, 0)
	o := Options{Dir: t.TempDir()}
	s := reopen(t, o)
	p, err := New(Config{Store: s, Log: l.Log(), Wait: 100 * time.Millisecond})
	require.NoError(t, err)
	stop := running(t, p)
	for range 5 {
		before := len(w.records)
		for _, rec := range w.write(20)[before:] {
			l.append(rec.Event)
		}
		require.NoError(t, s.Wait(within(t), w.at-1))
	}
	l.send([]byte("somebody"), []byte("else's"))
	l.append(w.records[3].Event)
	require.NoError(t, s.Wait(within(t), w.at+1))
	require.NoError(t, stop())

	v := view(t, s)
	health := v.Health()
	require.EqualValues(t, 1, health.Tally.Foreign)
	require.EqualValues(t, 1, health.Tally.Repeated)
	require.WithinDuration(t, time.Now(), health.Time, time.Hour)
	for _, name := range w.names {
		d, ok := v.Digests(name)
		require.True(t, ok)
		require.Equal(t, w.fold.log[name], d.Log)
		require.Equal(t, w.fold.state(name), d.State)
	}
	r, err := Replay(within(t), l.Log(), "m0")
	require.NoError(t, err)
	require.Equal(t, w.fold.state("m0"), r.Digests[0].State, "folded anew in memory")
	past, err := At(within(t), l.Log(), AtPosition(49))
	require.NoError(t, err)
	pastView := past.View()
	requireEqualRows(t, prefixOf(w.records, 49), pastView)
	require.NoError(t, pastView.Close())
	require.NoError(t, past.Close())
}

// requireEqualRows compares rows and digests, not the notes with their times.
func requireEqualRows(t *testing.T, d *dumb, v *View) {
	t.Helper()
	require.NotEmpty(t, d.log)
	for name := range d.log {
		have, ok := v.Digests(name)
		require.True(t, ok)
		require.Equal(t, d.log[name], have.Log)
		require.Equal(t, d.state(name), have.State)
	}
}

func TestRecreatedTopicOnKafkaStops(t *testing.T) {
	l := newKafkaLog(t)
	w := newWorld(1, 1, 3, 0)
	for _, rec := range w.write(20) {
		l.append(rec.Event)
	}
	s := memory(t)
	p, err := New(Config{Store: s, Log: l.Log()})
	require.NoError(t, err)
	_, err = p.CatchUp(within(t))
	require.NoError(t, err)

	_, err = kadm.NewClient(l.client).DeleteTopic(within(t), events.TopicEvents)
	require.NoError(t, err)
	require.NoError(t, l.cluster.CreateTopic(eventsTopic()))
	l.client.PurgeTopicsFromProducing(events.TopicEvents)
	for _, rec := range w.records {
		l.append(rec.Event)
	}
	_, err = p.CatchUp(within(t))
	require.ErrorIs(t, err, log.ErrRecreated, "the same events in another topic are another log")
	require.EqualValues(t, 19, s.Applied())
}

// TestRecordsDeletedOnKafkaStop takes away the beginning of the log, as time
// retention set by mistake would.
func TestRecordsDeletedOnKafkaStop(t *testing.T) {
	l := newKafkaLog(t)
	for _, rec := range newWorld(1, 1, 3, 0).write(20) {
		l.append(rec.Event)
	}
	s := memory(t)
	p, err := New(Config{Store: s, Log: l.Log()})
	require.NoError(t, err)
	_, err = p.CatchUp(within(t))
	require.NoError(t, err)
	var to kadm.Offsets
	to.AddOffset(events.TopicEvents, 0, 5, -1)
	_, err = kadm.NewClient(l.client).DeleteRecords(within(t), to)
	require.NoError(t, err)
	_, err = p.CatchUp(within(t))
	require.ErrorIs(t, err, log.ErrTruncated)
	require.ErrorContains(t, err, "position 0")
}
