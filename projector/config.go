package projector

import (
	"errors"
	"fmt"
	"time"

	"github.com/rs/zerolog"
)

// Config says what a Projector folds, and where to.
type Config struct {
	// Store is folded into; required. It belongs to one Projector.
	Store *Store
	// Log is folded; required.
	Log Log
	// Limit is how many records are fetched, folded and committed at once;
	// 0 means 5000.
	Limit int
	// Wait is how long one fetch waits at the end of the log for records to
	// come; 0 means 1 s. It delays nothing but the end of Run.
	Wait time.Duration
	// Retry is the first pause after an error of the log that may pass; it
	// doubles up to RetryMost. 0 means 100 ms and 5 s.
	Retry, RetryMost time.Duration
	// Tolerate lets the fold go on after a checkpoint that differs, to look at
	// what is there; it is logged and counted (Tally.Differing).
	Tolerate bool
	// Logger hears of errors that may pass and of why the projector stopped.
	Logger zerolog.Logger
	// Hooks are called as things happen, from the folding goroutine.
	Hooks Hooks
}

// Hooks tell metrics what happens; nil functions are not called.
type Hooks struct {
	// Committed is called after every commit.
	Committed func(Commit)
	// Failed is called for every error of the log that may pass.
	Failed func(error)
}

// Commit is one batch that was folded.
type Commit struct {
	// Applied is the position up to which the log is folded now, End the
	// position behind its last record when the batch was read.
	Applied, End int64
	// Records were folded in Took, commit included.
	Records int
	Took    time.Duration
}

// Validate names the first field that cannot be.
func (c Config) Validate() error {
	if c.Store == nil {
		return errors.New("projector: Config.Store is required")
	}
	if c.Limit < 0 {
		return fmt.Errorf("projector: Config.Limit is %d: want 0 (5000) or more", c.Limit)
	}
	for _, d := range []struct {
		name string
		is   time.Duration
	}{{"Wait", c.Wait}, {"Retry", c.Retry}, {"RetryMost", c.RetryMost}} {
		if d.is < 0 {
			return fmt.Errorf("projector: Config.%s is %s: want 0 (the default) or more", d.name, d.is)
		}
	}
	return c.Log.Validate()
}

func (c Config) withDefaults() Config {
	if c.Limit == 0 {
		c.Limit = 5000
	}
	for _, d := range []struct {
		is   *time.Duration
		unit time.Duration
	}{{&c.Wait, time.Second}, {&c.Retry, 100 * time.Millisecond}, {&c.RetryMost, 5 * time.Second}} {
		if *d.is == 0 {
			*d.is = d.unit
		}
	}
	if c.Hooks.Committed == nil {
		c.Hooks.Committed = func(Commit) {}
	}
	if c.Hooks.Failed == nil {
		c.Hooks.Failed = func(error) {}
	}
	return c
}
