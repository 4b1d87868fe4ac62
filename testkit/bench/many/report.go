package main

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/portage-kafka/portage/events"
)

// What the figures should be at 10,000 embedded and 2,000 real partitions.
const (
	goalStart = 30 * time.Second
	goalHeap  = 4096
	goalBusy  = 0.02
	// goalOpen is as many as partitions may ask the target at a time
	// (replicator.Config.Starting), twice as many as the control topics have
	// partitions, and a dozen loops, if one broker is all of these.
	goalOpen = 32 + 2*events.ControlPartitions + 16
)

// report prints the figures, each with what it should be beside it.
func (f figures) report(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "%d PARTITIONS\tFIGURE\tGOAL\n", f.partitions)
	fmt.Fprintf(w, "all orders published\t%.1f s\t\n", f.ordered.Seconds())
	fmt.Fprintf(w, "first record of every partition copied\t%.1f s\t≤ %.0f s\n", f.copied.Seconds(), goalStart.Seconds())
	fmt.Fprintf(w, "map of every partition published\t%.1f s\t\n", f.published.Seconds())
	fmt.Fprintf(w, "taken over by another worker\t%.1f s\t≤ %.0f s\n", f.succeeded.Seconds(), goalStart.Seconds())
	fmt.Fprintf(w, "processor time of the worker until the map is published\t%.1f s\t\n", f.starting.Seconds())
	fmt.Fprintf(w, "heap per idle partition\t%d bytes\t≤ %d bytes\n", f.heap, goalHeap)
	fmt.Fprintf(w, "connections to one broker, idle\t%d\t≤ %d, however many partitions\n", f.open, goalOpen)
	fmt.Fprintf(w, "connections to one broker, at most\t%d\t≤ %d, however many partitions\n", f.peak, goalOpen)
	fmt.Fprintf(w, "processor time per second, idle\t%.3f s\t≤ %.2f s\n", f.busy, goalBusy)
	return w.Flush()
}
