package main

import (
	"context"
	"syscall"
	"time"
)

// limit sends the same batches from memory: what the target takes at most from
// this machine.
type limit struct{ b *bench }

func (limit) name() string { return "limit" }

func (m limit) start(ctx context.Context, l *loaded, number int) (moving, error) {
	topic := copyName("limit", l, number)
	if err := create(ctx, m.b.target, topic); err != nil {
		return moving{}, err
	}
	inner, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	failed := make(chan error, 1)
	go func() {
		defer close(done)
		if err := l.send(inner, m.b.target, topic); err != nil {
			failed <- err
		}
	}()
	return moving{topic: topic, cpu: ownCPU, failed: failed, stop: func(context.Context) error {
		cancel()
		<-done
		return nil
	}}, nil
}

// ownCPU is the processor time of this process.
func ownCPU() (time.Duration, error) {
	var r syscall.Rusage
	err := syscall.Getrusage(syscall.RUSAGE_SELF, &r)
	return time.Duration(r.Utime.Nano() + r.Stime.Nano()), err
}
