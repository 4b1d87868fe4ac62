package main

import (
	"fmt"
	"io"
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

// report prints a row per kind of data and mover, with portage's ratios to it.
func (b *bench) report(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "DATA\tMOVER\tRUNS\tMB/s\tCPU-s/GB MOVER\tCPU-s/GB BROKERS\tPORTAGE IS\tITS CPU IS\t")
	for _, data := range b.opts.data {
		ours, have := b.total(data, "portage")
		for _, m := range b.opts.movers {
			t, runs := b.total(data, m)
			if runs == 0 {
				continue
			}
			speed, cpu := "", ""
			if have > 0 && m != "portage" {
				speed, cpu = fmt.Sprintf("%.2f×", ours.rate()/t.rate()), fmt.Sprintf("%.2f×", ours.moverPerGB()/t.moverPerGB())
			}
			fmt.Fprintf(w, "%s\t%s\t%d\t%.1f\t%.2f\t%.2f\t%s\t%s\t\n", data, m, runs, t.rate(), t.moverPerGB(), t.brokersPerGB(), speed, cpu)
		}
	}
	if len(b.latencies) > 0 {
		fmt.Fprintf(w, "LATENCY\tMOVER\tRECORDS\tp50\tp90\tp99\tp99.9\tMAX\t\n")
	}
	for _, d := range b.latencies {
		fmt.Fprintf(w, "\t%s\t%d", d.mover, len(d.took))
		for _, share := range []float64{0.5, 0.9, 0.99, 0.999, 1} {
			fmt.Fprintf(w, "\t%v", d.at(share).Round(100*time.Microsecond))
		}
		fmt.Fprintln(w, "\t")
	}
	return w.Flush()
}
