package e2e

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// process is a program that the bench has started.
type process struct {
	t    *testing.T
	name string
	log  string // file with all that it printed
	from int64  // where in the file it began: a successor of the same name goes on in it
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
	end  error         // how it ended; read after done
	// leaving is set once its end is wanted: until then an end fails the test.
	leaving bool
}

// launch starts a program whose output goes to the end of a log file. The thread that starts it waits for it, for the kernel
// kills the child with that thread.
func (b *bench) launch(name string, env []string, program string, args ...string) *process {
	b.t.Helper()
	p := &process{t: b.t, name: name, log: filepath.Join(b.dir, name+".log"), done: make(chan struct{})}
	out, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	require.NoError(b.t, err)
	before, err := out.Stat()
	require.NoError(b.t, err)
	p.from = before.Size()
	p.cmd = exec.Command(program, args...)
	p.cmd.Dir, p.cmd.Env = b.dir, append(os.Environ(), env...)
	p.cmd.Stdout, p.cmd.Stderr = out, out
	dieWithParent(p.cmd)
	started := make(chan error)
	go func() {
		defer close(p.done)
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer out.Close()
		err := p.cmd.Start()
		started <- err
		if err == nil {
			p.end = p.cmd.Wait()
		}
	}()
	require.NoError(b.t, <-started, "start %s", name)
	b.processes = append(b.processes, p)
	return p
}

// said is what the process has printed so far.
func (p *process) said() string {
	raw, err := os.ReadFile(p.log)
	if err != nil {
		return ""
	}
	return string(raw[min(p.from, int64(len(raw))):])
}

func (p *process) alive() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// kill ends the process as a crash of the machine would.
func (p *process) kill() {
	p.t.Helper()
	p.leaving = true
	_ = p.cmd.Process.Kill() // fails only if it has ended
	p.wait(10 * time.Second)
}

// freeze stops the process where it stands, as an overloaded machine may; thaw lets it go on.
func (p *process) freeze() {
	p.t.Helper()
	require.NoError(p.t, p.cmd.Process.Signal(syscall.SIGSTOP))
}

func (p *process) thaw() {
	p.t.Helper()
	require.NoError(p.t, p.cmd.Process.Signal(syscall.SIGCONT))
}

// stop asks the process to end and demands that it does so in order.
func (p *process) stop() {
	p.t.Helper()
	p.leaving = true
	if p.alive() {
		require.NoError(p.t, p.cmd.Process.Signal(syscall.SIGTERM))
	}
	p.wait(45 * time.Second)
	require.NoError(p.t, p.end, "%s was told to stop\n%s", p.name, tail(p.log, 30))
}

// killedItself demands of a process that has ended that nobody else ended it, and that it had no time to clean up.
func (p *process) killedItself(where string) {
	p.t.Helper()
	status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
	require.True(p.t, ok && status.Signaled() && status.Signal() == syscall.SIGKILL, "%s was to crash %s and ended: %v\n%s", p.name, where, p.end, tail(p.log, 30))
}

func (p *process) wait(within time.Duration) {
	p.t.Helper()
	select {
	case <-p.done:
	case <-time.After(within):
		_ = p.cmd.Process.Signal(syscall.SIGQUIT) // Go programs print their goroutines
		select {
		case <-p.done:
		case <-time.After(5 * time.Second):
			_ = p.cmd.Process.Kill()
		}
		p.t.Fatalf("%s did not end within %v\n%s", p.name, within, tail(p.log, 100))
	}
}

// maxLine is how much of a line of a log is shown.
const maxLine = 400

// tail is the end of a file.
func tail(path string, lines int) string {
	raw, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	all := bytes.Split(bytes.TrimRight(raw, "\n"), []byte("\n"))
	all = all[max(0, len(all)-lines):]
	for i, line := range all {
		if len(line) > maxLine {
			all[i] = append(line[:maxLine:maxLine], "…"...)
		}
	}
	return fmt.Sprintf("--- %s, last lines:\n%s", path, bytes.Join(all, []byte("\n")))
}
