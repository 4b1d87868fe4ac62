package fsm_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/fsm"
)

// TestStepIs goes through a step list by what is counted.
func TestStepIs(t *testing.T) {
	m := &fsm.Migration{Phase: events.PhaseDrafting}
	index, awaiting := m.StepIs()
	require.Zero(t, index)
	require.False(t, awaiting, "a draft has no steps")
	plan := planned{}.seal()
	m.Plan, m.Count = &plan, fsm.Count{Topics: 2, Groups: 1}
	at := func(step int, waits bool) {
		t.Helper()
		index, awaiting := m.StepIs()
		require.Equal(t, step, index)
		require.Equal(t, waits, awaiting)
	}
	m.Phase = events.PhaseRunning
	at(0, false) // the start has approved the copy
	m.Count.Synced = 1
	at(0, false)
	m.Count.Synced = 2
	at(1, true)
	m.Approved = []int{1}
	at(1, false)
	m.Count.Readers = 1
	at(2, true)
	m.Count.Writers = 2
	at(3, true)
	m.Approved = []int{1, 3}
	at(3, false)
	m.Phase = events.PhaseFinished
	at(4, false)
	require.True(t, m.Over())
	plan.Steps[2].Approve = events.ApproveAuto
	m.Phase, m.Count.Writers = events.PhaseRunning, 1
	at(2, false)
	require.False(t, m.Over())
}
