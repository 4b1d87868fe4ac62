package fsm_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/fsm"
)

// TestEveryTransitionIsReached holds the scenarios to the tables: each row
// of events.Moves, from each of its phases, is taken by some accepted event.
func TestEveryTransitionIsReached(t *testing.T) {
	reached := make(map[string]bool)
	eachScenario(t, func(t *testing.T, path string) {
		w := newWorld()
		runScenario(t, path, w)
		for _, out := range w.outcomes {
			for _, m := range out.Note.Moves {
				require.Equal(t, fsm.Accepted, out.Note.Verdict, "a move of an event that did not count")
				reached[fmt.Sprintf("%s: %s", out.Note.Type, m)] = true
			}
		}
	})
	var missing []string
	for _, a := range fsm.Axes() {
		for _, m := range events.Moves(a) {
			for _, from := range m.From {
				move := fmt.Sprintf("%s: %s %s→%s", m.Type, a, from, m.To)
				if !reached[move] {
					missing = append(missing, move)
				}
				delete(reached, move)
			}
		}
	}
	require.Empty(t, missing, "no scenario of testdata takes these transitions")
	require.Empty(t, reached, "transitions that no table has")
}
