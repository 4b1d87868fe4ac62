package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/portage-kafka/portage/commands"
	"github.com/portage-kafka/portage/projector"
)

func getVerb(a *app) *cobra.Command {
	kinds := rowKinds()
	run, at := a.look(func(_ context.Context, v *projector.View, args []string) error {
		value, found, err := kinds[args[0]].read(v, args[1:])
		if err != nil {
			return err
		}
		if !found {
			return fmt.Errorf("there is no %s: `portage status` lists the migrations, `portage status MIGRATION` its topics and groups", strings.Join(args, " "))
		}
		return a.printRows(value)
	})
	return addAt(&cobra.Command{
		Use: "get migrations | migration M | topics M | topic M TOPIC | groups M | group M GROUP | effects [M] | directives | digests [M]", Short: "Show rows of the projection as they are",
		Long: "Show rows of the projection as they are: YAML, or JSON with -o json; rows have no columns in common. Effects are those that are ordered and not done yet.",
		Args: func(_ *cobra.Command, args []string) error { return fits(kinds, args) }, RunE: run,
	}, at)
}

// rowKind is a kind of row that get shows: how many names it takes, and how it
// is read.
type rowKind struct {
	least, most int
	read        func(v *projector.View, names []string) (value any, found bool, err error)
}

func rowKinds() map[string]rowKind {
	return map[string]rowKind{
		"migrations": {0, 0, func(v *projector.View, _ []string) (any, bool, error) { return all(v.Migrations()) }},
		"migration":  {1, 1, func(v *projector.View, n []string) (any, bool, error) { return one(v.Migration(n[0])) }},
		"topics":     {1, 1, func(v *projector.View, n []string) (any, bool, error) { return rowsOf(v, n[0], v.Topics) }},
		"topic":      {2, 2, func(v *projector.View, n []string) (any, bool, error) { return one(v.Topic(n[0], n[1])) }},
		"groups":     {1, 1, func(v *projector.View, n []string) (any, bool, error) { return rowsOf(v, n[0], v.Groups) }},
		"group":      {2, 2, func(v *projector.View, n []string) (any, bool, error) { return one(v.Group(n[0], n[1])) }},
		"effects":    {0, 1, effects},
		"directives": {0, 0, func(v *projector.View, _ []string) (any, bool, error) { return all(v.Directives()) }},
		"digests":    {0, 1, digests},
	}
}

// fits wants a kind of row and as many names as it takes.
func fits(kinds map[string]rowKind, args []string) error {
	if len(args) == 0 {
		return usage(errors.New("get what? see portage get --help"))
	}
	k, ok := kinds[args[0]]
	if n := len(args) - 1; !ok || n < k.least || n > k.most {
		return usage(fmt.Errorf("get %s: see portage get --help", strings.Join(args, " ")))
	}
	return nil
}

func one[T any](row *T, found bool) (any, bool, error) { return row, found, nil }

func all[T any](rows []T, err error) (any, bool, error) { return rows, true, err }

// rowsOf lists the rows of a migration that must exist.
func rowsOf[T any](v *projector.View, migration string, list func(string) ([]T, error)) (any, bool, error) {
	rows, err := list(migration)
	_, found := v.Migration(migration)
	return rows, found, err
}

func effects(v *projector.View, names []string) (any, bool, error) {
	if len(names) == 0 {
		return all(v.Outbox())
	}
	return rowsOf(v, names[0], v.OutboxOf)
}

// printRows shows rows whole, as YAML where a table was asked for.
func (a *app) printRows(value any) error {
	if a.flags.output == "json" {
		return a.printJSON(value)
	}
	return a.printYAML(value)
}

// digests are those of one migration, or of all: what a replay must come to.
func digests(v *projector.View, names []string) (any, bool, error) {
	if len(names) == 0 {
		return all(v.AllDigests())
	}
	d, ok := v.Digests(names[0])
	return []projector.Digests{d}, ok, nil
}

// person is how [commands.Blocker] names somebody who has to act by hand.
const person = "a person"

func whyVerb(a *app) *cobra.Command {
	var detailed bool
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
			t.note = "nothing is waited for but the work of `portage serve`, if any is left"
		}
		if err := a.print(t); err != nil {
			return err
		}
		if detailed && slices.ContainsFunc(blockers, func(b commands.Blocker) bool { return b.Who == person }) {
			return &codedError{exitWaiting, errSilent}
		}
		return nil
	})
	cmd := &cobra.Command{Use: "why MIGRATION", Short: "Say what a migration waits for and who has to act", Args: exactly(1), RunE: run}
	cmd.Flags().BoolVar(&detailed, "detailed-exitcode", false, "exit with 4 when a person has to act")
	return addAt(cmd, at)
}
