package group

import (
	"flag"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/portage-kafka/portage/cluster/group/grouptest"
)

var (
	simSeed  = flag.Uint64("group.seed", 0, "run the simulation of this seed alone")
	simSeeds = flag.Uint64("group.seeds", 30, "run the simulations of so many seeds")
)

// TestSimulation runs several members, a guard and its successors against the model of a coordinator, with crashes, frozen
// processes, lost connections and answers, coordinators that move, evictions and members that do not drain. At every
// step no partition has two holders; in the end everybody is in again. Run one seed: go test -run TestSimulation -group.seed N.
func TestSimulation(t *testing.T) {
	if *simSeed != 0 {
		simulate(t, *simSeed, true)
		return
	}
	for seed := uint64(1); seed <= *simSeeds; seed++ {
		if !t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) { simulate(t, seed, false) }) {
			return
		}
	}
}

// TestSimulationRepeats: the same seed gives the same story.
func TestSimulationRepeats(t *testing.T) {
	require.Equal(t, simulate(t, 7, false), simulate(t, 7, false))
	require.NotEqual(t, simulate(t, 7, false), simulate(t, 8, false))
}

// TestSimulationFindsTheMissingLease: members that go on fetching for as long as nobody has told them otherwise, which is what
// libraries do, are caught.
func TestSimulationFindsTheMissingLease(t *testing.T) {
	for seed := uint64(1); seed < 100; seed++ {
		s := newSim(t, seed)
		twice := false
		s.after = func() {
			for _, names := range s.holdersBy(false) {
				twice = twice || len(names) > 1
			}
		}
		if s.live(); twice {
			return
		}
	}
	t.Fatal("no seed shows what the lease is for")
}

type sim struct {
	*world
	t       *testing.T
	r       *rand.Rand
	seed    uint64
	commits uint64
	sent    map[uint64]Commit
	applied map[uint64]bool // commit ids by the offsets that they store
	newest  map[string]uint64
	trace   strings.Builder
	names   int
}

func simulate(t *testing.T, seed uint64, verbose bool) uint64 {
	s := newSim(t, seed)
	s.after = s.check
	t.Cleanup(func() {
		if verbose {
			t.Log(s.trace.String())
		}
	})
	s.live()
	s.calm()
	h := fnv.New64a()
	h.Write([]byte(s.trace.String()))
	return h.Sum64()
}

func newSim(t *testing.T, seed uint64) *sim {
	r := rand.New(rand.NewPCG(seed, 1))
	s := &sim{t: t, r: r, seed: seed, sent: map[uint64]Commit{}, applied: map[uint64]bool{}, newest: map[string]uint64{}}
	s.world = newWorld(grouptest.Options{InitialDelay: time.Duration(r.IntN(2)) * 3 * time.Second, Applied: s.stored})
	s.rng, s.log = r, s.note
	for i := range 1 + r.IntN(3) {
		s.counts[fmt.Sprintf("t%d", i)] = int32(1 + r.IntN(12))
	}
	return s
}

// note keeps the story and looks at every event.
func (s *sim) note(n *node, o Output) {
	e, ok := o.(Event)
	if !ok {
		return
	}
	if _, lost := e.(Lost); lost && !n.touched {
		s.t.Errorf("seed %d at %v: %s was never disturbed, but says %+v", s.seed, s.since(), n.name, e)
	}
	if _, joined := e.(Joined); joined || n.core.generation == none {
		n.kicked = false
	}
	fmt.Fprintf(&s.trace, "%v %s %T%+v\n", s.since(), n.name, e, e)
	s.answered(e)
}

// live is the troubled part of the story.
func (s *sim) live() {
	for range 2 + s.r.IntN(4) {
		s.born()
	}
	for range 60 {
		s.disturb()
		s.run(time.Duration(s.r.IntN(3000)) * time.Millisecond)
	}
}

func (s *sim) config(name string) Config {
	cfg := Config{Group: "g", Session: time.Duration(3+s.r.IntN(8)) * time.Second, Rebalance: time.Duration(5+s.r.IntN(26)) * time.Second, Jitter: s.r.Float64}
	who := Identity{Kind: KindAgent, Incarnation: name}
	if s.r.IntN(4) == 0 {
		who.Kind, cfg.Prompt = KindGuard, true
		if s.r.IntN(2) == 0 {
			cfg.InstanceID, cfg.Session, cfg.StayOut = "portage-guard", 10*time.Minute, s.r.IntN(2) == 0
		}
	}
	if cfg.Offer = Closed(who, sortedKeys(s.counts)...); s.r.IntN(2) == 0 {
		cfg.Offer = Open(who, sortedKeys(s.counts)...)
	}
	return cfg
}

func (s *sim) born() {
	s.names++
	name := fmt.Sprintf("n%d", s.names)
	cfg := s.config(name)
	for _, other := range s.nodes {
		other.touched = other.touched || cfg.InstanceID != "" && other.core.cfg.InstanceID != ""
	}
	n, err := s.add(name, cfg)
	require.NoError(s.t, err)
	n.touched = cfg.InstanceID != "" // which of two guards is the later one is not ours to say
	s.do(n, Start{})
}

// disturb does one thing to one node.
func (s *sim) disturb() {
	n := s.nodes[s.r.IntN(len(s.nodes))]
	what := s.r.IntN(14)
	n.touched = n.touched || what != 3 && what < 7
	switch what {
	case 0:
		n.up = false
		s.born()
	case 1:
		n.cut = !n.cut
	case 2:
		if n.frozen {
			s.thaw(n)
		} else {
			n.frozen = n.up
		}
	case 3:
		n.hold = !n.hold
		s.do(n, Ready{Generation: n.core.Status().Generation})
	case 4:
		ops := []string{opCommit, opCommit, opJoin, opSync, opHeartbeat, opCommit, opFetch, opLeave, opInventory}
		codes := []int16{codeUnknownServer, codeLoadInProgress, codeNotAvailable, codeNotCoordinator}
		n.faults = append(n.faults, fault{op: ops[s.r.IntN(len(ops))], code: codes[s.r.IntN(len(codes))], times: 1 + s.r.IntN(4), lost: s.r.IntN(2) == 0})
	case 5:
		n.kicked = true // by a person: until it hears of it the lease is void (silent members must be waited out, never kicked)
		s.broker.Evict("g", n.core.id)
		s.collect()
	case 6:
		s.do(n, Leave{})
	case 7:
		s.do(n, Rejoin{Offer: s.wanting(n)})
	case 8:
		if s.names < 12 {
			s.born()
		}
	default:
		s.commit(n)
	}
}

// wanting is the node's offer with other wants and names.
func (s *sim) wanting(n *node) Offer {
	o := n.core.Status().Offer
	o.Identity.Wants, o.Identity.WantsGeneration = Partitions{}, int32(s.r.IntN(5))
	for _, topic := range sortedKeys(s.counts) {
		o.Identity.Wants[topic] = []int32{int32(s.r.IntN(12))}
	}
	o.Protocols = Closed(o.Identity).Protocols
	if s.r.IntN(2) == 0 {
		o.Protocols = Open(o.Identity).Protocols
	}
	return o
}

// commit stores its own number as the offset of one partition that the node is assigned, or was a moment ago.
func (s *sim) commit(n *node) {
	for i := len(n.events) - 1; i >= 0 && n.up && !n.frozen; i-- {
		a, ok := n.events[i].(Assigned)
		if !ok || a.Assignment.Len() == 0 {
			continue
		}
		topic := a.Assignment.Partitions.Topics()[0]
		list := a.Assignment.Partitions[topic]
		where := Partition{Topic: topic, ID: list[s.r.IntN(len(list))]}
		for range 1 + s.r.IntN(4) {
			s.commits++
			c := Commit{ID: s.commits, Generation: a.Generation, Offsets: []Offset{{Partition: where, At: int64(s.commits)}}}
			s.sent[c.ID] = c
			s.do(n, c)
		}
		s.do(n, Fetch{ID: 1 << 40, Topics: map[string][]int32{topic: list}})
		s.do(n, Confirm{ID: 1 << 41})
		return
	}
}

// stored is the broker's view of commits: a member's commits to a partition never overtake each other.
func (s *sim) stored(a grouptest.Applied) {
	id := uint64(a.At)
	s.applied[id] = true
	require.Equal(s.t, a.Generation, s.sent[id].Generation, "seed %d: commit %d under another generation", s.seed, id)
	k := fmt.Sprintf("%s %s/%d", a.MemberID, a.Topic, a.Partition)
	require.GreaterOrEqual(s.t, id, s.newest[k], "seed %d: commit %d to %s came after a later one", s.seed, id, k)
	s.newest[k] = id
}

// answered compares what a node was told with what the broker did.
func (s *sim) answered(e Event) {
	c, ok := e.(Committed)
	if !ok {
		return
	}
	switch code := c.Results[0].Code; {
	case code == codeOK:
		require.True(s.t, s.applied[c.ID], "seed %d: commit %d is said to be stored", s.seed, c.ID)
	case !c.Unknown:
		require.False(s.t, s.applied[c.ID], "seed %d: commit %d is said to be refused (%d)", s.seed, c.ID, code)
	}
}

// check holds at every step: one holder per partition, one owner in every complete generation.
func (s *sim) check() {
	for p, names := range s.holders() {
		require.Len(s.t, names, 1, "seed %d at %v: %s has several holders\n%s", s.seed, s.since(), p, s.trace.String())
	}
	d := s.broker.Describe("g")
	if d.State != "Stable" {
		return
	}
	owners := map[string]string{}
	for _, m := range d.Members {
		a, err := decodeAssignment(m.Assignment)
		require.NoError(s.t, err)
		for topic, list := range a.Partitions {
			for _, p := range list {
				k := fmt.Sprintf("%s/%d", topic, p)
				require.Empty(s.t, owners[k], "seed %d at %v: %s has two owners in generation %d", s.seed, s.since(), k, d.Generation)
				owners[k] = m.ID
			}
		}
	}
}

// calm ends all faults; then everybody who is not fenced or gone must be assigned in one generation, and hold its lease.
func (s *sim) calm() {
	for _, n := range s.nodes {
		n.cut, n.hold, n.faults = false, false, nil
		if n.frozen {
			s.thaw(n)
		}
		s.do(n, Ready{Generation: n.core.assignedIn})
	}
	s.run(2 * time.Minute)
	d := s.broker.Describe("g")
	owned := 0
	for _, n := range s.nodes {
		st := n.core.Status()
		if !n.up || st.Phase == fenced.String() || st.Phase == idle.String() {
			continue
		}
		require.True(s.t, st.Assigned, "seed %d: %s is %s\n%s", s.seed, n.name, st.Phase, s.trace.String())
		require.Equal(s.t, d.Generation, st.Generation, "seed %d: %s", s.seed, n.name)
		require.True(s.t, n.core.Lease().Holds(s.now), "seed %d: %s", s.seed, n.name)
		owned += st.Assignment.Len()
		if st.Offer.Identity.Kind != KindGuard {
			owned = max(owned, 1<<30)
		}
	}
	s.everythingOwned(owned)
}

// everythingOwned: if any agent is left, every partition is somebody's.
func (s *sim) everythingOwned(owned int) {
	if owned < 1<<30 {
		require.Zero(s.t, owned, "seed %d: guards hold partitions", s.seed)
		return
	}
	total := 0
	for _, c := range s.counts {
		total += int(c)
	}
	require.Len(s.t, s.holders(), total, "seed %d", s.seed)
}
