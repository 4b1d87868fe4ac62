package main

import (
	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/portage-kafka/portage/cmd/portage/demo"
)

func demoVerb(a *app) *cobra.Command {
	o := demo.Options{}
	cmd := &cobra.Command{
		Use: "demo", Short: "Run a whole migration, live, on two clusters in this process", Args: exactly(0),
		Long: "Run a whole migration: six topics, three groups of several instances, producers that never stop. At the end an independent oracle reads both clusters and says what was lost, doubled, reordered or processed twice; with --plant the workload cheats, and the oracle must find it.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Out, o.Logger = a.out, a.log
			if !a.flags.verbose {
				o.Logger = zerolog.Nop()
			}
			if err := o.Validate(); err != nil {
				return usage(err)
			}
			return demo.Run(cmd.Context(), o)
		},
	}
	cmd.Flags().BoolVar(&o.Real, "real", false, "use Apache Kafka (fetched with Maven, needs a JDK) instead of embedded clusters")
	cmd.Flags().StringVar(&o.Plant, "plant", "", "let the workload cheat once: loss, duplicate, reorder or reprocess")
	cmd.Flags().Float64Var(&o.Rate, "rate", 1200, "records per second of all producers together")
	return cmd
}
