package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestRates: units are decimal; what is no rate is refused by name.
func TestRates(t *testing.T) {
	for text, want := range map[string]int64{"none": 0, "500000": 500_000, "20M": 20_000_000, "1.5G": 1_500_000_000, "64K": 64_000} {
		got, err := parseRate(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
		if want > 0 {
			again, err := parseRate(formatRate(got))
			require.NoError(t, err)
			require.Equal(t, got, again, "it is shown as it may be typed")
		}
	}
	for _, text := range []string{"", "0", "-5", "fast", "M", "5MM", "5T", "1e30", "NaN", "0.2", "20m"} {
		_, err := parseRate(text)
		require.ErrorContains(t, err, "20M", text)
	}
}
