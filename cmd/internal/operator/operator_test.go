package operator

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/commands"
	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/events/log"
	"github.com/portage-kafka/portage/projector"
	"github.com/portage-kafka/portage/testkit/embedded"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func control(t *testing.T, pair *embedded.Pair) *cluster.Client {
	t.Helper()
	c, err := cluster.Open(t.Context(), "control", cluster.Config{Bootstrap: pair.Target.Bootstrap()})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c
}

// open opens a desk on a control cluster that is ready for it.
func open(t *testing.T, pair *embedded.Pair, dir string) *Operator {
	t.Helper()
	c := control(t, pair)
	_, err := log.Init(t.Context(), c, log.InitOptions{})
	require.NoError(t, err)
	desk, err := New(Options{Control: c, Dir: dir, Name: "anna", Host: "h"})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, desk.Close()) })
	return desk
}

// folded are the records that a desk has seen.
func folded(t *testing.T, desk *Operator) int64 {
	t.Helper()
	v, err := desk.View(t.Context())
	require.NoError(t, err)
	defer v.Close()
	return v.Applied()
}

// TestTwoDesks: the second one of a user folds in memory, and both see the same
// log.
func TestTwoDesks(t *testing.T) {
	pair, dir := embedded.ForTest(t, embedded.Options{}), t.TempDir()
	first, second := open(t, pair, dir), open(t, pair, dir)
	_, err := projector.Open(projector.Options{Dir: dir})
	require.ErrorIs(t, err, projector.ErrLocked, "the first one has the folder")
	_, err = first.Commands.Send(t.Context(), "m", events.MigrationStream, events.StartRequested{})
	var refused *commands.Refused
	require.ErrorAs(t, err, &refused, "there is no migration")
	require.EqualValues(t, -1, folded(t, first), "what is refused leaves no trace")

	_, err = log.NewAppender(control(t, pair), log.AppenderOptions{}).Append(t.Context(), events.Event{
		ID: NewID(), Migration: "m", Stream: events.MigrationStream, Type: "StartRequested", Schema: 1, At: time.Now().UTC(),
		Actor: events.Actor{Kind: events.Operator, Name: "anna"}, Body: json.RawMessage("{}"), Expects: new(uint64),
	})
	require.NoError(t, err)
	require.EqualValues(t, 0, folded(t, first))
	require.EqualValues(t, 0, folded(t, second))
}

// TestUntil: it returns once a view shows what is wanted, else it says what is
// waited for.
func TestUntil(t *testing.T) {
	desk := open(t, embedded.ForTest(t, embedded.Options{}), "")
	looks := 0
	require.NoError(t, desk.Until(t.Context(), "m", func(*projector.View) bool { looks++; return looks == 3 }))
	require.Equal(t, 3, looks)

	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	err := desk.Until(ctx, "m", func(*projector.View) bool { return false })
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorContains(t, err, "waiting for")
}

// TestAnotherLog: a log that is not the one that was folded is an error, which
// says where the fold is.
func TestAnotherLog(t *testing.T) {
	pair, dir := embedded.ForTest(t, embedded.Options{}), t.TempDir()
	desk, inMemory := open(t, pair, dir), open(t, pair, "")
	c := control(t, pair)
	for _, d := range []*Operator{desk, inMemory} {
		require.EqualValues(t, -1, folded(t, d))
	}
	_, err := log.NewAppender(c, log.AppenderOptions{}).Append(t.Context(), events.Event{
		ID: NewID(), Migration: "m", Stream: events.MigrationStream, Type: "StartRequested", Schema: 1, At: time.Now().UTC(),
		Actor: events.Actor{Kind: events.Operator, Name: "anna"}, Body: json.RawMessage("{}"), Expects: new(uint64),
	})
	require.NoError(t, err)
	require.EqualValues(t, 0, folded(t, desk))
	require.EqualValues(t, 0, folded(t, inMemory))
	require.NoError(t, c.DeleteTopic(t.Context(), events.TopicEvents))
	_, err = log.Init(t.Context(), c, log.InitOptions{})
	require.NoError(t, err)
	_, err = desk.View(t.Context())
	require.ErrorIs(t, err, log.ErrRecreated)
	require.ErrorContains(t, err, dir)
	_, err = inMemory.View(t.Context())
	require.ErrorIs(t, err, log.ErrRecreated)
	require.NotContains(t, err.Error(), "is in")
}

// TestBadFolder: a folder that cannot be made keeps nobody from looking.
func TestBadFolder(t *testing.T) {
	desk := open(t, embedded.ForTest(t, embedded.Options{}), "/dev/null/portage")
	require.EqualValues(t, -1, folded(t, desk))
}

// TestNewID: a ULID, another one each time.
func TestNewID(t *testing.T) {
	require.Len(t, NewID(), 26)
	require.NotEqual(t, NewID(), NewID())
}
