package workload

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
)

// torn marks the end of a line that a killed process left unfinished.
const torn = "~torn"

// ErrJournal says that a journal is damaged in a way that no killed process explains.
var ErrJournal = errors.New("workload: damaged journal")

// ReadEntries reads a journal. An unfinished last line, and one that OpenJournal closed as torn, are left out; anything
// else that is no entry is ErrJournal.
func ReadEntries(r io.Reader) ([]Entry, error) {
	var out []Entry
	in := bufio.NewReader(r)
	for n := 1; ; n++ {
		line, err := in.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return out, nil // whatever stands here was not finished
		}
		if err != nil {
			return out, fmt.Errorf("workload: read journal, line %d: %w", n, err)
		}
		if bytes.HasSuffix(line, []byte(torn+"\n")) {
			continue
		}
		var e Entry
		if err := json.Unmarshal(line, &e); err != nil {
			return out, fmt.Errorf("%w: line %d: %w", ErrJournal, n, err)
		}
		if err := e.check(); err != nil {
			return out, fmt.Errorf("%w: line %d: %w", ErrJournal, n, err)
		}
		out = append(out, e)
	}
}

func (e Entry) check() error {
	switch e.Kind {
	case KindSent, KindAborted, KindUnknown:
		return nil
	case KindBegun, KindHandled:
		if e.Group == "" {
			return errors.New("a handler's entry without a group")
		}
		return nil
	}
	return fmt.Errorf("kind is %q", e.Kind)
}

// ReadFiles reads the journals of all processes.
func ReadFiles(paths ...string) ([]Entry, error) {
	var out []Entry
	for _, path := range paths {
		entries, err := readFile(path)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		out = append(out, entries...)
	}
	return out, nil
}

func readFile(path string) ([]Entry, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return ReadEntries(f)
}

// HandsOf returns what an instance of a group had in its hands: what it began and never finished, and what it finished at
// or after a journal time (its last commit, say; what it did before was committed). With the instance killed, others may
// handle these again.
func HandsOf(entries []Entry, group, instance string, since int64) []Entry {
	type hand struct {
		ID
		Place
	}
	finished := map[hand]bool{}
	for _, e := range entries {
		if e.Kind == KindHandled && e.Group == group && e.Instance == instance {
			finished[hand{e.ID, e.Place}] = true
		}
	}
	var out []Entry
	for _, e := range entries {
		if e.Group != group || e.Instance != instance {
			continue
		}
		if e.Kind == KindHandled && e.End >= since || e.Kind == KindBegun && !finished[hand{e.ID, e.Place}] {
			out = append(out, e)
		}
	}
	return out
}
