package driver

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/events/log"
	"github.com/portage-kafka/portage/projector"
)

// latest is the position of the directive in force for an addressee, and the
// mark of its partition; -1 for none.
func (r *rig) latest(to events.Addressee) (position, mark int64) {
	r.t.Helper()
	key := events.DirectiveKey{SourceCluster: r.source().ID(), Addressee: to}
	d, found, mark, err := log.NewDirectives(r.target(), log.Options{}).Latest(r.t.Context(), key)
	require.NoError(r.t, err)
	if !found {
		return -1, mark
	}
	return d.Position, mark
}

// wanted are the directives that the projection wants published.
func (r *rig) wanted() []*events.Directive {
	r.t.Helper()
	v := r.store.View()
	defer func() { require.NoError(r.t, v.Close()) }()
	all, err := v.Directives()
	require.NoError(r.t, err)
	return all
}

// TestPublish: what is wanted is read back from the topic and told; a mark moves
// only when that is asked for, and then it covers all that was published.
func TestPublish(t *testing.T) {
	r := newRig(t)
	r.begin(nil, "orders", "payments")
	r.created("orders", "payments")
	var told []events.Addressee
	var mu sync.Mutex
	r.d.pub.told = func(d events.Directive) {
		mu.Lock()
		defer mu.Unlock()
		told = append(told, d.Addressee)
	}
	require.False(t, r.d.pub.published(r.source().ID(), events.ToCopy("orders"), 0))
	r.published()
	wanted := r.wanted()
	require.Len(t, wanted, 4, "two for workers, two for producers")
	require.Len(t, told, len(wanted))
	for _, d := range wanted {
		position, mark := r.latest(d.Addressee)
		require.Equal(t, d.Position, position, d.Addressee)
		require.EqualValues(t, -1, mark)
		require.True(t, r.d.pub.published(r.source().ID(), d.Addressee, d.Position))
		require.False(t, r.d.pub.published(r.source().ID(), d.Addressee, d.Position+1))
		require.False(t, r.d.pub.published("another", d.Addressee, d.Position))
	}
	r.marked()
	require.Len(t, told, len(wanted), "nothing is published twice")
	for _, d := range wanted {
		_, mark := r.latest(d.Addressee)
		require.Equal(t, r.store.Applied(), mark)
	}
}

// TestPublishElsewhere: a partition that cannot be written holds up no other,
// keeps its mark, and is made up for.
func TestPublishElsewhere(t *testing.T) {
	r := newRig(t)
	var topics []string
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		topics = append(topics, "orders-"+name)
	}
	r.begin(nil, topics...)
	r.created(topics...)
	wanted := r.wanted()
	bad := wanted[0].Key().Partition()
	h := r.pair.Target.Kfake().Fault(kfake.Fault{
		Keys: []kmsg.Key{kmsg.Produce}, Topic: events.TopicDirectives, Partitions: []int32{bad}, Err: kerr.TopicAuthorizationFailed, Count: -1,
	})
	r.marked()
	reached := 0
	for _, d := range wanted {
		position, mark := r.latest(d.Addressee)
		if d.Key().Partition() == bad {
			require.EqualValues(t, []int64{-1, -1}, []int64{position, mark}, d.Addressee)
			continue
		}
		require.Equal(t, []int64{d.Position, r.store.Applied()}, []int64{position, mark}, d.Addressee)
		reached++
	}
	require.Positive(t, reached)
	h.Remove()
	r.published()
	position, _ := r.latest(wanted[0].Addressee)
	require.Equal(t, wanted[0].Position, position)
}

// TestPublishBeside: while a partition is at work, for however long, directives
// of others are published, and it is not worked on twice.
func TestPublishBeside(t *testing.T) {
	r := newRig(t)
	r.begin(nil, "orders")
	r.created("orders")
	wanted := r.wanted()
	slow := wanted[0].Key().Partition()
	require.True(t, r.d.pub.begin(slow), "as if it waited for a broker")
	r.marked()
	for _, d := range wanted {
		position, _ := r.latest(d.Addressee)
		require.Equal(t, d.Key().Partition() != slow, position == d.Position, d.Addressee)
	}
	require.Less(t, r.d.pub.done, r.store.Applied(), "not everything is there")
	require.False(t, r.d.pub.begin(slow))
	r.d.pub.end(slow)
	<-r.d.pub.wake
	r.published()
	position, _ := r.latest(wanted[0].Addressee)
	require.Equal(t, wanted[0].Position, position)
}

// TestPublishMarkFails: a mark that cannot be written is written the next time.
func TestPublishMarkFails(t *testing.T) {
	r := newRig(t)
	r.begin(nil, "orders")
	r.published()
	mend := broken(r.pair.Target, kmsg.Produce, events.TopicDirectives, kerr.TopicAuthorizationFailed)
	r.marked()
	_, mark := r.latest(events.ToPool("m"))
	require.EqualValues(t, -1, mark)
	mend()
	r.marked()
	_, mark = r.latest(events.ToPool("m"))
	require.Equal(t, r.store.Applied(), mark)
}

// TestPublishBehind: an orchestrator that is behind another one leaves the later
// directive in force, and takes its own for published.
func TestPublishBehind(t *testing.T) {
	r := newRig(t)
	r.begin(nil, "orders")
	r.created("orders")
	i := slices.IndexFunc(r.wanted(), func(d *events.Directive) bool { return d.Addressee == events.ToCopy("orders") })
	mine := *r.wanted()[i]
	later := mine
	later.Position += 100
	require.NoError(t, log.NewDirectives(r.target(), log.Options{}).Publish(t.Context(), later))
	r.published()
	position, _ := r.latest(mine.Addressee)
	require.Equal(t, later.Position, position)
	require.True(t, r.d.pub.published(mine.SourceCluster, mine.Addressee, mine.Position))
}

// TestPublisherRuns: a publisher that starts knows what is there already, wakes
// when it is poked, and gets over what cannot be published for a while.
func TestPublisherRuns(t *testing.T) {
	r := newRig(t)
	r.begin(nil, "orders")
	r.created("orders")
	r.published()
	before := r.wanted()

	told := make(chan events.Directive, 100)
	p := newPublisher(r.d.cfg, func(d events.Directive) { told <- d })
	p.rest = time.Millisecond
	refused := r.pair.Target.Kfake().Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: events.TopicDirectives, Err: kerr.TopicAuthorizationFailed, Count: -1})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- p.run(ctx) }()
	require.Eventually(t, func() bool { return p.published(before[0].SourceCluster, before[0].Addressee, before[0].Position) }, patience, time.Millisecond)
	r.say(events.Operator, events.MigrationStream, 0, events.PauseRequested{})
	p.poke()
	p.poke() // never blocks
	require.NoError(t, refused.Wait(t.Context(), 1))
	refused.Remove()
	d := <-told
	require.Equal(t, events.ToPool("m"), d.Addressee, "only what is later than what was there")
	position, _ := r.latest(events.ToPool("m"))
	require.Equal(t, d.Position, position)
	cancel()
	require.NoError(t, <-done)
}

// TestPublisherEnds: a topic of directives that was created anew is not the one
// that agents have read, and a store that failed has nothing to publish.
func TestPublisherEnds(t *testing.T) {
	r := newRig(t)
	r.begin(nil, "orders")
	require.NoError(t, r.store.Close())
	require.ErrorIs(t, r.d.pub.run(t.Context()), projector.ErrClosed)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, r.d.pub.load(ctx), context.Canceled)
	require.True(t, lasting(&log.TopicError{Err: log.ErrRecreated}))
	require.True(t, lasting(&log.TopicError{Err: log.ErrTruncated}))
	require.False(t, lasting(context.Canceled))
	require.False(t, lasting(nil))
}

// TestPublisherLoads: what cannot be read at the start is waited for: without
// knowing what is there nothing may be published.
func TestPublisherLoads(t *testing.T) {
	r := newRig(t)
	r.begin(nil, "orders")
	r.created("orders")
	r.published()
	r.marked()
	p := newPublisher(r.d.cfg, nil)
	r.pair.Target.Cut()
	done := make(chan error, 1)
	go func() { done <- p.load(t.Context()) }()
	select {
	case err := <-done:
		t.Fatalf("loaded without a cluster: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	r.pair.Target.Heal()
	require.NoError(t, <-done)
	for _, d := range r.wanted() {
		require.True(t, p.published(d.SourceCluster, d.Addressee, d.Position))
		require.Equal(t, r.store.Applied(), p.marks[d.Key().Partition()])
	}
}
