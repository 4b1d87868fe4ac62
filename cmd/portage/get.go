package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/portage-kafka/portage/commands/plan"
	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/fsm"
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
			return errors.Join(missing(v, args[1], streamOf(args)), v.Err())
		}
		return a.printRows(value)
	})
	return addAt(&cobra.Command{
		Use: "get migrations | migration M | topics M | topic M TOPIC | groups M | group M GROUP | effects [M] | directives | digests [M]", Short: "Show rows of the projection as they are",
		Long: "Show rows of the projection as they are: YAML, or JSON with -o json; rows have no columns in common. Effects are those that are ordered and not done yet.",
		Args: func(_ *cobra.Command, args []string) error { return fits(kinds, args) }, RunE: run,
	}, at)
}

// streamOf is the stream of the row that the arguments name.
func streamOf(args []string) events.Stream {
	if len(args) < 3 {
		return events.MigrationStream
	}
	return events.Stream(args[0] + "/" + args[2]) // topic and group are called as their streams
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
	all := slices.Sorted(maps.Keys(kinds))
	if len(args) == 0 {
		return usage(fmt.Errorf("get what? There are %s: see portage get --help", strings.Join(all, ", ")))
	}
	k, ok := kinds[args[0]]
	if !ok {
		meant := "there are " + strings.Join(all, ", ")
		if near, ok := plan.Nearest(args[0], all); ok {
			meant = fmt.Sprintf("did you mean %s?", near)
		}
		return usage(fmt.Errorf("get %s: %s", args[0], meant))
	}
	if n := len(args) - 1; n < k.least || n > k.most {
		return usage(fmt.Errorf("get %s takes %s, have %d: see portage get --help", args[0], k.takes(), n))
	}
	return nil
}

// takes says how many names a kind of row takes.
func (k rowKind) takes() string {
	switch {
	case k.most == 0:
		return "no name"
	case k.most == 2:
		return "the names of a migration and of one of its rows"
	case k.least == 0:
		return "at most the name of a migration"
	}
	return "the name of a migration"
}

func one[T any](row *T, found bool) (any, bool, error) { return row, found, nil }

func all[T any](rows []T, err error) (any, bool, error) { return rows, true, err }

// rowsOf lists the rows of a migration that must exist.
func rowsOf[T any](v *projector.View, migration string, list func(string) ([]T, error)) (any, bool, error) {
	rows, err := list(migration)
	_, found := v.Migration(migration)
	return rows, found, err
}

// effect is an ordered effect as get shows it.
type effect struct {
	fsm.OutboxKey
	fsm.Effect
}

func effects(v *projector.View, names []string) (any, bool, error) {
	list, found := v.Outbox, true
	if len(names) > 0 {
		list = func() ([]projector.OpenEffect, error) { return v.OutboxOf(names[0]) }
		_, found = v.Migration(names[0])
	}
	open, err := list()
	shown := make([]effect, len(open))
	for i, o := range open {
		shown[i] = effect{o.Key, o.Effect}
	}
	return shown, found, err
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
