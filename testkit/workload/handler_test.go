package workload

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func handler(t *testing.T, cfg HandlerConfig) (*Handler, *bytes.Buffer) {
	t.Helper()
	var out bytes.Buffer
	cfg.Group, cfg.Instance, cfg.Journal = "billing", "i-1", NewJournal(&out)
	h, err := NewHandler(cfg)
	require.NoError(t, err)
	return h, &out
}

func deliveries(t *testing.T, n int) (out []Delivery) {
	t.Helper()
	g, _ := generator(t, GeneratorConfig{Keys: 3, Headers: 2})
	for i := range n {
		r := g.Next(time.Now())
		out = append(out, Delivery{Place: Place{"source", r.Topic, 1, int64(i)}, Key: r.Key, Value: r.Value, Headers: r.Headers})
	}
	return out
}

func kinds(t *testing.T, journal *bytes.Buffer) (out []Kind) {
	t.Helper()
	entries, err := ReadEntries(journal)
	require.NoError(t, err)
	for _, e := range entries {
		out = append(out, e.Kind)
	}
	return out
}

func TestHandlerJournalsBothEnds(t *testing.T) {
	h, journal := handler(t, HandlerConfig{Latency: 2 * time.Millisecond, Jitter: time.Millisecond})
	d := deliveries(t, 1)[0]
	require.NoError(t, h.Handle(context.Background(), d))
	require.EqualValues(t, 1, h.Handled())
	entries, err := ReadEntries(journal)
	require.NoError(t, err)
	require.Len(t, entries, 2)
	require.Equal(t, KindBegun, entries[0].Kind)
	done := entries[1]
	require.Equal(t, KindHandled, done.Kind)
	require.Equal(t, d.Place, done.Place)
	require.Equal(t, [2]string{"billing", "i-1"}, [2]string{done.Group, done.Instance})
	require.Equal(t, entries[0].At, done.At)
	require.GreaterOrEqual(t, done.End-done.At, int64(2*time.Millisecond))
}

func TestInterruptedHandlerHasItInHand(t *testing.T) {
	h, journal := handler(t, HandlerConfig{Latency: time.Hour})
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	require.ErrorIs(t, h.Handle(ctx, deliveries(t, 1)[0]), context.DeadlineExceeded)
	require.Equal(t, []Kind{KindBegun}, kinds(t, journal))
	require.Zero(t, h.Handled())
}

func TestHandlerPlants(t *testing.T) {
	for plant, want := range map[Plant][]Kind{
		PlantNone:        {KindBegun, KindHandled, KindBegun, KindHandled, KindBegun, KindHandled},
		PlantReprocess:   {KindBegun, KindHandled, KindBegun, KindHandled, KindHandled, KindBegun, KindHandled},
		PlantUnprocessed: {KindBegun, KindHandled, KindBegun, KindHandled},
	} {
		h, journal := handler(t, HandlerConfig{Plant: plant, PlantAt: 2})
		for _, d := range deliveries(t, 3) {
			require.NoError(t, h.Handle(context.Background(), d))
		}
		require.Equal(t, want, kinds(t, journal), plant)
	}
}

func TestHandlerRefusesWhatItCannotIdentify(t *testing.T) {
	h, journal := handler(t, HandlerConfig{})
	d := deliveries(t, 1)[0]
	d.Value = append(d.Value, '!')
	require.ErrorIs(t, h.Handle(context.Background(), d), ErrAltered)
	d.Value = []byte("hello")
	err := h.Handle(context.Background(), d)
	require.ErrorIs(t, err, ErrForeign)
	require.ErrorContains(t, err, "source:orders/1@0")
	require.Empty(t, kinds(t, journal))
}

func TestHandlerConfig(t *testing.T) {
	good := HandlerConfig{Group: "g", Instance: "i", Journal: NewJournal(nil)}
	require.NoError(t, good.Validate())
	for field, spoil := range map[string]func(*HandlerConfig){
		"Group is":             func(c *HandlerConfig) { c.Group = "" },
		"Instance":             func(c *HandlerConfig) { c.Instance = "" },
		"Journal is nil":       func(c *HandlerConfig) { c.Journal = nil },
		"never negative":       func(c *HandlerConfig) { c.Jitter = -1 },
		"Plant is loss, which": func(c *HandlerConfig) { c.Plant = PlantLoss },
		"Plant is plant 99":    func(c *HandlerConfig) { c.Plant = 99 },
	} {
		c := good
		spoil(&c)
		_, err := NewHandler(c)
		require.ErrorIs(t, err, ErrConfig, field)
		require.ErrorContains(t, err, field)
	}
}
