package replicator

import (
	"context"
	"errors"
	"fmt"

	"github.com/portage-kafka/portage/events"
	"golang.org/x/sync/errgroup"
)

// errNoLease says that the group has not confirmed the membership lately.
var errNoLease = errors.New("not within the group's lease")

// claimRequest is a claim that a partition wants to have published.
type claimRequest struct {
	p     *partition
	life  int
	claim events.Claim
}

// claimsAtOnce bounds the claims on their way: those of one control partition go
// one after the other anyhow.
const claimsAtOnce = 2 * events.ControlPartitions

// publishClaims publishes claims, inside the lease only: a claim fences the owner
// before.
func (w *Worker) publishClaims(ctx context.Context, all []claimRequest) {
	w.awaitLease(ctx)
	var work errgroup.Group
	work.SetLimit(claimsAtOnce)
	for _, r := range all {
		work.Go(func() error {
			r.p.finished(w.publishClaim(ctx, r))
			return nil
		})
	}
	_ = work.Wait() // they tell their partitions
}

// awaitLease waits for a lease, which follows an assignment at once: not as many
// attempts shall fail as there are partitions.
func (w *Worker) awaitLease(ctx context.Context) {
	if w.cfg.Instance != "" {
		wait(ctx, w.cfg.Grace-w.now())
	}
	for end := w.now() + w.cfg.Session; w.lease() <= w.now() && w.now() < end && ctx.Err() == nil; {
		wait(ctx, leaseRetry)
	}
}

func (w *Worker) publishClaim(ctx context.Context, r claimRequest) error {
	switch {
	case !r.p.lives(r.life):
		return nil
	case w.lease() <= w.now():
		return errNoLease
	}
	r.claim.Nonce = w.cfg.Nonce()
	if _, err := w.offsets.PublishClaim(ctx, r.p.key, r.claim); err != nil {
		return fmt.Errorf("claim owner epoch %d with producer id %d: %w", r.claim.OwnerEpoch, r.claim.ProducerID, err)
	}
	w.cfg.Log.Debug().Stringer("partition", r.p.key).Int32("owner_epoch", r.claim.OwnerEpoch).Int64("producer_id", r.claim.ProducerID).Int16("producer_epoch", r.claim.ProducerEpoch).Msg("claimed")
	r.p.update(r.life, func(c *core) { c.claimed(r.claim) })
	return nil
}
