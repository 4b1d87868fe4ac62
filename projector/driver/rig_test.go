package driver

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/cluster/batch"
	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/events/log"
	"github.com/portage-kafka/portage/fsm"
	"github.com/portage-kafka/portage/fsm/offsetmap"
	"github.com/portage-kafka/portage/projector"
	"github.com/portage-kafka/portage/testkit/embedded"
)

// patience bounds every wait for a state: machines may be busy.
const patience = time.Minute

// rig is a driver that does not run: a test looks at one stream at a time, and
// writes in the names of everybody else. The target is the control cluster.
type rig struct {
	t       *testing.T
	pair    *embedded.Pair
	clients map[string]*cluster.Client
	log     *log.Appender
	store   *projector.Store
	d       *Driver

	// migration is the one that is planned, looked at and spoken of.
	migration string

	mu sync.Mutex
	// away are the clusters that cannot be opened, refused is the type of event
	// that cannot be appended.
	away    map[string]bool
	refused events.Type
	// waits is what streams wait for, appended what the driver has written.
	waits    map[events.Stream]string
	appended []events.Event
	said     int
	// meanwhile is for hooks that a test sets later.
	meanwhile func()
}

var errAway = errors.New("this cluster is away")

func newRig(t *testing.T, change ...func(*Config)) *rig {
	t.Helper()
	r := &rig{
		t: t, pair: embedded.ForTest(t, embedded.Options{Seed: 1}), clients: make(map[string]*cluster.Client),
		migration: "m", away: make(map[string]bool), waits: make(map[events.Stream]string),
	}
	for name, c := range map[string]*embedded.Cluster{"source": r.pair.Source, "target": r.pair.Target} {
		r.clients[name] = openClient(t, name, c)
	}
	_, err := log.Init(t.Context(), r.target(), log.InitOptions{})
	require.NoError(t, err)
	r.log = log.NewAppender(r.target(), log.AppenderOptions{})
	r.store = foldInMemory(t, r.target())
	r.d = r.driver(change...)
	r.d.maps.whole()
	return r
}

// openClient returns a client that is closed when the test ends.
func openClient(t *testing.T, name string, c *embedded.Cluster, change ...func(*cluster.Config)) *cluster.Client {
	t.Helper()
	cfg := cluster.Config{Bootstrap: c.Bootstrap(), RequestTimeout: 5 * time.Second, Settle: 100 * time.Millisecond}
	for _, f := range change {
		f(&cfg)
	}
	client, err := cluster.Open(t.Context(), name, cfg)
	require.NoError(t, err)
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// foldInMemory keeps a fold of the log up to date until the test ends.
func foldInMemory(t *testing.T, control *cluster.Client) *projector.Store {
	t.Helper()
	store, err := projector.Open(projector.Options{Logger: zerolog.Nop()})
	require.NoError(t, err)
	fold, err := projector.New(projector.Config{Store: store, Wait: 100 * time.Millisecond, Retry: 5 * time.Millisecond, RetryMost: 20 * time.Millisecond, Log: projector.Log{
		ClusterID: control.ID(),
		TopicID:   func(ctx context.Context) (string, error) { return log.TopicID(ctx, control) },
		End:       func(ctx context.Context) (int64, error) { return log.End(ctx, control) },
		Reader:    func(from int64, id string) projector.Reader { return log.NewReader(control, from).Pin(id) },
		Retriable: cluster.Retriable,
	}})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- fold.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		<-done
		_ = store.Close()
	})
	return store
}

// driver makes a driver on the rig's store; its guards are let go when the test
// ends.
func (r *rig) driver(change ...func(*Config)) *Driver {
	r.t.Helper()
	cfg := Config{
		Store: r.store, Control: r.target(), Appender: r, Logger: zerolog.Nop(), Poll: time.Nanosecond, Idle: 5 * time.Millisecond, GuardSession: time.Minute,
		Actor: events.Actor{Kind: events.Orchestrator, Name: "here"},
		Clusters: func(_ context.Context, name string) (*cluster.Client, error) {
			r.mu.Lock()
			defer r.mu.Unlock()
			if r.away[name] {
				return nil, errAway
			}
			return r.clients[name], nil
		},
		Hooks: Hooks{
			Waiting: func(_ string, s events.Stream, why string) { r.waits[s] = why },
			Appended: func(e events.Event, _ int64) {
				r.mu.Lock()
				defer r.mu.Unlock()
				r.appended = append(r.appended, e)
			},
		},
	}
	for _, f := range change {
		f(&cfg)
	}
	d, err := New(cfg)
	require.NoError(r.t, err)
	r.t.Cleanup(d.guards.close)
	d.pub.rest = time.Millisecond
	return d
}

func (r *rig) source() *cluster.Client { return r.clients["source"] }
func (r *rig) target() *cluster.Client { return r.clients["target"] }

var errRefused = errors.New("the log takes no such event now")

// Append implements Appender.
func (r *rig) Append(ctx context.Context, e events.Event) (int64, error) {
	r.mu.Lock()
	refused := r.refused
	r.mu.Unlock()
	if refused == e.Type {
		return -1, errRefused
	}
	return r.log.Append(ctx, e)
}

// look looks at a stream once.
func (r *rig) look(s events.Stream) (time.Duration, error) {
	r.t.Helper()
	return r.d.lookOnce(r.t.Context(), item{r.migration, s})
}

// does looks at a stream once: it must append an event of a type that counts.
func (r *rig) does(s events.Stream, kind events.Type) events.Event {
	r.t.Helper()
	before := len(r.appended)
	next, err := r.look(s)
	require.NoError(r.t, err)
	require.Greater(r.t, len(r.appended), before, "%s waits for %q", s, r.waits[s])
	last := r.appended[len(r.appended)-1]
	require.Equal(r.t, kind, last.Type)
	require.Equal(r.t, again, next, "it counted")
	return last
}

// awaits looks at a stream once: it must append nothing and wait for something.
func (r *rig) awaits(s events.Stream, why string) {
	r.t.Helper()
	before := len(r.appended)
	next, err := r.look(s)
	require.NoError(r.t, err)
	require.Len(r.t, r.appended, before, "nothing to append")
	require.Positive(r.t, next)
	require.Contains(r.t, r.waits[s], why)
}

// fails looks at a stream once: it must append nothing and fail.
func (r *rig) fails(s events.Stream, why string) {
	r.t.Helper()
	before := len(r.appended)
	_, err := r.look(s)
	require.ErrorContains(r.t, err, why)
	require.Len(r.t, r.appended, before)
}

// say appends an event in somebody's name and waits until it is folded; it must
// count.
func (r *rig) say(by events.ActorKind, s events.Stream, epoch uint32, body events.Body) int64 {
	r.t.Helper()
	return r.answer("", by, s, epoch, body)
}

// answer is say for an event that answers another one.
func (r *rig) answer(cause string, by events.ActorKind, s events.Stream, epoch uint32, body events.Body) int64 {
	r.t.Helper()
	r.said++
	e, err := events.New(fmt.Sprintf("said-%d", r.said), r.migration, s, events.Actor{Kind: by, Name: "tester"}, time.Now().UTC(), body)
	require.NoError(r.t, err)
	e.Epoch, e.Cause = epoch, cause
	if kind, _ := events.Lookup(e.Type); kind.Class == events.Command || kind.Class == events.Decision {
		version := r.version(s)
		e.Expects = &version
	}
	at, err := r.log.Append(r.t.Context(), e)
	require.NoError(r.t, err)
	require.NoError(r.t, r.store.Wait(r.t.Context(), at))
	v := r.store.View()
	defer func() { require.NoError(r.t, v.Close()) }()
	note, _ := v.Note(at)
	require.Equal(r.t, fsm.Accepted, note.Verdict, "%s: %s", e.Type, note.Reason)
	return at
}

// version is that of a stream, 0 for one that is not there yet.
func (r *rig) version(s events.Stream) uint64 {
	v := r.store.View()
	defer func() { require.NoError(r.t, v.Close()) }()
	switch s.Kind() {
	case events.OfTopic:
		if t, ok := v.Topic(r.migration, s.Name()); ok {
			return t.Standing.Version
		}
	case events.OfGroup:
		if g, ok := v.Group(r.migration, s.Name()); ok {
			return g.Standing.Version
		}
	default:
		if m, ok := v.Migration(r.migration); ok {
			return m.Standing.Version
		}
	}
	return 0
}

func (r *rig) topic(name string) *fsm.Topic {
	r.t.Helper()
	v := r.store.View()
	defer func() { require.NoError(r.t, v.Close()) }()
	t, ok := v.Topic(r.migration, name)
	require.True(r.t, ok)
	return t
}

func (r *rig) group(name string) *fsm.Group {
	r.t.Helper()
	v := r.store.View()
	defer func() { require.NoError(r.t, v.Close()) }()
	g, ok := v.Group(r.migration, name)
	require.True(r.t, ok)
	return g
}

// marshal is a body as it stands in an event.
func marshal(t *testing.T, body events.Body) string {
	t.Helper()
	raw, err := json.Marshal(body)
	require.NoError(t, err)
	return string(raw)
}

func refOf(c *cluster.Client) events.ClusterRef { return events.ClusterRef{Name: c.Name(), ID: c.ID()} }

// begin plans topics with one partition each, and groups that read all of them,
// and starts. Every step but the first waits for a person. A topic that is not
// on the source is created there.
func (r *rig) begin(groups []string, topics ...string) {
	r.t.Helper()
	r.plan(groups, events.TopicPlanned{Partitions: 1, ReplicationFactor: 1}, topics...)
	r.say(events.Operator, events.MigrationStream, 0, events.StartRequested{})
}

// plan is begin without the start; what is like says the rest of the topics.
func (r *rig) plan(groups []string, like events.TopicPlanned, topics ...string) {
	r.t.Helper()
	like.Source, like.Target = refOf(r.source()), refOf(r.target())
	for _, name := range topics {
		have, err := r.source().Topics(r.t.Context(), name)
		require.NoError(r.t, err)
		if _, there := have[name]; !there {
			require.NoError(r.t, r.pair.Source.CreateTopic(embedded.Topic{Name: name, Partitions: like.Partitions}))
		}
		like.TargetTopic = name
		r.say(events.Operator, events.TopicStream(name), 0, like)
	}
	for _, g := range groups {
		r.say(events.Operator, events.GroupStream(g), 0, events.GroupPlanned{Source: like.Source, Target: like.Target, Topics: topics})
	}
	r.say(events.Operator, events.MigrationStream, 0, events.MigrationCreated{
		Hash: "h", Machine: fsm.Version, Topics: len(topics), Groups: len(groups), Source: like.Source, Targets: []events.ClusterRef{like.Target}, Strategy: "test",
		Steps:  []events.Step{{Do: events.StepCopy, Approve: "auto"}, {Do: events.StepReaders, Approve: "manual"}, {Do: events.StepWriters, Approve: "manual"}, {Do: events.StepFinish, Approve: "manual"}},
		Policy: events.Policy{PrepareMillis: 60_000, HoldMillis: 20_000, Straggler: "abort", MaxLag: 10, QuietMillis: 60_000, SilentMillis: 600_000},
	})
}

// created takes topics to where workers begin to copy.
func (r *rig) created(topics ...string) {
	r.t.Helper()
	for _, name := range topics {
		s := events.TopicStream(name)
		r.does(s, "CopyStarted")
		r.does(s, "TargetCreated")
	}
}

// synced takes topics to where their copy has reached the source's end: a worker
// has copied what is there.
func (r *rig) synced(topics ...string) {
	r.t.Helper()
	r.created(topics...)
	for _, name := range topics {
		r.copied(name)
		r.does(events.TopicStream(name), "CopySynced")
	}
}

// write appends records to the only partition of a topic.
func (r *rig) write(at *cluster.Client, topic string, values ...string) {
	r.t.Helper()
	records := make([]batch.Record, len(values))
	for i, v := range values {
		records[i] = batch.Record{Timestamp: time.Now().UnixMilli(), Key: []byte("k"), Value: []byte(v)}
	}
	b, err := batch.Build(batch.Spec{}, records)
	require.NoError(r.t, err)
	_, err = at.Append(r.t.Context(), topic, 0, b)
	require.NoError(r.t, err)
}

// copied copies what the source has and the target has not, and says so in the
// map, as a worker would.
func (r *rig) copied(topic string) {
	r.t.Helper()
	from := r.end(r.target(), topic)
	page, err := r.source().Read(r.t.Context(), topic, 0, from, cluster.ReadOptions{})
	require.NoError(r.t, err)
	if len(page.Records) > 0 {
		b, err := batch.Build(batch.Spec{}, page.Records)
		require.NoError(r.t, err)
		_, err = r.target().Append(r.t.Context(), topic, 0, b)
		require.NoError(r.t, err)
	}
	m, err := offsetmap.New(0, 0)
	require.NoError(r.t, err)
	if end := r.end(r.target(), topic); end > 0 {
		require.NoError(r.t, m.Append(offsetmap.Run{Count: end}))
	}
	require.NoError(r.t, r.d.maps.put(events.CopyKey{Migration: r.migration, Topic: topic}, events.Block{Runs: m.Pack()}))
}

// end is the end of the only partition of a topic.
func (r *rig) end(at *cluster.Client, topic string) int64 {
	r.t.Helper()
	ends, err := at.ListOffsets(r.t.Context(), topic, []int32{0}, cluster.Latest)
	require.NoError(r.t, err)
	return ends[0]
}

// exists says whether the target has a topic, and its id.
func (r *rig) exists(topic string) (id string, ok bool) {
	r.t.Helper()
	all, err := r.target().Topics(r.t.Context(), topic)
	require.NoError(r.t, err)
	have, ok := all[topic]
	return hex.EncodeToString(have.ID[:]), ok
}

// broken lets a cluster answer requests of a kind with an error until the
// function returned is called.
func broken(c *embedded.Cluster, key kmsg.Key, topic string, err *kerr.Error) (mend func()) {
	h := c.Kfake().Fault(kfake.Fault{Keys: []kmsg.Key{key}, Topic: topic, Err: err, Count: -1})
	return func() { h.Remove() }
}

// published lets the publisher do all that there is to do.
func (r *rig) published() {
	r.t.Helper()
	for p := r.d.pub; p.done < r.store.Applied(); p.under.Wait() {
		require.NoError(r.t, p.round(r.t.Context(), false))
	}
}

// marked lets the publisher try once to publish what is due, and the marks.
func (r *rig) marked() {
	r.t.Helper()
	require.NoError(r.t, r.d.pub.round(r.t.Context(), true))
	r.d.pub.under.Wait()
}
