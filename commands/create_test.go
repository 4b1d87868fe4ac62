package commands_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/portage-kafka/portage/commands"
	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/fsm"
	"github.com/portage-kafka/portage/projector"
)

func TestCreate(t *testing.T) {
	w := newWorld(t)
	receipts, err := w.cmds.Create(t.Context(), resolved("m"))
	require.NoError(t, err)
	var types []events.Type
	for i, r := range receipts {
		require.Equal(t, fsm.Accepted, r.Note.Verdict)
		require.EqualValues(t, i, r.Note.Position)
		types = append(types, r.Event.Type)
	}
	require.Equal(t, []events.Type{"TopicPlanned", "GroupPlanned", "MigrationCreated"}, types)
	w.look(func(v *projector.View) {
		m, ok := v.Migration("m")
		require.True(t, ok)
		require.Equal(t, events.PhasePlanned, m.Phase)
		require.Equal(t, "h", m.Plan.Hash)
	})
}

// TestCreateIsJudgedWhole: one event that does not fit, and nothing is appended.
func TestCreateIsJudgedWhole(t *testing.T) {
	w := created(t)
	before := len(w.records)
	var refused *commands.Refused

	_, err := w.cmds.Create(t.Context(), resolved("m"))
	require.ErrorAs(t, err, &refused)
	require.Equal(t, `migration "m" exists already, it is planned: a name is used once, choose another one`, refused.Reason)

	_, err = w.cmds.Create(t.Context(), resolved("m2"))
	require.ErrorAs(t, err, &refused)
	require.Equal(t, `topic "orders" of old belongs to migration "m", which is planned: complete or cancel it first`, refused.Reason)
	require.Equal(t, orders, refused.Stream)

	other := resolved("m2")
	other.Topics[0].Name, other.Topics[0].Body.TargetTopic, other.Groups[0].Body.Topics = "users", "users", []string{"users"}
	_, err = w.cmds.Create(t.Context(), other)
	require.ErrorAs(t, err, &refused)
	require.Equal(t, `group "billing" of old belongs to migration "m", which is planned: complete or cancel it first`, refused.Reason)
	require.Equal(t, billing, refused.Stream)

	require.False(t, refused.Appended)
	require.Len(t, w.records, before)
	other.Groups = nil
	_, err = w.cmds.Create(t.Context(), other)
	require.NoError(t, err)
}

// TestCreateIsOvertaken: somebody plans another topic into the migration while
// it is created. The seal counts and is refused; nothing can start.
func TestCreateIsOvertaken(t *testing.T) {
	w := newWorld(t)
	w.before = func() {
		body := resolved("m").Topics[0].Body
		body.TargetTopic = "clicks"
		w.said("topic/clicks", body)
	}
	receipts, err := w.cmds.Create(t.Context(), resolved("m"))
	var refused *commands.Refused
	require.ErrorAs(t, err, &refused)
	require.Len(t, receipts, 2, "what was accepted before it")
	require.True(t, refused.Appended)
	require.Equal(t, "the plan has 1 topics and 1 groups, accepted were 2 and 1: see their notes; the migration is not as planned: "+
		"cancel it and create it under another name (portage cancel m)", refused.Reason)
	w.look(func(v *projector.View) {
		m, _ := v.Migration("m")
		require.Equal(t, events.PhaseDrafting, m.Phase)
	})
	_, err = w.cmds.Send(t.Context(), "m", events.MigrationStream, events.CancelRequested{Reason: "overtaken"})
	require.NoError(t, err, "the way out that the error names")
	_, err = w.cmds.Create(t.Context(), resolved("m2"))
	require.NoError(t, err)
}

func TestCreateFails(t *testing.T) {
	w := newWorld(t)
	w.failFold = errDown
	_, err := w.cmds.Create(t.Context(), resolved("m"))
	require.ErrorIs(t, err, errDown)
	w.failFold, w.failAppend = nil, errDown
	_, err = w.cmds.Create(t.Context(), resolved("m"))
	require.ErrorIs(t, err, errDown)
	require.Empty(t, w.records)
}
