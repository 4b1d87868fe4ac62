package replicator

import (
	"context"
	"errors"
	"fmt"

	"github.com/portage-kafka/portage/events"
)

// errNoLease says that the group has not confirmed the membership lately.
var errNoLease = errors.New("not within the group's lease")

// claimRequest is a claim that a partition wants to have published.
type claimRequest struct {
	p     *partition
	life  int
	claim events.Claim
}

// publishClaims publishes claims of one control partition in one batch, inside
// the lease only: a claim fences the owner before.
func (w *Worker) publishClaims(ctx context.Context, all []claimRequest) {
	w.awaitLease(ctx)
	claims, mine := map[events.CopyKey]events.Claim{}, all[:0]
	for _, r := range all {
		if !r.p.lives(r.life) {
			r.p.finished(nil)
			continue
		}
		r.claim.Nonce = w.cfg.Nonce()
		claims[r.p.key], mine = r.claim, append(mine, r)
	}
	err := errNoLease
	if w.lease() > w.now() {
		err = w.offsets.PublishClaims(ctx, claims)
	}
	for _, r := range mine {
		r.p.finished(r.published(err))
	}
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

// published tells the partition that its claim is in the topic, or why not. What
// it is worth, the core sees when it has loaded everything once more.
func (r claimRequest) published(err error) error {
	if err != nil {
		return fmt.Errorf("claim owner epoch %d with producer id %d: %w", r.claim.OwnerEpoch, r.claim.ProducerID, err)
	}
	r.p.log().Debug().Int32("owner_epoch", r.claim.OwnerEpoch).Int64("producer_id", r.claim.ProducerID).Int16("producer_epoch", r.claim.ProducerEpoch).Msg("claimed")
	r.p.update(r.life, func(c *core) { c.claimed(r.claim) })
	return nil
}
