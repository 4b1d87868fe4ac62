package fsm_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/portage-kafka/portage/events"
)

// TestAcknowledgementsCommute appends the same acknowledgements in two orders,
// the second time with repetitions in between: the rows must not tell the
// difference, apart from the positions of the log.
func TestAcknowledgementsCommute(t *testing.T) {
	const instances = 4
	cases := map[string]struct {
		stream events.Stream
		axis   events.Axis
		phase  events.Phase
		acks   func(w *world) []events.Body
	}{
		"prepared": {"group/billing", events.ReadersAxis, events.PhasePreparing, func(*world) (list []events.Body) {
			for i := range instances {
				list = append(list,
					events.Prepared{Incarnation: name("i", i), SourceMember: name("m", i), TargetMember: name("t", i)},
					events.AgentSeen{Incarnation: name("i", i), Instance: name("pod", i)})
			}
			return list
		}},
		"drained": {"group/billing", events.ReadersAxis, events.PhaseHolding, func(w *world) (list []events.Body) {
			for i := range int64(instances) {
				group, _ := w.Group("m", "billing")
				at := everywhere(group, i)
				list = append(list,
					events.Drained{Incarnation: name("i", int(i)), Member: name("m", int(i)), Processed: at[:2], Committed: at[1:], Abandoned: at},
					events.Drained{Incarnation: "i0", Member: "m0", Processed: at, Committed: at[:1]})
			}
			return list
		}},
		"staged": {"group/billing", events.ReadersAxis, events.PhaseCut, func(w *world) (list []events.Body) {
			group, _ := w.Group("m", "billing")
			at := everywhere(group, 5)
			for i := range at {
				list = append(list,
					events.Staged{Incarnation: name("i", i), Member: name("t", i), Offsets: at[i : i+1]},
					events.Staged{Incarnation: name("i", i), Member: name("t", i), Offsets: at[:i]})
			}
			return list
		}},
		"resumed": {"group/billing", events.ReadersAxis, events.PhaseCommitted, func(*world) (list []events.Body) {
			for i := range instances {
				list = append(list, events.Resumed{Incarnation: name("i", i), Side: events.RouteTarget})
			}
			return list
		}},
		"shared and routed": {"topic/orders", events.WritersAxis, events.PhaseArming, func(w *world) (list []events.Body) {
			for i := range instances {
				w.say(t, "m", said{"topic/orders", events.ProducerSeen{Incarnation: name("p", i), Instance: name("web", i)}})
				list = append(list, events.CopyShared{Partition: int32(i % 3)}, events.ProducerRouted{Incarnation: name("p", i), Route: events.RouteTarget},
					events.ProducerRouted{Incarnation: "p0", Route: events.RouteSource})
			}
			return append(list, events.ProducerLeft{Incarnation: "p1"}, events.ProducerLeft{Incarnation: "p1", Silent: true})
		}},
		"verified": {"topic/orders", events.CopyAxis, events.PhaseSynced, func(w *world) (list []events.Body) {
			topic, _ := w.Topic("m", "orders")
			w.say(t, "m", said{"topic/orders", events.VerifyOrdered{UpTo: endsOf(topic, 9)}})
			for p := range int32(3) {
				list = append(list, events.PartitionVerified{Partition: p, UpTo: 9, Records: 9, Digest: "d"}, events.PartitionVerified{Partition: p, UpTo: 8, Records: 8, Digest: "short"})
			}
			return list
		}},
	}
	for what, c := range cases {
		t.Run(what, func(t *testing.T) {
			rapid.Check(t, func(rt *rapid.T) {
				rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 0))
				fold := func(shuffled bool) string {
					w := newWorld()
					w.plan(t, "m", planned{topics: []string{"orders:3"}, groups: nil})
					if c.stream.Kind() == events.OfGroup {
						w = newWorld()
						w.plan(t, "m", planned{topics: []string{"orders:3"}, groups: []string{"billing:orders"}})
					}
					w.drive(t, "m", "topic/orders", events.CopyAxis, events.PhaseSynced)
					w.drive(t, "m", c.stream, c.axis, c.phase)
					acks := c.acks(w)
					if shuffled {
						rng.Shuffle(len(acks), func(i, j int) { acks[i], acks[j] = acks[j], acks[i] })
					}
					for _, body := range acks {
						e := w.event(t, "m", said{c.stream, body})
						w.apply(t, e)
						if shuffled && rng.IntN(3) == 0 {
							w.apply(t, e)
						}
					}
					w.recount(t)
					return w.withoutPositions(t)
				}
				require.Equal(rt, fold(false), fold(true))
			})
		})
	}
}

func name(prefix string, i int) string { return fmt.Sprintf("%s%d", prefix, i) }

// withoutPositions is the rows, and the effects that are open, without the
// positions of the log in them.
func (w *world) withoutPositions(t *testing.T) string {
	var rows any
	require.NoError(t, json.Unmarshal([]byte(w.dump(t)), &rows))
	strip(rows)
	raw, err := json.MarshalIndent(rows, "", " ")
	require.NoError(t, err)
	return string(raw)
}

func strip(v any) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			strip(e)
		}
	case map[string]any:
		for _, k := range []string{"changed", "phase_at", "seen", "position", "cause"} {
			delete(v, k)
		}
		for _, e := range v {
			strip(e)
		}
	}
}
