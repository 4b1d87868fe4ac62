package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/stretchr/testify/require"
)

// Exit codes of portage, as its README promises them.
const (
	done       = 0
	failed     = 1
	refused    = 3
	waiting    = 4
	usage      = 64
	permission = 77
)

// result is what one command printed, and its exit code.
type result struct {
	code     int
	out, err string
}

// portage runs a command to its end, in the folder of the configuration. What it printed is in cli.log.
func (b *bench) portage(args ...string) result {
	b.t.Helper()
	var out, complaints bytes.Buffer
	ctx, cancel := context.WithTimeout(b.t.Context(), b.patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, b.programs.portage, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = b.dir, &out, &complaints
	err := cmd.Run()
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		require.NoError(b.t, err, "portage %v", args)
	}
	r := result{code: cmd.ProcessState.ExitCode(), out: out.String(), err: complaints.String()}
	f, err := os.OpenFile(filepath.Join(b.dir, "cli.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	require.NoError(b.t, err)
	defer f.Close()
	shown := r.out
	if len(shown) > 4000 {
		shown = shown[:4000] + "…\n"
	}
	fmt.Fprintf(f, "$ portage %s\n%s%s(exit code %d)\n", strings.Join(args, " "), shown, r.err, r.code)
	return r
}

// do runs a command that must succeed and returns what it printed.
func (b *bench) do(args ...string) string {
	b.t.Helper()
	r := b.portage(args...)
	require.Equal(b.t, done, r.code, "portage %v\n%s%s", args, r.out, r.err)
	return r.out
}

// json runs a command that must succeed and decodes what it printed.
func (b *bench) json(into any, args ...string) {
	b.t.Helper()
	out := b.do(append(args, "-o", "json")...)
	require.NoError(b.t, json.Unmarshal([]byte(out), into), "portage %v printed\n%s", args, out)
}

// refuse runs a command that must fail with a code, and whose complaint must say each of the words.
func (b *bench) refuse(code int, words []string, args ...string) {
	b.t.Helper()
	r := b.portage(args...)
	require.Equal(b.t, code, r.code, "portage %v\n%s%s", args, r.out, r.err)
	for _, w := range words {
		require.Contains(b.t, r.out+r.err, w, "portage %v", args)
	}
}
