package roster

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Member is one member of a group as the broker lists it.
type Member struct {
	ID       string // the broker's member id
	Instance string // group.instance.id of a static member, else ""
	// Incarnation is what the member's metadata says of its process; "" when the broker did not show metadata
	// (it does so only while the group is stable) or the member is none of ours.
	Incarnation string
}

// Ack is one acknowledgement: the process says that it did, for this epoch, what was ordered while it was the
// group's member of this id.
type Ack struct {
	Epoch       uint32
	Incarnation string
	Member      string
}

// Question is what [Check] needs. Nothing in it is modified, and no order is expected.
type Question struct {
	Epoch   uint32
	Members []Member
	// Guards are the member ids recorded as the guard's (GuardHeld), the former ones included: a static successor
	// takes over without a rebalance.
	Guards []string
	// GuardInstance is the guard's group.instance.id. A member that bears it under an id that is not recorded is
	// a successor whose GuardHeld is on its way: it is missing, not a stranger.
	GuardInstance string
	// Acks are the acknowledgements of the asked kind. Those of former epochs may be among them: they count for
	// nothing, but tell agents from strangers.
	Acks []Ack
}

// Answer is who stands where, each list sorted by member id.
type Answer struct {
	Guard     string // the member id under which the guard is inside; "" if it is not
	Acked     []Member
	Missing   []Member
	Ghosts    []Member
	Disputed  []Member
	Strangers []Member
	Gone      []Ack // valid acknowledgements of this epoch by somebody who is no member; sorted by member id
}

// Complete reports whether the step may be taken: the guard is inside and everybody else has acknowledged.
func (a Answer) Complete() bool {
	return a.Guard != "" && len(a.Missing)+len(a.Ghosts)+len(a.Disputed)+len(a.Strangers) == 0
}

// Why says in one line who is waited for, "" when the answer is complete.
func (a Answer) Why() string {
	var parts []string
	if a.Guard == "" {
		parts = append(parts, "the guard is not inside")
	}
	for _, l := range []struct {
		what    string
		members []Member
	}{
		{"strangers", a.Strangers},
		{"not acknowledged", a.Missing},
		{"dead, not expired yet", a.Ghosts},
		{"claimed by two processes", a.Disputed},
	} {
		if len(l.members) > 0 {
			parts = append(parts, fmt.Sprintf("%s: %s", l.what, names(l.members)))
		}
	}
	return strings.Join(parts, "; ")
}

// names lists member ids, a static member's instance id behind its own.
func names(members []Member) string {
	out := make([]string, len(members))
	for i, m := range members {
		out[i] = m.ID
		if m.Instance != "" {
			out[i] += " (" + m.Instance + ")"
		}
	}
	return strings.Join(out, ", ")
}

// Check sorts the members of a group by what they have acknowledged.
func Check(q Question) Answer {
	c := claimsOf(q.Acks, q.Epoch)
	var a Answer
	for _, m := range sortedMembers(q.Members) {
		if slices.Contains(q.Guards, m.ID) {
			a.Guard = m.ID
			continue
		}
		list := c.place(&a, m, q.GuardInstance)
		*list = append(*list, m)
	}
	a.Gone = c.gone(q)
	return a
}

// place returns the list of the answer that a member other than the guard belongs to.
func (c claims) place(a *Answer, m Member, guardInstance string) *[]Member {
	now := c.now[m.ID]
	switch {
	case m.Incarnation == "" && len(now) > 1:
		return &a.Disputed
	case len(now) > 0 && (m.Incarnation == "" || slices.Contains(now, m.Incarnation)):
		return &a.Acked
	case guardInstance != "" && m.Instance == guardInstance:
		return &a.Missing
	case c.movedOn(m):
		return &a.Ghosts
	case m.Incarnation != "" || len(c.ever[m.ID]) > 0:
		return &a.Missing
	}
	return &a.Strangers
}

// claims are the acknowledgements looked up by member id; the incarnations are sorted and distinct.
type claims struct {
	now   map[string][]string // member id → incarnations that acknowledged this epoch
	ever  map[string][]string // member id → incarnations that acknowledged any epoch
	where map[string][]string // incarnation → member ids under which it acknowledged this epoch
}

func claimsOf(acks []Ack, epoch uint32) claims {
	c := claims{now: map[string][]string{}, ever: map[string][]string{}, where: map[string][]string{}}
	for _, k := range acks {
		if k.Incarnation == "" || k.Member == "" {
			continue
		}
		insert(c.ever, k.Member, k.Incarnation)
		if k.Epoch == epoch {
			insert(c.now, k.Member, k.Incarnation)
			insert(c.where, k.Incarnation, k.Member)
		}
	}
	return c
}

func insert(m map[string][]string, key, value string) {
	l := m[key]
	if i, found := slices.BinarySearch(l, value); !found {
		m[key] = slices.Insert(l, i, value)
	}
}

// movedOn reports whether a process of this member has acknowledged the epoch under another member id.
func (c claims) movedOn(m Member) bool {
	who := c.ever[m.ID]
	if m.Incarnation != "" {
		who = []string{m.Incarnation}
	}
	return slices.ContainsFunc(who, func(incarnation string) bool {
		return slices.ContainsFunc(c.where[incarnation], func(id string) bool { return id != m.ID })
	})
}

// gone lists the acknowledgements of the epoch whose member id the broker does not list.
func (c claims) gone(q Question) []Ack {
	listed := make(map[string]bool, len(q.Members))
	for _, m := range q.Members {
		listed[m.ID] = true
	}
	var out []Ack
	for _, k := range q.Acks {
		if k.Epoch == q.Epoch && k.Incarnation != "" && k.Member != "" && !listed[k.Member] {
			out = append(out, k)
		}
	}
	slices.SortFunc(out, func(a, b Ack) int {
		return cmp.Or(cmp.Compare(a.Member, b.Member), cmp.Compare(a.Incarnation, b.Incarnation))
	})
	return slices.Compact(out)
}

func sortedMembers(members []Member) []Member {
	out := slices.Clone(members)
	slices.SortFunc(out, func(a, b Member) int { return cmp.Compare(a.ID, b.ID) })
	return out
}
