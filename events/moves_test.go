package events

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

var axes = []Axis{MigrationAxis, CopyAxis, ReadersAxis, WritersAxis, RetirementAxis}

func TestCatalogueIsSound(t *testing.T) {
	seen := map[Type]bool{}
	for _, k := range Catalogue() {
		t.Run(string(k.Type), func(t *testing.T) {
			require.False(t, seen[k.Type], "stands in the catalogue twice")
			seen[k.Type] = true
			require.Equal(t, k.Type, k.Zero.EventType(), "the body's own name")
			require.GreaterOrEqual(t, k.Schema, 1)
			require.NotEmpty(t, k.Streams)
			require.NotEmpty(t, k.Writers)
			require.NotEmpty(t, k.Changes)
			require.Contains(t, []Class{Command, Decision, Abort, Acknowledgement, Observation}, k.Class)
			found, ok := Lookup(k.Type)
			require.True(t, ok)
			require.Equal(t, k.Changes, found.Changes)
			body, err := k.decode([]byte("{}"))
			require.NoError(t, err)
			require.IsType(t, k.Zero, body)
			if k.Class == Command || k.Class == Abort {
				require.Contains(t, k.Writers, Operator, "a person may ask for it")
			}
			if k.Class == Decision {
				require.Equal(t, []ActorKind{Orchestrator}, k.Writers)
			}
		})
	}
	_, ok := Lookup("TeaServed")
	require.False(t, ok)
	for class, want := range map[Class]bool{Command: true, Decision: true, Abort: true, Acknowledgement: false, Observation: false} {
		require.Equal(t, want, class.Versioned(), class)
	}
}

func TestMovesNameTheCatalogue(t *testing.T) {
	for _, a := range axes {
		require.NotEmpty(t, Moves(a), a)
		for _, m := range Moves(a) {
			_, ok := Lookup(m.Type)
			require.True(t, ok, "%s: %s", a, m.Type)
			require.NotEmpty(t, m.From)
			require.NotEmpty(t, m.To)
		}
	}
	require.Nil(t, Moves("taste"))
}

// TestMovesAreTheCallers: what a caller does to a table changes no judgement.
func TestMovesAreTheCallers(t *testing.T) {
	table := Moves(ReadersAxis)
	table[1].From[0] = "elsewhere"
	k, _ := Lookup("SwitchRequested")
	e := sample(t, SwitchRequested{To: RouteTarget})
	require.Empty(t, Judge(k, ReadersAxis, e, Standing{Version: 4, Epoch: 2, Phase: PhaseOnSource}))
}

func TestDecides(t *testing.T) {
	for _, c := range []struct {
		t    Type
		s    StreamKind
		want Axis
	}{
		{"StartRequested", OfMigration, MigrationAxis}, {"SwitchRequested", OfGroup, ReadersAxis}, {"AbortRequested", OfGroup, ReadersAxis},
		{"SwitchRequested", OfTopic, WritersAxis}, {"AbortRequested", OfTopic, WritersAxis}, {"WritersRolling", OfTopic, WritersAxis},
		{"TopicPlanned", OfTopic, CopyAxis}, {"CopyStarted", OfTopic, CopyAxis}, {"VerifyOrdered", OfTopic, CopyAxis}, {"RetryRequested", OfTopic, CopyAxis},
	} {
		k, _ := Lookup(c.t)
		require.Equal(t, c.want, Decides(k, c.s), "%s on %s", c.t, c.s)
	}
}

func TestJudgeReasons(t *testing.T) {
	at := Standing{Version: 4, Epoch: 2, Phase: PhaseOnSource}
	k, _ := Lookup("SwitchRequested")
	good := sample(t, SwitchRequested{To: RouteTarget})
	good.Stream = GroupStream("billing")
	require.Empty(t, Judge(k, ReadersAxis, good, at))

	for _, c := range []struct {
		change func(*Event, *Standing)
		want   string
	}{
		{func(e *Event, _ *Standing) { e.Expects = u64(3) }, "expects version 3, group/billing is at version 4: read the state again"},
		{func(e *Event, _ *Standing) { e.Expects = nil }, "expects version (none), group/billing is at version 4: read the state again"},
		{func(e *Event, _ *Standing) { e.Epoch = 2 }, "epoch 2, group/billing would accept epoch 3"},
		{func(_ *Event, s *Standing) { s.Phase = PhaseHolding }, "group/billing is holding, SwitchRequested needs on_source"},
	} {
		e, s := good, at
		c.change(&e, &s)
		require.Equal(t, c.want, Judge(k, ReadersAxis, e, s))
	}
}

// TestOneOfTwoConflictingDecisions: of a decision and an abort of one epoch,
// the first is accepted and the other is not, whichever comes first.
func TestOneOfTwoConflictingDecisions(t *testing.T) {
	commit, _ := Lookup("SwitchCommitted")
	abort, _ := Lookup("AbortRequested")
	at := Standing{Version: 4, Epoch: 3, Phase: PhaseStaged}
	decision, ask := sample(t, SwitchCommitted{}), sample(t, AbortRequested{Code: "operator", Reason: "x"})
	require.Empty(t, Judge(commit, ReadersAxis, decision, at))
	require.Empty(t, Judge(abort, ReadersAxis, ask, at))
	after := Standing{Version: 5, Epoch: 3, Phase: PhaseCommitted}
	require.NotEmpty(t, Judge(abort, ReadersAxis, ask, after))
	after.Phase = PhaseOnSource
	require.NotEmpty(t, Judge(commit, ReadersAxis, decision, after))
	decision.Expects = u64(5)
	require.NotEmpty(t, Judge(commit, ReadersAxis, decision, after), "nor with the version guessed right: the phase protects")
}

// plainJudge is Judge written down without tables of its own.
func plainJudge(k Kind, a Axis, e Event, s Standing) bool {
	if k.Class == Command || k.Class == Decision {
		if e.Expects == nil || *e.Expects != s.Version {
			return false
		}
	}
	want := s.Epoch
	if e.Type == "SwitchRequested" {
		want = s.Epoch + 1
	}
	if k.Epoch && e.Epoch != want {
		return false
	}
	mentioned, allowed := false, false
	for _, m := range Moves(a) {
		mentioned = mentioned || m.Type == e.Type
		allowed = allowed || m.Type == e.Type && slices.Contains(m.From, s.Phase)
	}
	return allowed || !mentioned
}

func TestJudgeAgainstThePlainOne(t *testing.T) {
	phases := map[Phase]bool{PhaseNone: true}
	for _, a := range axes {
		for _, m := range Moves(a) {
			phases[m.To] = true
		}
	}
	all := make([]Phase, 0, len(phases))
	for p := range phases {
		all = append(all, p)
	}
	slices.Sort(all)
	rapid.Check(t, func(t *rapid.T) {
		k := rapid.SampledFrom(Catalogue()).Draw(t, "kind")
		a := rapid.SampledFrom(axes).Draw(t, "axis")
		s := Standing{Version: rapid.Uint64Range(0, 3).Draw(t, "version"), Epoch: rapid.Uint32Range(0, 3).Draw(t, "epoch"), Phase: rapid.SampledFrom(all).Draw(t, "phase")}
		e := Event{Type: k.Type, Stream: MigrationStream, Epoch: rapid.Uint32Range(0, 4).Draw(t, "event's epoch")}
		if rapid.Bool().Draw(t, "with expects") {
			e.Expects = u64(rapid.Uint64Range(0, 3).Draw(t, "expects"))
		}
		reason := Judge(k, a, e, s)
		require.Equal(t, plainJudge(k, a, e, s), reason == "", reason)
		require.Equal(t, reason, strings.TrimSpace(reason))
	})
}

func BenchmarkJudge(b *testing.B) {
	k, _ := Lookup("SwitchCommitted")
	e := Event{Type: k.Type, Stream: GroupStream("billing"), Epoch: 3, Expects: u64(4)}
	s := Standing{Version: 4, Epoch: 3, Phase: PhaseStaged}
	b.ReportAllocs()
	for b.Loop() {
		if r := Judge(k, ReadersAxis, e, s); r != "" {
			b.Fatal(fmt.Sprint(r))
		}
	}
}
