package e2e

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/portage-kafka/portage/events"
)

// crashPoints are the types of events at which the matrix crashes the orchestrator, in the order in which a migration with
// an aborted switch, and then a cancelled one, append them for the first time.
func crashPoints() []events.Type {
	return []events.Type{
		"CopyStarted", "TargetCreated", "GuardHeld", "CopySynced", "TargetDeleted", // the topics, one of which is copied anew
		"SwitchRequested", "AbortRequested", "GuardReleased", // a switch that finds a stranger
		"HoldOrdered", "DrainProven", "CutTaken", "SwitchCommitted", "SwitchCompleted", // the readers
		"WritersRolling", "ProducerLeft", "SourceQuiet", "StrayWrite", // the writers
		"CompleteRequested", "VerifyOrdered", "TopicFinished", // the end
		"TopicReleased", "GroupReleased", // a cancelled migration
	}
}

// unreached are the types that an orchestrator writes and that neither a happy nor an aborted migration has, with the reason.
func unreached() map[events.Type]string {
	return map[events.Type]string{
		"Checkpoint":      "every thousandth event: audits have it, no state depends on it",
		"CopyStopped":     "a finding of the workers: the source has lost or changed what is to be copied",
		"PartitionsAdded": "a finding of the workers: the source's owner has added partitions",
		"CopyFailed":      "an effect that cannot be done: a person has to act first",
	}
}

// TestEveryEventOfTheOrchestratorIsCrashedAt compares the matrix with the catalogue: a new type must be placed.
func TestEveryEventOfTheOrchestratorIsCrashedAt(t *testing.T) {
	points := crashPoints()
	for _, k := range events.Catalogue() {
		if !k.AllowsWriter(events.Orchestrator) {
			continue
		}
		_, left := unreached()[k.Type]
		require.True(t, left != slices.Contains(points, k.Type), "%s: put it into crashPoints or, with the reason, into unreached, not both", k.Type)
	}
	for _, p := range points {
		k, known := events.Lookup(p)
		require.True(t, known && k.AllowsWriter(events.Orchestrator), "%s is no event of the orchestrator", p)
	}
	for _, axis := range []events.Axis{events.MigrationAxis, events.CopyAxis, events.ReadersAxis, events.WritersAxis, events.RetirementAxis} {
		for _, m := range events.Moves(axis) {
			k, known := events.Lookup(m.Type)
			require.True(t, known, fmt.Sprint(m.Type))
			if k.AllowsWriter(events.Orchestrator) && !k.AllowsWriter(events.Operator) && unreached()[m.Type] == "" {
				require.Contains(t, points, m.Type, "%s moves the %s axis", m.Type, axis)
			}
		}
	}
}
