package main

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"
	"pgregory.net/rapid"

	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/events/log"
	"github.com/portage-kafka/portage/fsm"
	"github.com/portage-kafka/portage/projector"
	"github.com/portage-kafka/portage/testkit/embedded"
)

// holes is a log of which some positions are there; its readers bring a few at a
// time.
type holes struct {
	there []int64
	end   int64
	step  int64
	opens int
	fails error
}

type holesReader struct {
	of *holes
	at int64
}

func (h *holes) open(from int64) projector.Reader {
	h.opens++
	return &holesReader{h, from}
}

func (r *holesReader) Next(context.Context, int, time.Duration) (log.Page, error) {
	p := log.Page{Next: min(r.at+r.of.step, r.of.end), End: r.of.end}
	for _, at := range r.of.there {
		if r.at <= at && at < p.Next {
			p.Records = append(p.Records, events.Record{Position: at})
		}
	}
	r.at = max(r.at, p.Next)
	return p, r.of.fails
}

func notesAt(positions ...int64) (notes []projector.Note) {
	for _, p := range positions {
		notes = append(notes, projector.Note{Note: fsm.Note{Position: p}})
	}
	return notes
}

// TestPositionsAreFound: exactly those that are wanted and there, whatever lies in
// between.
func TestPositionsAreFound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := rapid.SliceOfNDistinct(rapid.Int64Range(0, 5000), 0, 30, rapid.ID[int64]).Draw(t, "there")
		wanted := rapid.SliceOfNDistinct(rapid.Int64Range(0, 5000), 0, 30, rapid.ID[int64]).Draw(t, "wanted")
		wanted = append(wanted, all[:len(all)/2]...)
		slices.Sort(wanted)
		h := &holes{there: all, end: 5001, step: rapid.Int64Range(1, 700).Draw(t, "step")}
		found, err := atPositions(context.Background(), notesAt(wanted...), h.open)
		require.NoError(t, err)
		for _, p := range wanted {
			_, ok := found[p]
			require.Equal(t, slices.Contains(all, p), ok, "%d", p)
		}
		for p := range found {
			require.Contains(t, wanted, p)
		}
	})
}

// TestFarPositionsAreSought: what lies between two that are far apart is not read.
func TestFarPositionsAreSought(t *testing.T) {
	h := &holes{there: []int64{5, 900, 4_000_000}, end: 4_000_001, step: 10}
	found, err := atPositions(t.Context(), notesAt(5, 900, 4_000_000), h.open)
	require.NoError(t, err)
	require.Len(t, found, 3)
	require.Equal(t, 2, h.opens)
	found, err = atPositions(t.Context(), notesAt(4_000_005), h.open)
	require.NoError(t, err)
	require.Empty(t, found, "behind the end of the log")
	h.fails = errors.New("away")
	_, err = atPositions(t.Context(), notesAt(5), h.open)
	require.ErrorIs(t, err, h.fails)
}

// TestFull: an audit shows who said what and why; a foreign record has a note and
// no event.
func TestFull(t *testing.T) {
	d := newDesk(t, embedded.Topic{Name: "orders", Partitions: 1})
	d.ok("init")
	d.ok("create", "-f", d.write("plan.yaml", onePlan))
	d.ok("start", "m")
	d.ok("pause", "m", "--reason", "month's end")
	c, err := kgo.NewClient(kgo.SeedBrokers(d.pair.Target.Bootstrap()...))
	require.NoError(t, err)
	defer c.Close()
	require.NoError(t, c.ProduceSync(t.Context(), &kgo.Record{Topic: "portage.events", Key: []byte("noise"), Value: []byte("noise")}).FirstErr())
	d.ok("resume", "m")

	require.Contains(t, d.ok("history", "m", "--full"), "reason: month's end")
	require.NotContains(t, d.ok("history", "m", "--stream", "topic/orders", "--full"), "month's end")
	var shown []struct {
		Event struct {
			Type  string
			Actor struct{ Kind, Name string }
		}
		Note struct {
			Position int64
			Verdict  string
		}
	}
	require.NoError(t, json.Unmarshal([]byte(d.ok("events", "--full", "-o", "json", "--last", "3")), &shown))
	require.Equal(t, "PauseRequested", shown[0].Event.Type)
	require.Equal(t, "operator", shown[0].Event.Actor.Kind)
	require.NotEmpty(t, shown[0].Event.Actor.Name)
	require.Empty(t, shown[1].Event.Type)
	require.Equal(t, "refused", shown[1].Note.Verdict)
	require.Equal(t, "ResumeRequested", shown[2].Event.Type)
	require.Equal(t, "[]\n", d.ok("events", "--id", "nobody's", "--full"))
}
