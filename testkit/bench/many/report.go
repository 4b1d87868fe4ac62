package main

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"
)

// What the figures should be at 10,000 embedded and 2,000 real partitions.
const (
	goalStart = 30 * time.Second
	goalHeap  = 4096
	goalBusy  = 0.02
	// goalOpen is one connection of each loop (fetches, two produce streams, the
	// group) and those that share what is asked now and then; goalPeak adds the
	// partitions that may ask alone at a time (replicator.Config.Starting).
	goalOpen, goalPeak = 48, 48
)

// report prints the figures, each with what it should be beside it.
func (f figures) report(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "%d PARTITIONS\tFIGURE\tGOAL\n", f.partitions)
	fmt.Fprintf(w, "all orders published\t%.1f s\t\n", f.ordered.Seconds())
	fmt.Fprintf(w, "first record of every partition copied\t%.1f s\t≤ %.0f s\n", f.copied.Seconds(), goalStart.Seconds())
	fmt.Fprintf(w, "map of every partition published\t%.1f s\t\n", f.published.Seconds())
	fmt.Fprintf(w, "processor time of the worker until then\t%.1f s\t\n", f.starting.Seconds())
	fmt.Fprintf(w, "heap per idle partition\t%d bytes\t≤ %d bytes\n", f.heap, goalHeap)
	fmt.Fprintf(w, "connections to one broker, idle\t%d\t≤ %d, however many partitions\n", f.open, goalOpen)
	fmt.Fprintf(w, "connections to one broker, at most\t%d\t≤ %d, however many partitions\n", f.peak, goalPeak)
	fmt.Fprintf(w, "processor time per second, idle\t%.3f s\t≤ %.2f s\n", f.busy, goalBusy)
	return w.Flush()
}
