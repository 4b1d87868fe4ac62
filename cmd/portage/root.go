package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"
)

// root is the command tree.
func root(a *app) *cobra.Command {
	cmd := family(&cobra.Command{
		Use:           "portage",
		Short:         "Move live Kafka workloads between clusters",
		Long:          "portage moves topics, then the consumer groups that read them, then the producers that write them, from one Kafka cluster to another while they run.\nNothing is lost, nothing is processed twice, and every step is an event that can be replayed.",
		SilenceErrors: true, SilenceUsage: true,
		PersistentPreRunE: func(*cobra.Command, []string) error { return a.setup() },
	})
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usage(err) })
	f := cmd.PersistentFlags()
	f.StringVar(&a.flags.config, "config", "", "configuration file (default $PORTAGE_CONFIG, else portage.yaml)")
	f.StringVarP(&a.flags.output, "output", "o", "table", "table, json or yaml")
	f.BoolVarP(&a.flags.verbose, "verbose", "v", false, "log what happens underneath")
	f.DurationVar(&a.flags.timeout, "timeout", 2*time.Minute, "give up after this long (not serve, work and demo)")
	cmd.AddGroup(
		&cobra.Group{ID: "prepare", Title: "Prepare:"}, &cobra.Group{ID: "run", Title: "Run:"}, &cobra.Group{ID: "move", Title: "Move:"},
		&cobra.Group{ID: "look", Title: "Look:"}, &cobra.Group{ID: "audit", Title: "Audit:"},
		&cobra.Group{ID: "processes", Title: "Processes:"}, &cobra.Group{ID: "about", Title: "About:"},
	)
	cmd.SetHelpCommandGroupID("about")
	cmd.SetCompletionCommandGroupID("about")
	for group, verbs := range verbs(a) {
		for _, v := range verbs {
			v.GroupID = group
			cmd.AddCommand(v)
		}
	}
	return cmd
}

// within bounds a verb by --timeout.
func (a *app) within(run func(ctx context.Context, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		ctx, cancel := context.WithTimeout(cmd.Context(), a.flags.timeout)
		defer cancel()
		return run(ctx, args)
	}
}
