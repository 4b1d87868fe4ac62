package service_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/cluster/group"
	"github.com/portage-kafka/portage/cmd/internal/service"
	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/fsm"
	"github.com/portage-kafka/portage/testkit/realkafka"
)

// TestRealSealed: the group that the instances have left is closed to everybody,
// also by a successor of an orchestrator that was killed between doing so and
// saying so; its offsets stay. A later migration opens it to the instances that
// come home.
func TestRealSealed(t *testing.T) {
	all := realkafka.AllForTest(t, realkafka.Options{Name: "source", Version: realkafka.Source},
		realkafka.Options{Name: "target", Version: realkafka.Target}, realkafka.Options{Name: "control", Version: realkafka.Target})
	bootstrap := make(map[string][]string)
	for _, c := range all {
		bootstrap[c.Name()] = c.Bootstrap(realkafka.Internal)
	}
	b := benchOn(t, "control", bootstrap)
	b.work()
	first := b.killedSealing()
	leave := b.there()
	first.dead()
	b.guarded(b.source(), group.TypeGuard)
	offsets, err := b.source().Offsets(t.Context(), "billing", true, nil)
	require.NoError(t, err)
	require.False(t, b.group("billing", isOnTarget).SourceGuard.Exclusive, "nobody could say so")

	second := b.live("")
	held := b.group("billing", func(g *fsm.Group) bool { return g.SourceGuard.Exclusive }).SourceGuard
	b.refused(b.source())
	b.until("the end", isFinished)
	leave()
	second.kill()
	second.dead()
	b.refused(b.source())
	b.live("")
	b.group("billing", func(g *fsm.Group) bool { return g.SourceGuard.Exclusive && g.SourceGuard.MemberID != held.MemberID })
	now, err := b.source().Offsets(t.Context(), "billing", true, nil)
	require.NoError(t, err)
	require.Equal(t, offsets, now)

	b.back()
	b.guarded(b.target(), group.TypeGuard)
	b.refused(b.target())
}

// killedSealing is an orchestrator that is killed when it is about to say that a
// group is sealed.
func (b *bench) killedSealing() *life {
	var l *life
	ready := make(chan struct{})
	l = b.live("", func(o *service.Options) {
		o.Before = func(e events.Event) {
			if e.Type == "GuardHeld" && strings.Contains(string(e.Body), `"exclusive":true`) {
				<-ready
				l.kill()
			}
		}
	})
	close(ready)
	return l
}

// guarded is billing on a cluster, once its guard is alone inside with a type
// of protocol.
func (b *bench) guarded(at *cluster.Client, kind string) (s group.Snapshot) {
	b.t.Helper()
	require.Eventually(b.t, func() bool {
		var err error
		s, err = group.Inspect(b.t.Context(), at, "billing")
		_, inside := s.Guard()
		return err == nil && inside && len(s.Members) == 1 && s.ProtocolType == kind
	}, patience, 20*time.Millisecond)
	return s
}

// refused says that nobody gets into billing on a cluster, whatever he offers.
func (b *bench) refused(at *cluster.Client) {
	b.t.Helper()
	for _, offer := range []group.Offer{
		group.Open(group.Identity{Kind: group.KindAgent, Incarnation: "x"}, "orders"),
		group.Closed(group.Identity{Kind: group.KindAgent, Incarnation: "x"}, "orders"),
	} {
		m, err := group.Join(at, group.Config{Group: "billing", Offer: offer})
		require.NoError(b.t, err)
		for e := range m.Events() {
			if r, is := e.(group.Refused); is {
				require.ErrorIs(b.t, r.Why, group.ErrStranger)
				break
			}
			_, in := e.(group.Joined)
			require.False(b.t, in, "it got in")
		}
		m.Close()
	}
}
