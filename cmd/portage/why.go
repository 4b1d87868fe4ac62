package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/portage-kafka/portage/commands"
	"github.com/portage-kafka/portage/fsm"
	"github.com/portage-kafka/portage/projector"
)

func whyVerb(a *app) *cobra.Command {
	var detailed bool
	var at *string
	var run func(*cobra.Command, []string) error
	run, at = a.look(func(ctx context.Context, v *projector.View, args []string) error {
		blockers, err := commands.Why(v, args[0])
		if err != nil {
			return err
		}
		t := &table{head: []string{"STREAM", "WAITS FOR", "WHO ACTS", "WITH"}, value: blockers}
		for _, b := range blockers {
			t.add(string(b.Stream), b.Waits, b.Who, b.Do)
		}
		m, _ := v.Migration(args[0])
		t.note = whyNote(m, blockers)
		if a.flags.output == "table" && *at == "" && waits(blockers, commands.Portage, commands.Workers) {
			t.note = a.workersNote(ctx)
		}
		if err := a.print(t); err != nil {
			return err
		}
		if detailed && waits(blockers, commands.Person) {
			return &codedError{exitWaiting, errSilent}
		}
		return nil
	})
	cmd := &cobra.Command{Use: "why MIGRATION", Short: "Say what a migration waits for and who has to act", Args: exactly(1), RunE: run}
	cmd.Flags().BoolVar(&detailed, "detailed-exitcode", false, "exit with 4 when a person has to act")
	return addAt(cmd, at)
}

// waits reports whether one of these has to act.
func waits(blockers []commands.Blocker, who ...string) bool {
	return slices.ContainsFunc(blockers, func(b commands.Blocker) bool { return slices.Contains(who, b.Who) })
}

// whyNote says why nothing is waited for.
func whyNote(m *fsm.Migration, blockers []commands.Blocker) string {
	switch {
	case len(blockers) > 0:
		return ""
	case m.Over():
		return fmt.Sprintf("%s is %s: nothing is left to do", m.Name, m.Phase)
	}
	return "nothing is waited for but the next look of `portage serve`"
}

// workersGroup is the group by which workers share their work.
const workersGroup = "portage-workers"

// workersNote says so when what is waited for is done by portage, and no process
// of it seems to run: `portage serve` and `portage work` are members of a group.
// What cannot be asked is left out, for it is only a hint.
func (a *app) workersNote(ctx context.Context) string {
	control, err := a.control(ctx)
	if err != nil {
		return ""
	}
	g, err := control.DescribeGroup(ctx, workersGroup)
	if err != nil || len(g.Members) > 0 {
		return ""
	}
	return "no worker is running: is there a `portage serve`, and where it has --no-worker a `portage work`?"
}
