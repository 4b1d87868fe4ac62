package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
)

// total sums the runs of a mover on a kind of data.
func (b *bench) total(data, mover string) (t sample, runs int) {
	t.data, t.mover = data, mover
	for _, s := range b.samples {
		if s.data == data && s.mover == mover {
			t.bytes, t.took, t.cpu, t.brokers = t.bytes+s.bytes, t.took+s.took, t.cpu+s.cpu, t.brokers+s.brokers
			runs++
		}
	}
	return t, runs
}

// report prints a row per kind of data and mover, with portage's ratios to it, the
// latencies, and what was to be reached beside what was.
func (b *bench) report(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "DATA\tMOVER\tRUNS\tMB/s\tCPU-s/GB MOVER\tCPU-s/GB BROKERS\tPORTAGE IS\tITS CPU IS\tITS BROKERS' IS\t")
	for _, data := range b.opts.data {
		for _, m := range b.opts.movers {
			t, runs := b.total(data, m)
			if runs == 0 {
				continue
			}
			fmt.Fprintf(w, "%s\t%s\t%d\t%.1f\t%.2f\t%.2f\t%s\n", data, m, runs, t.rate(), t.moverPerGB(), t.brokersPerGB(), b.ratios(t))
		}
	}
	if len(b.latencies) > 0 {
		fmt.Fprintf(w, "LATENCY\tMOVER\tRECORDS\tp50\tp90\tp99\tp99.9\tMAX\t\t\n")
	}
	for _, d := range b.latencies {
		fmt.Fprintf(w, "\t%s\t%d", d.mover, len(d.took))
		for _, share := range []float64{0.5, 0.9, 0.99, 0.999, 1} {
			fmt.Fprintf(w, "\t%v", d.at(share).Round(100*time.Microsecond))
		}
		fmt.Fprintln(w, "\t\t")
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return b.reached(out)
}

// ratios are portage's throughput and processor times as multiples of a mover's.
func (b *bench) ratios(t sample) string {
	ours, runs := b.total(t.data, "portage")
	if runs == 0 || t.mover == "portage" {
		return "\t\t\t"
	}
	return fmt.Sprintf("%.2f×\t%.2f×\t%.2f×\t", ours.rate()/t.rate(), ours.moverPerGB()/t.moverPerGB(), ours.brokersPerGB()/t.brokersPerGB())
}

// What portage should reach: multiples of the throughput of MirrorMaker 2 and of
// the limit, and of MirrorMaker 2's processor time per GB; and a latency.
const (
	goalMirrorMaker = 3.0
	goalLimit       = 0.9
	goalCPU         = 0.1
	goalLatency     = 20 * time.Millisecond
)

// reached prints each goal beside what was reached. Nothing fails: the machine
// decides as much as portage does.
func (b *bench) reached(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\nGOAL\tDATA\tWANTED\tREACHED\t")
	row := func(what, data, wanted, figure string, ok bool) {
		verdict := map[bool]string{true: "yes", false: "no"}[ok]
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", what, data, wanted, figure, verdict)
	}
	for _, data := range b.opts.data {
		ours, have := b.total(data, "portage")
		for _, m := range b.opts.movers {
			t, runs := b.total(data, m)
			if have == 0 || runs == 0 {
				continue
			}
			speed, cpu := ours.rate()/t.rate(), ours.moverPerGB()/t.moverPerGB()
			switch {
			case m == "limit":
				row("throughput of the limit", data, fmt.Sprintf("≥ %.1f×", goalLimit), fmt.Sprintf("%.2f×", speed), speed >= goalLimit)
			case strings.HasPrefix(m, "mm2"):
				row("throughput of "+m, data, fmt.Sprintf("≥ %.1f×", goalMirrorMaker), fmt.Sprintf("%.2f×", speed), speed >= goalMirrorMaker)
				row("CPU per GB of "+m, data, fmt.Sprintf("≤ %.1f×", goalCPU), fmt.Sprintf("%.2f×", cpu), cpu <= goalCPU)
			}
		}
	}
	for _, d := range b.latencies {
		if d.mover == "portage" {
			row("latency p99", "", fmt.Sprint("≤ ", goalLatency), fmt.Sprint(d.at(0.99).Round(100*time.Microsecond)), d.at(0.99) <= goalLatency)
		}
	}
	return w.Flush()
}
