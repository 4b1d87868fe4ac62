package realkafka

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The fields are counted behind the last bracket: a command may be called anything.
func TestParseStat(t *testing.T) {
	const rest = " S 1 1 1 0 -1 4194304 68312 0 4 0 196 27 5 6 20 0 40"
	for _, name := range []string{"java", "a b", ") 9 9 9", "((("} {
		got, err := parseStat("f", "26638 ("+name+")"+rest)
		require.NoError(t, err, name)
		require.Equal(t, 2230*time.Millisecond, got, name)
	}
	_, err := parseStat("f", "1 (x) S 1 1")
	require.ErrorContains(t, err, "f has 3 fields")
	_, err = parseStat("f", "1 (x) S 1 1 1 0 -1 4194304 68312 0 4 0 often 27 5")
	require.ErrorContains(t, err, `"often"`)
}

func FuzzParseStat(f *testing.F) {
	f.Add("26638 (java) S 1 1 1 0 -1 4194304 68312 0 4 0 196 27 5 6 20 0 40")
	f.Add(")")
	f.Fuzz(func(t *testing.T, stat string) {
		if _, err := parseStat("f", stat); err != nil {
			require.ErrorContains(t, err, "f")
		}
	})
}
