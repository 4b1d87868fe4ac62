package main

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/portage-kafka/portage/events"
)

func throttleVerb(a *app) *cobra.Command {
	var cluster string
	cmd := &cobra.Command{
		Use: "throttle MIGRATION RATE", Short: "Bound how fast a migration copies, from now on", Args: exactly(2),
		Long: "Bound how fast a migration copies, from now on, by all workers together. RATE is in bytes per second, such as 500000, 20M (megabytes) or 1G; none takes the bound away. With --cluster it bounds what the migration reads from or writes to that cluster. Each worker takes the part of the bound that it has of the partitions, so that together they never exceed it, and reach it while all have enough to copy.",
		RunE: a.within(func(ctx context.Context, args []string) error {
			rate, err := parseRate(args[1])
			if err != nil {
				return usage(err)
			}
			return a.send(ctx, args[0], events.MigrationStream, events.RateChanged{Rate: events.Rate{Cluster: cluster, BytesPerSecond: rate}})
		}),
	}
	cmd.Flags().StringVar(&cluster, "cluster", "", "bound the traffic with this cluster alone")
	return cmd
}

// parseRate reads a number of bytes per second with an optional decimal unit.
func parseRate(s string) (int64, error) {
	if s == "none" {
		return 0, nil
	}
	units := map[string]float64{"": 1, "K": 1e3, "M": 1e6, "G": 1e9}
	number := strings.TrimRight(s, "KMG")
	n, err := strconv.ParseFloat(number, 64)
	unit, known := units[s[len(number):]]
	if rate := n * unit; err == nil && known && rate >= 1 && rate < math.MaxInt64 {
		return int64(rate), nil
	}
	return 0, fmt.Errorf("rate %q: give bytes per second such as 500000, 20M or 1G, or none", s)
}

// bounds says how fast a migration may copy, nothing if as fast as it can.
func bounds(rates []events.Rate) string {
	var parts []string
	for _, r := range rates {
		part := formatRate(r.BytesPerSecond)
		if r.Cluster != "" {
			part += " with " + r.Cluster
		}
		parts = append(parts, part)
	}
	if len(parts) == 0 {
		return ""
	}
	return "\nit copies at most so many bytes per second: " + strings.Join(parts, ", ")
}

// formatRate writes a rate as parseRate reads it.
func formatRate(rate int64) string {
	for _, unit := range []struct {
		name string
		size int64
	}{{"G", 1e9}, {"M", 1e6}, {"K", 1e3}} {
		if rate%unit.size == 0 {
			return fmt.Sprint(rate/unit.size, unit.name)
		}
	}
	return fmt.Sprint(rate)
}
