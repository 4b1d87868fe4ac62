package projector

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/events/log"
)

// TestWrongLogStops lets a store that was folded from one log meet others.
func TestWrongLogStops(t *testing.T) {
	w := newWorld(1, 1, 3, 0)
	records := append([]events.Record(nil), w.write(100)...)
	other := newWorld(2, 1, 3, 0).write(120)
	for name, c := range map[string]struct {
		change func(l *fakeLog)
		want   error
		says   string
	}{
		"another cluster":  {func(l *fakeLog) { l.cluster = "D" }, ErrForeignLog, "the cluster was C, now it is D"},
		"created anew":     {func(l *fakeLog) { l.topic = "22" }, log.ErrRecreated, "had the topic id 11, it has 22"},
		"shorter":          {func(l *fakeLog) { l.set(records[:60]) }, log.ErrTruncated, "position 99 was to be read"},
		"begins later":     {func(l *fakeLog) { l.set(records[5:]) }, log.ErrTruncated, "position 0 was to be read"},
		"empty":            {func(l *fakeLog) { l.set(nil) }, log.ErrTruncated, "position 99"},
		"other events":     {func(l *fakeLog) { l.set(other) }, ErrForeignLog, "at position 0 stands event"},
		"another last one": {func(l *fakeLog) { l.set(append(records[:99:99], other[99:]...)) }, ErrForeignLog, "at position 99 stands event"},
		"the last is gone": {func(l *fakeLog) { l.set(append(records[:99:99], other[100:]...)) }, log.ErrTruncated, "position 99"},
	} {
		t.Run(name, func(t *testing.T) {
			s := memory(t)
			l := newFakeLog(records)
			catchUp(t, s, l)
			c.change(l)
			p, err := New(Config{Store: s, Log: l.Log()})
			require.NoError(t, err)
			_, err = p.CatchUp(t.Context())
			require.ErrorIs(t, err, c.want)
			require.ErrorContains(t, err, c.says)
			require.EqualValues(t, 99, s.Applied(), "nothing is folded")
			require.ErrorIs(t, p.Run(t.Context()), c.want)
		})
	}
}

// TestWrongLogNamesTheStore: who wants an empty store hears which folder to
// remove.
func TestWrongLogNamesTheStore(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(Options{Dir: dir})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	l := newFakeLog(newWorld(1, 1, 3, 0).write(10))
	catchUp(t, s, l)
	l.topic = "22"
	p, err := New(Config{Store: s, Log: l.Log()})
	require.NoError(t, err)
	_, err = p.CatchUp(t.Context())
	require.ErrorContains(t, err, dir)
	require.ErrorContains(t, p.Run(t.Context()), dir)
}

// TestForeignRecordsAreNoLandmarks: compaction may take them.
func TestForeignRecordsAreNoLandmarks(t *testing.T) {
	w := newWorld(1, 1, 3, 0)
	foreign := func() { w.add(events.Record{Refusal: &events.Refusal{Code: "x", Foreign: true}}) }
	foreign()
	w.write(50)
	foreign()
	s := memory(t)
	l := newFakeLog(w.records)
	catchUp(t, s, l)
	id := view(t, s).Health().Log
	require.Equal(t, "C", id.ClusterID)
	require.Equal(t, "11", id.TopicID)
	require.EqualValues(t, 1, id.First.Position)
	require.EqualValues(t, 50, id.Last.Position)
	l.set(w.records[1 : len(w.records)-1])
	l.mu.Lock()
	l.end++
	l.mu.Unlock()
	catchUp(t, s, l)
}

func TestForeignAndRepeatedRecordsAreCountedAndNamed(t *testing.T) {
	w := newWorld(1, 1, 3, 0)
	w.write(20)
	before := w.fold.log["m0"]
	_, _, refusal := events.Decode([]byte("somebody"), []byte("else's"))
	w.add(events.Record{Refusal: refusal})
	w.append(w.records[7].Event)
	require.Equal(t, before, w.fold.log["m0"], "not chained")
	s := memory(t)
	catchUp(t, s, newFakeLog(w.records))
	v := view(t, s)
	counted := v.Health().Tally
	require.EqualValues(t, 1, counted.Foreign)
	require.EqualValues(t, 1, counted.Repeated)
	require.EqualValues(t, 20, counted.Accepted+counted.Refused-1+counted.Ignored-1)
	odd, err := v.Odd(-1, All)
	require.NoError(t, err)
	require.Len(t, odd, 2)
	require.EqualValues(t, 20, odd[0].Position)
	require.Contains(t, odd[0].Reason, refusal.Code)
	require.Contains(t, odd[1].Reason, "repeats the event at position 7")
	d, ok := v.Digests("m0")
	require.True(t, ok)
	require.Equal(t, before, d.Log)
	require.EqualValues(t, 20, d.Events)
	odd, err = v.Odd(20, All)
	require.NoError(t, err)
	require.Len(t, odd, 1)
}

// TestEventOfALaterReleaseIsChained: that release chains it, too, and both must
// come to one log digest.
func TestEventOfALaterReleaseIsChained(t *testing.T) {
	w := newWorld(1, 1, 3, 0)
	w.write(20)
	e := w.event("m0", events.MigrationStream, events.PauseRequested{})
	e.Schema = 99
	want := w.fold.log["m0"].Extend(e)
	w.append(e)
	w.append(e)
	require.Equal(t, events.RefusedSchema, w.records[20].Refusal.Code)
	require.False(t, w.records[20].Refusal.Foreign)
	s := memory(t)
	catchUp(t, s, newFakeLog(w.records))
	v := view(t, s)
	d, _ := v.Digests("m0")
	require.Equal(t, want, d.Log)
	at, ok := v.Seen("m0", e.ID)
	require.True(t, ok)
	require.EqualValues(t, 20, at)
	require.EqualValues(t, 1, v.Health().Tally.Repeated)
	require.Zero(t, v.Health().Tally.Foreign)
	n, _ := v.Note(20)
	require.Contains(t, n.Reason, events.RefusedSchema)
}

func TestLogIsChecked(t *testing.T) {
	whole := newFakeLog(nil).Log()
	s := memory(t)
	for _, c := range []struct {
		says   string
		change func(c *Config)
	}{
		{"Store is required", func(c *Config) { c.Store = nil }},
		{"Limit is -1", func(c *Config) { c.Limit = -1 }},
		{"Wait is -1ns", func(c *Config) { c.Wait = -1 }},
		{"RetryMost is -1ns", func(c *Config) { c.RetryMost = -1 }},
		{"ClusterID is empty", func(c *Config) { c.Log.ClusterID = "" }},
		{"Reader are required", func(c *Config) { c.Log.Reader = nil }},
	} {
		config := Config{Store: s, Log: whole}
		c.change(&config)
		_, err := New(config)
		require.ErrorContains(t, err, c.says)
	}
	_, err := At(t.Context(), Log{End: whole.End}, AtPosition(-1))
	require.ErrorContains(t, err, "ClusterID")
}

// TestLogThatMisbehaves: a page that goes back or jumps is never folded.
func TestLogThatMisbehaves(t *testing.T) {
	w := newWorld(1, 1, 3, 0)
	w.write(30)
	for _, c := range []struct {
		records []events.Record
		next    int64
		says    string
	}{
		{nil, 5, "went back to position 5, folded is 9"},
		{w.records[9:12], 12, "position 9 came after 9"},
		{[]events.Record{w.records[11], w.records[10]}, 12, "position 10 came after 11"},
		{w.records[10:12], 11, "position 11 came after 10"},
	} {
		s := memory(t)
		catchUp(t, s, newFakeLog(w.records[:10]))
		f, err := newFold(s, nil, false)
		require.NoError(t, err)
		f.machines = newDumb().machines
		require.ErrorContains(t, f.page(c.records, c.next), c.says)
		require.EqualValues(t, 9, s.Applied())
	}
}

func TestErrorsOfTheLogComeThrough(t *testing.T) {
	broken := errors.New("broken")
	fail := func(context.Context) (int64, error) { return 0, broken }
	l := newFakeLog(newWorld(1, 1, 3, 0).write(10)).Log()
	l.End = fail
	p, err := New(Config{Store: memory(t), Log: l})
	require.NoError(t, err)
	_, err = p.CatchUp(t.Context())
	require.ErrorIs(t, err, broken)
	require.ErrorIs(t, p.Status().Err, broken)
	_, err = At(t.Context(), l, AtPosition(1))
	require.ErrorIs(t, err, broken)
	_, err = Replay(t.Context(), l, "")
	require.ErrorIs(t, err, broken)

	s := memory(t)
	catchUp(t, s, newFakeLog(newWorld(1, 1, 3, 0).write(10)))
	p, err = New(Config{Store: s, Log: l})
	require.NoError(t, err)
	err = p.Run(t.Context())
	require.ErrorIs(t, err, broken)
	require.ErrorContains(t, err, "read the end of portage.events")
	l.TopicID = func(context.Context) (string, error) { return "", broken }
	p, err = New(Config{Store: s, Log: l})
	require.NoError(t, err)
	require.ErrorContains(t, p.Run(t.Context()), "read the topic id of portage.events")
}
