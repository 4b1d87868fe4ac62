package driver

import (
	"fmt"
	"slices"
	"strings"

	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/fsm"
	"github.com/portage-kafka/portage/fsm/roster"
)

// guardWant is how the guard is to stand in a group.
type guardWant uint8

const (
	guardOut    guardWant = iota // not a member
	guardClosed                  // inside; sealed once it is alone
)

// guardsWanted says how the guards of a group are to stand on both sides. The
// target is kept closed from the day the group's topics stand there until the
// instances have settled on it; the source from Prepare on, and for good once
// the switch is decided.
func guardsWanted(m *fsm.Migration, g *fsm.Group) (source, target guardWant) {
	if m.Phase == events.PhaseCancelling || m.Phase == events.PhaseCancelled || g.Readers == events.PhaseReleased {
		return guardOut, guardOut
	}
	switch g.Readers {
	case events.PhaseOnSource:
		if len(g.Created) < len(g.Topics) {
			return guardOut, guardOut
		}
		return guardOut, guardClosed
	case events.PhaseOnTarget:
		return guardClosed, guardOut
	default:
		return guardClosed, guardClosed
	}
}

// maySeal says whether the guard of a side may close the group to instances,
// too: on the source once they have left it for good.
func maySeal(side string, g *fsm.Group) bool {
	return side == events.RouteSource && g.Readers == events.PhaseOnTarget
}

// switching says whether a switch is under way, decided or not.
func switching(p events.Phase) bool { return undecided(p) || p == events.PhaseCommitted }

// undecided says whether a switch is under way that can still be aborted.
func undecided(p events.Phase) bool {
	switch p {
	case events.PhasePreparing, events.PhaseHolding, events.PhaseDrained, events.PhaseCut, events.PhaseStaged:
		return true
	}
	return false
}

// doubtful names a topic whose copy no switch may go further towards, "" if
// there is none.
func doubtful(g *fsm.Group) string {
	for _, t := range g.Topics {
		if !slices.Contains(g.Synced, t.Topic) {
			return fmt.Sprintf("the copy of %s is stopped", t.Topic)
		}
	}
	return ""
}

// loginFailed names an instance that could not log in to the target.
func loginFailed(g *fsm.Group) string {
	for _, m := range g.Members {
		if err := m.Logins[g.Plan.Target.Name]; err != "" {
			return fmt.Sprintf("instance %s cannot log in to %s: %s", m.Instance, g.Plan.Target.Name, err)
		}
	}
	return ""
}

// snapshot is a group as the broker shows it.
type snapshot struct {
	// Stable is true when no rebalance is under way; membership and metadata
	// count only then. Empty groups are not stable.
	Stable bool
	// Modern is true for a KIP-848 group: nothing can be concluded about it.
	Modern  bool
	State   string
	Members []roster.Member
	// Assigned maps topic/partition to the member that has it.
	Assigned map[events.TopicOffset]string
}

// others are the members that are not the guard.
func (s snapshot) others() []roster.Member {
	return slices.DeleteFunc(slices.Clone(s.Members), func(m roster.Member) bool { return m.Instance == guardInstance })
}

// guarded reports whether somebody's guard is inside.
func (s snapshot) guarded() bool { return len(s.others()) < len(s.Members) }

// has reports whether a member id is inside.
func (s snapshot) has(id string) bool {
	return slices.ContainsFunc(s.Members, func(m roster.Member) bool { return m.ID == id })
}

// usable says why the snapshot proves nothing, "" if it does.
func (s snapshot) usable() string {
	switch {
	case s.Modern:
		return "the group uses the consumer protocol of KIP-848: a client without the SDK is inside"
	case !s.Stable:
		return "the group is " + s.State
	}
	return ""
}

// question builds the roster question for acknowledgements of a kind.
func question(g *fsm.Group, s snapshot, acks []roster.Ack) roster.Question {
	q := roster.Question{Epoch: g.Standing.Epoch, Members: s.Members, GuardInstance: guardInstance, Acks: acks}
	if g.SourceGuard.MemberID != "" {
		q.Guards = []string{g.SourceGuard.MemberID}
	}
	return q
}

func preparedAcks(g *fsm.Group) (acks []roster.Ack) {
	for _, m := range g.Members {
		if m.Prepared > 0 {
			acks = append(acks, roster.Ack{Epoch: m.Prepared, Incarnation: m.Incarnation, Member: m.SourceMember})
		}
	}
	return acks
}

func drainedAcks(g *fsm.Group) (acks []roster.Ack) {
	for _, m := range g.Members {
		if m.Drained > 0 {
			acks = append(acks, roster.Ack{Epoch: m.Drained, Incarnation: m.Incarnation, Member: m.DrainMember})
		}
	}
	return acks
}

// readyToHold says whom the hold can be ordered for, or why not yet: every
// member of the source is the guard or has prepared, and there is one at
// least. ARCHITECTURE.md, consumer switch, point 3.
func readyToHold(g *fsm.Group, s snapshot) (members []string, why string) {
	if why := s.usable(); why != "" {
		return nil, why
	}
	if g.SourceGuard.MemberID == "" || g.TargetGuard.MemberID == "" {
		return nil, "the guards are not in both groups yet"
	}
	answer := roster.Check(question(g, s, preparedAcks(g)))
	if !answer.Complete() {
		return nil, answer.Why()
	}
	for _, m := range answer.Acked {
		members = append(members, m.ID)
	}
	if len(members) == 0 {
		return nil, "no instance of the group is running: start one, or move the group without the SDK"
	}
	return members, ""
}

// undrained names an instance that has prepared for the switch and has not
// drained yet, "" for none. It may be gone: what counts is who is inside.
func undrained(g *fsm.Group) string {
	for _, m := range g.Members {
		if m.Prepared == g.Standing.Epoch && m.Drained != g.Standing.Epoch {
			return fmt.Sprintf("instance %s (%s) has not drained yet", m.Instance, m.Incarnation)
		}
	}
	return ""
}

// standsStill says why the source group may still move: ARCHITECTURE.md, consumer switch, point 4.
func standsStill(g *fsm.Group, s snapshot) string {
	if why := s.usable(); why != "" {
		return why
	}
	answer := roster.Check(question(g, s, drainedAcks(g)))
	return answer.Why()
}

// names lists member ids for people.
func names(ms []roster.Member) string {
	ids := make([]string, len(ms))
	for i, m := range ms {
		ids[i] = m.ID
	}
	return strings.Join(ids, ", ")
}
