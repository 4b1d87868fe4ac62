package projector

import (
	"errors"
	"fmt"
)

// Reasons for which a store does not open or a fold does not go on. Compare
// with errors.Is; the error itself names the values and what to do.
var (
	// ErrLocked: another process (or this one) has the store open.
	ErrLocked = errors.New("the store is open elsewhere")
	// ErrNewer: a later release wrote the store.
	ErrNewer = errors.New("the store was written by a later release")
	// ErrFailed: the disk failed under an open store, which is of no use any more.
	ErrFailed = errors.New("the store failed")
	// ErrClosed: the store was closed.
	ErrClosed = errors.New("the store is closed")
	// ErrBusy: CatchUp or Run is under way already.
	ErrBusy = errors.New("the projector is folding already")
	// ErrForeignLog: the log is not the one that the store was folded from. One
	// that was created anew is log.ErrRecreated, one that lost records
	// log.ErrTruncated.
	ErrForeignLog = errors.New("portage.events is another log than the one folded so far")
	// ErrCheckpoint: see [CheckpointError].
	ErrCheckpoint = errors.New("the fold differs from a checkpoint")
	// ErrBeyondEnd: a position or time was asked for that the log has not reached.
	ErrBeyondEnd = errors.New("the log does not reach so far")
)

// CheckpointError says that the fold came to another result than whoever wrote
// a checkpoint: the log was changed, the fold is not deterministic, or another
// release folds otherwise.
type CheckpointError struct {
	Migration string
	// Position is the checkpoint event's, At the position that it speaks of.
	Position int64
	At       int64
	// What is "log" or "state": the digest that differs. Want is the
	// checkpoint's, Have the fold's; both in hex.
	What, Want, Have string
}

// Error names the position, the digests and what they tell.
func (e *CheckpointError) Error() string {
	hint := "the events up to there are not those that were written: find out who has changed the log (portage events shows it)"
	if e.What == "state" {
		hint = "the events are the same, so another release folds them otherwise: compare the versions"
	}
	return fmt.Sprintf("the checkpoint at position %d says that the %s digest of migration %q was %s as of position %d, folded is %s: %s",
		e.Position, e.What, e.Migration, e.Want, e.At, e.Have, hint)
}

// Unwrap makes the error ErrCheckpoint.
func (*CheckpointError) Unwrap() error { return ErrCheckpoint }
