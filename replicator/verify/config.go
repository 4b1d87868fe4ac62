package verify

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"time"
)

// Config says how to compare. The zero value is usable: Validate fills in the
// defaults.
type Config struct {
	// Key keys the digests, 32 bytes; who compares digests needs the same key.
	// Default: drawn at random, so that nobody can have prepared records that
	// collide.
	Key []byte
	// Range is the number of records after which both sides' digests are
	// compared and the result is saved. Default 16384.
	Range int64
	// Step is the number of records between two marks of a range: so many are
	// read again where a range differs. Default 256.
	Step int64
	// Window is how many records of each side are looked at, at the most, to
	// find out how they belong together. A stretch of difference that is longer
	// ends the comparison of a partition that has no map. Default 65536.
	Window int
	// LookBack is how many records before a difference are searched for the one
	// that a duplicate repeats, at least: what repeats an earlier one is called
	// extra. Default 4096.
	LookBack int64
	// Holes bounds how many records may wait, per partition, for the later
	// record of their key that proves compaction. Default 100000.
	Holes int
	// Findings bounds how many differences a result lists; all are counted.
	// Default 1000.
	Findings int
	// Parallel is how many partitions are compared at a time. Default 4.
	Parallel int
	// FetchBytes bounds one fetch. Four of them are held per partition compared.
	// Default 4 MiB.
	FetchBytes int
	// Deep decodes every record, even where both sides store the same bytes. The
	// digest is then independent of how the records are batched.
	Deep bool
	// Patience is how long a read is repeated while a broker is away or its
	// partition moves. Default 30s.
	Patience time.Duration

	// Save is called with what is final after every range, by one goroutine at a
	// time; an error ends the comparison of the partition. nil saves nothing.
	// While a hole waits for its proof nothing is saved: the result would be
	// none to go on from.
	Save func(request int, r Result) error
	// Progress is called after every range, by one goroutine at a time.
	Progress func(Progress)
}

// keyBytes is the length of a key.
const keyBytes = 32

// Validate fills in defaults and says what is wrong, naming the field, its
// value and the fix.
func (c *Config) Validate() error {
	var errs []error
	check := func(name string, value, least int64) {
		if value < least {
			errs = append(errs, fmt.Errorf("%s is %d: give at least %d", name, value, least))
		}
	}
	c.defaults()
	check("Range", c.Range, 1)
	check("Step", c.Step, 1)
	check("LookBack", c.LookBack, 1)
	check("Window", int64(c.Window), firstWindow)
	check("Holes", int64(c.Holes), 1)
	check("Findings", int64(c.Findings), 1)
	check("Parallel", int64(c.Parallel), 1)
	check("FetchBytes", int64(c.FetchBytes), 1)
	check("Patience", int64(c.Patience), 0)
	if len(c.Key) != keyBytes {
		errs = append(errs, fmt.Errorf("Key has %d bytes: give %d", len(c.Key), keyBytes))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("verification: %w", err)
	}
	return nil
}

func (c *Config) defaults() {
	if c.Key == nil {
		c.Key = make([]byte, keyBytes)
		_, _ = rand.Read(c.Key) // never fails (package crypto/rand)
	}
	c.Range, c.Step = cmp.Or(c.Range, 16384), cmp.Or(c.Step, 256)
	c.LookBack = cmp.Or(c.LookBack, 4096)
	c.Window, c.Holes, c.Findings = cmp.Or(c.Window, 1<<16), cmp.Or(c.Holes, 100_000), cmp.Or(c.Findings, 1000)
	c.Parallel, c.FetchBytes = cmp.Or(c.Parallel, 4), cmp.Or(c.FetchBytes, 4<<20)
	c.Patience = cmp.Or(c.Patience, 30*time.Second)
}
