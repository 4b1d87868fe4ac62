package replicator

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/portage-kafka/portage/cluster/batch"
	"github.com/portage-kafka/portage/fsm/offsetmap"
	"github.com/stretchr/testify/require"
)

var (
	simSeed  = flag.Uint64("replicator.seed", 0, "run the simulation of this seed alone")
	simSeeds = flag.Uint64("replicator.seeds", 400, "run the simulations of so many seeds")
)

// TestSimulation lets owners of one partition come, crash, linger as zombies
// and lose acknowledgements while requests arrive late, and checks that the
// target has every committed record once and in order, or that a core has said
// what is wrong. Run one seed: go test -run TestSimulation -replicator.seed N.
func TestSimulation(t *testing.T) {
	if *simSeed != 0 {
		outcome, err := runSim(*simSeed, nil)
		require.NoError(t, err)
		t.Log(outcome)
		return
	}
	outcomes := map[string]int{}
	for seed := uint64(1); seed <= *simSeeds; seed++ {
		outcome, err := runSim(seed, nil)
		require.NoError(t, err, "seed %d", seed)
		outcomes[outcome]++
	}
	t.Logf("outcomes: %v", outcomes)
	require.Greater(t, outcomes["exact"], int(*simSeeds*8/10), "most histories must end in an exact copy")
}

// flight is a produce request on the network.
type flight struct {
	owner *simOwner
	it    *item
	bytes batch.Batch
	conn  int  // the connection that it travels on, which keeps the order
	ghost bool // the owner has given up waiting for it
}

type simOwner struct {
	core    *core
	name    string
	pub     *publication
	conn    int
	retired bool // crashed
}

type sim struct {
	r       *rand.Rand
	plant   func(*sim, *simOwner, ask) bool // breaks a rule, see TestEveryRuleCounts
	source  *sourceLog
	target  *targetLog
	offsets *offsetsLog
	owners  []*simOwner
	flights []*flight
	now     time.Duration
	pids    int64
	ours    map[int64]bool
	shared  bool
	foreign int
	compact bool
	// late says that a batch landed after a later owner had looked, or after its
	// own owner had, and the broker forgot it then: the two cases in which a
	// record may be on the target twice.
	late, ghosts bool
	// unfenced says that a former owner went on after the broker had forgotten
	// the fence. In a worker the lease forbids that; a core alone notices it but
	// where others write to the target, too.
	forgotten, unfenced bool
}

// runSim plays one history and judges it. plant may answer an ask of an owner
// in the world's stead, wrongly.
func runSim(seed uint64, plant func(*sim, *simOwner, ask) bool) (outcome string, err error) {
	r := rand.New(rand.NewPCG(seed, 7))
	s := &sim{r: r, plant: plant, source: &sourceLog{}, target: newTarget(), offsets: newOffsets(), ours: map[int64]bool{}, pids: 1000}
	s.shared, s.compact = seed%5 == 0, seed%7 == 0
	if seed%3 == 0 {
		s.target.maxBytes = 400
	}
	s.source.start = r.Int64N(2) * 10
	s.source.end = s.source.start
	for range 30 {
		s.source.random(r)
	}
	s.newOwner()
	for range 300 {
		s.step()
	}
	if err := s.calm(); err != nil {
		return "", err
	}
	return s.check()
}

func (s *sim) newOwner() *simOwner {
	l := limits{owner: fmt.Sprint("w", len(s.owners)), window: 1 + s.r.IntN(2), buffer: 3000, mergeBelow: 200, mergeUpTo: 500, alignAtOnce: 1 + s.r.IntN(20), blockRuns: 3, publishEvery: 10}
	o := &simOwner{core: newCore(l, s.shared), name: l.owner}
	s.owners = append(s.owners, o)
	return o
}

// step does one thing of many that may happen next.
func (s *sim) step() {
	s.now += time.Duration(s.r.IntN(5))
	o := s.owners[max(0, len(s.owners)-1-s.r.IntN(2))]
	switch n := s.r.IntN(100); {
	case n < 3:
		s.owners[len(s.owners)-1].retired = s.r.IntN(2) == 0
		s.newOwner()
	case n < 40:
		s.deliver(s.r.IntN(10) < 2, s.r.IntN(10) < 2)
	case n < 43:
		s.source.random(s.r)
	case n < 45 && s.compact:
		s.source.compact(s.r)
	case n < 47 && s.shared:
		s.write()
	case n < 48:
		s.restart()
	case !o.retired:
		s.act(o)
	}
}

// restart is that of the target broker: connections break, what travelled on
// them is lost, and no producer is known any more (records are old).
func (s *sim) restart() {
	for _, o := range s.owners {
		s.breakConnection(o)
	}
	s.late, s.forgotten = s.late || s.ghosts, true
	s.flights = nil
	s.target.known = map[int64]*producerState{}
}

// write is a native record of somebody else on the target.
func (s *sim) write() {
	s.foreign++
	b, err := batch.Build(batch.Spec{}, []batch.Record{{Value: text("native %d", s.foreign)}})
	if err != nil {
		panic(err)
	}
	s.target.produce(b)
}

// act lets an owner do what it can.
func (s *sim) act(o *simOwner) {
	switch s.r.IntN(4) {
	case 0:
		if from, ok := o.core.wants(); ok && from < s.source.end {
			o.core.fetched(from, s.source.fetch(from, 300+s.r.IntN(900)))
		}
	case 1:
		s.publish(o)
	case 2:
		s.answer(o)
	default:
		if it, ok := o.core.send(s.now, s.now+1); ok {
			s.flights = append(s.flights, &flight{owner: o, conn: o.conn, it: it, bytes: slices.Clone(it.bytes)})
		}
	}
}

func (s *sim) publish(o *simOwner) {
	if p, ok := o.core.take(s.now, s.r.IntN(2) == 0); ok {
		s.offsets.publish(p.block)
		o.core.published(p, s.now)
	}
}

// answer does what the core asks for.
func (s *sim) answer(o *simOwner) {
	c := o.core
	a := c.ask()
	if s.plant != nil && s.plant(s, o, a) {
		return
	}
	switch a.kind {
	case askLoad:
		c.loaded(s.offsets.load())
	case askProducer:
		s.pids++
		s.ours[s.pids] = true
		c.produced(s.pids, 0)
	case askClaim:
		published, _ := s.offsets.claim(a.claim)
		c.claimed(published)
	case askBounds:
		c.bounded(bounds{sourceStart: s.source.start, targetEnd: s.target.end, maxBytes: s.target.maxBytes * s.r.IntN(2)})
	case askTarget:
		c.targetRead(s.target.read(a.from, 700))
	case askSource:
		c.sourceRead(s.source.fetch(a.from, 700))
	case askPublish:
		s.publish(o)
	case askReport:
		c.reported()
	}
}

// deliver brings a request to the target: the oldest of a connection, whether
// somebody still waits for it or not.
func (s *sim) deliver(lost, held bool) {
	if len(s.flights) == 0 {
		return
	}
	f := s.flights[s.r.IntN(len(s.flights))]
	i := slices.IndexFunc(s.flights, func(x *flight) bool { return x.owner == f.owner && x.conn == f.conn })
	f = s.flights[i]
	if held && !f.ghost { // the connection breaks before the request is handled
		s.breakConnection(f.owner)
		return
	}
	s.flights = slices.Delete(s.flights, i, i+1)
	end := s.target.end
	a := s.target.produce(f.bytes)
	if s.target.end > end {
		s.late = s.late || s.superseded(f.owner)
		s.unfenced = s.unfenced || s.forgotten && s.superseded(f.owner)
		s.ghosts = s.ghosts || f.ghost
	}
	switch {
	case f.ghost:
	case lost:
		f.owner.core.answered(f.it, answer{err: errors.New("connection lost")})
		s.breakConnection(f.owner)
	default:
		f.owner.core.answered(f.it, a)
	}
}

// breakConnection leaves an owner's requests without an answer; they may still
// arrive.
func (s *sim) breakConnection(o *simOwner) {
	o.conn++
	for _, f := range s.flights {
		if f.owner == o && !f.ghost {
			f.ghost = true
			o.core.answered(f.it, answer{err: errors.New("connection lost")})
		}
	}
}

// superseded says whether a later owner has looked at the target already.
func (s *sim) superseded(o *simOwner) bool {
	i := slices.Index(s.owners, o)
	return slices.ContainsFunc(s.owners[i+1:], func(x *simOwner) bool {
		return x.core.phase > resolving || x.core.resolve.state > askBounds
	})
}

// calm ends all faults: one last owner finishes.
func (s *sim) calm() error {
	for _, o := range s.owners {
		o.retired = true
	}
	for len(s.flights) > 0 {
		s.deliver(false, false)
	}
	o := s.newOwner()
	for range 100_000 {
		s.now += 20
		s.act(o)
		s.deliver(false, false)
		c := o.core
		if c.phase == halted && c.stop.reported || (c.phase == copying && c.watermark() == s.source.end) {
			return nil
		}
	}
	return fmt.Errorf("the last owner does not finish: %s, %+v", o.core.phase, o.core.queue)
}

// check compares the target with the source.
func (s *sim) check() (string, error) {
	last := s.owners[len(s.owners)-1].core
	if last.phase == halted {
		switch {
		case s.compact && strings.Contains(last.stop.reason, offsetmap.ErrConflict.Error()):
			return "contradiction noticed", nil // a former owner published late, and compaction had changed what its successor saw
		case !s.late || last.stop.code != CodeDiverged:
			return "", fmt.Errorf("halted without a cause: %+v", last.stop)
		}
		return "doubled and noticed", nil
	}
	_, blocks := s.offsets.load()
	m, err := mergeBlocks(blocks)
	if err != nil || m.Watermark() != s.source.end {
		return "", fmt.Errorf("the map ends at %d of %d: %w", m.Watermark(), s.source.end, err)
	}
	got, want := s.target.written(s.ours), s.source.committed()
	if s.shared && s.unfenced && len(got) > len(want) {
		return "doubled by an owner without a lease", nil
	}
	return "exact", s.compareAll(&m, want, got)
}

// compareAll: every record is on the target, in order and where the map says.
// Nothing else is, but what was removed from the source after it was copied.
func (s *sim) compareAll(m *offsetmap.Map, want, got []batch.Record) error {
	for _, w := range want {
		for s.compact && len(got) > 0 && string(got[0].Value) != string(w.Value) {
			got = got[1:]
		}
		if len(got) == 0 {
			return fmt.Errorf("the record of source offset %d is not on the target", w.Offset)
		}
		g := got[0]
		got = got[1:]
		if at, err := m.Translate(w.Offset, s.source.start); err != nil || at.Offset != g.Offset || at.Kind != offsetmap.Image {
			return fmt.Errorf("the map says that source offset %d is at %+v (%v), it is at %d", w.Offset, at, err, g.Offset)
		}
		w.Offset, g.Offset = 0, 0
		if !reflect.DeepEqual(w, g) {
			return fmt.Errorf("source record %+v is %+v on the target", w, g)
		}
	}
	if len(got) > 0 && !s.compact {
		return fmt.Errorf("%d records too many are on the target", len(got))
	}
	return nil
}

func requireSame(t *testing.T, want, got batch.Record) {
	t.Helper()
	want.Offset, got.Offset = 0, 0
	require.Equal(t, want, got)
}

// rareHistories says where the search for a history begins that shows the need
// of a rule, for rules that few histories show.
var rareHistories = map[string]uint64{"the first block is published before anything is sent": 5370}

// TestEveryRuleCounts breaks the rules of the core one at a time: the
// simulation must notice each, or it would prove nothing.
func TestEveryRuleCounts(t *testing.T) {
	for name, plant := range map[string]func(*sim, *simOwner, ask) bool{
		"a claim raises the epoch": func(s *sim, o *simOwner, a ask) bool {
			if a.kind == askClaim && a.claim.OwnerEpoch > 0 {
				last := &s.offsets.claims[len(s.offsets.claims)-1]
				last.Nonce = o.name
				o.core.claimed(*last)
				return true
			}
			return false
		},
		"a new owner resolves": func(_ *sim, o *simOwner, a ask) bool {
			if a.kind == askTarget && o.core.phase == resolving {
				o.core.resolved()
				return true
			}
			return false
		},
		"a doubt is rechecked": func(_ *sim, o *simOwner, a ask) bool {
			if c := o.core; a.kind == askBounds && c.phase == rechecking {
				for _, it := range c.queue.items[:c.queue.made] {
					it.acked = false
				}
				c.queue.doubt, c.queue.reorder, c.phase = "", false, copying
				c.queue.sequence, c.ledger.sequence = 0, 0
				c.queue.items, c.queue.made = nil, 0
				c.queue.position, _ = c.ledger.end()
				return true
			}
			return false
		},
		"the first block is published before anything is sent": func(_ *sim, o *simOwner, a ask) bool {
			if a.kind == askPublish && o.core.phase == recording {
				o.core.phase = copying
				o.core.ledger.clean = o.core.ledger.changes
				return true
			}
			return false
		},
		"an expected offset is compared": func(_ *sim, o *simOwner, a ask) bool {
			if c := o.core; a.kind == askBounds && c.phase == rechecking && c.queue.made > 0 && c.queue.items[0].acked {
				c.queue.doubt, c.phase = "", copying
				c.book(c.queue.items[0].base)
				return true
			}
			return false
		},
	} {
		t.Run(name, func(t *testing.T) {
			first := rareHistories[name] + 1
			for seed := first; seed < first+3000; seed++ {
				if _, err := quietly(seed, plant); err != nil {
					t.Logf("seed %d: %v", seed, err)
					return
				}
			}
			require.Fail(t, "no history shows that the rule is needed")
		})
	}
}

// quietly plays a history in which a broken core may even panic.
func quietly(seed uint64, plant func(*sim, *simOwner, ask) bool) (outcome string, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return runSim(seed, plant)
}
