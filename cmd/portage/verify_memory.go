package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/portage-kafka/portage/replicator/verify"
)

// memory keeps what was verified in a file. Without a file it keeps nothing.
type memory struct {
	path  string
	state *verify.State // nil: nothing was verified before
	sides [][2]verify.Place

	file  *os.File // open to be appended to
	spare int      // bytes that may be appended before the file is written anew
}

// loadMemory reads the file, if there is one.
func loadMemory(path string) (*memory, error) {
	m := &memory{path: path}
	if path == "" {
		return m, nil
	}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Stat(filepath.Dir(path)); err != nil { // before hours are spent on what could not be kept
			return nil, usage(fmt.Errorf("--state %s: %w: create the folder, or name a file in another one", path, err))
		}
		return m, nil
	}
	if err != nil {
		return nil, fmt.Errorf("--state: %w", err)
	}
	if m.state, err = verify.ParseState(text); err != nil {
		return nil, usage(fmt.Errorf("--state %s: %w: name the file of an earlier run, or one that is not there yet", path, err))
	}
	return m, nil
}

// key is the key of the digests so far, nil for none.
func (m *memory) key() []byte {
	if m.state == nil {
		return nil
	}
	return m.state.Key()
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

// save takes in the result of a request, and appends it to the file.
func (m *memory) save(request int, r verify.Result) error {
	if m.path == "" {
		return nil
	}
	line, err := m.state.Put(m.sides[request][0], m.sides[request][1], r)
	if err != nil {
		return err
	}
	if m.spare -= len(line); m.file == nil || m.spare < 0 {
		err = m.renew()
	} else {
		_, err = m.file.Write(line)
		err = errors.Join(err, m.file.Sync())
	}
	if err != nil {
		return fmt.Errorf("--state: %w", err)
	}
	return nil
}

// spareAtLeast keeps small files from being written anew all the time.
const spareAtLeast = 1 << 20

// renew writes the file anew: a reader finds the former or the present text,
// whatever happens.
func (m *memory) renew() (err error) {
	text, err := m.state.Encode()
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(m.path), "."+filepath.Base(m.path)+".*")
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync()); err == nil {
		err = os.Rename(f.Name(), m.path)
	}
	if err != nil {
		return errors.Join(err, f.Close(), os.Remove(f.Name()))
	}
	err = m.close()
	m.file, m.spare = f, max(spareAtLeast, 2*len(text))
	return err
}

// close ends the appending.
func (m *memory) close() error {
	if m.file == nil {
		return nil
	}
	err := m.file.Close()
	m.file = nil
	return err
}
