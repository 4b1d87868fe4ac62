package agent_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/portage-kafka/portage/agent"
	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/cluster/batch"
	"github.com/portage-kafka/portage/events"
	eventlog "github.com/portage-kafka/portage/events/log"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// alarmed says whether somebody has been alarmed with these words.
func (e *env) alarmed(words string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.ContainsFunc(e.notices, func(n heard) bool { return n.Kind == agent.NoticeAlarm && strings.Contains(n.Text, words) })
}

// setOffset commits an offset of the group on the source, as a person does while the group is empty.
func (e *env) setOffset(p int32, at int64) {
	req := kmsg.NewPtrOffsetCommitRequest()
	req.Group, req.Generation = testGroup, -1
	topic := kmsg.NewOffsetCommitRequestTopic()
	topic.Topic = testTopic
	part := kmsg.NewOffsetCommitRequestTopicPartition()
	part.Partition, part.Offset, part.LeaderEpoch = p, at, -1
	topic.Partitions = append(topic.Partitions, part)
	req.Topics = append(req.Topics, topic)
	resp, err := cluster.Do[*kmsg.OffsetCommitResponse](e.ctx, e.s, req, cluster.OnGroup(testGroup))
	require.NoError(e.t, err)
	require.Zero(e.t, resp.Topics[0].Partitions[0].ErrorCode)
}

// An offset that the cluster does not have stops its partition with an alarm, and no other one; nothing is reset.
func TestOffsetOutOfRange(t *testing.T) {
	e := newEnv(t, 2)
	e.setOffset(0, 100)
	e.append(e.s, testTopic, 1, "0", "1")
	a := e.start(e.consumerConfig("a"))
	e.eventually(func() bool { return e.committed(e.s, testTopic)[1] == 2 }, "the other partition stands still, too")
	e.eventually(func() bool { return e.alarmed("orders/0 on source stands still at 100") }, "nobody is alarmed")
	require.NoError(t, a.halt())
	require.EqualValues(t, 100, e.committed(e.s, testTopic)[0])
	require.Empty(t, e.handled[agent.TopicPartition{Topic: testTopic, Partition: 0}])
}

// Where a group without a commit begins is asked again until a broker says it.
func TestStartIsAskedAgain(t *testing.T) {
	e := newEnv(t, 2)
	e.send(3)
	asked := e.pair.Source.Kfake().Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.ListOffsets}, Err: kerr.UnknownServerError, Count: 2})
	a := e.start(e.consumerConfig("a"))
	e.allHandled()
	require.Equal(t, 2, asked.Hits())
	require.NoError(t, a.halt())
}

// Partitions whose leader is not available for a while are handled once it is, and the others meanwhile.
func TestLeaderAway(t *testing.T) {
	e := newEnv(t, 2)
	away := e.pair.Source.Kfake().Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Topic: testTopic, Partitions: []int32{0}, Err: kerr.NotLeaderForPartition, Count: -1})
	a := e.start(e.consumerConfig("a"))
	e.send(3)
	e.eventually(func() bool { return e.committed(e.s, testTopic)[1] == 3 }, "the other partition waits, too")
	e.eventually(func() bool { return away.Hits() > 2 }, "it is not tried again")
	away.Remove()
	e.allHandled()
	require.NoError(t, a.halt())
}

// A target that the service has no configuration for is reported as a login that failed, and a switch to it is asked to be aborted.
func TestUnknownTarget(t *testing.T) {
	e := newEnv(t, 1)
	o := e.orchestra()
	o.begin()
	cfg := e.consumerConfig("a")
	delete(cfg.Clusters, "target")
	a := e.start(cfg)
	const why = `cluster "target" is not in the configuration: add it to Clusters`
	e.eventually(func() bool { return len(acks[events.AgentSeen](o)) > 0 }, "does not report")
	require.Equal(t, map[string]string{"source": "", "target": why}, acks[events.AgentSeen](o)[0].Logins)
	o.epoch, o.phase = 1, events.PhasePreparing
	o.event(events.SwitchRequested{To: events.RouteTarget})
	o.tell(events.OrderPrepare, nil)
	e.eventually(func() bool { return len(acks[events.AbortRequested](o)) == 1 }, "does not ask for an abort")
	require.Equal(t, "failed", acks[events.AbortRequested](o)[0].Code)
	require.NoError(t, a.halt())
}

// Held, and the control cluster is away when the hold expires: somebody is alarmed, nothing moves, and the request for an abort
// gets into the log once it is back.
func TestControlAwayWhileHeld(t *testing.T) {
	t.Parallel() // an attempt takes some seconds
	e := newEnv(t, 1)
	o := e.orchestra()
	o.hold = 700 * time.Millisecond
	o.begin()
	a := e.start(e.consumerConfig("a"))
	e.eventually(func() bool { return len(a.State().Reading) == 1 }, "nothing is read")
	o.prepare(1)
	o.holdNow(1)
	e.pair.Target.Cut()
	e.eventually(func() bool { return e.alarmed("the control cluster does not answer") }, "nobody is alarmed")
	require.Equal(t, events.OrderHold, a.State().Order)
	require.Empty(t, a.State().Reading)
	e.pair.Target.Heal()
	e.eventually(func() bool { return a.State().Order == events.OrderSource && len(a.State().Reading) == 1 }, "does not go back")
	require.Len(t, acks[events.AbortRequested](o), 1)
	require.NoError(t, a.halt())
}

// What is no directive, and directives for others in the same partition, change nothing; a topic that was created anew is
// followed from its beginning.
func TestDirectivesOfAnyKind(t *testing.T) {
	e := newEnv(t, 1)
	o := e.orchestra()
	o.begin()
	a := e.start(e.consumerConfig("a"))
	obeyed := func() bool { return a.State().Position == o.at && a.State().Order == events.OrderSource }
	e.eventually(obeyed, "the first directive is not obeyed")
	key := events.DirectiveKey{SourceCluster: e.s.ID(), Addressee: events.ToGroup(testGroup)}
	b, err := batch.Build(batch.Spec{}, []batch.Record{
		{Timestamp: 1, Key: []byte("nobody's"), Value: []byte("nonsense")},
		{Timestamp: 1, Key: []byte(key.String()), Value: []byte("{}")},
	})
	require.NoError(t, err)
	_, err = e.c.Append(e.ctx, events.TopicDirectives, key.Partition(), b)
	require.NoError(t, err)
	o.event(events.GuardHeld{Side: events.RouteTarget, MemberID: "guard"})
	o.tell(events.OrderSource, nil)
	e.eventually(obeyed, "the second directive is not obeyed")

	require.NoError(t, e.c.DeleteTopic(e.ctx, events.TopicDirectives))
	_, err = eventlog.Init(e.ctx, e.c, eventlog.InitOptions{})
	require.NoError(t, err)
	o.event(events.GuardHeld{Side: events.RouteTarget, MemberID: "guard"})
	o.tell(events.OrderSource, nil)
	e.eventually(obeyed, "the directive of the topic that was created anew is not obeyed")
	require.NoError(t, a.halt())
}

// An instance can be stopped that never reached its home cluster, with that cluster's id or without.
func TestStopBeforeJoined(t *testing.T) {
	for name, id := range map[string]bool{"the id is known": true, "the id is asked for": false} {
		t.Run(name, func(t *testing.T) {
			e := newEnv(t, 1)
			cfg := e.consumerConfig("a")
			if id {
				cfg.HomeID = e.s.ID()
			}
			e.pair.Source.Cut()
			a := e.start(cfg)
			if id {
				o := e.orchestra() // its first order is read after Join was said
				o.begin()
				e.eventually(func() bool { return a.State().Order == events.OrderSource && a.State().Position == o.at }, "no order")
			}
			require.NoError(t, a.halt())
			require.Empty(t, a.State().SourceMember)
			e.pair.Source.Heal() // for what the test itself has open
		})
	}
}

// A handler that does not care for its context cannot keep Run from returning: its record is not committed.
func TestStopWithoutTheHandler(t *testing.T) {
	t.Parallel() // Run waits for some seconds
	e := newEnv(t, 1)
	e.send(1)
	entered, release := make(chan struct{}), make(chan struct{})
	cfg := e.consumerConfig("a")
	cfg.StopTimeout = 50 * time.Millisecond
	cfg.Handler = func(context.Context, agent.Record) error {
		close(entered)
		<-release
		return nil
	}
	a := e.start(cfg)
	<-entered
	require.ErrorIs(t, a.halt(), agent.ErrStopTimeout)
	require.EqualValues(t, 0, e.committed(e.s, testTopic)[0])
	close(release)
}

// An instance stops although what it has to say cannot be said and the target cannot be left: it waits a little, no more.
func TestStopWithControlAway(t *testing.T) {
	t.Parallel() // it waits for some seconds
	e := newEnv(t, 1)
	o := e.orchestra()
	o.hold = 700 * time.Millisecond
	o.begin()
	a := e.start(e.consumerConfig("a"))
	e.send(2)
	e.allHandled()
	o.prepare(1)
	o.holdNow(1)
	e.pair.Target.Cut()
	e.eventually(func() bool { return e.alarmed("asking for an abort of epoch 1: hold-expired") }, "the hold does not expire")
	require.NoError(t, a.halt())
	require.EqualValues(t, 2, e.committed(e.s, testTopic)[0])
	e.pair.Target.Heal() // for what the test itself has open
}

// A handler that was abandoned and does not care for its context cannot keep Run from returning either, and Run says so.
func TestStopWithoutTheAbandoned(t *testing.T) {
	t.Parallel() // Run waits for some seconds
	e := newEnv(t, 1)
	o := e.orchestra()
	o.hold, o.policy = 300*time.Millisecond, events.StragglerProceed
	o.begin()
	entered, release := make(chan struct{}), make(chan struct{})
	cfg := e.consumerConfig("a")
	cfg.Handler = func(context.Context, agent.Record) error {
		close(entered)
		<-release
		return nil
	}
	a := e.start(cfg)
	o.prepare(1)
	e.send(1)
	<-entered
	o.holdNow(1)
	err := a.halt()
	require.ErrorIs(t, err, agent.ErrStopTimeout)
	require.ErrorContains(t, err, "abandoned")
	close(release)
}
