package metrics

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/projector"
)

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
	w.Progress(events.CopyKey{Migration: "m", Topic: "orders", Partition: 2}, events.Progress{Watermark: 5, HighWatermark: 9, Records: 5})
	w.Stopped(events.CopyKey{}, "out-of-range", "r")
	w.Owned(4)
	_, text := get(t, s.Handler(nil), "/metrics")
	for _, line := range []string{
		"portage_projection_applied_position 41", "portage_projection_events_total 7", `portage_driver_events_appended_total{type="CutTaken"} 1`,
		"portage_driver_failures_total 1", `portage_copy_produced_bytes_total{cluster="target"} 300`,
		`portage_copy_lag_records{migration="m",partition="2",topic="orders"} 4`, `portage_copy_stops_total{code="out-of-range"} 1`, "portage_copy_partitions_owned 4",
	} {
		require.Contains(t, text, line)
	}
}

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
