package driver

import (
	"context"
	"errors"
	"time"

	"github.com/portage-kafka/portage/events/log"
)

// tailOffsets keeps the maps as workers publish them.
func (d *Driver) tailOffsets(ctx context.Context) error {
	tail := log.NewOffsets(d.cfg.Control, log.Options{Logger: d.cfg.Logger}).Tail(nil)
	for ctx.Err() == nil {
		records, caughtUp, err := tail.Next(ctx, time.Second)
		if lasting(err) {
			return errors.Join(err, tail.Close())
		}
		if err != nil && ctx.Err() == nil {
			d.cfg.Logger.Warn().Err(err).Msg("the offset map is not followed, trying again")
		}
		for _, r := range records {
			d.takeMap(r)
		}
		if caughtUp {
			d.maps.whole()
		}
	}
	return tail.Close()
}

func (d *Driver) takeMap(r log.OffsetsRecord) {
	switch {
	case r.Refusal != nil:
		d.cfg.Logger.Error().Err(r.Refusal).Int64("offset", r.Offset).Msg("a record of the offset map is refused")
	case r.Block != nil:
		if err := d.maps.put(r.Key.Copy, *r.Block); err != nil {
			d.cfg.Logger.Warn().Err(err).Msg("the offset map has a hole: waiting for the missing block")
		}
	}
}

// lasting reports errors of a control topic that no waiting mends.
func lasting(err error) bool {
	return errors.Is(err, log.ErrTruncated) || errors.Is(err, log.ErrRecreated)
}
