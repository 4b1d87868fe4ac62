package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/portage-kafka/portage/events"
)

// workersFolder is the folder, below the data folder, of the locks that static
// workers hold, by control cluster.
const workersFolder = "workers"

// errHeld says that another process has a lock.
var errHeld = errors.New("another process has it locked")

// instanceHelp explains --instance.
const instanceHelp = "group.instance.id of the worker, its own among all workers of all hosts, such as copy-1: a worker that is started again with it within seconds has its partitions again (default: none, others take them over)"

// instance takes the lock of a static member's name until release is called or the
// process ends: while two processes had the name, both would copy its partitions. It
// does nothing for a dynamic member, which has no name.
func (a *app) instance(name, control string) (release func(), err error) {
	if name == "" {
		return func() {}, nil
	}
	if !events.ValidName(name) {
		return nil, usage(fmt.Errorf("--instance %q: use letters, digits, '.', '_' and '-', at most 100, not beginning with a dot", name))
	}
	dir := filepath.Join(a.cfg.Data, workersFolder, control)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("create the folder of the workers' locks: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, name+".lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the lock of --instance %s: %w", name, err)
	}
	switch err := lock(f); {
	case errors.Is(err, errHeld):
		_ = f.Close()
		return nil, fmt.Errorf("another worker with --instance %s runs here (%s): end it, or give each worker an instance of its own", name, f.Name())
	case err != nil:
		_ = f.Close()
		return nil, fmt.Errorf("lock %s for --instance %s: %w", f.Name(), name, err)
	}
	return func() { _ = f.Close() }, nil
}
