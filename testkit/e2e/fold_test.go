package e2e

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/events/log"
	"github.com/portage-kafka/portage/fsm"
	"github.com/portage-kafka/portage/projector"
)

// fold follows portage.events in this process, with nothing attached: what tests wait on.
type fold struct {
	client    *cluster.Client
	store     *projector.Store
	projector *projector.Projector
	stop      context.CancelFunc
	done      chan struct{} // closed when it has ended
	err       error         // why; read after done
}

// init creates the control topics and begins to follow them.
func (b *bench) init() {
	b.t.Helper()
	b.do("init")
	f := &fold{done: make(chan struct{})}
	var err error
	f.client, err = cluster.Open(b.t.Context(), target, cluster.Config{Bootstrap: b.bootstrap[target], ClientID: "e2e"})
	require.NoError(b.t, err)
	f.store, err = projector.Open(projector.Options{})
	require.NoError(b.t, err)
	f.projector, err = projector.New(projector.Config{Store: f.store, Log: eventsOf(f.client), Retry: 20 * time.Millisecond})
	require.NoError(b.t, err)
	ctx, stop := context.WithCancel(context.Background())
	f.stop = stop
	go func() {
		defer close(f.done)
		f.err = f.projector.Run(ctx)
	}()
	b.state = f
}

// eventsOf is portage.events of a cluster, as a projector reads it.
func eventsOf(c *cluster.Client) projector.Log {
	return projector.Log{
		ClusterID: c.ID(),
		TopicID:   func(ctx context.Context) (string, error) { return log.TopicID(ctx, c) },
		End:       func(ctx context.Context) (int64, error) { return log.End(ctx, c) },
		Reader:    func(from int64, topicID string) projector.Reader { return log.NewReader(c, from).Pin(topicID) },
		Retriable: cluster.Retriable,
	}
}

func (f *fold) close() {
	f.stop()
	<-f.done
	_ = f.store.Close()
	_ = f.client.Close()
}

// patience bounds every wait for a state and every command, on a machine that is busy with two brokers.
const patience = 90 * time.Second

// until waits for a state of the fold. A process that ends meanwhile without being told to fails the test.
func (b *bench) until(what string, ok func(v *projector.View) bool) {
	b.t.Helper()
	deadline := time.Now().Add(b.patience)
	for {
		select {
		case <-b.state.done:
			b.t.Fatalf("the fold of the test has ended: %v", b.state.err)
		default:
		}
		v := b.state.store.View()
		is, applied := ok(v), v.Applied()
		require.NoError(b.t, v.Close())
		if is {
			return
		}
		b.running()
		if time.Now().After(deadline) {
			b.t.Fatalf("waited %v for %s\n%s", b.patience, what, b.story())
		}
		select {
		case <-b.state.store.Changed(applied):
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// eventually waits for what is no state of the fold. It looks the less often the longer a look takes: some read all journals,
// on processors that the brokers want, too.
func (b *bench) eventually(what string, ok func() bool) {
	b.t.Helper()
	deadline := time.Now().Add(b.patience)
	for {
		begun := time.Now()
		if ok() {
			return
		}
		b.running()
		if time.Now().After(deadline) {
			b.t.Fatalf("waited %v for %s\n%s", b.patience, what, b.story())
		}
		select {
		case <-b.t.Context().Done():
			b.t.Fatal(b.t.Context().Err())
		case <-time.After(max(20*time.Millisecond, 2*time.Since(begun))):
		}
	}
}

// running demands that every process lives that was not told to end.
func (b *bench) running() {
	b.t.Helper()
	for _, p := range b.processes {
		if !p.leaving && !p.alive() {
			b.t.Fatalf("%s has ended by itself: %v\n%s", p.name, p.end, tail(p.log, 40))
		}
	}
}

// story is what a migration waits for and the last events.
func (b *bench) story() string {
	if b.state == nil {
		return ""
	}
	v := b.state.store.View()
	defer v.Close()
	var s strings.Builder
	if status := b.state.projector.Status(); status.Err != nil {
		fmt.Fprintf(&s, "the fold is at %d of %d: %v\n", status.Applied, status.End, status.Err)
	}
	migrations, _ := v.Migrations()
	for _, m := range migrations {
		if !m.Over() {
			fmt.Fprintf(&s, "%s\n", b.portage("why", m.Name).out)
		}
	}
	notes, _ := v.Notes("", 0, v.Applied(), projector.All)
	for _, n := range notes[max(0, len(notes)-40):] {
		fmt.Fprintf(&s, "%d %s %s %s %s %s %s\n", n.Position, n.Time.Format("15:04:05.000"), n.Stream, n.Type, n.Verdict, n.Reason, strings.Join(n.Moves, ", "))
	}
	return s.String()
}

// view looks at the fold as it is now.
func (b *bench) view(look func(v *projector.View)) {
	b.t.Helper()
	v := b.state.store.View()
	look(v)
	require.NoError(b.t, v.Err())
	require.NoError(b.t, v.Close())
}

// phase waits for a phase of a migration.
func (b *bench) phase(migration string, p events.Phase) {
	b.t.Helper()
	b.until(fmt.Sprintf("%s to be %s", migration, p), func(v *projector.View) bool {
		m, ok := v.Migration(migration)
		return ok && m.Phase == p
	})
}

// counted waits for the sums of a migration.
func (b *bench) counted(migration, what string, ok func(c fsm.Count) bool) {
	b.t.Helper()
	b.until(migration+": "+what, func(v *projector.View) bool {
		m, found := v.Migration(migration)
		return found && ok(m.Count)
	})
}

// approve waits until a step of a migration waits for a person, and approves it.
func (b *bench) approve(migration, step string) {
	b.t.Helper()
	b.until(fmt.Sprintf("%s to wait for the approval of %s", migration, step), func(v *projector.View) bool {
		m, ok := v.Migration(migration)
		if !ok || m.Plan == nil {
			return false
		}
		i, awaiting := m.StepIs()
		return awaiting && i < len(m.Plan.Steps) && m.Plan.Steps[i].Do == step
	})
	b.do("approve", migration, "--note", "e2e")
}
