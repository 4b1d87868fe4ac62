package agent

import (
	"context"
	"testing"
	"time"

	"github.com/portage-kafka/portage/events"
	eventlog "github.com/portage-kafka/portage/events/log"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"
)

// decide appends a decision of the orchestrator about the topic, in epoch 1.
func (p *plant) decide(id string, expects uint64, body events.Body) int64 {
	p.t.Helper()
	e, err := events.New(id, "m", events.TopicStream("orders"), events.Actor{Kind: events.Orchestrator, Name: "o"}, time.Now(), body)
	require.NoError(p.t, err)
	e.Expects, e.Epoch = &expects, 1
	at, err := eventlog.NewAppender(p.control, eventlog.AppenderOptions{}).Append(p.t.Context(), e)
	require.NoError(p.t, err)
	return at
}

// copied says that the copy has passed everything.
func (p *plant) copied() {
	offsets := eventlog.NewOffsets(p.control, eventlog.Options{})
	for n := range int32(3) {
		require.NoError(p.t, offsets.PublishBlock(p.t.Context(), events.CopyKey{Migration: "m", Topic: "orders", Partition: n}, events.Block{Runs: []byte{1, 0, 0, 0, 100}, Watermark: 100}))
	}
}

// A decision that was accepted before the registration binds the producer, though no directive tells of it yet; one that was
// refused does not.
func TestProducerBoundByTheLog(t *testing.T) {
	for _, k := range []struct {
		name    string
		expects uint64
		want    string
	}{{"accepted", 3, "target"}, {"refused", 2, "source"}} {
		t.Run(k.name, func(t *testing.T) {
			p := newPlant(t)
			p.copied()
			at := p.decide("request", 2, events.SwitchRequested{To: events.RouteTarget, Level: events.LevelRestart})
			p.publish(at, events.PhaseArming, events.RouteSource)
			p.decide("rolling", k.expects, events.WritersRolling{})
			require.Equal(t, k.want, send(t, p.producer(), 1)[0].Cluster)
			require.Equal(t, []string{"SwitchRequested", "WritersRolling", "ProducerSeen", "ProducerRouted"}, p.events())
		})
	}
}

// Where the log leaves open whether the switch was decided, a producer waits, registered once, for the orchestrator to say so:
// by a directive, or by a mark behind the events in question.
func TestProducerWaitsForTheOrchestrator(t *testing.T) {
	for _, k := range []struct {
		name, want string
		say        func(p *plant, decided int64)
	}{
		{"a directive", "target", func(p *plant, decided int64) { p.publish(decided, events.PhaseRolling, events.RouteTarget) }},
		{"a mark", "source", func(p *plant, decided int64) {
			key := events.DirectiveKey{SourceCluster: p.pair.Source.ID(), Addressee: events.ToProducers("orders")}
			require.NoError(p.t, eventlog.NewDirectives(p.control, eventlog.Options{}).PublishMark(p.t.Context(), key.Partition(), decided))
		}},
	} {
		t.Run(k.name, func(t *testing.T) {
			p := newPlant(t)
			p.copied()
			at := p.decide("request", 2, events.SwitchRequested{To: events.RouteTarget, Level: events.LevelRestart})
			p.publish(at, events.PhaseArming, events.RouteSource)
			p.decide("verify", 3, events.VerifyOrdered{UpTo: []events.PartitionOffset{{Partition: 0, Offset: 1}}})
			decided := p.decide("rolling", 3, events.WritersRolling{})
			warnings := make(chan string, 100)
			producer := p.producer(WithLogger(hearing(warnings)))
			require.Contains(t, <-warnings, "an orchestrator has to", "it says what it waits for")
			select {
			case <-producer.Ready():
				t.Fatal("it took a route by guess")
			default:
			}
			k.say(p, decided)
			require.Equal(t, k.want, send(t, producer, 1)[0].Cluster)
			require.Equal(t, []string{"SwitchRequested", "VerifyOrdered", "WritersRolling", "ProducerSeen", "ProducerRouted"}, p.events())
		})
	}
}

// hearing is a logger whose warnings can be heard; one that nobody hears is lost.
func hearing(warnings chan<- string) zerolog.Logger {
	return zerolog.New(warningsTo(warnings)).Level(zerolog.WarnLevel)
}

type warningsTo chan<- string

// Write passes a line on.
func (w warningsTo) Write(line []byte) (int, error) {
	select {
	case w <- string(line):
	default:
	}
	return len(line), nil
}

// One that is closed before it was ready tells nobody of a route, and says good-bye if it had registered.
func TestProducerClosedBeforeReady(t *testing.T) {
	p := newPlant(t)
	before := p.producer()
	send(t, before, 1)
	p.publish(0, events.PhaseRolling, events.RouteTarget) // and the copy never comes
	require.Eventually(t, func() bool { return len(p.events()) == 2 }, 10*time.Second, 10*time.Millisecond)
	producer := p.producer()
	require.Eventually(t, func() bool { return len(p.events()) == 3 }, 10*time.Second, 10*time.Millisecond)
	waiting := make(chan error)
	go func() {
		_, err := producer.Send(context.Background(), Message{Value: []byte("never")})
		waiting <- err
	}()
	require.NoError(t, producer.Close(t.Context()))
	require.ErrorIs(t, <-waiting, ErrClosed)
	require.Equal(t, []string{"ProducerSeen", "ProducerRouted", "ProducerSeen", "ProducerLeft"}, p.events())
	require.Zero(t, p.count(p.pair.Target, "orders-eu"))
}

// A directive for a later release stops a start: nothing is guessed.
func TestProducerTooOld(t *testing.T) {
	p := newPlant(t)
	d := events.Directive{
		SourceCluster: p.pair.Source.ID(), Addressee: events.ToProducers("orders"), Position: 0, Migration: "m", Stream: "topic/orders",
		Version: 3, Epoch: 1, Phase: events.PhaseRolling, AtLeast: "99.0",
		Topic: &events.TopicOrder{Route: events.RouteTarget, Source: "source", Target: "target", TargetTopic: "orders-eu", Partitions: 3},
	}
	require.NoError(t, eventlog.NewDirectives(p.control, eventlog.Options{}).Publish(t.Context(), d))
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	_, err := p.producer().Send(ctx, Message{Value: []byte("x")})
	require.ErrorContains(t, err, "not ready")
	require.Empty(t, p.events())
}

// While the control cluster is away a producer that starts is not ready; one that runs goes on.
func TestProducerControlAway(t *testing.T) {
	p := newPlant(t)
	running := p.producer()
	send(t, running, 1)
	p.pair.Target.Cut()
	starting := p.producer()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	_, err := starting.Send(ctx, Message{Value: []byte("x")})
	require.ErrorContains(t, err, "not ready")
	send(t, running, 3)
	p.pair.Target.Heal()
	send(t, starting, 1)
}
