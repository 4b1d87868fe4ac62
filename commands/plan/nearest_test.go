package plan

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// slow is the distance by its definition.
func slow(a, b string) int {
	if a == "" || b == "" {
		return len(a) + len(b)
	}
	replaced := slow(a[1:], b[1:])
	if a[0] != b[0] {
		replaced++
	}
	least := min(replaced, 1+slow(a[1:], b), 1+slow(a, b[1:]))
	if len(a) > 1 && len(b) > 1 && a[0] == b[1] && a[1] == b[0] {
		least = min(least, 1+slow(a[2:], b[2:]))
	}
	return least
}

// TestDistance: the table comes to what the definition says.
func TestDistance(t *testing.T) {
	require.Equal(t, 1, distance("biling", "billing"))
	require.Equal(t, 1, distance("odl", "old"))
	rapid.Check(t, func(rt *rapid.T) {
		word := rapid.StringOfN(rapid.RuneFrom([]rune("abc")), 0, 5, -1)
		a, b := word.Draw(rt, "a"), word.Draw(rt, "b")
		require.Equal(rt, slow(a, b), distance(a, b))
	})
}

// TestNearest: the closest name is suggested, and none that is far.
func TestNearest(t *testing.T) {
	all := []string{"clicks", "orders", "orders-eu"}
	require.Equal(t, `did you mean "orders"?`, meant("oders", all))
	require.Equal(t, `did you mean "orders"?`, meant("odrers", all))
	require.Equal(t, `did you mean "orders-eu"?`, meant("orders-ew", all))
	require.Equal(t, "mend its name, or leave it out", meant("payments", all))
	require.Equal(t, "mend its name, or leave it out", meant("orders", nil))
}

// TestNearestOfAPrefix: a name cut short stands for the only one that it begins.
func TestNearestOfAPrefix(t *testing.T) {
	all := []string{"a-very-long-name-of-a-migration", "orders", "orders-eu"}
	for name, want := range map[string]string{"a-": "a-very-long-name-of-a-migration", "orders-": "orders-eu", "ord": "", "": "", "x": ""} {
		got, ok := Nearest(name, all)
		require.Equal(t, want, got, "%q", name)
		require.Equal(t, want != "", ok)
	}
	got, ok := Nearest("", []string{"only"})
	require.False(t, ok, "no name stands for nothing: %s", got)
}

// TestProblemsStandNearest: a field that is not in the file is told with the line
// of what is around it.
func TestProblemsStandNearest(t *testing.T) {
	p := &Plan{lines: map[string]int{"topics": 4, "topics[0]": 5, "topics[0].name": 6}}
	require.Equal(t, 6, p.problem("topics[0].name", "r", "f").Line)
	require.Equal(t, 5, p.problem("topics[0].target", "r", "f").Line)
	require.Equal(t, 4, p.problem("topics[1].name", "r", "f").Line)
	require.Zero(t, p.problem("groups[1]", "r", "f").Line)
	require.Equal(t, "topics[9]: no: mend it", Problem{Field: "topics[9]", Reason: "no", Fix: "mend it"}.String())
	require.Equal(t, "no", Problem{Reason: "no"}.String())
	require.NoError(t, Problems(nil).OrNil())
}
