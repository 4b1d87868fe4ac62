package events

import (
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// orders has a valid directive of every kind of addressee, with every field set.
func orders() map[string]Directive {
	base := func(to Addressee, s Stream, p Phase) Directive {
		return Directive{SourceCluster: "src-id", Addressee: to, Position: 42, Migration: "orders-eu", Stream: s, Version: 7, Epoch: 2, Phase: p, AtLeast: "0.1"}
	}
	group := base(ToGroup("billing/eu 1"), GroupStream("billing/eu 1"), PhaseCut)
	group.Group = &GroupOrder{Order: OrderStage, Source: "dc1", Target: "cloud", Topics: []GroupTopic{{Topic: "orders", TargetTopic: "eu.orders", Partitions: 2}},
		Cut: []CutPoint{{Topic: "orders", Partition: 1, Source: 5, Target: 4}}, Open: true, HoldMillis: 5000, Straggler: StragglerProceed}
	topic := base(ToProducers("orders"), TopicStream("orders"), PhaseRolling)
	topic.Topic = &TopicOrder{Route: RouteTarget, Level: LevelRestart, Source: "dc1", Target: "cloud", TargetTopic: "eu.orders", Partitions: 2, Recopies: 1}
	copying := base(ToCopy("orders"), TopicStream("orders"), PhaseSynced)
	copying.Copy = &CopyOrder{Run: true, Source: "dc1", Topic: "orders", TopicID: "0a", Partitions: 2, Target: "cloud", TargetTopic: "eu.orders", TargetTopicID: "0b",
		Shared: true, Verify: []PartitionOffset{{0, 5}, {1, 6}}, VerifyCause: "v-1", Recopies: 1, Losses: []Interval{{Partition: 1, From: 2, To: 4}}}
	pool := base(ToPool("orders-eu"), MigrationStream, PhasePaused)
	pool.Pool = &PoolOrder{Paused: true, Rates: []Rate{{BytesPerSecond: 5000}, {Cluster: "dc1", BytesPerSecond: 2000}}}
	return map[string]Directive{"group": group, "topic": topic, "copy": copying, "pool": pool}
}

func TestDirectivesSurvive(t *testing.T) {
	for name, d := range orders() {
		t.Run(name, func(t *testing.T) {
			value, err := EncodeDirective(d)
			require.NoError(t, err)
			got, err := DecodeDirective([]byte(d.Key().String()), value)
			require.NoError(t, err)
			require.Equal(t, d, got)
			withMore := edit(t, value, map[string]any{"later": 1})
			got, err = DecodeDirective([]byte(d.Key().String()), withMore)
			require.NoError(t, err, "fields of later releases are ignored")
			require.Equal(t, d, got)
		})
	}
}

// TestBadDirectives: one that is wrong in any way is not obeyed.
func TestBadDirectives(t *testing.T) {
	for _, c := range []struct {
		kind   string
		name   string
		change func(*Directive)
		reason string
	}{
		{"group", "two orders", func(d *Directive) { d.Pool = &PoolOrder{} }, "exactly one of group, topic, copy and pool, have 2"},
		{"pool", "rate below nothing", func(d *Directive) { d.Pool.Rates[1].BytesPerSecond = -1 }, "pool.rates[1].bytes_per_second: want a number from 0 (no bound), have -1"},
		{"pool", "rate of nobody", func(d *Directive) { d.Pool.Rates[1].Cluster = "a b" }, `pool.rates[1].cluster: want the name of a cluster, have "a b"`},
		{"topic", "fewer recopies than none", func(d *Directive) { d.Topic.Recopies = -1 }, "topic.recopies: want a number from 0"},
		{"copy", "fewer recopies than none", func(d *Directive) { d.Copy.Recopies = -1 }, "copy.recopies: want a number from 0"},
		{"copy", "loss of nothing", func(d *Directive) { d.Copy.Losses[0].To = 2 }, "copy.losses[0]: want a partition from 0 and offsets [from, to) with from < to, have partition 1 [2, 2)"},
		{"pool", "no order", func(d *Directive) { d.Pool = nil }, "have 0"},
		{"pool", "other migration", func(d *Directive) { d.Migration = "other" }, "do not fit the order"},
		{"pool", "migration that cannot be", func(d *Directive) { d.Migration = "" }, `migration: want 1 to 100 letters`},
		{"pool", "no phase", func(d *Directive) { d.Phase = "" }, "phase and at_least are required"},
		{"pool", "no release", func(d *Directive) { d.AtLeast = "" }, "phase and at_least are required"},
		{"pool", "topic's stream", func(d *Directive) { d.Stream = TopicStream("orders") }, `stream "topic/orders" do not fit`},
		{"group", "other group's stream", func(d *Directive) { d.Stream = GroupStream("shipping") }, "do not fit the order"},
		{"group", "topic's order", func(d *Directive) { d.Topic, d.Group = orders()["topic"].Topic, nil }, "do not fit the order"},
		{"group", "workers addressed", func(d *Directive) { d.Addressee = "replicate/group/billing" }, "do not fit the order"},
		{"topic", "copy's order", func(d *Directive) { d.Copy, d.Topic = orders()["copy"].Copy, nil }, "do not fit the order"},
		{"copy", "producers' order", func(d *Directive) { d.Topic, d.Copy = orders()["topic"].Topic, nil }, "do not fit the order"},
		{"group", "unknown order", func(d *Directive) { d.Group.Order = "Target" }, `want one of source, prepare, hold, stage, target, have "Target"`},
		{"group", "no target", func(d *Directive) { d.Group.Target = "" }, "want cluster names"},
		{"group", "no topics", func(d *Directive) { d.Group.Topics = nil }, "order stage needs at least one"},
		{"group", "no cut", func(d *Directive) { d.Group.Cut = nil }, "group.cut: order stage needs"},
		{"group", "cut below 0", func(d *Directive) { d.Group.Cut[0].Target = -1 }, "group.cut[0]: want a partition and an offset from 0"},
		{"group", "cut twice", func(d *Directive) { d.Group.Cut = append(d.Group.Cut, d.Group.Cut[0]) }, "stands in the list twice"},
		{"group", "leaves the source too early", func(d *Directive) { d.Group.LeaveSource = true }, "only with order target, have stage"},
		{"group", "negative hold", func(d *Directive) { d.Group.HoldMillis = -1 }, "group.hold_ms"},
		{"group", "unknown straggler", func(d *Directive) { d.Group.Straggler = "wait" }, "want abort or proceed"},
		{"group", "topic without partitions", func(d *Directive) { d.Group.Topics[0].Partitions = 0 }, "group.topics[0]: want Kafka topic names"},
		{"topic", "unknown route", func(d *Directive) { d.Topic.Route = "both" }, "want source or target"},
		{"topic", "unknown level", func(d *Directive) { d.Topic.Level = "instance" }, "want restart or none"},
		{"topic", "no cluster", func(d *Directive) { d.Topic.Source = "" }, "want cluster names"},
		{"topic", "topic that cannot be", func(d *Directive) { d.Topic.TargetTopic = "a/b" }, "want Kafka topic names"},
		{"copy", "other topic", func(d *Directive) { d.Copy.Topic = "returns" }, "want the addressee's"},
		{"copy", "no cluster", func(d *Directive) { d.Copy.Target = "" }, "want cluster names"},
		{"copy", "no target id", func(d *Directive) { d.Copy.TargetTopicID = "" }, "copy.target_topic_id"},
		{"copy", "no partitions", func(d *Directive) { d.Copy.Partitions = 0 }, "at least one partition"},
		{"copy", "verify twice", func(d *Directive) { d.Copy.Verify[1].Partition = 0 }, "copy.verify[1]: partition 0 stands in the list twice"},
	} {
		t.Run(c.kind+" "+c.name, func(t *testing.T) {
			d := orders()[c.kind]
			c.change(&d)
			_, err := EncodeDirective(d)
			var refused *Refusal
			require.ErrorAs(t, err, &refused)
			require.Equal(t, RefusedDirective, refused.Code)
			require.Contains(t, refused.Reason, c.reason)
		})
	}
}

func TestGroupOrderOfLongNames(t *testing.T) {
	d := orders()["group"]
	d.Addressee, d.Stream = ToGroup(strings.Repeat("g", 1001)), GroupStream(strings.Repeat("g", 1001))
	_, err := EncodeDirective(d)
	require.ErrorContains(t, err, "names no topic or group that Kafka can have")
}

// TestStrictValues: what holds for every value of the three state topics.
func TestStrictValues(t *testing.T) {
	directive := orders()["pool"]
	at := CopyKey{"orders-eu", "orders", 3}
	block := Block{OwnerEpoch: 4, ProducerID: 9, ProducerEpoch: 2, Number: 1, Runs: []byte{1, 2}, Watermark: 5, TargetEnd: 4, Sequence: 3}
	claim := Claim{OwnerEpoch: 4, ProducerID: 9, ProducerEpoch: 2, Owner: "w", Nonce: "n"}
	progress := Progress{Worker: "w", Watermark: 5, HighWatermark: 9, Records: 5, Bytes: 500, AtMillis: 1}
	must := func(value []byte, err error) []byte {
		require.NoError(t, err)
		return value
	}
	for _, c := range []struct {
		name   string
		key    string
		value  []byte
		decode func(key, value []byte) error
		field  string // a required number
	}{
		{"directive", directive.Key().String(), must(EncodeDirective(directive)), func(k, v []byte) error { _, err := DecodeDirective(k, v); return err }, "position"},
		{"mark", MarkKey(5), must(EncodeMark(Mark{7})), func(k, v []byte) error { _, _, err := DecodeMark(k, v); return err }, "position"},
		{"block", block.Key(at).String(), must(EncodeBlock(block)), func(k, v []byte) error { _, _, err := DecodeBlock(k, v); return err }, "watermark"},
		{"claim", claim.Key(at).String(), must(EncodeClaim(claim)), func(k, v []byte) error { _, _, err := DecodeClaim(k, v); return err }, "producer_id"},
		{"progress", at.String(), must(EncodeProgress(progress)), func(k, v []byte) error { _, _, err := DecodeProgress(k, v); return err }, "watermark"},
	} {
		t.Run(c.name, func(t *testing.T) {
			require.NoError(t, c.decode([]byte(c.key), c.value))
			require.NoError(t, c.decode([]byte(c.key), edit(t, c.value, map[string]any{"later": raw(`{"a":1}`)})))
			twice := strings.Replace(string(c.value), "{", `{"`+c.field+`":1,`, 1)
			for _, bad := range []struct {
				key, value []byte
				code       string
			}{
				{nil, c.value, RefusedNoKey},
				{[]byte(c.key), nil, RefusedTombstone},
				{[]byte(c.key), []byte("{"), RefusedJSON},
				{[]byte(c.key), append(c.value[:len(c.value):len(c.value)], 'x'), RefusedTrailing},
				{[]byte(c.key), []byte(twice), RefusedDuplicate},
				{[]byte(c.key), edit(t, c.value, map[string]any{c.field: nil}), RefusedMissing},
				{[]byte(c.key), edit(t, c.value, map[string]any{c.field: raw("null")}), RefusedMissing},
				{[]byte(c.key), edit(t, c.value, map[string]any{c.field: "1"}), RefusedField},
				{[]byte(c.key), edit(t, c.value, map[string]any{strings.ToUpper(c.field): 1}), RefusedCase},
				{[]byte("?"), c.value, RefusedKey},
				{[]byte(c.key + "0\xff"), c.value, RefusedUTF8},
			} {
				var refused *Refusal
				require.ErrorAs(t, c.decode(bad.key, bad.value), &refused)
				require.Equal(t, bad.code, refused.Code, refused.Reason)
			}
		})
	}
}

func TestValuesThatCannotBe(t *testing.T) {
	at := CopyKey{"orders-eu", "orders", 3}
	for _, b := range []Block{
		{OwnerEpoch: -1}, {ProducerID: -1}, {ProducerEpoch: -1}, {Number: -1}, {Watermark: -1}, {TargetEnd: -1}, {Sequence: -1}, {SourceEpochs: -1}, {Recopies: -1},
	} {
		_, err := EncodeBlock(b)
		require.ErrorContains(t, err, "want a number from 0, have -1")
	}
	for _, c := range []Claim{
		{OwnerEpoch: -1, Owner: "w", Nonce: "n"}, {ProducerID: -1, Owner: "w", Nonce: "n"}, {ProducerEpoch: -1, Owner: "w", Nonce: "n"}, {Recopies: -1, Owner: "w", Nonce: "n"}, {Nonce: "n"}, {Owner: "w"}, {Owner: "w", Nonce: "a/b"},
	} {
		_, err := EncodeClaim(c)
		require.ErrorContains(t, err, RefusedControlRecord)
	}
	for _, p := range []Progress{{}, {Worker: "w", Watermark: -1}, {Worker: "w", HighWatermark: -1}, {Worker: "w", Records: -1}, {Worker: "w", Bytes: -1}} {
		_, err := EncodeProgress(p)
		require.ErrorContains(t, err, RefusedControlRecord)
	}
	_, err := EncodeMark(Mark{-1})
	require.ErrorContains(t, err, "field position")

	value, err := EncodeBlock(Block{Number: 1})
	require.NoError(t, err)
	require.Contains(t, string(value), `"runs":""`, "no runs are no null")
	_, _, err = DecodeBlock([]byte(Block{Number: 2}.Key(at).String()), value)
	require.ErrorContains(t, err, "stands over block 1 of owner epoch 0")
	_, _, err = DecodeBlock([]byte(Claim{Nonce: "n"}.Key(at).String()), value)
	require.ErrorContains(t, err, RefusedKey)
	value, err = EncodeClaim(Claim{Owner: "w", Nonce: "n"})
	require.NoError(t, err)
	_, _, err = DecodeClaim([]byte(Claim{Nonce: "o"}.Key(at).String()), value)
	require.ErrorContains(t, err, `nonce "n"`)
	_, _, err = DecodeClaim([]byte(Claim{Nonce: "n", OwnerEpoch: 1}.Key(at).String()), value)
	require.ErrorContains(t, err, RefusedKey)

	value, err = EncodeDirective(orders()["pool"])
	require.NoError(t, err)
	other := orders()["pool"].Key()
	other.Position++
	_, err = DecodeDirective([]byte(other.String()), value)
	require.ErrorContains(t, err, "stands under key")
}

func TestLargestNumbersSurvive(t *testing.T) {
	b := Block{OwnerEpoch: math.MaxInt32, ProducerID: math.MaxInt64, ProducerEpoch: math.MaxInt16, Number: math.MaxInt32, Runs: []byte{}, Watermark: math.MaxInt64, TargetEnd: math.MaxInt64, Sequence: math.MaxInt32}
	k := b.Key(CopyKey{"m", "t", math.MaxInt32})
	value, err := EncodeBlock(b)
	require.NoError(t, err)
	key, got, err := DecodeBlock([]byte(k.String()), value)
	require.NoError(t, err)
	require.Equal(t, k, key)
	require.Equal(t, b, got)
}
