package projector

import (
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
)

// errEnough ends a scan early.
var errEnough = errors.New("enough")

// scan hands every pair from a key on, below another, to a function. The
// slices are valid during the call only.
func scan(from getter, lower, upper key, each func(k, value []byte) error) error {
	iter, err := from.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper})
	if err != nil {
		return fmt.Errorf("read the store: %w", err)
	}
	for valid := iter.First(); valid && err == nil; valid = iter.Next() {
		value, verr := iter.ValueAndErr()
		if err = verr; err == nil {
			err = each(iter.Key(), value)
		}
	}
	if errors.Is(err, errEnough) {
		err = nil
	}
	return errors.Join(err, iter.Error(), iter.Close())
}

// list reads all values under a prefix, in the order of their keys.
func list[T any](from getter, prefix key, read func(k, value []byte) (T, error)) ([]T, error) {
	var all []T
	err := scan(from, prefix, prefix.end(), func(k, value []byte) error {
		v, err := read(k[len(prefix):], value)
		if err != nil {
			return fmt.Errorf("the row %q of the store cannot be read: %w", k, err)
		}
		all = append(all, v)
		return nil
	})
	return all, err
}
