package auth

import (
	"context"
	"time"
)

// While files are being replaced they may be absent, empty or at odds with each other: a certificate and its key are two
// files, and not everybody renames. So a read that fails is tried some more times.
const (
	rereads  = 5
	rereadIn = 20 * time.Millisecond
)

// patiently repeats read while it fails, until ctx ends or it has failed often enough.
func patiently[T any](ctx context.Context, read func() (T, error)) (T, error) {
	for n := 1; ; n++ {
		value, err := read()
		if err == nil || n == rereads {
			return value, err
		}
		again := time.NewTimer(rereadIn)
		select {
		case <-again.C:
		case <-ctx.Done():
			again.Stop()
			return value, err
		}
	}
}
