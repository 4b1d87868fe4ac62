package roster

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

const epoch = 7

func ids(members []Member) []string {
	var out []string
	for _, m := range members {
		out = append(out, m.ID)
	}
	return out
}

func TestCompleteOnlyWithGuardAndEveryAck(t *testing.T) {
	q := Question{
		Epoch:   epoch,
		Members: []Member{{ID: "b"}, {ID: "guard-2", Instance: "portage-guard"}, {ID: "a"}},
		Guards:  []string{"guard-1", "guard-2"},
		Acks:    []Ack{{epoch, "pa", "a"}, {epoch, "pb", "b"}},
	}
	a := Check(q)
	require.True(t, a.Complete(), a.Why())
	require.Empty(t, a.Why())
	require.Equal(t, "guard-2", a.Guard)
	require.Equal(t, []string{"a", "b"}, ids(a.Acked))

	q.Guards = nil
	a = Check(q)
	require.False(t, a.Complete())
	require.Equal(t, "the guard is not inside; strangers: guard-2 (portage-guard)", a.Why())
	q.GuardInstance = "portage-guard"
	require.Equal(t, []string{"guard-2"}, ids(Check(q).Missing), "a successor that is not recorded yet is waited for")

	require.True(t, Check(Question{Members: []Member{{ID: "g"}}, Guards: []string{"g"}}).Complete(), "a group without agents")
	require.False(t, Check(Question{}).Complete(), "an empty group is not guarded")
}

func TestWhatCountsForNothing(t *testing.T) {
	for name, ack := range map[string]Ack{
		"a former epoch":      {epoch - 1, "p", "m"},
		"a later epoch":       {epoch + 1, "p", "m"},
		"another incarnation": {epoch, "q", "m"},
		"another member id":   {epoch, "p", "n"},
		"no incarnation":      {epoch, "", "m"},
		"no member id":        {epoch, "p", ""},
	} {
		a := Check(Question{Epoch: epoch, Members: []Member{{ID: "g"}, {ID: "m", Incarnation: "p"}}, Guards: []string{"g"}, Acks: []Ack{ack}})
		require.False(t, a.Complete(), name)
		require.Empty(t, a.Acked, name)
		require.Empty(t, a.Strangers, name)
	}
}

func TestEveryoneIsNamed(t *testing.T) {
	a := Check(Question{
		Epoch: epoch,
		Members: []Member{
			{ID: "g"}, {ID: "acked"}, {ID: "late"}, {ID: "fresh", Incarnation: "p9"}, {ID: "dead"}, {ID: "dead-2", Incarnation: "p1"},
			{ID: "twice"}, {ID: "told", Incarnation: "p4"}, {ID: "who", Instance: "i-1"},
		},
		Guards: []string{"g"},
		Acks: []Ack{
			{epoch, "p1", "acked"}, {epoch, "p1", "acked"},
			{epoch - 1, "p2", "late"},
			{epoch - 1, "p1", "dead"}, // p1 goes on as "acked"
			{epoch, "p3", "twice"}, {epoch, "p5", "twice"},
			{epoch, "p4", "told"}, {epoch, "p5", "told"}, // the broker says which
			{epoch, "p6", "left"}, {epoch, "p6", "left"}, {epoch - 1, "p7", "left long ago"},
		},
	})
	require.Equal(t, []string{"acked", "told"}, ids(a.Acked))
	require.Equal(t, []string{"fresh", "late"}, ids(a.Missing))
	require.Equal(t, []string{"dead", "dead-2"}, ids(a.Ghosts))
	require.Equal(t, []string{"twice"}, ids(a.Disputed))
	require.Equal(t, []string{"who"}, ids(a.Strangers))
	require.Equal(t, []Ack{{epoch, "p6", "left"}}, a.Gone)
	require.Equal(t, "strangers: who (i-1); not acknowledged: fresh, late; dead, not expired yet: dead, dead-2; claimed by two processes: twice", a.Why())
}

// dumbAcked asks the question word by word.
func dumbAcked(q Question, m Member) bool {
	var who []string
	for _, k := range q.Acks {
		if k.Epoch == q.Epoch && k.Member == m.ID && k.Member != "" && k.Incarnation != "" && !slices.Contains(who, k.Incarnation) {
			who = append(who, k.Incarnation)
		}
	}
	if m.Incarnation == "" {
		return len(who) == 1
	}
	return slices.Contains(who, m.Incarnation)
}

func draw(t *rapid.T) Question {
	name := func(prefix string, n int) *rapid.Generator[string] {
		return rapid.Custom(func(t *rapid.T) string { return fmt.Sprint(prefix, rapid.IntRange(0, n).Draw(t, prefix)) })
	}
	orNone := func(g *rapid.Generator[string]) *rapid.Generator[string] { return rapid.OneOf(g, rapid.Just("")) }
	members := rapid.SliceOfNDistinct(rapid.Custom(func(t *rapid.T) Member {
		return Member{ID: name("m", 5).Draw(t, "id"), Incarnation: orNone(name("p", 4)).Draw(t, "incarnation")}
	}), 0, 5, func(m Member) string { return m.ID }).Draw(t, "members")
	acks := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Ack {
		return Ack{Epoch: rapid.Uint32Range(epoch-1, epoch+1).Draw(t, "epoch"), Incarnation: orNone(name("p", 4)).Draw(t, "incarnation"), Member: orNone(name("m", 5)).Draw(t, "member")}
	}), 0, 12).Draw(t, "acks")
	return Question{Epoch: epoch, Members: members, Guards: []string{"m0"}, Acks: acks}
}

// The answer agrees with the dumb reading, places everyone exactly once and does not depend on any order.
func TestCheckAgainstTheDumbReading(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := draw(t)
		a := Check(q)
		complete, guarded := true, false
		for _, m := range q.Members {
			if m.ID == "m0" {
				guarded = true
				continue
			}
			acked := dumbAcked(q, m)
			complete = complete && acked
			require.Equal(t, acked, slices.Contains(a.Acked, m), "%+v", m)
			n := 0
			for _, l := range [][]Member{a.Acked, a.Missing, a.Ghosts, a.Disputed, a.Strangers} {
				n += len(slices.DeleteFunc(slices.Clone(l), func(x Member) bool { return x != m }))
			}
			require.Equal(t, 1, n, "%+v is placed %d times", m, n)
		}
		require.Equal(t, complete && guarded, a.Complete())
		require.Equal(t, a.Complete(), a.Why() == "")

		shuffled := q
		shuffled.Members = rapid.Permutation(q.Members).Draw(t, "members shuffled")
		shuffled.Acks = append(rapid.Permutation(q.Acks).Draw(t, "acks shuffled"), q.Acks...)
		require.Equal(t, a, Check(shuffled))
	})
}
