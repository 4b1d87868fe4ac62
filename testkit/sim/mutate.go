package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"
)

// mutation is a mistake that the product could have. Its edits are made to a
// copy of the sources, which the compiler takes for them (go build -overlay).
type mutation struct {
	name  string
	edits []edit
}

// edit replaces a piece of text that a file holds exactly once.
type edit struct{ file, text, with string }

// mutate plays the schedules of the seeds from 1 on against each mutation, until
// it is caught. What they show does not depend on a drawn seed.
func mutate(dir, name string) error {
	chosen := slices.DeleteFunc(mutations(), func(m mutation) bool { return !strings.Contains(m.name, name) })
	began, faults := time.Now(), make([]error, len(chosen))
	var all sync.WaitGroup
	free := make(chan struct{}, runtime.NumCPU()) // a compiler or a simulator does not keep all cores busy
	for i, m := range chosen {
		free <- struct{}{}
		all.Go(func() {
			defer func() { <-free }()
			if err := m.play(filepath.Join(dir, fmt.Sprint("mutation-", i))); err != nil {
				faults[i] = fmt.Errorf("mutation %q: %w", m.name, err)
			}
		})
	}
	all.Wait()
	fmt.Printf("%d mutations in %v\n", len(chosen), time.Since(began).Round(time.Second))
	return errors.Join(faults...)
}

// play builds a mutation and looks whether the simulator notices.
func (m mutation) play(dir string) error {
	overlay, err := m.write(dir)
	if err != nil {
		return err
	}
	binary := filepath.Join(dir, "sim.test")
	if err := build(binary, "-overlay="+overlay); err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	r, err := simulate(binary, 1, runs)
	switch {
	case err != nil: // it died
		fmt.Printf("caught: %s\n        %.160s\n", m.name, err)
	case len(r.Broken) > 0:
		fmt.Printf("caught: %s\n        after %d schedules, seed %d: %.160s\n", m.name, r.Schedules, r.Broken[0].Seed, r.Broken[0].What)
	default:
		fmt.Printf("NOT CAUGHT: %s\n", m.name)
		return fmt.Errorf("%d schedules do not notice it: the simulator or its judge lacks something", r.Schedules)
	}
	return nil
}

// write writes the changed files and the overlay that names them.
func (m mutation) write(dir string) (overlay string, err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	replace := map[string]string{}
	for i, e := range m.edits {
		original, err := filepath.Abs(e.file)
		if err != nil {
			return "", err
		}
		from := original
		if before, edited := replace[original]; edited {
			from = before
		}
		changed, err := e.apply(from)
		if err != nil {
			return "", err
		}
		replace[original] = filepath.Join(dir, fmt.Sprint(i, ".go"))
		if err := os.WriteFile(replace[original], changed, 0o644); err != nil {
			return "", err
		}
	}
	raw, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	overlay = filepath.Join(dir, "overlay.json")
	return overlay, os.WriteFile(overlay, raw, 0o644)
}

// apply makes the edit to a file's text.
func (e edit) apply(path string) ([]byte, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if n := strings.Count(string(raw), e.text); n != 1 {
		return nil, fmt.Errorf("%s holds %q %d times, not once: write the mutation anew", e.file, e.text, n)
	}
	return []byte(strings.Replace(string(raw), e.text, e.with, 1)), nil
}
