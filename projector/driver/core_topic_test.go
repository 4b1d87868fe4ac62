package driver

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/fsm"
)

func TestCopyingConfigs(t *testing.T) {
	source := map[string]string{
		"cleanup.policy": "compact", "retention.ms": "3600000", "retention.bytes": "1000", "compression.type": "zstd",
		"message.timestamp.type": "LogAppendTime", "max.message.bytes": "2000000", "leader.replication.throttled.replicas": "0:1",
	}
	require.Equal(t, map[string]string{
		"cleanup.policy": "delete", "retention.ms": "90000000", "retention.bytes": "-1", "compression.type": "producer",
		"message.timestamp.type": "CreateTime", "max.message.bytes": "2000000",
	}, copyingConfigs(source))
	require.Equal(t, "-1", copyingConfigs(map[string]string{"retention.ms": "-1"})["retention.ms"], "kept for ever stays for ever")
	require.Equal(t, "-1", copyingConfigs(nil)["retention.ms"], "a broker's default may be shorter than the source's")
	require.Equal(t, "-1", copyingConfigs(map[string]string{"retention.ms": "9223372036854775807"})["retention.ms"], "a margin more is no number of Kafka's")
	final := finalConfigs(source)
	require.Equal(t, "compact", final["cleanup.policy"])
	require.NotContains(t, final, "leader.replication.throttled.replicas")
	require.Equal(t, []string{`cleanup.policy: have "delete", want "compact"`}, differing(map[string]string{"a": "1", "cleanup.policy": "compact"}, map[string]string{"a": "1", "cleanup.policy": "delete"}))
}

// TestTimeBounds: no bound on times goes along while old records are copied;
// every one that the target knows is open meanwhile, and the source's returns in
// words that the target knows.
func TestTimeBounds(t *testing.T) {
	known := func(names ...string) map[string]bool {
		out := map[string]bool{"retention.ms": true}
		for _, n := range names {
			out[n] = true
		}
		return out
	}
	const open = "9223372036854775807"
	before36, from36, from40 := known(boundAround), known(boundAround, boundBefore, boundAfter), known(boundBefore, boundAfter)
	source := map[string]string{boundAround: "1000", boundAfter: "5", "retention.ms": "1"}
	require.Equal(t, map[string]string{"retention.ms": "86400001", "retention.bytes": "-1", "cleanup.policy": "delete",
		"compression.type": "producer", "message.timestamp.type": "CreateTime"}, copyingConfigs(source))
	require.Equal(t, map[string]string{boundAround: open}, openBounds(before36))
	require.Equal(t, map[string]string{boundAround: open, boundBefore: open, boundAfter: open}, openBounds(from36))
	require.Equal(t, map[string]string{boundBefore: open, boundAfter: open}, openBounds(from40))
	require.Equal(t, source, boundsFor(source, from36))
	require.Equal(t, map[string]string{boundBefore: "1000", boundAfter: "5", "retention.ms": "1"}, boundsFor(source, from40))
	require.Equal(t, map[string]string{"retention.ms": "1"}, boundsFor(map[string]string{"retention.ms": "1"}, from40))
}

func TestBehind(t *testing.T) {
	maps := func(_ string, p int32) (copied, bool) {
		if p == 2 {
			return nil, false
		}
		return dense(t, 10), true
	}
	require.Empty(t, behind("orders", map[int32]int64{0: 10, 1: 3, 2: 0}, maps))
	require.Equal(t, "orders/1 is copied up to 10 of 11", behind("orders", map[int32]int64{0: 10, 1: 11}, maps))
	require.Equal(t, "orders/2 is not copied yet, the source is at 1", behind("orders", map[int32]int64{2: 1}, maps))
	require.EqualValues(t, 6, lagOf("orders", map[int32]int64{0: 15, 1: 3, 2: 1}, maps))
}

func TestStillness(t *testing.T) {
	var s stillness
	start := time.Unix(1000, 0)
	ends := map[int32]int64{0: 5}
	require.Zero(t, s.observe(start, ends))
	require.Equal(t, 3*time.Second, s.observe(start.Add(3*time.Second), ends))
	ends[0] = 6
	require.Zero(t, s.observe(start.Add(4*time.Second), ends), "a write starts the clock again, also when the caller reuses its map")
	require.Equal(t, time.Second, s.observe(start.Add(5*time.Second), map[int32]int64{0: 6}))
}

func TestOnSourceAndStrays(t *testing.T) {
	topic := &fsm.Topic{
		Producers: []fsm.Producer{{Incarnation: "a", Route: "source"}, {Incarnation: "b", Route: "target"}, {Incarnation: "c", Left: true}, {Incarnation: "d"}},
		Ends:      []events.PartitionOffset{{Partition: 0, Offset: 10}, {Partition: 1, Offset: 20}},
	}
	var left []string
	for _, p := range onSource(topic) {
		left = append(left, p.Incarnation)
	}
	require.Equal(t, []string{"a", "d"}, left, "one that has not said its route counts as on the source")
	require.Empty(t, strays(topic, map[int32]int64{0: 10, 1: 20}))
	require.Equal(t, []events.PartitionOffset{{Partition: 1, Offset: 20}}, strays(topic, map[int32]int64{0: 10, 1: 22}))
}

func TestStepsBegin(t *testing.T) {
	m := &fsm.Migration{Phase: events.PhaseRunning, Plan: &events.MigrationCreated{Steps: []events.Step{
		{Do: "copy", Approve: "auto"}, {Do: "readers", Approve: "manual"}, {Do: "writers", Approve: "auto"}, {Do: "finish", Approve: "auto"},
	}}, Count: fsm.Count{Topics: 1, Groups: 1}}
	g := &fsm.Group{Readers: events.PhaseOnSource, TargetGuard: fsm.Guard{MemberID: "gt"}, Topics: []events.GroupTopic{{Topic: "orders"}}, Synced: []string{"orders"}}
	topic := &fsm.Topic{Writers: events.PhaseOnSource, Copy: events.PhaseSynced}
	require.True(t, mayCopy(m))
	require.False(t, mayMoveReaders(m, g))

	m.Count.Synced = 1
	require.False(t, mayCopy(m))
	require.False(t, mayMoveReaders(m, g), "a person approves first")
	m.Approved = []int{1}
	require.True(t, mayMoveReaders(m, g))
	g.Abort = &fsm.Abort{}
	require.False(t, mayMoveReaders(m, g), "after an abort a person asks")
	require.False(t, mayMoveWriters(m, topic), "readers first")

	m.Count.Readers = 1
	require.True(t, mayMoveWriters(m, topic))
	m.Phase = events.PhasePaused
	require.False(t, mayMoveWriters(m, topic))
	m.Phase, m.Count.Writers = events.PhaseRunning, 1
	require.False(t, mayComplete(m), "the source is not quiet")
	m.Count.Quiet = 1
	require.True(t, mayComplete(m))
}

func TestDue(t *testing.T) {
	d := func(to events.Addressee, at int64) *events.Directive {
		return &events.Directive{SourceCluster: "S", Addressee: to, Position: at}
	}
	there := map[address]int64{{"S", "group/a"}: 5, {"S", "group/b"}: 9, {"Z", "group/c"}: 99}
	var got []int64
	for _, x := range due([]*events.Directive{d("group/c", 8), d("group/a", 7), d("group/b", 9)}, there) {
		got = append(got, x.Position)
	}
	require.Equal(t, []int64{7, 8}, got)
}

// TestShort: a comparison counts only when it reached every end.
func TestShort(t *testing.T) {
	ends := []events.PartitionOffset{{Partition: 0, Offset: 5}, {Partition: 1, Offset: 7}}
	require.False(t, short(ends, ends))
	require.True(t, short(ends[:1], ends), "a partition was not compared")
	require.True(t, short([]events.PartitionOffset{{Partition: 0, Offset: 5}, {Partition: 1, Offset: 6}}, ends))
	require.False(t, short(nil, nil))
}

// TestPauses: failures are followed by longer and longer pauses, with a limit.
func TestPauses(t *testing.T) {
	require.Equal(t, 50*time.Millisecond, pauseAfter(1, 0))
	require.Less(t, pauseAfter(1, 0.999), 100*time.Millisecond)
	require.Equal(t, mostPause/2, pauseAfter(1000, 0))
	now := time.Unix(100, 0)
	p := pauses{first: time.Second, most: 5 * time.Second}
	for _, seconds := range []int64{1, 2, 4, 5, 5} {
		require.Equal(t, time.Unix(100+seconds, 0), p.next(now))
	}
	require.Equal(t, time.Second, idleFor(time.Second, 0))
	require.Equal(t, time.Second, idleFor(time.Second, perStream))
	require.Equal(t, 50*time.Second, idleFor(time.Second, 50*perStream))
}
