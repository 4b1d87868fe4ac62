package group

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// ErrNotAlone: the guard is not the only member, so the group cannot be sealed.
var ErrNotAlone = errors.New("the guard is not alone in the group")

// ErrKeepsType: the broker does not let an emptied group change its protocol type (the embedded broker does not, Apache Kafka
// does). The guard is back at the door: classic strangers are kept out, KIP-848 consumers are not.
var ErrKeepsType = errors.New("the broker keeps the protocol type of an emptied group")

// MovedError says that committed offsets changed while the guard was out of the group.
type MovedError struct {
	Group string
	Moved map[Partition][2]Stored // before and after
}

// Error names each partition with both offsets.
func (e *MovedError) Error() string {
	var words []string
	for p, s := range e.Moved {
		words = append(words, fmt.Sprintf("%s from %d to %d", p, s[0].At, s[1].At))
	}
	slices.Sort(words)
	return fmt.Sprintf("group %q: offsets moved while its guard changed the lock: %s: find out who committed", e.Group, strings.Join(words, ", "))
}

// Seal makes the guard's last stand: once alone, it leaves and comes back with a protocol type of its own, which keeps every
// consumer out, KIP-848 ones too. The group is open for the milliseconds in between; Seal checks that no offset moved
// meanwhile (*MovedError). If it cannot get in again that way, it goes back to the door and says why: ErrNotAlone (somebody
// who offers portage got in), ErrStranger (somebody else did, and the guard stands outside: Retry tries again), ErrKeepsType.
// A sealed guard stays as it is.
func (g *Guard) Seal(ctx context.Context) error {
	before, sealed, err := g.beforeSealing(ctx)
	if err != nil || sealed {
		return err
	}
	if err := g.member.Leave(ctx); err != nil {
		return fmt.Errorf("seal group %q: %w", g.cfg.Group, err)
	}
	if err := g.comeBack(ctx); err != nil {
		return err
	}
	after, err := g.Offsets(ctx, nil)
	if err != nil {
		return fmt.Errorf("seal group %q: it is sealed, but %w", g.cfg.Group, err)
	}
	return moved(g.cfg.Group, before, after)
}

// beforeSealing reads the offsets while the guard is alone; again if a rebalance, for example of those who have just left,
// comes in between.
func (g *Guard) beforeSealing(ctx context.Context) (offsets map[string]map[int32]Stored, sealed bool, err error) {
	for {
		s, err := g.Wait(ctx)
		if err != nil || s.Sealed {
			return nil, s.Sealed, err
		}
		if err := g.alone(ctx, s.MemberID); err != nil {
			return nil, false, err
		}
		offsets, err := g.Offsets(ctx, nil)
		switch {
		case err == nil:
			return offsets, false, nil
		case !errors.Is(err, ErrGeneration) && !errors.Is(err, ErrNotMember):
			return nil, false, fmt.Errorf("seal group %q: %w", g.cfg.Group, err)
		}
	}
}

// comeBack joins with the guard's own protocol type, else at the door.
func (g *Guard) comeBack(ctx context.Context) error {
	topics := g.member.Status().Offer.Topics
	_, refusal := g.enter(ctx, guardOffer(true, topics))
	if refusal == nil || !errors.Is(refusal, ErrStranger) {
		return refusal
	}
	s, err := g.enter(ctx, guardOffer(false, topics))
	if err != nil {
		return err
	}
	if err := g.alone(ctx, s.MemberID); err != nil {
		return err
	}
	return fmt.Errorf("seal group %q: %w", g.cfg.Group, ErrKeepsType)
}

// enter joins with an offer. What was known before is void, whatever events are still on their way.
func (g *Guard) enter(ctx context.Context, o Offer) (GuardState, error) {
	g.observe(Left{})
	if err := g.member.Rejoin(o); err != nil {
		return GuardState{}, err
	}
	return g.Wait(ctx)
}

func (g *Guard) alone(ctx context.Context, id string) error {
	s, err := Inspect(ctx, g.client, g.cfg.Group)
	if err != nil {
		return err
	}
	var others []string
	for _, m := range s.Members {
		if m.ID != id {
			others = append(others, m.String())
		}
	}
	if len(others) > 0 || s.Kind != GroupClassic || len(s.Members) == 0 {
		return fmt.Errorf("seal group %q (%s): %w: with %s", g.cfg.Group, s.Kind, ErrNotAlone, strings.Join(others, ", "))
	}
	return nil
}

// moved compares two readings; leader epochs do not count.
func moved(group string, before, after map[string]map[int32]Stored) error {
	e := &MovedError{Group: group, Moved: map[Partition][2]Stored{}}
	compare := func(topic string, n int32) {
		was, is := storedAt(before, topic, n), storedAt(after, topic, n)
		if was.At != is.At || was.Metadata != is.Metadata {
			e.Moved[Partition{Topic: topic, ID: n}] = [2]Stored{was, is}
		}
	}
	for _, reading := range []map[string]map[int32]Stored{before, after} {
		for _, topic := range slices.Sorted(maps.Keys(reading)) {
			for n := range reading[topic] {
				compare(topic, n)
			}
		}
	}
	if len(e.Moved) > 0 {
		return e
	}
	return nil
}

func storedAt(m map[string]map[int32]Stored, topic string, n int32) Stored {
	if s, ok := m[topic][n]; ok {
		return s
	}
	return Stored{At: none, LeaderEpoch: none}
}
