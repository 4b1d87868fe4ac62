package realkafka

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// What runs has used more and more, what has ended as much as the system says; a second life counts on.
func TestProcessorTime(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux tells what a running process has used")
	}
	b := &broker{}
	used, err := b.cpu()
	require.NoError(t, err)
	require.Zero(t, used, "never launched")
	busy := func() *process {
		p, err := launch(exec.Command("sh", "-c", "while :; do :; done"), filepath.Join(t.TempDir(), "out.log"))
		require.NoError(t, err)
		t.Cleanup(func() { _ = p.end(os.Kill, patience) })
		return p
	}
	b.child = busy()
	var last time.Duration
	require.Eventually(t, func() bool {
		used, err := b.cpu()
		require.NoError(t, err)
		require.GreaterOrEqual(t, used, last)
		last = used
		return used > 50*time.Millisecond
	}, time.Minute, 5*time.Millisecond)
	require.NoError(t, b.child.end(syscall.SIGKILL, patience))
	all, err := b.cpu()
	require.NoError(t, err)
	require.GreaterOrEqual(t, all, last-10*time.Millisecond, "the last reading was before the end; both are rounded")

	b.former, b.child = all, busy()
	used, err = b.cpu()
	require.NoError(t, err)
	require.GreaterOrEqual(t, used, all)
	sum, err := (&Cluster{brokers: []*broker{b, b}}).CPU()
	require.NoError(t, err)
	require.GreaterOrEqual(t, sum, 2*used)
}
