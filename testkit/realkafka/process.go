package realkafka

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"time"
)

// process is a running Java machine and the goroutine that waits for it.
type process struct {
	os   *os.Process
	done chan struct{} // closed when the process has ended
	err  error         // how it ended; read after done
	used time.Duration // processor time in all; read after done
}

// launch starts a command whose output goes to the end of a file. The kernel kills the child when the parent thread ends
// (see dieWithParent), so the goroutine that starts it keeps its thread until the child is gone.
func launch(cmd *exec.Cmd, logFile string) (*process, error) {
	out, err := os.OpenFile(logFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	cmd.Stdout, cmd.Stderr = out, out
	dieWithParent(cmd)
	p := &process{done: make(chan struct{})}
	started := make(chan error)
	go func() {
		defer close(p.done)
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer out.Close()
		err := cmd.Start()
		p.os = cmd.Process
		started <- err
		if err == nil {
			p.err = cmd.Wait()
			p.used = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
		}
	}()
	if err := <-started; err != nil {
		<-p.done
		return nil, fmt.Errorf("start %s: %w", cmd.Path, err)
	}
	return p, nil
}

func (p *process) alive() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// patience is how long a process may take to end after a signal; an orderly shutdown of a busy broker takes seconds.
const patience = time.Minute

// errStuck says that a process had to be killed.
var errStuck = errors.New("realkafka: process did not end by itself")

// end sends a signal and waits until the process is gone. A process that is gone already is no error; one that does not go
// within the time allowed is killed, which is.
func (p *process) end(sig os.Signal, allowed time.Duration) error {
	if p.alive() {
		if err := p.os.Signal(sig); err != nil && p.alive() {
			return fmt.Errorf("send %v to process %d: %w", sig, p.os.Pid, err)
		}
	}
	timer := time.NewTimer(allowed)
	defer timer.Stop()
	select {
	case <-p.done:
		return nil
	case <-timer.C:
	}
	_ = p.os.Kill() // fails only if it has just ended
	<-p.done
	return fmt.Errorf("%w: process %d, %v after %v", errStuck, p.os.Pid, allowed, sig)
}
