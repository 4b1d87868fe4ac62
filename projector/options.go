package projector

import (
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/rs/zerolog"
)

// Options say where a store is. The zero value is a store in memory.
type Options struct {
	// Dir is the folder of the store, created where it is missing; nothing
	// else may live in it. Empty: the store is kept in memory and gone when it
	// is closed.
	Dir string
	// FS is the file system that Dir is on; nil for the machine's.
	FS vfs.FS
	// Rebuild drops what the store holds, to fold the log anew.
	Rebuild bool
	// CacheBytes is the size of the cache of blocks read from the folder;
	// 0 means 32 MiB.
	CacheBytes int64
	// MemTableBytes is how much is gathered in memory before it is written to
	// the folder: what a crash makes the store fold again. 0 means 16 MiB.
	MemTableBytes int64
	// Logger hears of a store that is rebuilt and of errors of the disk.
	Logger zerolog.Logger
}

const (
	defaultCache    = 32 << 20
	defaultMemTable = 16 << 20
	leastMemTable   = 64 << 10
	mostMemTable    = 1 << 30
)

// Validate names the first option that cannot be.
func (o Options) Validate() error {
	if o.CacheBytes < 0 {
		return fmt.Errorf("projector: Options.CacheBytes is %d: want 0 (32 MiB) or more", o.CacheBytes)
	}
	if o.MemTableBytes != 0 && (o.MemTableBytes < leastMemTable || o.MemTableBytes > mostMemTable) {
		return fmt.Errorf("projector: Options.MemTableBytes is %d: want 0 (16 MiB) or %d to %d", o.MemTableBytes, leastMemTable, mostMemTable)
	}
	if o.FS != nil && o.Dir == "" {
		return errors.New("projector: Options.FS is set without Options.Dir: name the folder")
	}
	return nil
}

// withDefaults fills what was left out.
func (o Options) withDefaults() Options {
	if o.Dir == "" {
		o.Dir, o.FS = "memory", vfs.NewMem()
	}
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.CacheBytes == 0 {
		o.CacheBytes = defaultCache
	}
	if o.MemTableBytes == 0 {
		o.MemTableBytes = defaultMemTable
	}
	return o
}
