package projector

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/events/log"
	"github.com/portage-kafka/portage/fsm"
)

// world writes plausible logs: several migrations go their way at random,
// among late, repeated, refused and foreign records. One seed, one log.
type world struct {
	rng     *rand.Rand
	fold    *dumb
	records []events.Record
	at      int64
	now     time.Time
	ids     int
	// names are the migrations; topics how many each plans.
	names  []string
	topics int
	// odd is how many of a hundred records are not what the protocol wants.
	odd int
}

func newWorld(seed uint64, migrations, topics, odd int) *world {
	w := &world{
		rng: rand.New(rand.NewPCG(seed, 1)), fold: newDumb(), now: time.UnixMilli(1_700_000_000_000).UTC(),
		topics: topics, odd: odd,
	}
	for i := range migrations {
		w.names = append(w.names, fmt.Sprintf("m%d", i))
	}
	return w
}

// write writes records and returns all so far.
func (w *world) write(n int) []events.Record {
	for range n {
		w.next()
	}
	return w.records
}

func (w *world) next() {
	w.now = w.now.Add(time.Duration(w.rng.IntN(4)-1) * time.Millisecond) // the clock of a broker may be set back
	if w.rng.IntN(100) < w.odd {
		w.oddRecord()
		return
	}
	m := w.names[w.rng.IntN(len(w.names))]
	stream, body := w.plausible(m)
	w.append(w.event(m, stream, body))
}

func (w *world) oddRecord() {
	switch n := w.rng.IntN(6); {
	case n == 0 && len(w.records) > 0: // a repeated append
		w.append(w.records[w.rng.IntN(len(w.records))].Event)
	case n == 1: // somebody's bytes
		_, _, refusal := events.Decode([]byte("somebody"), []byte("else's"))
		w.add(events.Record{Refusal: refusal})
	case n == 2: // compaction took records
		w.at += int64(w.rng.IntN(5))
	case n == 4: // of a later release
		e := w.event(w.names[0], events.MigrationStream, events.PauseRequested{})
		e.Schema = 99
		w.append(e)
	case n == 3: // out of date
		m := w.names[w.rng.IntN(len(w.names))]
		stream, body := w.plausible(m)
		e := w.event(m, stream, body)
		if e.Expects != nil {
			*e.Expects += 3
		}
		w.append(e)
	default:
		w.append(w.event(w.names[0], events.TopicStream(fmt.Sprintf("t%d", w.rng.IntN(w.topics))), events.CopySynced{Ends: ends}))
	}
}

// raw is the value of an event that this release would not write: its schema
// stands in the place of one that it would.
func (*world) raw(e events.Event) []byte {
	schema := fmt.Sprintf(`"schema":%d`, e.Schema)
	e.Schema = 1
	value, err := events.Encode(e)
	if err != nil {
		panic(err)
	}
	return []byte(strings.Replace(string(value), `"schema":1`, schema, 1))
}

// append adds a record of an event as a reader would decode it.
func (w *world) append(e events.Event) {
	if e.Migration == "" {
		return
	}
	if e.Schema == 99 {
		_, _, refusal := events.Decode([]byte(e.Key("-").String()), w.raw(e))
		w.add(events.Record{Event: e, Refusal: refusal})
		return
	}
	w.add(asRecord(e, 0))
}

func (w *world) add(rec events.Record) {
	rec.Position, rec.Time = w.at, w.now
	w.at++
	w.records = append(w.records, rec)
	w.fold.fold(rec)
}

var (
	source = events.ClusterRef{Name: "src", ID: "S"}
	target = events.ClusterRef{Name: "dst", ID: "T"}
	ends   = []events.PartitionOffset{{Partition: 0, Offset: 7}}
)

// event is an event with what the catalogue asks for.
func (w *world) event(migration string, stream events.Stream, body events.Body) events.Event {
	w.ids++
	kind, _ := events.Lookup(body.EventType())
	e, err := events.New(fmt.Sprintf("id-%d", w.ids), migration, stream, events.Actor{Kind: kind.Writers[0], Name: "w"}, w.now, body)
	if err != nil {
		panic(err)
	}
	version, epoch := w.standing(migration, stream)
	if kind.Class == events.Command || kind.Class == events.Decision {
		e.Expects = &version
	}
	if kind.Epoch {
		e.Epoch = max(epoch, 1)
		if e.Type == "SwitchRequested" {
			e.Epoch = epoch + 1
		}
	}
	return e
}

func (w *world) standing(migration string, s events.Stream) (uint64, uint32) {
	switch s.Kind() {
	case events.OfTopic:
		if t, ok := w.fold.Topic(migration, s.Name()); ok {
			return t.Standing.Version, t.Standing.Epoch
		}
	case events.OfGroup:
		if g, ok := w.fold.Group(migration, s.Name()); ok {
			return g.Standing.Version, g.Standing.Epoch
		}
	default:
		if m, ok := w.fold.Migration(migration); ok {
			return m.Standing.Version, m.Standing.Epoch
		}
	}
	return 0, 0
}

// plausible is something that may well come next in a migration.
func (w *world) plausible(name string) (events.Stream, events.Body) {
	m, ok := w.fold.Migration(name)
	if !ok || m.Phase == events.PhaseDrafting {
		return w.planning(name, m)
	}
	if w.rng.IntN(30) == 0 || m.Phase == events.PhasePlanned || m.Phase == events.PhasePaused {
		return events.MigrationStream, w.pick(events.StartRequested{}, events.PauseRequested{Reason: "lunch"}, events.ResumeRequested{}, events.Approved{Step: w.rng.IntN(4)})
	}
	i := w.rng.IntN(w.topics)
	if w.rng.IntN(3) == 0 {
		return w.ofGroup(name, groupName(name, i))
	}
	return w.ofTopic(name, topicName(name, i))
}

func topicName(migration string, i int) string { return fmt.Sprintf("%s-t%d", migration, i) }
func groupName(migration string, i int) string { return fmt.Sprintf("%s/g%d", migration, i) }

func (w *world) pick(bodies ...events.Body) events.Body { return bodies[w.rng.IntN(len(bodies))] }

func (w *world) planning(name string, m *fsm.Migration) (events.Stream, events.Body) {
	topics, groups := 0, 0
	if m != nil {
		topics, groups = m.Count.Topics, m.Count.Groups
	}
	if topics < w.topics {
		t := topicName(name, topics)
		return events.TopicStream(t), events.TopicPlanned{Source: source, TopicID: "aa", Partitions: 1, Target: target, TargetTopic: t, ReplicationFactor: 1}
	}
	if groups < w.topics && groups < 3 {
		return events.GroupStream(groupName(name, groups)), events.GroupPlanned{Source: source, Target: target, Topics: []string{topicName(name, groups)}}
	}
	return events.MigrationStream, events.MigrationCreated{
		Hash: "h", Machine: fsm.Version, Topics: topics, Groups: groups, Source: source, Targets: []events.ClusterRef{target},
		Strategy: "consumers-first",
		Steps:    []events.Step{{Do: "copy", Approve: "auto"}, {Do: "readers", Approve: "auto"}, {Do: "writers", Approve: "auto"}, {Do: "finish", Approve: "auto"}},
		Policy:   policy(),
	}
}

func policy() events.Policy {
	return events.Policy{PrepareMillis: 1, HoldMillis: 1, Straggler: events.StragglerAbort, MaxLag: 1, QuietMillis: 1, SilentMillis: 1}
}

func (w *world) ofTopic(migration, name string) (events.Stream, events.Body) {
	t, ok := w.fold.Topic(migration, name)
	if !ok {
		return events.TopicStream(name), events.CopyStarted{}
	}
	stopped := events.CopyStopped{Code: "failed", Reason: "disk"}
	next := map[events.Phase][]events.Body{
		events.PhasePlanned:  {events.CopyStarted{}},
		events.PhaseCreating: {events.TargetCreated{TopicID: "bb", Created: true}},
		events.PhaseCopying:  {events.CopySynced{Ends: ends}, stopped},
		events.PhaseSynced:   {events.VerifyOrdered{UpTo: ends}, events.PartitionVerified{UpTo: 7, Digest: "d"}},
		events.PhaseStopped:  {events.RetryRequested{}},
	}[t.Copy]
	next = append(next, map[events.Phase][]events.Body{
		events.PhaseOnSource:  {events.SwitchRequested{To: "target", Level: "restart"}},
		events.PhaseArming:    {events.CopyShared{}, events.WritersRolling{}, events.AbortRequested{Code: "c", Reason: "r"}},
		events.PhaseRolling:   {events.SwitchCommitted{Ends: ends}},
		events.PhaseCommitted: {events.SwitchCompleted{Evidence: "all"}},
	}[t.Writers]...)
	next = append(next, events.ProducerSeen{Incarnation: fmt.Sprintf("p%d", w.rng.IntN(3)), Instance: "i"})
	return events.TopicStream(name), w.pick(next...)
}

func (w *world) ofGroup(migration, name string) (events.Stream, events.Body) {
	g, ok := w.fold.Group(migration, name)
	if !ok || len(g.Topics) == 0 {
		return events.GroupStream(name), events.AgentSeen{Incarnation: "i1", Instance: "i"}
	}
	topic := g.Topics[0].Topic
	at := []events.TopicOffset{{Topic: topic, Offset: 3}}
	next := map[events.Phase][]events.Body{
		events.PhaseOnSource:  {events.GuardHeld{Side: "target", MemberID: "gt", Generation: 1}, events.SwitchRequested{To: "target"}},
		events.PhasePreparing: {events.GuardHeld{Side: "source", MemberID: "gs", Generation: 1}, events.Prepared{Incarnation: "i1", SourceMember: "m1", TargetMember: "t1"}, events.HoldOrdered{Members: []string{"m1"}}},
		events.PhaseHolding:   {events.Drained{Incarnation: "i1", Member: "m1"}, events.DrainProven{Offsets: at}},
		events.PhaseDrained:   {events.CutTaken{Cut: []events.CutPoint{{Topic: topic, Source: 3, Target: 2}}}},
		events.PhaseCut:       {events.Staged{Incarnation: "i1", Member: "t1", Offsets: []events.TopicOffset{{Topic: topic, Offset: 2}}}},
		events.PhaseStaged:    {events.SwitchCommitted{}, events.AbortRequested{Code: "c", Reason: "r"}},
		events.PhaseCommitted: {events.Resumed{Incarnation: "i1", Side: "target"}, events.GuardHeld{Side: "source", MemberID: "gs", Generation: 2}, events.SwitchCompleted{Evidence: "all"}},
	}[g.Readers]
	next = append(next, events.AgentSeen{Incarnation: fmt.Sprintf("i%d", w.rng.IntN(3)), Instance: "i"})
	return events.GroupStream(name), w.pick(next...)
}

// checkpoint appends a checkpoint of what the log is now.
func (w *world) checkpoint(migration string) events.Checkpoint {
	c := events.Checkpoint{Position: w.at - 1, Log: w.fold.log[migration].String(), State: w.fold.state(migration).String()}
	w.append(w.event(migration, events.MigrationStream, c))
	return c
}

// fakeLog is a Log over records in memory.
type fakeLog struct {
	cluster, topic string
	// split says how many records the next page has; nil: as many as asked for.
	split func() int
	// err fails a fetch from a position; nil: none.
	err func(from int64) error

	mu      sync.Mutex
	records []events.Record
	end     int64
	grew    chan struct{} // closed and replaced when the log is set
}

func newFakeLog(records []events.Record) *fakeLog {
	l := &fakeLog{cluster: "C", topic: "11", grew: make(chan struct{})}
	l.set(records)
	return l
}

// set replaces the records.
func (l *fakeLog) set(records []events.Record) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.records, l.end = records, 0
	if n := len(records); n > 0 {
		l.end = records[n-1].Position + 1
	}
	close(l.grew)
	l.grew = make(chan struct{})
}

func (l *fakeLog) now() ([]events.Record, int64, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.records, l.end, l.grew
}

func (l *fakeLog) Log() Log {
	return Log{
		ClusterID: l.cluster,
		TopicID:   func(context.Context) (string, error) { return l.topic, nil },
		End: func(context.Context) (int64, error) {
			_, end, _ := l.now()
			return end, nil
		},
		Reader:    func(from int64, topicID string) Reader { return &fakeReader{l: l, at: from} },
		Retriable: func(err error) bool { return errors.Is(err, errPassing) },
	}
}

type fakeReader struct {
	l  *fakeLog
	at int64
}

func (r *fakeReader) Next(ctx context.Context, limit int, wait time.Duration) (log.Page, error) {
	records, end, grew := r.l.now()
	if r.l.err != nil {
		if err := r.l.err(r.at); err != nil {
			return log.Page{}, err
		}
	}
	if r.at >= end {
		select {
		case <-ctx.Done():
		case <-grew:
		case <-time.After(wait):
		}
		return log.Page{Next: r.at, End: end}, ctx.Err()
	}
	if r.l.split != nil {
		limit = min(limit, r.l.split())
	}
	first, _ := slices.BinarySearchFunc(records, r.at, func(rec events.Record, at int64) int { return int(rec.Position - at) })
	last := min(first+limit, len(records))
	r.at = end
	if last < len(records) {
		r.at = records[last].Position
	}
	return log.Page{Records: records[first:last], Next: r.at, End: end}, nil
}

var errPassing = errors.New("a broker is away")

// catchUp folds a log into a store.
func catchUp(t testing.TB, s *Store, l *fakeLog) *Projector {
	t.Helper()
	p, err := New(Config{Store: s, Log: l.Log()})
	require.NoError(t, err)
	_, err = p.CatchUp(context.Background())
	require.NoError(t, err)
	return p
}

// memory opens a store in memory.
func memory(t testing.TB) *Store {
	t.Helper()
	s, err := Open(Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// view takes a view that is closed with the test.
func view(t testing.TB, s *Store) *View {
	t.Helper()
	v := s.View()
	require.NoError(t, v.Err())
	t.Cleanup(func() { require.NoError(t, v.Close()) })
	return v
}
