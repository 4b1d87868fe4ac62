package replicator

import (
	"testing"

	"github.com/portage-kafka/portage/events"
	"github.com/stretchr/testify/require"
)

func copyDirective(topic string, position int64, edit func(*events.Directive)) events.Directive {
	d := events.Directive{
		SourceCluster: "s", Addressee: events.ToCopy(topic), Position: position, Migration: "m", AtLeast: "0.1",
		Copy: &events.CopyOrder{Run: true, Topic: topic, Partitions: 2},
	}
	if edit != nil {
		edit(&d)
	}
	return d
}

func poolDirective(position int64, paused bool) events.Directive {
	return events.Directive{SourceCluster: "s", Addressee: events.ToPool("m"), Position: position, Migration: "m", Pool: &events.PoolOrder{Paused: paused}}
}

func TestOrdersFold(t *testing.T) {
	o := newOrders()
	require.Empty(t, o.units())
	o.apply(copyDirective("b", 5, nil))
	o.apply(copyDirective("a", 6, func(d *events.Directive) { d.Copy.Partitions = 1 }))
	o.apply(copyDirective("b", 4, func(d *events.Directive) { d.Copy.Run = false })) // late
	require.Equal(t, []string{"m/a/0", "m/b/0", "m/b/1"}, o.units())
	j := o.jobs()["m/b"]
	require.EqualValues(t, 5, j.Position)
	require.Equal(t, "directive/5", j.cause())
	require.False(t, j.paused)

	o.apply(poolDirective(9, true))
	o.apply(poolDirective(8, false)) // late
	require.True(t, o.jobs()["m/b"].paused)
	require.Len(t, o.units(), 3, "a pause moves no partitions")
	o.apply(poolDirective(10, false))
	require.False(t, o.jobs()["m/b"].paused)

	o.apply(copyDirective("b", 11, func(d *events.Directive) { d.Copy.Run = false }))
	require.Equal(t, []string{"m/a/0"}, o.units())
	require.NotContains(t, o.jobs(), "m/b")
	o.apply(copyDirective("b", 12, func(d *events.Directive) {
		d.Copy.Run = false
		d.Copy.Verify = []events.PartitionOffset{{Partition: 0, Offset: 7}}
	}))
	require.Len(t, o.units(), 3, "a comparison needs an owner")
	require.True(t, o.jobs()["m/b"].paused, "but nothing is copied")
}

func TestOrdersIgnoreWhatIsForOthers(t *testing.T) {
	o := newOrders()
	o.apply(copyDirective("b", 5, func(d *events.Directive) { d.Addressee = events.ToProducers("b") }))
	o.apply(events.Directive{Addressee: events.ToGroup("g"), Group: &events.GroupOrder{}})
	require.Empty(t, o.units())
}

// TestAwaitedTopics: a topic is awaited from a group's order to hold to its next
// one, whatever other groups are told, and whatever comes late.
func TestAwaitedTopics(t *testing.T) {
	o := newOrders()
	o.apply(copyDirective("a", 1, nil))
	o.apply(copyDirective("b", 2, nil))
	say := func(group string, position int64, order string, topics ...string) {
		d := events.Directive{SourceCluster: "s", Addressee: events.ToGroup(group), Position: position, Migration: "m", Group: &events.GroupOrder{Order: order}}
		for _, t := range topics {
			d.Group.Topics = append(d.Group.Topics, events.GroupTopic{Topic: t})
		}
		o.apply(d)
	}
	awaited := func() (names []string) {
		for _, name := range []string{"m/a", "m/b"} {
			if o.jobs()[name].awaited {
				names = append(names, name)
			}
		}
		return names
	}
	say("g", 3, events.OrderPrepare, "a", "b")
	require.Empty(t, awaited())
	say("g", 5, events.OrderHold, "a", "b")
	require.Equal(t, []string{"m/a", "m/b"}, awaited())
	say("g", 4, events.OrderSource, "a", "b") // late
	say("h", 6, events.OrderHold, "b")
	require.Equal(t, []string{"m/a", "m/b"}, awaited())
	say("g", 7, events.OrderStage, "a", "b")
	require.Equal(t, []string{"m/b"}, awaited())
	say("h", 8, events.OrderSource, "b")
	require.Empty(t, awaited())
}

func TestOrdersOfALaterRelease(t *testing.T) {
	o := newOrders()
	o.apply(copyDirective("b", 5, func(d *events.Directive) { d.AtLeast = "999.0" }))
	j := o.jobs()["m/b"]
	require.True(t, j.tooNew)
	require.True(t, j.paused)
	require.Len(t, o.units(), 2, "the units are shared among all, for others may be new enough")
}

func TestNewEnough(t *testing.T) {
	for _, c := range []struct {
		have, want string
		ok         bool
	}{
		{"0.1", "0.1", true}, {"0.1", "0.2", false}, {"0.10", "0.9", true}, {"1", "0.9.9", true}, {"1.0", "1", true},
		{"1", "1.0.1", false}, {"1.2.3", "1.2", true}, {"1.2", "", true}, {"0.1", "x", true},
	} {
		require.Equal(t, c.ok, newEnough(c.have, c.want), "%s against %s", c.have, c.want)
	}
}
