package realkafka

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

// CPU is the processor time, user and system, that the brokers have used since Start, restarts included and ZooKeeper left
// out. It counts in steps of 10 ms; errors.ErrUnsupported where a process cannot be asked while it runs (not Linux).
func (c *Cluster) CPU() (sum time.Duration, err error) {
	for _, b := range c.brokers {
		used, err := b.cpu()
		if err != nil {
			return 0, fmt.Errorf("realkafka: processor time of %s broker %d: %w", c.opts.Name, b.id, err)
		}
		sum += used
	}
	return sum, nil
}

// ProcessCPU is the processor time, user and system, that a process of one's own has used so far, in steps of 10 ms;
// errors.ErrUnsupported where a process cannot be asked while it runs (not Linux).
func ProcessCPU(pid int) (time.Duration, error) { return processorTime(pid) }

// cpu is the processor time of the broker over all its lives.
func (b *broker) cpu() (time.Duration, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.child == nil {
		return b.former, nil
	}
	used, err := b.child.cpu()
	return b.former + used, err
}

// cpu is the processor time of the process so far, or in all once it has ended.
func (p *process) cpu() (time.Duration, error) {
	if p.alive() {
		used, err := processorTime(p.os.Pid)
		if !vanished(err) {
			return used, err
		}
		<-p.done // it has just ended
	}
	return p.used, nil
}

// vanished says that a process ended before its file was opened, or after.
func vanished(err error) bool {
	return errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ESRCH)
}
