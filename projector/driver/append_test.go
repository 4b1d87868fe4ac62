package driver

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/portage-kafka/portage/events"
)

// TestIdsOfIntents: the same intent on the same row is the same event, whoever
// repeats it under the same name; on a changed row it is another one, so that
// what was refused once may be said again.
func TestIdsOfIntents(t *testing.T) {
	d := &Driver{cfg: Config{Actor: events.Actor{Kind: events.Orchestrator, Name: "here"}}}
	in := intent{it: item{"m", events.GroupStream("billing")}, version: 4, epoch: 2, row: "100", body: events.SwitchRequested{To: events.RouteTarget}}
	id := func(change func(*intent)) string {
		c := in
		if change != nil {
			change(&c)
		}
		e, err := d.event(nil, c)
		require.NoError(t, err)
		require.NotNil(t, e.Expects)
		require.Equal(t, c.version, *e.Expects)
		return e.ID
	}
	require.Equal(t, id(nil), id(nil))
	for name, change := range map[string]func(*intent){
		"another row":     func(i *intent) { i.row = "101" },
		"another version": func(i *intent) { i.version++ },
		"another epoch":   func(i *intent) { i.epoch++ },
		"another stream":  func(i *intent) { i.it.stream = events.GroupStream("other") },
		"another body":    func(i *intent) { i.body = events.SwitchRequested{To: events.RouteTarget, Level: events.LevelRestart} },
	} {
		require.NotEqual(t, id(nil), id(change), name)
	}
	in.body = events.AbortRequested{Code: "gate", Reason: "because"}
	e, err := d.event(nil, in)
	require.NoError(t, err)
	require.Nil(t, e.Expects, "an abort is judged by epoch and phase alone")
}
