package e2e

import (
	"context"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/projector"
	"github.com/portage-kafka/portage/testkit/oracle"
	"github.com/portage-kafka/portage/testkit/workload"
)

// closedDoor moves a group while a consumer without the SDK wants to be a member of it on the source. It is let in before
// the guard has closed the group, which aborts the switch by name; it is refused from then on until nobody of the group is
// left there, and afterwards.
func closedDoor(b *bench) {
	b.topic(source, "rooms", 4, nil) // enough for the stranger to get some
	topics := []oracle.Topic{{Name: "rooms"}}
	g := oracle.Group{Name: "porter", Topics: names(topics)}
	b.consume("porter-0", reads(g))
	b.consume("porter-1", reads(g))
	desk := b.produce("desk-0", producers{topics: names(topics), rate: 40})
	b.reading(g.Name)
	serving := b.serve("", "--no-worker")
	b.do("create", "-f", b.plan("door", names(topics), []string{g.Name}, "quiet: 300ms, silent: 30s"))
	b.do("start", "door")
	b.approvable("door")
	serving.stop()

	b.do("switch", "readers", "door", g.Name) // nobody acts on it yet
	early := b.knock(g)
	b.eventually("the stranger to be a member", func() bool { return early.handler.Handled() > 0 })
	serving = b.serve("", "--no-worker")
	b.until("the switch to be aborted", func(v *projector.View) bool {
		row, ok := v.Group("door", g.Name)
		return ok && row.Abort != nil && row.Abort.Epoch == row.Standing.Epoch
	})
	b.view(func(v *projector.View) {
		row, _ := v.Group("door", g.Name)
		require.Equal(b.t, events.PhaseOnSource, row.Readers)
		require.Equal(b.t, "stranger", row.Abort.Code, row.Abort.Reason)
		b.t.Logf("aborted (%s): %s", row.Abort.Code, row.Abort.Reason)
	})
	early.stop(b)
	serving.stop()

	serving = b.serve("before:HoldOrdered", "--no-worker")
	b.do("switch", "readers", "door", g.Name)
	b.eventually("all to be prepared", func() bool { return !serving.alive() })
	serving.killedItself("before:HoldOrdered")
	late := b.knock(g)
	late.isRefused(b, 3)
	serving = b.serve("", "--no-worker")
	b.insisting("door", g.Name)
	b.until("the source group to be sealed", func(v *projector.View) bool {
		row, ok := v.Group("door", g.Name)
		return ok && row.SourceGuard.Exclusive
	})
	late.isRefused(b, 3)
	late.stop(b)
	require.Zero(b.t, late.handler.Handled(), "the stranger got records after the group was closed")

	b.approve("door", events.StepWriters)
	b.until("producers may move", func(v *projector.View) bool {
		row, ok := v.Topic("door", "rooms")
		return ok && row.Writers == events.PhaseRolling
	})
	desk.stop()
	b.drained(topics, []oracle.Group{g})
	b.approve("door", events.StepFinish)
	b.phase("door", events.PhaseFinished)
	b.judge("door", verdict{topics: topics, groups: []oracle.Group{g}})
	b.replayed("door")
	serving.stop()
}

// knocker is a consumer without the SDK that wants to be a member of a group again and again.
type knocker struct {
	handler *workload.Handler
	journal *workload.Journal
	refused chan error // every refusal
	cancel  context.CancelFunc
	ended   chan error
}

// OnGroupManageError is called by the client whenever the group does not take it, or takes it no more.
func (k *knocker) OnGroupManageError(err error) {
	select {
	case k.refused <- err:
	default: // more than anybody counts
	}
}

// knock starts a plain consumer (classic protocol, range) that tries to enter a group on the source until it is told to end.
func (b *bench) knock(g oracle.Group) *knocker {
	b.t.Helper()
	label := b.unique("knocker")
	b.handlers = append(b.handlers, b.journal(label))
	journal, err := workload.OpenJournal(b.journal(label))
	require.NoError(b.t, err)
	k := &knocker{journal: journal, refused: make(chan error, 1000), ended: make(chan error, 1)}
	k.handler, err = workload.NewHandler(workload.HandlerConfig{Group: g.Name, Instance: label, Journal: journal})
	require.NoError(b.t, err)
	to := b.cluster(source)
	to.Options = append(to.Options, kgo.Balancers(kgo.RangeBalancer()), kgo.WithHooks(k),
		kgo.RetryBackoffFn(func(int) time.Duration { return 50 * time.Millisecond }))
	c, err := workload.NewConsumer(workload.ConsumerConfig{Cluster: to, Topics: g.Topics, Handler: k.handler})
	require.NoError(b.t, err)
	ctx, cancel := context.WithCancel(b.t.Context())
	k.cancel = cancel
	go func() {
		err := c.Run(ctx)
		c.Close()
		k.ended <- err
	}()
	return k
}

func (k *knocker) stop(b *bench) {
	b.t.Helper()
	k.cancel()
	require.NoError(b.t, <-k.ended)
	require.NoError(b.t, k.journal.Close())
}

// isRefused waits for so many more refusals, and demands that it was the protocol that the broker refused.
func (k *knocker) isRefused(b *bench, times int) {
	b.t.Helper()
	for len(k.refused) > 0 {
		<-k.refused
	}
	b.eventually("the stranger to be refused", func() bool { return len(k.refused) >= times })
	for range times {
		require.ErrorIs(b.t, <-k.refused, kerr.InconsistentGroupProtocol)
	}
}
