package fsm_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/portage-kafka/portage/fsm"
)

var update = flag.Bool("update", false, "write the pictures of the machines into ARCHITECTURE.md")

// TestPictures holds the pictures in ARCHITECTURE.md to the tables.
func TestPictures(t *testing.T) {
	path := filepath.Join("..", "ARCHITECTURE.md")
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	const begin, end = "<!-- pictures -->\n", "<!-- /pictures -->"
	head, rest, ok := strings.Cut(string(raw), begin)
	require.True(t, ok, "%s has no %q", path, begin)
	have, tail, ok := strings.Cut(rest, end)
	require.True(t, ok, "%s has no %q", path, end)
	var want strings.Builder
	for _, a := range fsm.Axes() {
		want.WriteString("### " + string(a) + "\n\n```mermaid\n" + strings.TrimSpace(fsm.Mermaid(a)) + "\n```\n\n")
	}
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(head+begin+want.String()+end+tail), 0o644))
		return
	}
	require.Equal(t, want.String(), have, "the tables have changed: go test ./fsm -run Pictures -update")
}
