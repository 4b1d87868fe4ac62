package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/events/log"
	"github.com/portage-kafka/portage/fsm/offsetmap"
	"github.com/portage-kafka/portage/replicator/verify"
	"github.com/portage-kafka/portage/testkit/embedded"
)

// producer writes to one cluster, to partitions that the records name.
func (d *desk) producer(c *embedded.Cluster) *kgo.Client {
	k, err := kgo.NewClient(kgo.SeedBrokers(c.Bootstrap()...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	require.NoError(d.t, err)
	d.t.Cleanup(k.Close)
	return k
}

// filledFrom is the time of record 0: not so old that a broker deletes it.
var filledFrom = time.Now().Add(-time.Hour).Truncate(time.Millisecond)

// numbered are records with the numbers from, from+1 … to-1.
func numbered(topic string, partition int32, from, to int) (all []*kgo.Record) {
	for i := from; i < to; i++ {
		all = append(all, &kgo.Record{
			Topic: topic, Partition: partition, Key: []byte(fmt.Sprint("key-", i)), Value: []byte(fmt.Sprint("value-", i)),
			Timestamp: filledFrom.Add(time.Duration(i) * time.Millisecond), Headers: []kgo.RecordHeader{{Key: "n", Value: []byte(fmt.Sprint(i))}},
		})
	}
	return all
}

// fill appends numbered records.
func (d *desk) fill(k *kgo.Client, topic string, partition int32, from, to int) {
	d.t.Helper()
	require.NoError(d.t, k.ProduceSync(d.t.Context(), numbered(topic, partition, from, to)...).FirstErr())
}

// twoTopics are a topic on each cluster, of two partitions with the same records.
func twoTopics(t *testing.T) (d *desk, old, next *kgo.Client) {
	d = newDesk(t, embedded.Topic{Name: "orders", Partitions: 2})
	require.NoError(t, d.pair.Target.CreateTopic(embedded.Topic{Name: "orders.v2", Partitions: 2}))
	old, next = d.producer(d.pair.Source), d.producer(d.pair.Target)
	for p := range int32(2) {
		d.fill(old, "orders", p, 0, 100)
		d.fill(next, "orders.v2", p, 0, 100)
	}
	return d, old, next
}

var pairOf = []string{"verify", "--source", "old", "--source-topic", "orders", "--target", "new", "--target-topic", "orders.v2"}

// verified runs verify and reads its report.
func (d *desk) verified(want int, args ...string) verifyReport {
	d.t.Helper()
	out, code := d.portage(append(args, "-o", "json")...)
	require.Equal(d.t, want, code, out)
	var r verifyReport
	require.NoError(d.t, json.NewDecoder(strings.NewReader(out)).Decode(&r), out)
	return r
}

// TestVerifyTwoTopics: equal topics exit with 0, others with 1, and each
// difference is named with offsets and key, for people and for programs.
func TestVerifyTwoTopics(t *testing.T) {
	d, old, next := twoTopics(t)
	require.Contains(t, d.ok(pairOf...), "identical")
	r := d.verified(exitDone, pairOf...)
	require.Equal(t, verify.Identical, r.Verdict)
	require.Len(t, r.Key, 64)
	require.Equal(t, "order", r.Topics[0].AlignedBy)
	require.Equal(t, d.pair.Source.ID(), r.Topics[0].Source.Cluster)
	require.EqualValues(t, 100, r.Topics[0].Partitions[1].Records)

	d.fill(old, "orders", 1, 100, 105)
	d.fill(next, "orders.v2", 1, 100, 102)
	d.fill(next, "orders.v2", 1, 103, 105)
	d.fill(next, "orders.v2", 1, 7, 8)
	r = d.verified(exitFailed, pairOf...)
	require.Equal(t, verify.Different, r.Verdict)
	require.Equal(t, verify.Identical, r.Topics[0].Partitions[0].Verdict)
	p := r.Topics[0].Partitions[1]
	require.Equal(t, map[verify.Kind]int64{verify.Loss: 1, verify.Duplicate: 1}, p.Kinds)
	require.EqualValues(t, 102, p.Findings[0].Source)
	require.Equal(t, "key-102", p.Findings[0].Key)
	out, code := d.portage(pairOf...)
	require.Equal(t, exitFailed, code)
	require.Contains(t, out, `orders/1: loss: source 102 is missing on the target (key "key-102")`)
	require.Contains(t, out, `orders/1: duplicate: target 104 repeats target 7 (key "key-7")`)
	require.Contains(t, line(t, out, "orders"), "identical")
	d.ok(append(pairOf, "--partition", "0")...)
	require.Contains(t, d.ok(append(pairOf, "--partition", "0", "--deep", "-o", "yaml")...), "result: identical")
}

// TestVerifyNamesFaults: each fault that a copy may have is named at the record that
// has it, and nowhere else, for people and for programs.
func TestVerifyNamesFaults(t *testing.T) {
	const n, at = 200, 77
	faults := []struct {
		kind  verify.Kind
		says  string
		plant func(all []*kgo.Record) []*kgo.Record
	}{
		{verify.Loss, "source 77 is missing on the target", func(all []*kgo.Record) []*kgo.Record { return slices.Delete(all, at, at+1) }},
		{verify.Duplicate, "target 78 repeats target 77", func(all []*kgo.Record) []*kgo.Record {
			again := *all[at]
			return slices.Insert(all, at+1, &again)
		}},
		{verify.Reorder, "source 77 stands out of order, at target 80", func(all []*kgo.Record) []*kgo.Record {
			r := all[at]
			return slices.Insert(slices.Delete(all, at, at+1), at+3, r)
		}},
		{verify.Corrupted, "source 77 and target 77 differ in value", func(all []*kgo.Record) []*kgo.Record { all[at].Value[0] ^= 1; return all }},
		{verify.Headers, "source 77 and target 77 differ in headers", func(all []*kgo.Record) []*kgo.Record { all[at].Headers[0].Key = "m"; return all }},
		{verify.Timestamp, "source 77 and target 77 differ in timestamp", func(all []*kgo.Record) []*kgo.Record {
			all[at].Timestamp = all[at].Timestamp.Add(time.Second)
			return all
		}},
	}
	d := newDesk(t, embedded.Topic{Name: "orders", Partitions: int32(len(faults))})
	require.NoError(t, d.pair.Target.CreateTopic(embedded.Topic{Name: "orders", Partitions: int32(len(faults))}))
	old, next := d.producer(d.pair.Source), d.producer(d.pair.Target)
	for p, f := range faults {
		d.fill(old, "orders", int32(p), 0, n)
		require.NoError(t, next.ProduceSync(t.Context(), f.plant(numbered("orders", int32(p), 0, n))...).FirstErr())
	}
	args := []string{"verify", "--source", "old", "--source-topic", "orders", "--target", "new"}
	r := d.verified(exitFailed, args...)
	out, _ := d.portage(args...)
	for p, f := range faults {
		require.Equal(t, map[verify.Kind]int64{f.kind: 1}, r.Topics[0].Partitions[p].Kinds)
		require.Contains(t, out, fmt.Sprintf(`orders/%d: %s: %s (key "key-77")`+"\n", p, f.kind, f.says))
	}
}

// TestVerifyNames: the names in the report are a promise to programs.
func TestVerifyNames(t *testing.T) {
	d, _, next := twoTopics(t)
	d.fill(next, "orders.v2", 0, 50, 51)
	out, _ := d.portage(append(pairOf, "-o", "json")...)
	var r map[string]any
	require.NoError(t, json.NewDecoder(strings.NewReader(out)).Decode(&r))
	require.ElementsMatch(t, []string{"result", "key", "topics"}, names(r))
	topic := r["topics"].([]any)[0].(map[string]any)
	require.ElementsMatch(t, []string{"source", "target", "aligned_by", "result", "partitions"}, names(topic))
	require.ElementsMatch(t, []string{"name", "cluster", "topic", "topic_id"}, names(topic["source"]))
	p := topic["partitions"].([]any)[0].(map[string]any)
	require.ElementsMatch(t, []string{"partition", "result", "from", "verified", "look_back", "up_to", "records", "passed_through", "digest", "differences", "kinds", "findings"}, names(p))
	require.ElementsMatch(t, []string{"kind", "source", "target", "expected", "records", "key", "of", "digest"}, names(p["findings"].([]any)[0]))
}

func names(v any) (all []string) {
	for name := range v.(map[string]any) {
		all = append(all, name)
	}
	return all
}

// TestVerifyGoesOn: with a state a second run goes on where the first ended, and
// reports on both; what differs once differs for ever.
func TestVerifyGoesOn(t *testing.T) {
	d, old, next := twoTopics(t)
	args := append(pairOf, "--state", filepath.Join(d.dir, "state.json"), "--deep")
	first := d.verified(exitDone, args...)
	for p := range int32(2) {
		d.fill(old, "orders", p, 100, 150)
		d.fill(next, "orders.v2", p, 100, 150)
	}
	second := d.verified(exitDone, args...)
	require.Equal(t, first.Key, second.Key)
	require.EqualValues(t, 150, second.Topics[0].Partitions[0].Records)
	require.Equal(t, offsetmap.Pair{}, second.Topics[0].Partitions[0].From)
	require.NotEqual(t, first.Topics[0].Partitions[0].Digest, second.Topics[0].Partitions[0].Digest)
	require.Equal(t, second.Topics[0].Partitions[0].Digest, second.Topics[0].Partitions[1].Digest)

	for p := range int32(2) {
		d.fill(next, "orders.v2", p, 90+int(p), 91+int(p))
		d.fill(old, "orders", p, 150, 300)
		d.fill(next, "orders.v2", p, 150, 300)
	}
	third := d.verified(exitFailed, args...)
	require.Equal(t, map[verify.Kind]int64{verify.Duplicate: 1}, third.Topics[0].Partitions[0].Kinds)
	d.fill(old, "orders", 0, 300, 310)
	d.fill(next, "orders.v2", 0, 300, 310)
	fourth := d.verified(exitFailed, args...)
	require.Equal(t, third.Topics[0].Partitions[0].Findings, fourth.Topics[0].Partitions[0].Findings)
	require.EqualValues(t, 310, fourth.Topics[0].Partitions[0].Records)

	text, err := os.ReadFile(filepath.Join(d.dir, "state.json"))
	require.NoError(t, err)
	d.write("state.json", string(text)+`{"source":{"clu`)
	require.Equal(t, fourth.Topics, d.verified(exitFailed, args...).Topics, "a line that was not written to its end is left out")

	left, err := filepath.Glob(filepath.Join(d.dir, ".state.json*"))
	require.NoError(t, err)
	require.Empty(t, left, "nothing is left beside the file")
	d.write("state.json", `{"version": 9, "key": ""}`+"\n")
	out, code := d.portage(args...)
	require.Equal(t, exitUsage, code, out)
	require.Contains(t, out, "version 9")
	d.write("state.json", "topics: []")
	out, code = d.portage(args...)
	require.Equal(t, exitUsage, code, out)
	require.Contains(t, out, "name the file of an earlier run, or one that is not there yet")
	out, code = d.portage(append(pairOf, "--state", filepath.Join(d.dir, "nowhere", "state.json"))...)
	require.Equal(t, exitUsage, code, out)
	require.Contains(t, out, "create the folder")
}

// TestVerifyLive: a target that is still being filled is no difference if said so.
func TestVerifyLive(t *testing.T) {
	d, old, _ := twoTopics(t)
	d.fill(old, "orders", 0, 100, 130)
	require.Equal(t, map[verify.Kind]int64{verify.Loss: 30}, d.verified(exitFailed, pairOf...).Topics[0].Partitions[0].Kinds)
	out := d.ok(append(pairOf, "--live")...)
	require.Contains(t, line(t, out, "orders"), "100/130")
	require.Contains(t, line(t, out, "orders"), "the target is behind")
}

// TestVerifyUnknown: what could not be compared is neither identical nor
// different.
func TestVerifyUnknown(t *testing.T) {
	d, _, _ := twoTopics(t)
	require.NoError(t, d.pair.Target.CreateTopic(embedded.Topic{Name: "wide", Partitions: 3}))
	out, code := d.portage("verify", "--source", "old", "--source-topic", "orders", "--target", "new", "--target-topic", "wide")
	require.Equal(t, exitUnknown, code, out)
	require.Contains(t, out, "orders has 2 partitions on old, wide has 3 on new")
	out, code = d.portage("verify", "--source", "old", "--source-topic", "orders", "--target", "new")
	require.Equal(t, exitUnknown, code, out)
	require.Contains(t, out, `topic "orders" is not on new`)
	out, code = d.portage(append(pairOf, "--timeout", "1ns")...)
	require.Equal(t, exitTimeout, code, out)
	for _, args := range [][]string{
		{"verify"}, {"verify", "m", "--source", "old"}, {"verify", "--source", "old"}, {"verify", "m", "--live"}, append(pairOf, "--parallel", "0"),
		append(pairOf, "--partition", "2"), append(pairOf, "--list", "0"),
	} {
		out, code := d.portage(args...)
		require.Equal(t, exitUsage, code, "%v: %s", args, out)
	}
}

// TestVerifyMigration: by the offset map that is published, up to where the copy
// has come; partitions and topics that are not copied yet are unknown.
func TestVerifyMigration(t *testing.T) {
	d, c := copying(t)
	out, code := d.portage("verify", "m")
	require.Equal(t, exitUnknown, code, out)
	require.Contains(t, out, `topic "orders" is not on new`)
	require.NoError(t, d.pair.Target.CreateTopic(embedded.Topic{Name: "orders", Partitions: 2}))
	old, next := d.producer(d.pair.Source), d.producer(d.pair.Target)
	d.fill(old, "orders", 0, 0, 100)
	d.fill(next, "orders", 0, 0, 80)
	r := d.verified(exitUnknown, "verify", "m")
	require.Contains(t, r.Topics[0].Partitions[0].Problem, "no part of the offset map is published yet")

	d.mapped(c, 0, 80)
	d.mapped(c, 1, 0)
	r = d.verified(exitDone, "verify", "m")
	require.Equal(t, "map", r.Topics[0].AlignedBy)
	require.EqualValues(t, 80, r.Topics[0].Partitions[0].UpTo, "what is not copied yet is not compared")
	require.EqualValues(t, 80, r.Topics[0].Partitions[0].Records)
	_, code = d.portage("verify", "m", "clicks")
	require.Equal(t, exitUnknown, code)
	_, code = d.portage("verify", "n")
	require.Equal(t, exitRefused, code)

	d.mapped(c, 0, 81) // a lie
	r = d.verified(exitFailed, "verify", "m", "orders")
	require.Equal(t, map[verify.Kind]int64{verify.Loss: 1}, r.Topics[0].Partitions[0].Kinds)
	out, _ = d.portage("verify", "m")
	require.Contains(t, out, `orders/0: loss: source 80 is missing on the target (expected at 80) (key "key-80")`)

	d.said(c, 0, events.CopyStopped{Partition: 0, Code: "out-of-range", From: 80, To: 90, Reason: "retention"})
	require.Equal(t, []string{"out-of-range: retention"}, d.verified(exitFailed, "verify", "m").Topics[0].Stops)
	out, _ = d.portage("verify", "m")
	require.Contains(t, out, "orders: the copy is stopped, and what it has not reached is not compared: out-of-range: retention")
	d.ok("accept-loss", "m", "orders", "0", "--reason", "test orders")
	r = d.verified(exitDone, "verify", "m")
	require.Equal(t, []events.Interval{{Partition: 0, From: 80, To: 90}}, r.Topics[0].Partitions[0].Losses)
	require.Empty(t, r.Topics[0].Partitions[1].Losses)
	require.Regexp(t, `orders +0 +identical .*given_up 1 +offsets 80 to 89 were given up`, d.ok("verify", "m"))
}

// TestVerifyWithoutMaps: while the offset map cannot be read nothing is compared;
// by order, as of topics that others have copied, much would differ.
func TestVerifyWithoutMaps(t *testing.T) {
	d, c := copying(t)
	require.NoError(t, d.pair.Target.CreateTopic(embedded.Topic{Name: "orders", Partitions: 2}))
	d.fill(d.producer(d.pair.Source), "orders", 0, 0, 10)
	require.NoError(t, c.DeleteTopic(t.Context(), events.TopicOffsets))
	out, code := d.portage("verify", "m")
	require.Equal(t, exitUnknown, code, out)
	require.Contains(t, out, "read the offset map: ")
	require.NotContains(t, out, "loss")
}

// mapped publishes an offset map that maps so many offsets to themselves.
func (d *desk) mapped(c *cluster.Client, partition int32, count int64) {
	var m offsetmap.Map
	if count > 0 {
		require.NoError(d.t, m.Append(offsetmap.Run{Count: count}))
	}
	b := events.Block{OwnerEpoch: 1, ProducerID: 7, Runs: m.Pack(), Watermark: count, TargetEnd: count}
	require.NoError(d.t, log.NewOffsets(c, log.Options{}).PublishBlock(d.t.Context(), events.CopyKey{Migration: "m", Topic: "orders", Partition: partition}, b))
}

// TestVerifyAfterTheCopy: what workers have copied is identical, and what is taken
// from the target then is named.
func TestVerifyAfterTheCopy(t *testing.T) {
	d := newDesk(t, embedded.Topic{Name: "orders", Partitions: 2})
	old := d.producer(d.pair.Source)
	d.fill(old, "orders", 0, 0, 500)
	d.fill(old, "orders", 1, 0, 300)
	d.ok("init")
	d.ok("create", "-f", d.write("plan.yaml", onePlan))
	d.ok("start", "m")
	d.serve()
	d.synced(1)
	r := d.verified(exitDone, "verify", "m")
	require.EqualValues(t, 500, r.Topics[0].Partitions[0].Records)
	require.Positive(t, r.Topics[0].Partitions[0].Passed, "batches passed through")

	deleteBelow(t, d.pair.Target, "orders", 1, 5)
	r = d.verified(exitFailed, "verify", "m", "--partition", "1")
	require.Equal(t, map[verify.Kind]int64{verify.Loss: 5}, r.Topics[0].Partitions[0].Kinds)
}

// TestVerifyRetention: what the target's retention has taken is lost, unless it is
// asked to be excused and old enough.
func TestVerifyRetention(t *testing.T) {
	d := newDesk(t, embedded.Topic{Name: "orders", Partitions: 1})
	require.NoError(t, d.pair.Target.CreateTopic(embedded.Topic{Name: "orders", Partitions: 1, Configs: map[string]string{"retention.ms": "60000"}}))
	old, next := d.producer(d.pair.Source), d.producer(d.pair.Target)
	d.fill(old, "orders", 0, 0, 20)
	d.fill(next, "orders", 0, 0, 20)
	args := []string{"verify", "--source", "old", "--source-topic", "orders", "--target", "new"}
	deleteBelow(t, d.pair.Target, "orders", 0, 5)
	require.Equal(t, map[verify.Kind]int64{verify.Loss: 5}, d.verified(exitFailed, args...).Topics[0].Partitions[0].Kinds)
	require.Contains(t, line(t, d.ok(append(args, "--allow-expired")...), "orders"), "target_expired 5")
}

// deleteBelow lets a log begin at an offset.
func deleteBelow(t *testing.T, c *embedded.Cluster, topic string, partition int32, offset int64) {
	k, err := kgo.NewClient(kgo.SeedBrokers(c.Bootstrap()...))
	require.NoError(t, err)
	defer k.Close()
	at := kadm.Offsets{}
	at.Add(kadm.Offset{Topic: topic, Partition: partition, At: offset})
	res, err := kadm.NewClient(k).DeleteRecords(t.Context(), at)
	require.NoError(t, err)
	require.NoError(t, res.Error())
}

// TestMemory: the file is written whole first, then appended to, and written anew
// before it has grown much beyond what it says.
func TestMemory(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.json")
	m, err := loadMemory(path)
	require.NoError(t, err)
	requests, err := m.begin(make([]byte, 32), []*pairedTopic{{requests: make([]verify.Request, 2)}})
	require.NoError(t, err)
	require.Len(t, requests, 2)
	var sizes []int64
	for i := range 3 {
		require.NoError(t, m.save(1, verify.Result{Partition: 1, Records: int64(i)}))
		info, err := os.Stat(path)
		require.NoError(t, err)
		sizes = append(sizes, info.Size())
	}
	require.Greater(t, sizes[1], sizes[0])
	require.Greater(t, sizes[2], sizes[1])
	m.spare = 0
	require.NoError(t, m.save(1, verify.Result{Partition: 1, Records: 7}))
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, sizes[0], info.Size())
	require.NoError(t, m.close())
	again, err := loadMemory(path)
	require.NoError(t, err)
	r, err := again.state.Find(verify.Place{}, verify.Place{}, 1)
	require.NoError(t, err)
	require.EqualValues(t, 7, r.Records)

	nowhere := &memory{path: filepath.Join(path, "no-folder", "x"), state: again.state, sides: m.sides}
	require.ErrorContains(t, nowhere.save(1, verify.Result{}), "--state: ")
	_, err = loadMemory(filepath.Dir(path))
	require.ErrorContains(t, err, "--state: ")
}

// TestMeter: a line that changes on a terminal, lines with -v, else nothing; not
// more often than people can read.
func TestMeter(t *testing.T) {
	begun := time.Unix(1000, 0)
	var out bytes.Buffer
	require.Nil(t, newMeter(&out, false, begun).hook(time.Now))
	m := newMeter(&out, true, begun)
	p := verify.Progress{Done: 1, Partitions: 4, Offsets: 250, Total: 1000, Records: 200, Differences: 3}
	m.show(p, begun.Add(time.Second))
	require.Empty(t, out.String())
	m.show(p, begun.Add(10*time.Second))
	require.Equal(t, "verified 1 of 4 partitions, 25 % of the offsets, 200 records, 3 differences, 20 records/s, about 30s left\n", out.String())
	m.show(p, begun.Add(11*time.Second))
	require.Equal(t, 1, strings.Count(out.String(), "\n"))
	m.clear()
	out.Reset()
	m = &meter{out: &out, terminal: true, every: time.Second, begun: begun, last: begun}
	m.show(verify.Progress{Partitions: 4, Total: 10}, begun.Add(2*time.Second))
	require.Equal(t, "\r\x1b[Kverified 0 of 4 partitions, 0 % of the offsets, 0 records, 0 differences", out.String())
	m.clear()
	require.True(t, strings.HasSuffix(out.String(), "\r\x1b[K"))
	null, err := os.Open(os.DevNull)
	require.NoError(t, err)
	defer null.Close()
	require.True(t, newMeter(null, false, begun).terminal, "a character device")
}
