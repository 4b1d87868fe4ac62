package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/portage-kafka/portage/cluster/batch"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"
)

const client = "wire-test"

// kmsg is the second, independent codec in these tests: what we write must be what it writes, what it writes we must read.

func drawFetch(t *rapid.T) *Fetch {
	f := &Fetch{
		MaxWait:  time.Duration(rapid.IntRange(0, 60000).Draw(t, "wait")) * time.Millisecond,
		MinBytes: rapid.Int32().Draw(t, "min"), MaxBytes: rapid.Int32().Draw(t, "max"),
		Committed: rapid.Bool().Draw(t, "committed"), Rack: rapid.StringN(0, 5, 20).Draw(t, "rack"),
	}
	if rapid.Bool().Draw(t, "session") {
		f.Session = &Session{rapid.Int32().Draw(t, "id"), rapid.Int32().Draw(t, "epoch")}
	}
	for range rapid.IntRange(0, 3).Draw(t, "topics") {
		topic := FetchTopic{Topic: rapid.StringN(0, 8, 30).Draw(t, "topic")}
		for range rapid.IntRange(0, 3).Draw(t, "partitions") {
			topic.Partitions = append(topic.Partitions, FetchPartition{rapid.Int32().Draw(t, "p"), rapid.Int64().Draw(t, "o"), rapid.Int32().Draw(t, "b")})
		}
		f.Topics = append(f.Topics, topic)
		f.Forget = append(f.Forget, ForgetTopic{topic.Topic, rapid.SliceOfN(rapid.Int32(), 0, 3).Draw(t, "forget")})
	}
	return f
}

func kmsgFetch(f *Fetch, v int16) *kmsg.FetchRequest {
	r := kmsg.NewPtrFetchRequest()
	r.SetVersion(v)
	r.ReplicaID, r.MaxWaitMillis, r.MinBytes, r.MaxBytes = -1, int32(f.MaxWait.Milliseconds()), f.MinBytes, f.MaxBytes
	r.IsolationLevel, r.SessionEpoch, r.Rack = int8(isolation(f.Committed)), -1, f.Rack
	if f.Session != nil {
		r.SessionID, r.SessionEpoch = f.Session.ID, f.Session.Epoch
	}
	for _, t := range f.Topics {
		kt := kmsg.NewFetchRequestTopic()
		kt.Topic = t.Topic
		for _, p := range t.Partitions {
			kp := kmsg.NewFetchRequestTopicPartition()
			kp.Partition, kp.FetchOffset, kp.PartitionMaxBytes = p.Partition, p.Offset, p.MaxBytes
			kp.CurrentLeaderEpoch, kp.LogStartOffset = -1, -1
			kt.Partitions = append(kt.Partitions, kp)
		}
		r.Topics = append(r.Topics, kt)
	}
	for _, t := range f.Forget {
		r.ForgottenTopics = append(r.ForgottenTopics, kmsg.FetchRequestForgottenTopic{Topic: t.Topic, Partitions: t.Partitions})
	}
	return r
}

func TestFetchIsEncodedAsKmsgDoes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := rapid.Int16Range(fetchMin, fetchMax).Draw(t, "version")
		id := rapid.Int32().Draw(t, "correlation")
		f := drawFetch(t)
		want := kmsg.NewRequestFormatter(kmsg.FormatterClientID(client)).AppendRequest(nil, kmsgFetch(f, v), id)
		require.Equal(t, want, f.encode(v, id, client))
	})
}

func TestProduceIsEncodedAsKmsgDoes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := rapid.Int16Range(produceMin, produceMax).Draw(t, "version")
		p := &Produce{
			Acks: rapid.SampledFrom([]int16{-1, 1}).Draw(t, "acks"), Timeout: time.Duration(rapid.IntRange(0, 60000).Draw(t, "timeout")) * time.Millisecond,
			TransactionalID: rapid.SampledFrom([]string{"", "txn"}).Draw(t, "txn"),
		}
		k := kmsg.NewPtrProduceRequest()
		k.SetVersion(v)
		k.Acks, k.TimeoutMillis = p.Acks, int32(p.Timeout.Milliseconds())
		if p.TransactionalID != "" {
			k.TransactionID = &p.TransactionalID
		}
		for i := range rapid.IntRange(0, 3).Draw(t, "topics") {
			topic, kt := ProduceTopic{Topic: string(rune('a' + i))}, kmsg.NewProduceRequestTopic()
			kt.Topic = topic.Topic
			for j := range int32(rapid.IntRange(0, 3).Draw(t, "partitions")) {
				size := rapid.SampledFrom([]int{1, 100, copyBelow - 1, copyBelow, 3 * copyBelow}).Draw(t, "size")
				records := bytes.Repeat([]byte{byte(j + 1)}, size)
				topic.Partitions = append(topic.Partitions, ProducePartition{j, records})
				kt.Partitions = append(kt.Partitions, kmsg.ProduceRequestTopicPartition{Partition: j, Records: records})
			}
			p.Topics, k.Topics = append(p.Topics, topic), append(k.Topics, kt)
		}
		var got bytes.Buffer
		require.NoError(t, p.validate())
		require.NoError(t, p.write(&got, v, 7, client))
		require.Equal(t, kmsg.NewRequestFormatter(kmsg.FormatterClientID(client)).AppendRequest(nil, k, 7), got.Bytes())
	})
}

func fetchResponse(v int16) *kmsg.FetchResponse {
	r := kmsg.NewPtrFetchResponse()
	r.SetVersion(v)
	r.ThrottleMillis, r.ErrorCode, r.SessionID = 250, 71, 99
	for _, name := range []string{"a", "b"} {
		t := kmsg.NewFetchResponseTopic()
		t.Topic = name
		for i := range int32(2) {
			p := kmsg.NewFetchResponseTopicPartition()
			p.Partition, p.ErrorCode, p.HighWatermark, p.LastStableOffset, p.LogStartOffset = i, 6, 100, 90, 10
			p.PreferredReadReplica = 3
			p.AbortedTransactions = []kmsg.FetchResponseTopicPartitionAbortedTransaction{{ProducerID: 5, FirstOffset: 50}, {ProducerID: 6, FirstOffset: 60}}
			p.RecordBatches = []byte("records of " + name)
			t.Partitions = append(t.Partitions, p)
		}
		r.Topics = append(r.Topics, t)
	}
	return r
}

func TestFetchResponseIsReadAsKmsgWritesIt(t *testing.T) {
	for v := int16(fetchMin); v <= fetchMax; v++ {
		got, err := parseFetch(fetchResponse(v).AppendTo(nil), v)
		require.NoError(t, err, "version %d", v)
		require.Equal(t, 250*time.Millisecond, got.Throttle)
		if v >= 7 {
			require.EqualValues(t, 71, got.Code)
			require.EqualValues(t, 99, got.SessionID)
		}
		require.Len(t, got.Partitions, 4)
		want := FetchedPartition{
			Topic: "b", Partition: 1, Code: 6, HighWatermark: 100, LastStable: 90, LogStart: -1, PreferredReplica: -1,
			Aborted: []batch.Aborted{{ProducerID: 5, First: 50}, {ProducerID: 6, First: 60}}, Records: []byte("records of b"),
		}
		if v >= 5 {
			want.LogStart = 10
		}
		if v >= 11 {
			want.PreferredReplica = 3
		}
		require.Equal(t, want, got.Partitions[3], "version %d", v)
	}
}

func produceResponse(v int16) *kmsg.ProduceResponse {
	r := kmsg.NewPtrProduceResponse()
	r.SetVersion(v)
	r.ThrottleMillis = 10
	for _, name := range []string{"a", "b"} {
		t := kmsg.NewProduceResponseTopic()
		t.Topic = name
		for i := range int32(3) {
			p := kmsg.NewProduceResponseTopicPartition()
			p.Partition, p.ErrorCode, p.BaseOffset, p.LogAppendTime, p.LogStartOffset = i, 87, 1000, 77, 3
			p.ErrorMessage = kmsg.StringPtr("bad batch")
			p.ErrorRecords = []kmsg.ProduceResponseTopicPartitionErrorRecord{{RelativeOffset: 4, ErrorMessage: kmsg.StringPtr("null key")}, {RelativeOffset: 5}}
			t.Partitions = append(t.Partitions, p)
		}
		r.Topics = append(r.Topics, t)
	}
	return r
}

func TestProduceResponseIsReadAsKmsgWritesIt(t *testing.T) {
	for v := int16(produceMin); v <= produceMax; v++ {
		got, err := parseProduce(produceResponse(v).AppendTo(nil), v)
		require.NoError(t, err, "version %d", v)
		require.Equal(t, 10*time.Millisecond, got.Throttle)
		require.Len(t, got.Partitions, 6)
		want := ProducedPartition{Topic: "b", Partition: 2, Code: 87, Base: 1000, AppendTime: 77, LogStart: -1}
		if v >= 5 {
			want.LogStart = 3
		}
		if v >= 8 {
			want.Message, want.Records = "bad batch", []RecordError{{4, "null key"}, {5, ""}}
		}
		require.Equal(t, want, got.Partitions[5], "version %d", v)
	}
}

// Whatever is cut off a response, the parser says so.
func TestTruncatedResponsesAreErrors(t *testing.T) {
	fetch, produce := fetchResponse(11).AppendTo(nil), produceResponse(8).AppendTo(nil)
	for n := range fetch {
		_, err := parseFetch(fetch[:n], 11)
		require.ErrorIs(t, err, errShort, "%d bytes", n)
	}
	for n := range produce {
		_, err := parseProduce(produce[:n], 8)
		require.ErrorIs(t, err, errShort, "%d bytes", n)
	}
}

func TestProduceRefusesWhatABrokerWouldMisread(t *testing.T) {
	twice := &Produce{Acks: -1, Topics: []ProduceTopic{{"t", []ProducePartition{{0, []byte("x")}}}, {"t", []ProducePartition{{0, []byte("y")}}}}}
	require.ErrorContains(t, twice.validate(), "t/0 twice")
	require.ErrorContains(t, (&Produce{}).validate(), "acks=0")
}

func TestReadFrame(t *testing.T) {
	frame := func(size uint32, id uint32, body string) io.Reader {
		b := binary.BigEndian.AppendUint32(nil, size)
		b = binary.BigEndian.AppendUint32(b, id)
		return bytes.NewReader(append(b, body...))
	}
	body, err := readFrame(frame(9, 3, "hello"), 3, nil)
	require.NoError(t, err)
	require.Equal(t, "hello", string(body))

	buf := make([]byte, 0, 100)
	body, err = readFrame(frame(9, 3, "hello"), 3, buf)
	require.NoError(t, err)
	require.Same(t, &buf[:1][0], &body[0], "the buffer is used")

	_, err = readFrame(frame(9, 4, "hello"), 3, nil)
	require.ErrorContains(t, err, "correlation id 4, expected 3")
	_, err = readFrame(frame(0x15030100, 3, ""), 3, nil)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF, "a large but possible size is read as far as it goes")
	_, err = readFrame(frame(0x7fffffff, 3, ""), 3, nil)
	require.ErrorContains(t, err, "impossible")
	_, err = readFrame(frame(2, 3, ""), 3, nil)
	require.ErrorContains(t, err, "impossible")
	_, err = readFrame(frame(100, 3, "hello"), 3, nil)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	_, err = readFrame(bytes.NewReader(nil), 3, nil)
	require.ErrorContains(t, err, "closed the connection")
}

func TestLargeFramesGrowAsTheyArrive(t *testing.T) {
	want := bytes.Repeat([]byte("0123456789abcdef"), 3*frameStep/16+1)
	got, err := readBody(bytes.NewReader(want), len(want), nil)
	require.NoError(t, err)
	require.True(t, bytes.Equal(want, got))
}

func TestSkipTags(t *testing.T) {
	rest, err := skipTags([]byte{0, 'x'})
	require.NoError(t, err)
	require.Equal(t, "x", string(rest))
	rest, err = skipTags([]byte{2, 0, 1, 'a', 9, 2, 'b', 'c', 'x'})
	require.NoError(t, err)
	require.Equal(t, "x", string(rest))
	for _, bad := range [][]byte{nil, {1}, {1, 0}, {1, 0, 5, 'a'}, {0x80}, {1, 0x80}, {1, 0, 0x80}, bytes.Repeat([]byte{0xff}, 12),
		{1, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1}} {
		_, err := skipTags(bad)
		require.Error(t, err, "%v", bad)
	}
}

func TestChoose(t *testing.T) {
	offers := map[int16]Range{3: {2, 9}}
	v, err := choose(3, offers, 13, AnyVersion())
	require.NoError(t, err)
	require.EqualValues(t, 9, v, "the broker is the limit")
	v, err = choose(3, offers, 5, AnyVersion())
	require.NoError(t, err)
	require.EqualValues(t, 5, v, "the codec is the limit")
	v, err = choose(3, offers, 13, Up(4))
	require.NoError(t, err)
	require.EqualValues(t, 4, v, "the caller is the limit")

	for name, want := range map[string]Range{"too new": {10, 12}, "too old": Up(1), "exactly": Exactly(11)} {
		_, err = choose(3, offers, 13, want)
		var missing *VersionError
		require.True(t, errors.As(err, &missing), name)
		require.ErrorContains(t, err, "offers Metadata in versions 2 to 9", name)
	}
	_, err = choose(44, offers, 1, AnyVersion())
	require.ErrorContains(t, err, "does not offer the API IncrementalAlterConfigs")
}

func FuzzFetchResponse(f *testing.F) {
	for v := int16(fetchMin); v <= fetchMax; v++ {
		f.Add(fetchResponse(v).AppendTo(nil), v)
	}
	f.Fuzz(func(t *testing.T, body []byte, v int16) {
		if v < fetchMin || v > fetchMax {
			return
		}
		got, err := parseFetch(body, v)
		if err != nil {
			return
		}
		size := 0
		for _, p := range got.Partitions {
			size += len(p.Records) + 16*len(p.Aborted)
		}
		require.LessOrEqual(t, size, len(body), "nothing is made up")
		other := kmsg.NewPtrFetchResponse()
		other.SetVersion(v)
		require.NoError(t, other.ReadFrom(body), "kmsg reads what we read")
	})
}

func FuzzProduceResponse(f *testing.F) {
	for v := int16(produceMin); v <= produceMax; v++ {
		f.Add(produceResponse(v).AppendTo(nil), v)
	}
	f.Fuzz(func(t *testing.T, body []byte, v int16) {
		if v < produceMin || v > produceMax {
			return
		}
		if _, err := parseProduce(body, v); err == nil {
			other := kmsg.NewPtrProduceResponse()
			other.SetVersion(v)
			require.NoError(t, other.ReadFrom(body), "kmsg reads what we read")
		}
	})
}

// FuzzAnyResponse feeds foreign bytes to the decoder of every API.
func FuzzAnyResponse(f *testing.F) {
	r := kmsg.NewPtrMetadataResponse()
	r.SetVersion(12)
	f.Add(int16(3), int16(12), append([]byte{0}, r.AppendTo(nil)...))
	f.Add(int16(18), int16(3), []byte{0, 0, 1, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, key, version int16, body []byte) {
		req := kmsg.RequestForKey(key)
		if req == nil || version < 0 || version > req.MaxVersion() {
			return
		}
		req.SetVersion(version)
		if resp, err := decode(req.ResponseKind(), body); err == nil {
			require.Equal(t, key, resp.Key())
		}
	})
}

// FuzzGreeting feeds foreign bytes to the reader of a connection's first response.
func FuzzGreeting(f *testing.F) {
	f.Add([]byte("HTTP/1.1 400 Bad Request"))
	f.Add([]byte{0, 0, 0, 16, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 3, 0, 0, 0, 12})
	f.Fuzz(func(t *testing.T, first []byte) {
		body, err := readGreeting(bytes.NewReader(first))
		if err != nil {
			return
		}
		require.LessOrEqual(t, len(body), maxGreeting)
		if offers, err := readOffers(body); err == nil {
			require.LessOrEqual(t, 6*len(offers), len(body))
		}
	})
}
