package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/portage-kafka/portage/commands/plan"
)

// planForm shows what a plan file may say; all but the first four keys have
// defaults.
const planForm = `
  migration: orders-eu            # name of the migration
  source: old                     # cluster names of the configuration
  targets: [new]
  topics:
    - name: orders
    - name: payments
      target_name: payments-v2    # default: the same name
      replication_factor: 3       # default: as on the source, at most the target's brokers
      target: new                 # needed only when there are several targets
  groups: [billing, shipping]
  owner: payments team
  strategy: consumers-first
  steps:                          # manual: a person approves it (portage approve)
    - {do: copy, approve: auto}
    - {do: readers, approve: manual}
    - {do: writers, approve: manual}
    - {do: finish, approve: manual}
  policy:
    prepare: 60s                  # how long instances have to prepare for a switch
    hold: 5s                      # how long they stand still before they ask for an abort
    straggler: abort              # or proceed: what to do about a handler that outlasts the hold
    max_lag: 10000                # of the copy, in records, above which no switch starts
    quiet: 10s                    # how long a source must be without writes to be quiet
    silent: 2m                    # after how long without writes a producer is taken for gone
`

func planVerb(a *app) *cobra.Command {
	var s plan.Selection
	var file string
	cmd := &cobra.Command{
		Use: "plan MIGRATION --source CLUSTER --target CLUSTER", Short: "Draft a plan file from what there is on the source", Args: exactly(1),
		Long: "Draft a plan file from what there is on the source: all topics that are not internal and the groups that read them, or those named.\nReview the file, then check it with `portage preflight` and create the migration with `portage create`. A plan:\n" + planForm,
		RunE: a.within(func(ctx context.Context, args []string) error {
			s.Migration = args[0]
			return a.draft(ctx, s, file)
		}),
	}
	f := cmd.Flags()
	f.StringVar(&s.Source, "source", "", "cluster that the topics leave")
	f.StringSliceVar(&s.Targets, "target", nil, "cluster that they reach")
	f.StringSliceVar(&s.Topics, "topic", nil, "topic to move (default: all)")
	f.StringSliceVar(&s.Groups, "group", nil, "group to move (default: all that read one of the topics)")
	f.StringVarP(&file, "file", "f", "", "write to this file instead of standard output; an existing file is kept")
	return cmd
}

func (a *app) draft(ctx context.Context, s plan.Selection, file string) error {
	if err := a.drafted(s, file); err != nil {
		return err
	}
	source, err := a.cluster(ctx, s.Source)
	if err != nil {
		return err
	}
	p, err := plan.Draft(ctx, source, s)
	if err != nil {
		return refusedPlan("the draft", err)
	}
	raw, err := p.Marshal()
	if err != nil {
		return err
	}
	if file == "" {
		_, err = a.out.Write(raw)
		return err
	}
	if err := writeNew(file, raw); err != nil {
		return err
	}
	return a.print(draftTable(p, file))
}

// drafted checks what was asked for before a cluster is.
func (a *app) drafted(s plan.Selection, file string) error {
	if s.Source == "" || len(s.Targets) == 0 {
		return usage(errors.New("name the clusters with --source and --target"))
	}
	cfg, err := a.config()
	if err != nil {
		return err
	}
	for _, name := range append([]string{s.Source}, s.Targets...) {
		if _, err := cfg.Cluster(name); err != nil {
			return usage(err)
		}
	}
	if _, err := os.Stat(file); file != "" && err == nil {
		return kept(file)
	}
	return nil
}

// kept says that a file is not written over.
func kept(file string) error {
	return fmt.Errorf("%s is there and is kept: name another file with -f, or remove it", file)
}

func writeNew(file string, raw []byte) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, os.ErrExist) {
		return kept(file)
	}
	if err != nil {
		return fmt.Errorf("write the plan: %w", err)
	}
	_, err = f.Write(raw)
	return errors.Join(err, f.Close())
}

// draftTable sums a draft up.
func draftTable(p *plan.Plan, file string) *table {
	groups := "no consumer group reads them"
	if len(p.Groups) > 0 {
		groups = fmt.Sprintf("%d groups (%s)", len(p.Groups), strings.Join(p.Groups, ", "))
	}
	return &table{
		value: struct {
			File   string `json:"file"`
			Topics int    `json:"topics"`
			Groups int    `json:"groups"`
		}{file, len(p.Topics), len(p.Groups)},
		note: fmt.Sprintf("%s: %d topics, %s. Review it, then: portage preflight -f %s", file, len(p.Topics), groups, file),
	}
}
