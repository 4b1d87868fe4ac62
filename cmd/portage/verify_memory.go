package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/portage-kafka/portage/replicator/verify"
)

// memory keeps what was verified in a file. Without a file it keeps nothing.
type memory struct {
	path  string
	state *verify.State // nil: nothing was verified before
	sides [][2]verify.Place
}

// loadMemory reads the file, if there is one.
func loadMemory(path string) (*memory, error) {
	m := &memory{path: path}
	if path == "" {
		return m, nil
	}
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return m, nil
	}
	if err != nil {
		return nil, fmt.Errorf("--state: %w", err)
	}
	if m.state, err = verify.ParseState(raw); err != nil {
		return nil, usage(fmt.Errorf("--state %s: %w", path, err))
	}
	return m, nil
}

// key is the key of the digests so far, nil for none.
func (m *memory) key() []byte {
	if m.state == nil {
		return nil
	}
	return m.state.KeyBytes()
}

// begin lets every partition go on where it was, and returns all requests.
func (m *memory) begin(key []byte, topics []*pairedTopic) (all []verify.Request, err error) {
	if m.state == nil {
		m.state = verify.NewState(key)
	}
	for _, t := range topics {
		for _, q := range t.requests {
			if q.After, err = m.state.Find(t.source.Place, t.target.Place, q.Source.Partition); err != nil {
				return nil, fmt.Errorf("--state %s: %w", m.path, err)
			}
			all = append(all, q)
			m.sides = append(m.sides, [2]verify.Place{t.source.Place, t.target.Place})
		}
	}
	return all, nil
}

// save takes in the result of a request, and writes the file.
func (m *memory) save(request int, r verify.Result) error {
	if m.path == "" {
		return nil
	}
	m.state.Put(m.sides[request][0], m.sides[request][1], r)
	raw, err := m.state.Encode()
	if err != nil {
		return err
	}
	if err := replaceFile(m.path, raw); err != nil {
		return fmt.Errorf("--state: %w", err)
	}
	return nil
}

// replaceFile writes a file so that a reader finds the former or the present
// text, whatever happens.
func replaceFile(path string, text []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	_, err = f.Write(append(text, '\n'))
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

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
