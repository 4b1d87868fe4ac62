package commands_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/portage-kafka/portage/commands"
	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/events/log"
	"github.com/portage-kafka/portage/fsm"
	"github.com/portage-kafka/portage/projector"
)

func TestSendAppendsWhatFits(t *testing.T) {
	w := created(t)
	r, err := w.cmds.Send(t.Context(), "m", events.MigrationStream, events.StartRequested{})
	require.NoError(t, err)
	require.Equal(t, fsm.Accepted, r.Note.Verdict)
	require.EqualValues(t, 3, r.Note.Position)
	require.Equal(t, events.Actor{Kind: events.Operator, Name: "me"}, r.Event.Actor)
	require.EqualValues(t, 1, *r.Event.Expects)
	require.Equal(t, time.Unix(1700000000, 0).UTC(), r.Event.At)
	require.Equal(t, r.Event.ID, w.records[3].Event.ID)
}

// TestSendNamesTheEpoch: a switch names the next attempt, an abort the present
// one and no version.
func TestSendNamesTheEpoch(t *testing.T) {
	w := created(t)
	w.said(events.MigrationStream, events.StartRequested{})
	w.said(orders, events.CopyStarted{}, events.TargetCreated{TopicID: "bb", Created: true}, events.CopySynced{Ends: ends(5)})
	w.said(billing, events.GuardHeld{Side: "target", MemberID: "g"})
	for epoch := range uint32(2) {
		r, err := w.cmds.Send(t.Context(), "m", billing, events.SwitchRequested{To: "target"})
		require.NoError(t, err)
		require.Equal(t, epoch+1, r.Event.Epoch)
		r, err = w.cmds.Send(t.Context(), "m", billing, events.AbortRequested{Code: "operator", Reason: "r"})
		require.NoError(t, err)
		require.Equal(t, epoch+1, r.Event.Epoch)
		require.Nil(t, r.Event.Expects)
	}
}

func ends(at int64) []events.PartitionOffset {
	return []events.PartitionOffset{{Partition: 0, Offset: at}, {Partition: 1, Offset: at}}
}

// TestRefusedExplains: nothing is appended, the reason has the values, and what
// could be sent instead is named.
func TestRefusedExplains(t *testing.T) {
	planned := func(*world) {}
	running := func(w *world) { w.said(events.MigrationStream, events.StartRequested{}) }
	synced := func(w *world) {
		running(w)
		w.said(orders, events.CopyStarted{}, events.TargetCreated{TopicID: "bb", Created: true}, events.CopySynced{Ends: ends(5)})
	}
	paused := func(w *world) {
		synced(w)
		w.said(events.MigrationStream, events.PauseRequested{})
	}
	switching := func(w *world) {
		synced(w)
		w.said(billing, events.GuardHeld{Side: "target", MemberID: "g"}, events.SwitchRequested{To: "target"})
	}
	stopped := func(w *world) {
		synced(w)
		w.said(orders, events.CopyStopped{Partition: 1, Code: "failed", Reason: "disk"})
	}
	gone := func(w *world) {
		synced(w)
		w.said(orders, events.CopyStopped{Partition: 1, Code: "out-of-range", From: 3, To: 8, Reason: "retention"}, events.CopyStopped{Partition: 0, Code: "out-of-range", From: 3, To: 8, Reason: "retention"})
	}
	cancelled := func(w *world) {
		w.said(events.MigrationStream, events.CancelRequested{})
		w.said(orders, events.TopicReleased{})
		w.said(billing, events.GroupReleased{})
	}
	for what, c := range map[string]struct {
		given    func(*world)
		stream   events.Stream
		body     events.Body
		reason   string
		possible []events.Type
	}{
		"pause before the start":    {planned, events.MigrationStream, events.PauseRequested{}, "migration is planned, PauseRequested needs running", []events.Type{"StartRequested", "CancelRequested"}},
		"start twice":               {running, events.MigrationStream, events.StartRequested{}, "migration is running, StartRequested needs planned", []events.Type{"PauseRequested", "CancelRequested"}},
		"complete too early":        {synced, events.MigrationStream, events.CompleteRequested{}, "0 of 1 groups are on the target: switch the readers first", []events.Type{"PauseRequested", "Approved", "CancelRequested"}},
		"cancel during a switch":    {switching, events.MigrationStream, events.CancelRequested{}, "0 switches are decided and 1 under way: abort what is undecided; what is decided stays on the target", []events.Type{"PauseRequested", "Approved"}},
		"approve what is not there": {running, events.MigrationStream, events.Approved{Step: 9}, "there is no step 9 in the plan", []events.Type{"PauseRequested", "CancelRequested"}},
		"approve less than nothing": {running, events.MigrationStream, events.Approved{Step: -1}, "bad-body: field body: step: want an index of the step list from 0, have -1", []events.Type{"PauseRequested", "CancelRequested"}},
		"switch before the start":   {planned, billing, events.SwitchRequested{To: "target"}, `migration "m" is planned: start it first (portage start m)`, nil},
		"switch in a pause":         {paused, billing, events.SwitchRequested{To: "target"}, `migration "m" is paused: resume it first (portage resume m)`, nil},
		"retry what runs":           {synced, orders, events.RetryRequested{}, "topic/orders is synced, RetryRequested needs stopped", nil},
		"writers before readers":    {synced, orders, events.SwitchRequested{To: "target", Level: "restart"}, "groups billing still read the source: switch their readers first", nil},
		"switch a stopped topic":    {stopped, orders, events.SwitchRequested{To: "target", Level: "restart"}, "the copy is stopped: writers move when it is synced", []events.Type{"RetryRequested", "RecopyRequested"}},
		"switch what has lost some": {gone, orders, events.SwitchRequested{To: "target", Level: "restart"}, "the copy is stopped: writers move when it is synced", []events.Type{"RetryRequested", "RecopyRequested", "LossAccepted"}},
		"switch readers twice":      {switching, billing, events.SwitchRequested{To: "target"}, "group/billing is preparing, SwitchRequested needs on_source", []events.Type{"AbortRequested"}},
		"switch without a guard":    {synced, billing, events.SwitchRequested{To: "target"}, "the guard does not hold the group on the target yet: wait for it", nil},
		"abort nothing":             {synced, billing, events.AbortRequested{Code: "operator", Reason: "r"}, "no switch attempt was begun yet: there is nothing to abort", nil},
		"an unknown topic":          {running, "topic/order", events.RetryRequested{}, `migration "m" has no topic "order": did you mean "orders"?`, nil},
		"an unknown group":          {running, "group/biling", events.AbortRequested{Code: "operator", Reason: "r"}, `migration "m" has no group "biling": did you mean "billing"?`, nil},
		"after the end":             {cancelled, events.MigrationStream, events.StartRequested{}, "migration is cancelled, StartRequested needs planned", nil},
		"a decision":                {switching, billing, events.SwitchCommitted{}, `writer-not-allowed: SwitchCommitted is written by [orchestrator], have "operator"`, []events.Type{"AbortRequested"}},
	} {
		t.Run(what, func(t *testing.T) {
			w := created(t)
			c.given(w)
			before := len(w.records)
			_, err := w.cmds.Send(t.Context(), "m", c.stream, c.body)
			var refused *commands.Refused
			require.ErrorAs(t, err, &refused)
			require.Equal(t, c.reason, refused.Reason)
			require.Equal(t, c.possible, refused.Possible)
			require.Equal(t, c.body.EventType(), refused.Type)
			require.Equal(t, c.stream, refused.Stream)
			require.False(t, refused.Appended)
			require.Len(t, w.records, before, "a refused command was appended")
		})
	}
}

// TestRefusedReads: what would be possible is said as it is typed.
func TestRefusedReads(t *testing.T) {
	for want, r := range map[string]*commands.Refused{
		"RetryRequested on topic/orders is refused: it runs (possible now: portage switch writers m orders, portage abort m --topic orders)": {
			Type: "RetryRequested", Stream: orders, Reason: "it runs", Possible: []events.Type{"SwitchRequested", "AbortRequested"}},
		"SwitchRequested on group/billing is refused: no (possible now: portage switch readers m billing, portage abort m --group billing)": {
			Type: "SwitchRequested", Stream: billing, Reason: "no", Possible: []events.Type{"SwitchRequested", "AbortRequested"}},
		"StartRequested on migration is refused: no (possible now: portage pause m, portage approve m)": {
			Type: "StartRequested", Stream: events.MigrationStream, Reason: "no", Possible: []events.Type{"PauseRequested", "Approved"}},
		"SwitchRequested on topic/orders is refused: no (possible now: portage retry m orders, portage recopy m orders, portage accept-loss m orders PARTITION --reason WHY)": {
			Type: "SwitchRequested", Stream: orders, Reason: "no", Possible: []events.Type{"RetryRequested", "RecopyRequested", "LossAccepted"}},
		"AbortRequested on group/it's mine is refused: no (possible now: portage switch readers m 'it'\\''s mine')": {
			Type: "AbortRequested", Stream: "group/it's mine", Reason: "no", Possible: []events.Type{"SwitchRequested"}},
		"CutTaken on group/billing is refused: no (possible now: Staged)": {
			Type: "CutTaken", Stream: billing, Reason: "no", Possible: []events.Type{"Staged"}},
		"RetryRequested on topic/orders is refused: it runs; others were faster: it stands in the log and changes nothing": {
			Type: "RetryRequested", Stream: orders, Reason: "it runs", Appended: true},
	} {
		r.Migration = "m"
		require.EqualError(t, r, want)
	}
}

// TestUnknown: what is not there is named, with what may have been meant or
// where to look.
func TestUnknown(t *testing.T) {
	w := newWorld(t)
	_, err := w.cmds.Send(t.Context(), "m", events.MigrationStream, events.StartRequested{})
	var refused *commands.Refused
	require.ErrorAs(t, err, &refused)
	require.Equal(t, "there is no migration \"m\": `portage status` lists them", refused.Reason)
	require.Empty(t, w.records)

	_, err = w.cmds.Create(t.Context(), resolved("orders-eu"))
	require.NoError(t, err)
	w.look(func(v *projector.View) {
		for _, c := range []struct {
			migration string
			stream    events.Stream
			want      string
		}{
			{"orders-eu", events.MigrationStream, ""},
			{"orders-eu", orders, ""},
			{"orders", events.MigrationStream, `there is no migration "orders": did you mean "orders-eu"?`},
			{"orders-eu", "topic/order", `migration "orders-eu" has no topic "order": did you mean "orders"?`},
			{"orders-eu", "topic/clicks", "migration \"orders-eu\" has no topic \"clicks\": `portage status orders-eu` lists them"},
			{"orders-eu", "group/bil", `migration "orders-eu" has no group "bil": did you mean "billing"?`},
			{"orders-eu", "billing", `"billing" is no stream: they are migration, topic/NAME and group/NAME`},
		} {
			require.Equal(t, c.want, commands.Unknown(v, c.migration, c.stream))
		}
	})
}

// TestFasterThanUs: the state moves between judging and appending. The event
// stands in the log, refused, and the error says so.
func TestFasterThanUs(t *testing.T) {
	w := created(t)
	w.said(events.MigrationStream, events.StartRequested{})
	w.before = func() { w.said(events.MigrationStream, events.PauseRequested{Reason: "mine"}) }
	_, err := w.cmds.Send(t.Context(), "m", events.MigrationStream, events.PauseRequested{Reason: "ours"})
	var refused *commands.Refused
	require.ErrorAs(t, err, &refused)
	require.True(t, refused.Appended)
	require.Equal(t, "expects version 2, migration is at version 3: read the state again", refused.Reason)
	require.Equal(t, []events.Type{"ResumeRequested", "CancelRequested"}, refused.Possible)
	require.Len(t, w.records, 6)
}

// TestOutcomeUnknown: once something may be in the log, an error says that.
func TestOutcomeUnknown(t *testing.T) {
	w := created(t)
	before := len(w.records)
	w.failAppend = errDown
	_, err := w.cmds.Send(t.Context(), "m", events.MigrationStream, events.StartRequested{})
	require.ErrorIs(t, err, errDown)
	require.NotErrorIs(t, err, log.ErrOutcomeUnknown, "the appender says so where it is so")
	require.Len(t, w.records, before)

	w.failAppend = nil
	w.before = func() { w.failFold = errDown }
	_, err = w.cmds.Send(t.Context(), "m", events.MigrationStream, events.StartRequested{})
	require.ErrorIs(t, err, errDown)
	require.ErrorIs(t, err, log.ErrOutcomeUnknown)
	require.ErrorContains(t, err, "StartRequested stands at position 3, what became of it cannot be read")
	require.Len(t, w.records, before+1)

	_, err = w.cmds.Send(t.Context(), "m", events.MigrationStream, events.StartRequested{})
	require.ErrorIs(t, err, errDown, "nothing is judged without the state")
	require.NotErrorIs(t, err, log.ErrOutcomeUnknown)
	require.Len(t, w.records, before+1)
}

// TestLostPositions: an appender that does not say where the events stand, and
// one that names a place where nothing is.
func TestLostPositions(t *testing.T) {
	w := created(t)
	for what, positions := range map[string][]int64{"none": nil, "a wrong one": {99}} {
		cfg := w.config()
		cfg.Append = func(context.Context, []events.Event) ([]int64, error) { return positions, nil }
		c, err := commands.New(cfg)
		require.NoError(t, err)
		_, err = c.Send(t.Context(), "m", events.MigrationStream, events.StartRequested{})
		require.ErrorIs(t, err, log.ErrOutcomeUnknown, what)
	}
}

func TestConfigIsChecked(t *testing.T) {
	w := newWorld(t)
	for what, spoil := range map[string]func(*commands.Config){
		"Append":   func(c *commands.Config) { c.Append = nil },
		"Fold":     func(c *commands.Config) { c.Fold = nil },
		"NewID":    func(c *commands.Config) { c.NewID = nil },
		"Now":      func(c *commands.Config) { c.Now = nil },
		"named":    func(c *commands.Config) { c.Actor.Name = "" },
		"operator": func(c *commands.Config) { c.Actor.Kind = events.Orchestrator },
	} {
		cfg := w.config()
		spoil(&cfg)
		_, err := commands.New(cfg)
		require.ErrorContains(t, err, what)
	}
}

func TestUnknownBody(t *testing.T) {
	w := created(t)
	_, err := w.cmds.Send(t.Context(), "m", events.MigrationStream, strange{})
	require.ErrorContains(t, err, `type "Strange" is not in the catalogue`)
	var refused *commands.Refused
	require.False(t, errors.As(err, &refused))
}

type strange struct{}

func (strange) EventType() events.Type { return "Strange" }
func (strange) Validate() error        { return nil }
