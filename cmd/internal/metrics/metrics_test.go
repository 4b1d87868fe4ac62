package metrics

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/projector"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func get(t *testing.T, h http.Handler, path string) (int, string) {
	t.Helper()
	r := httptest.NewRecorder()
	h.ServeHTTP(r, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
	body, err := io.ReadAll(r.Body)
	require.NoError(t, err)
	return r.Code, string(body)
}

// TestHooksShow: what the hooks are told stands in the metrics.
func TestHooksShow(t *testing.T) {
	s := New()
	s.Projector().Committed(projector.Commit{Applied: 41, End: 42, Records: 7})
	s.Driver().Appended(events.Event{Type: "CutTaken"}, 3)
	s.Driver().Published(events.Directive{})
	s.Driver().Failed("m", "topic/a", errors.New("x"))
	w := s.Worker()
	w.Produced("target", 1, 2, 300, time.Millisecond, nil)
	w.Produced("target", 1, 2, 999, time.Millisecond, errors.New("not written"))
	w.Owned(4)
	w.Progress(events.CopyKey{Migration: "m", Topic: "orders", Partition: 2}, events.Progress{Watermark: 5, HighWatermark: 9, Records: 5, Bytes: 50})
	w.Stopped(events.CopyKey{}, "out-of-range", "r")
	_, text := get(t, s.Handler(nil), "/metrics")
	for _, line := range []string{
		"portage_projection_applied_position 41", "portage_projection_events_total 7", `portage_driver_events_appended_total{type="CutTaken"} 1`,
		"portage_driver_directives_published_total 1", "portage_projection_end_position 42",
		`portage_copy_records{migration="m",partition="2",topic="orders"} 5`, `portage_copy_bytes{migration="m",partition="2",topic="orders"} 50`,
		"portage_driver_failures_total 1", `portage_copy_produced_bytes_total{cluster="target"} 300`,
		`portage_copy_lag_records{migration="m",partition="2",topic="orders"} 4`, `portage_copy_stops_total{code="out-of-range"} 1`, "portage_copy_partitions_owned 4",
	} {
		require.Contains(t, text, line)
	}
}

// TestGivenAwayPartitionsAreForgotten: a lag of a partition that another worker
// copies now would stand still for ever.
func TestGivenAwayPartitionsAreForgotten(t *testing.T) {
	s := New()
	w := s.Worker()
	for p := range int32(2) {
		w.Progress(events.CopyKey{Migration: "m", Topic: "orders", Partition: p}, events.Progress{Watermark: 5, HighWatermark: 9})
	}
	w.Owned(1)
	w.Progress(events.CopyKey{Migration: "m", Topic: "orders", Partition: 1}, events.Progress{Watermark: 9, HighWatermark: 9})
	_, text := get(t, s.Handler(nil), "/metrics")
	require.NotContains(t, text, `partition="0"`)
	require.Contains(t, text, `portage_copy_lag_records{migration="m",partition="1",topic="orders"} 0`)
}

// TestLagIsNeverNegative: a high watermark is read before the watermark is.
func TestLagIsNeverNegative(t *testing.T) {
	s := New()
	s.Worker().Progress(events.CopyKey{Migration: "m", Topic: "orders"}, events.Progress{Watermark: 12, HighWatermark: 9})
	_, text := get(t, s.Handler(nil), "/metrics")
	require.Contains(t, text, `portage_copy_lag_records{migration="m",partition="0",topic="orders"} 0`)
}

// TestServe: it answers on its address until it is told to end; an address that
// is taken is an error that names it.
func TestServe(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := l.Addr().String()
	require.ErrorContains(t, New().Serve(t.Context(), address, nil), address)
	require.NoError(t, l.Close())

	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- New().Serve(ctx, address, func() error { return nil }) }()
	require.Eventually(t, func() bool {
		resp, err := http.Get("http://" + address + "/readyz")
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	}, 10*time.Second, 5*time.Millisecond)
	cancel()
	require.NoError(t, <-done)
	http.DefaultClient.CloseIdleConnections()
}

// TestHealth: alive at once, ready when there is no reason not to be.
func TestHealth(t *testing.T) {
	not := errors.New("the log is not folded yet")
	h := New().Handler(func() error { return not })
	code, _ := get(t, h, "/healthz")
	require.Equal(t, 200, code)
	code, text := get(t, h, "/readyz")
	require.Equal(t, 503, code)
	require.Contains(t, text, "not folded")
	not = nil
	code, _ = get(t, h, "/readyz")
	require.Equal(t, 200, code)
}
