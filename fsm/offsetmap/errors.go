package offsetmap

import (
	"errors"
	"fmt"
)

// Errors to test for with errors.Is; the values that are returned carry their data.
var (
	ErrNotYet   = errors.New("not yet copied")            // a [NotYetError]: wait for the copy
	ErrBelow    = errors.New("below where copying began") // a [BelowError]: a failed gate
	ErrInvalid  = errors.New("impossible stretch")        // an [InvalidError]: a fault in the caller
	ErrEncoding = errors.New("not a packed offset map")   // an [EncodingError]: foreign or damaged bytes
	ErrConflict = errors.New("blocks contradict each other")
	ErrHole     = errors.New("a block is missing")
)

// NotYetError says that the copy has not reached a position. It is no failure: the caller waits and asks again.
type NotYetError struct {
	Side               Side  // where the position is
	Position, Frontier int64 // the frontier is the highest position that can be translated now
}

func (e *NotYetError) Error() string {
	return fmt.Sprintf("%s position %d is not yet copied: the map reaches %d; wait for the copy", e.Side, e.Position, e.Frontier)
}

// Is reports whether target is [ErrNotYet].
func (e *NotYetError) Is(target error) bool { return target == ErrNotYet }

// BelowError says that a position lies below where copying began while the log still has records there, so that
// moving up would skip them.
type BelowError struct {
	Side                      Side
	Position, Begin, LogStart int64
}

func (e *BelowError) Error() string {
	return fmt.Sprintf("%s position %d lies below %d, where copying began, and the log still starts at %d: copy from the log start, or let the group read on first",
		e.Side, e.Position, e.Begin, e.LogStart)
}

// Is reports whether target is [ErrBelow].
func (e *BelowError) Is(target error) bool { return target == ErrBelow }

// InvalidError says that a stretch does not fit the map.
type InvalidError struct {
	Op     string // append, skip or begin
	Run    Run
	End    Pair // watermark and target end of the map
	Reason string
}

func (e *InvalidError) Error() string {
	return fmt.Sprintf("%s source %d target %d count %d to a map that ends at source %d target %d: %s",
		e.Op, e.Run.Source, e.Run.Target, e.Run.Count, e.End.Source, e.End.Target, e.Reason)
}

// Is reports whether target is [ErrInvalid].
func (e *InvalidError) Is(target error) bool { return target == ErrInvalid }

// EncodingError says where bytes stop being a packed map.
type EncodingError struct {
	At     int // byte offset
	Reason string
}

func (e *EncodingError) Error() string {
	return fmt.Sprintf("packed offset map, byte %d: %s", e.At, e.Reason)
}

// Is reports whether target is [ErrEncoding].
func (e *EncodingError) Is(target error) bool { return target == ErrEncoding }

// JoinError says why a block does not continue a map. It is [ErrHole] when source offsets between them are
// unaccounted for, else [ErrConflict].
type JoinError struct {
	Cause error // ErrHole or ErrConflict
	At    int64 // source offset where it shows
	Want  int64 // what the map says: the watermark (hole), or the image of At (−1: none; the target end: at least that)
	Got   int64 // what the block says: its begin (hole), or the image of At (−1: none)
}

func (e *JoinError) Error() string {
	if errors.Is(e.Cause, ErrHole) {
		return fmt.Sprintf("%v: the map reaches source offset %d, the next block begins at %d", e.Cause, e.Want, e.Got)
	}
	return fmt.Sprintf("%v: source offset %d has image %d in the map and %d in the block (-1: none)", e.Cause, e.At, e.Want, e.Got)
}

// Unwrap returns the cause.
func (e *JoinError) Unwrap() error { return e.Cause }
