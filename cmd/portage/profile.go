package main

import (
	"fmt"
	"os"
	"runtime/pprof"
)

// profiled writes a CPU profile to a file while f runs; to none if the path is
// empty. Benchmarks name it in PORTAGE_PROFILE.
func profiled(path string, f func() error) error {
	if path == "" {
		return f()
	}
	file, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("PORTAGE_PROFILE: %w: name a file that can be written", err)
	}
	defer file.Close()
	if err := pprof.StartCPUProfile(file); err != nil {
		return fmt.Errorf("PORTAGE_PROFILE: %w", err)
	}
	defer pprof.StopCPUProfile()
	return f()
}
