package e2e

import (
	"github.com/stretchr/testify/require"
)

// digests are what `portage replay` and `portage get digests` print of a migration.
type digests struct {
	Migration string `json:"migration"`
	Log       string `json:"log"`
	State     string `json:"state"`
	Events    int64  `json:"events"`
	Position  int64  `json:"position"`
}

// replayed demands that a replay of the whole log comes to the digests of the projection that was folded as things happened.
func (b *bench) replayed(migration string) digests {
	b.t.Helper()
	var live, anew []digests
	b.json(&live, "get", "digests", migration)
	b.json(&anew, "replay", migration)
	require.Len(b.t, live, 1)
	require.NotEmpty(b.t, live[0].Log)
	require.Equal(b.t, live, anew)
	return live[0]
}
