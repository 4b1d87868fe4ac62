// Package metrics turns the hooks of the other packages into Prometheus
// metrics, and serves them with the health of the process.
//
//	/metrics   Prometheus text format
//	/healthz   200 while the process runs
//	/readyz    200 once it does its work, else 503 with the reason
package metrics

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/projector"
	"github.com/portage-kafka/portage/projector/driver"
	"github.com/portage-kafka/portage/replicator"
)

// Set are the metrics of one process.
type Set struct {
	registry *prometheus.Registry

	applied, end                    prometheus.Gauge
	folded                          prometheus.Counter
	appended                        *prometheus.CounterVec
	published                       prometheus.Counter
	failures                        prometheus.Counter
	copiedRecords, copiedBytes, lag *prometheus.GaugeVec
	owned                           prometheus.Gauge
	stops                           *prometheus.CounterVec
	produced                        *prometheus.CounterVec
}

// New registers all metrics, and those of the Go runtime.
func New() *Set {
	s := &Set{registry: prometheus.NewRegistry()}
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "portage", Name: name, Help: help})
	}
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Namespace: "portage", Name: name, Help: help})
	}
	gauges := func(name, help string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: "portage", Name: name, Help: help}, []string{"migration", "topic", "partition"})
	}
	counters := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "portage", Name: name, Help: help}, labels)
	}
	s.applied = gauge("projection_applied_position", "Position of the last event that is folded.")
	s.end = gauge("projection_end_position", "Position behind the last event of the log, as last read.")
	s.folded = counter("projection_events_total", "Events folded by this process.")
	s.appended = counters("driver_events_appended_total", "Events that the driver appended, by type.", "type")
	s.published = counter("driver_directives_published_total", "Directives that were published and read back.")
	s.failures = counter("driver_failures_total", "Failed attempts of the driver.")
	s.copiedRecords = gauges("copy_records", "Records copied by this worker since it owns the partition.")
	s.copiedBytes = gauges("copy_bytes", "Bytes copied by this worker since it owns the partition.")
	s.lag = gauges("copy_lag_records", "Source offsets that are not copied yet.")
	s.owned = gauge("copy_partitions_owned", "Partitions that this worker copies.")
	s.stops = counters("copy_stops_total", "Partitions that stopped, by cause.", "code")
	s.produced = counters("copy_produced_bytes_total", "Bytes produced, by target cluster.", "cluster")
	s.registry.MustRegister(
		s.applied, s.end, s.folded, s.appended, s.published, s.failures, s.copiedRecords, s.copiedBytes, s.lag, s.owned, s.stops, s.produced,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return s
}

// Projector listens to a projector.
func (s *Set) Projector() projector.Hooks {
	return projector.Hooks{Committed: func(c projector.Commit) {
		s.applied.Set(float64(c.Applied))
		s.end.Set(float64(c.End))
		s.folded.Add(float64(c.Records))
	}}
}

// Driver listens to a driver.
func (s *Set) Driver() driver.Hooks {
	return driver.Hooks{
		Appended:  func(e events.Event, _ int64) { s.appended.WithLabelValues(string(e.Type)).Inc() },
		Published: func(events.Directive) { s.published.Inc() },
		Failed:    func(string, events.Stream, error) { s.failures.Inc() },
	}
}

// Worker listens to a worker.
func (s *Set) Worker() replicator.Hooks {
	return replicator.Hooks{
		Produced: func(cluster string, _ int32, _, bytes int, _ time.Duration, err error) {
			if err == nil {
				s.produced.WithLabelValues(cluster).Add(float64(bytes))
			}
		},
		Progress: func(k events.CopyKey, p events.Progress) {
			labels := []string{k.Migration, k.Topic, fmt.Sprint(k.Partition)}
			s.copiedRecords.WithLabelValues(labels...).Set(float64(p.Records))
			s.copiedBytes.WithLabelValues(labels...).Set(float64(p.Bytes))
			s.lag.WithLabelValues(labels...).Set(float64(max(0, p.HighWatermark-p.Watermark)))
		},
		Stopped: func(_ events.CopyKey, code, _ string) { s.stops.WithLabelValues(code).Inc() },
		Owned: func(n int) {
			s.owned.Set(float64(n))
			for _, ofPartitions := range []*prometheus.GaugeVec{s.copiedRecords, s.copiedBytes, s.lag} {
				ofPartitions.Reset() // others may copy some of them now; what is still ours reports again at once
			}
		},
	}
}

// Handler serves the metrics and the health; ready says why the process does
// not do its work yet, nil when it does.
func (s *Set) Handler(ready func() error) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(s.registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if err := ready(); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ready")
	})
	return mux
}

// Serve listens on an address until ctx is done.
func (s *Set) Serve(ctx context.Context, address string, ready func() error) error {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("listen for metrics and health: %w", err)
	}
	server := &http.Server{Handler: s.Handler(ready), ReadHeaderTimeout: 5 * time.Second}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve metrics and health: %w", err)
	}
	return nil
}
