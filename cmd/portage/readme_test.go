package main

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestReadme: every command that the README shows is one, with its flags.
func TestReadme(t *testing.T) {
	raw, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	d, shown := newDesk(t), 0
	check := func(line string) {
		line, _, _ = strings.Cut(line, "#")
		args := strings.Fields(strings.TrimSuffix(strings.TrimSpace(line), "&"))[1:]
		out, code := d.portage(append(args, "--help")...)
		require.Zero(t, code, "%s\n%s", line, out)
		require.Contains(t, out, "portage "+args[0], line)
		shown++
	}
	for line := range strings.Lines(string(raw)) {
		if strings.HasPrefix(line, "portage ") && !strings.Contains(line, "moves live") {
			check(line)
		}
		for _, inline := range regexp.MustCompile("`(portage [a-z][^`]*)`").FindAllStringSubmatch(line, -1) {
			check(inline[1])
		}
	}
	require.Greater(t, shown, 20)
}
