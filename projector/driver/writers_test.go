package driver

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/portage-kafka/portage/events"
)

// arming is a migration whose only topic waits for its workers to expect other
// writers.
func arming(t *testing.T) *rig {
	r := newRig(t)
	r.begin(nil, "orders")
	r.synced("orders")
	r.say(events.Operator, orders, 1, events.SwitchRequested{To: events.RouteTarget, Level: events.LevelRestart})
	return r
}

// rolling is one whose producers may move.
func rolling(t *testing.T) *rig {
	r := arming(t)
	r.say(events.Worker, orders, 1, events.CopyShared{Partition: 0})
	r.does(orders, "WritersRolling")
	return r
}

// stoodStill lets the source's ends have stood for a time since they were seen
// last.
func (r *rig) stoodStill(s events.Stream, d time.Duration) {
	r.t.Helper()
	mem := r.d.memory[item{"m", s}]
	require.NotNil(r.t, mem.still.ends, "the ends were seen")
	mem.still.since = time.Now().Add(-d)
}

// Between the rig's quiet time and its silent time, and more than both.
const (
	quiet  = 2 * time.Minute
	silent = time.Hour
)

// TestArm: workers that never say that they expect other writers end the
// attempt; nothing has moved.
func TestArm(t *testing.T) {
	r := arming(t)
	r.awaits(orders, "the copy of 0 of 1 partitions expects other writers")
	r.longAgo(orders)
	e := r.does(orders, "AbortRequested")
	require.EqualValues(t, 1, e.Epoch)
	row := r.topic("orders")
	require.Equal(t, events.PhaseOnSource, row.Writers)
	require.Equal(t, "prepare-expired", row.Abort.Code)
}

// TestRollout: the writers' decision comes once every registered producer has
// moved, left or fallen silent, and the source has stood still after that.
func TestRollout(t *testing.T) {
	r := rolling(t)
	r.say(events.Agent, orders, 0, events.ProducerSeen{Incarnation: "i1", Instance: "one"})
	r.say(events.Agent, orders, 0, events.ProducerSeen{Incarnation: "i2", Instance: "two"})
	r.awaits(orders, "producer one (i1) still writes to the source: restart it")
	r.stoodStill(orders, quiet)
	r.awaits(orders, "producer one (i1) still writes")
	r.say(events.Agent, orders, 0, events.ProducerLeft{Incarnation: "i1"})
	r.awaits(orders, "producer two (i2) still writes")
	r.stoodStill(orders, silent)
	e := r.does(orders, "ProducerLeft")
	body := events.ProducerLeft{Incarnation: "i2", Silent: true}
	require.JSONEq(t, marshal(t, body), string(e.Body))

	r.write(r.source(), "orders", "late")
	r.awaits(orders, "less than the quiet time ago")
	r.stoodStill(orders, quiet)
	e = r.does(orders, "SwitchCommitted")
	require.JSONEq(t, marshal(t, events.SwitchCommitted{Ends: []events.PartitionOffset{{Partition: 0, Offset: 1}}}), string(e.Body))

	r.awaits(orders, "orders/0 is copied up to 0 of 1")
	r.copied("orders")
	r.does(orders, "SwitchCompleted")
	require.Equal(t, events.PhaseOnTarget, r.topic("orders").Writers)
}

// onTarget is a migration whose only topic is written on the target.
func onTarget(t *testing.T) *rig {
	r := rolling(t)
	r.awaits(orders, "less than the quiet time ago")
	r.stoodStill(orders, quiet)
	r.does(orders, "SwitchCommitted")
	r.does(orders, "SwitchCompleted")
	return r
}

// TestStray: a source that was found quiet is watched on; what reaches it then
// is reported once, copied, and it must become quiet anew.
func TestStray(t *testing.T) {
	r := onTarget(t)
	r.awaits(orders, "less than the quiet time ago")
	r.stoodStill(orders, quiet)
	r.does(orders, "SourceQuiet")
	next, err := r.look(orders)
	require.NoError(t, err)
	require.GreaterOrEqual(t, next, time.Second, "nothing happens most of the time")

	r.write(r.source(), "orders", "stray", "stray too")
	e := r.does(orders, "StrayWrite")
	require.JSONEq(t, marshal(t, events.StrayWrite{Partition: 0, Offset: 0, ProducerID: -1}), string(e.Body))
	r.awaits(orders, "orders/0 is copied up to 0 of 2")
	r.copied("orders")
	r.awaits(orders, "less than the quiet time ago")
	r.stoodStill(orders, quiet)
	r.does(orders, "SourceQuiet")
	require.Equal(t, []events.PartitionOffset{{Partition: 0, Offset: 2}}, r.topic("orders").Ends)
}

// TestSourceAway: in every phase of the writers' switch a source that cannot be
// asked is an error, and decides nothing.
func TestSourceAway(t *testing.T) {
	for name, at := range map[string]func(*testing.T) *rig{
		"rolling": rolling, "on the target": onTarget,
		"committed": func(t *testing.T) *rig {
			r := rolling(t)
			r.awaits(orders, "quiet time")
			r.stoodStill(orders, quiet)
			r.does(orders, "SwitchCommitted")
			return r
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := at(t)
			r.away["source"] = true
			r.fails(orders, errAway.Error())
			r.away["source"] = false
			defer broken(r.pair.Source, kmsg.ListOffsets, "orders", kerr.TopicAuthorizationFailed)()
			r.fails(orders, "TOPIC_AUTHORIZATION_FAILED")
		})
	}
}
