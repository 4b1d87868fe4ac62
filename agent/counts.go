package agent

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/portage-kafka/portage/agent/internal/consume"
	"github.com/portage-kafka/portage/cluster/group"
)

// defaultMaxAge is how old partition counts may get; Kafka's clients have metadata.max.age.ms of 5 min.
const defaultMaxAge = time.Minute

// nextCount is when to ask for partition counts that were just asked for: within the last half of their age, at random, so that
// the instances of a service do not all ask at once.
func nextCount(maxAge time.Duration) time.Duration {
	return maxAge - time.Duration(rand.Float64()*float64(maxAge)/2)
}

// inventoryFunc asks for the partition counts of topics.
type inventoryFunc = func(context.Context, []string) (group.Inventory, error)

// inventory remembers what the member asks for as a leader.
func (t *seat) inventory(ask inventoryFunc) inventoryFunc {
	return func(ctx context.Context, topics []string) (group.Inventory, error) {
		inv, err := ask(ctx, topics)
		if err == nil {
			t.led.Store(&inv)
		}
		return inv, err
	}
}

// assigned tells the core with which counts an assignment was made, if we did that, and wants them asked for. What is left of
// a generation that came to nothing is older: at worst the group rebalances once more.
func (t *seat) assigned(s group.Status) {
	if inv := t.led.Swap(nil); inv != nil {
		t.post(consume.Counted{Side: t.side, Member: s.MemberID, Generation: s.Generation, Counts: inv.Counts, Made: true})
	}
	select {
	case t.due <- struct{}{}:
	default:
	}
}

// count asks for the partition counts of the offered topics: after every assignment, and when those had are old.
func (t *seat) count(m *group.Member, ask inventoryFunc) {
	timer := time.NewTimer(t.maxAge)
	defer timer.Stop()
	for {
		select {
		case <-t.due:
		case <-timer.C:
		case <-t.ctx.Done():
			return
		}
		next := nextCount(t.maxAge)
		if err := t.countOnce(m.Status(), ask); err != nil && t.ctx.Err() == nil {
			t.cfg.Log.Debug().Err(err).Str("cluster", t.name).Msg("ask for partition counts")
			next = min(next, againMost)
		}
		timer.Reset(next)
	}
}

func (t *seat) countOnce(s group.Status, ask inventoryFunc) error {
	if !s.Assigned {
		return nil
	}
	ctx, cancel := context.WithTimeout(t.ctx, attemptTimeout)
	defer cancel()
	inv, err := ask(ctx, s.Offer.Topics)
	if err == nil {
		t.post(consume.Counted{Side: t.side, Member: s.MemberID, Generation: s.Generation, Counts: inv.Counts})
	}
	return err
}
