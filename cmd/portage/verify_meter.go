package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/portage-kafka/portage/replicator/verify"
)

// meter shows progress on standard error: one line that changes on a terminal,
// lines now and then with -v, else nothing.
type meter struct {
	out      io.Writer
	terminal bool
	every    time.Duration // 0: never
	begun    time.Time
	last     time.Time
	written  bool
}

func newMeter(out io.Writer, verbose bool, now time.Time) *meter {
	m := &meter{out: out, begun: now, last: now}
	if f, ok := out.(*os.File); ok {
		info, err := f.Stat()
		m.terminal = err == nil && info.Mode()&os.ModeCharDevice != 0
	}
	switch {
	case m.terminal:
		m.every = 200 * time.Millisecond
	case verbose:
		m.every = 5 * time.Second
	}
	return m
}

// hook is what a comparison calls, nil for nothing to show.
func (m *meter) hook(now func() time.Time) func(verify.Progress) {
	if m.every == 0 {
		return nil
	}
	return func(p verify.Progress) { m.show(p, now()) }
}

func (m *meter) show(p verify.Progress, now time.Time) {
	if now.Sub(m.last) < m.every {
		return
	}
	m.last = now
	line := fmt.Sprintf("verified %d of %d partitions, %.0f %% of the offsets, %d records, %d differences", p.Done, p.Partitions, 100*p.Share(), p.Records, p.Differences)
	passed := now.Sub(m.begun)
	if left, ok := p.Left(passed); ok {
		line += fmt.Sprintf(", %.0f records/s, about %s left", float64(p.Records)/passed.Seconds(), left.Round(time.Second))
	}
	if m.terminal {
		fmt.Fprint(m.out, "\r\x1b[K"+line)
		m.written = true
		return
	}
	fmt.Fprintln(m.out, line)
}

// clear takes the line away.
func (m *meter) clear() {
	if m.written {
		fmt.Fprint(m.out, "\r\x1b[K")
	}
}
