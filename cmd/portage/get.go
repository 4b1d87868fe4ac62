package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/portage-kafka/portage/commands"
	"github.com/portage-kafka/portage/projector"
)

func getVerb(a *app) *cobra.Command {
	run, at := a.look(func(_ context.Context, v *projector.View, args []string) error { return a.get(v, args) })
	return addAt(&cobra.Command{
		Use: "get migrations | migration M | topics M | topic M TOPIC | groups M | group M GROUP | effects [M] | directives | digests [M]", Short: "Show rows of the projection as they are",
		Args: cobra.RangeArgs(1, 3), RunE: run,
	}, at)
}

// get shows rows whole: as YAML where a table was asked for, for rows have no
// columns in common.
//
//rules:flat one case a kind of row
func (a *app) get(v *projector.View, args []string) error {
	arg := func(i int) string {
		if i < len(args) {
			return args[i]
		}
		return ""
	}
	var value any
	var err error
	found := true
	switch args[0] {
	case "migrations":
		value, err = v.Migrations()
	case "migration":
		value, found = v.Migration(arg(1))
	case "topics":
		value, err = v.Topics(arg(1))
	case "topic":
		value, found = v.Topic(arg(1), arg(2))
	case "groups":
		value, err = v.Groups(arg(1))
	case "group":
		value, found = v.Group(arg(1), arg(2))
	case "effects":
		if arg(1) == "" {
			value, err = v.Outbox()
		} else {
			value, err = v.OutboxOf(arg(1))
		}
	case "directives":
		value, err = v.Directives()
	case "digests":
		value, found, err = digests(v, arg(1))
	default:
		return usage(fmt.Errorf("get %q: see portage get --help", args[0]))
	}
	if err != nil {
		return err
	}
	if !found {
		return fmt.Errorf("there is no %v", args)
	}
	if a.flags.output == "json" {
		e := json.NewEncoder(a.out)
		e.SetIndent("", "  ")
		return e.Encode(value)
	}
	return a.printYAML(value)
}

// digests are those of one migration, or of all: what a replay must come to.
func digests(v *projector.View, migration string) (any, bool, error) {
	if migration == "" {
		all, err := v.AllDigests()
		return all, true, err
	}
	d, ok := v.Digests(migration)
	return []projector.Digests{d}, ok, nil
}

func whyVerb(a *app) *cobra.Command {
	run, at := a.look(func(_ context.Context, v *projector.View, args []string) error {
		blockers, err := commands.Why(v, args[0])
		if err != nil {
			return err
		}
		t := &table{head: []string{"STREAM", "WAITS FOR", "WHO ACTS", "WITH"}, value: blockers}
		for _, b := range blockers {
			t.add(string(b.Stream), b.Waits, b.Who, b.Do)
		}
		if len(blockers) == 0 {
			t.note = "nothing is waited for"
		}
		return a.print(t)
	})
	return addAt(&cobra.Command{Use: "why MIGRATION", Short: "Say what a migration waits for and who has to act", Args: exactly(1), RunE: run}, at)
}
