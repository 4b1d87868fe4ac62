package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/projector"
)

func historyVerb(a *app) *cobra.Command {
	var stream string
	var full bool
	run, at := a.look(func(ctx context.Context, v *projector.View, args []string) error {
		of := events.MigrationStream
		if stream != "" {
			of = events.Stream(stream)
		}
		if err := missing(v, args[0], of); err != nil {
			return err
		}
		notes, err := streamNotes(v, args[0], stream)
		if err != nil {
			return err
		}
		var moves []projector.Note
		for _, n := range notes {
			if len(n.Moves) > 0 {
				moves = append(moves, n)
			}
		}
		return a.printNotes(ctx, moves, "nothing has changed a phase", full)
	})
	cmd := &cobra.Command{Use: "history MIGRATION", Short: "Show what changed a phase, in order", Args: exactly(1), RunE: run}
	cmd.Flags().StringVar(&stream, "stream", "", "only this stream: migration, topic/NAME or group/NAME")
	cmd.Flags().BoolVar(&full, "full", false, "show the events themselves: who said so, and why")
	return addAt(cmd, at)
}

// streamNotes are the notes of a stream, "" for all of a migration.
func streamNotes(v *projector.View, migration, stream string) ([]projector.Note, error) {
	if stream == "" {
		return v.Notes(migration, 0, v.Applied(), projector.All)
	}
	return v.History(migration, events.Stream(stream), -1, projector.All)
}

func eventsVerb(a *app) *cobra.Command {
	var wanted selection
	var last int
	var full bool
	run, at := a.look(func(ctx context.Context, v *projector.View, args []string) error {
		if len(args) > 0 {
			wanted.migration = args[0]
		}
		notes, empty, err := wanted.notes(v)
		if err != nil {
			return err
		}
		if last > 0 && len(notes) > last {
			notes = notes[len(notes)-last:]
		}
		return a.printNotes(ctx, notes, empty, full)
	})
	cmd := &cobra.Command{Use: "events [MIGRATION]", Short: "Show every record of the log and what became of it", Args: atMost(1), RunE: run}
	f := cmd.Flags()
	f.StringVar(&wanted.id, "id", "", "only the event with this id")
	f.IntVar(&last, "last", 0, "only so many of the last ones")
	f.BoolVar(&wanted.odd, "odd", false, "only foreign and repeated records")
	f.BoolVar(&full, "full", false, "show the events themselves: who said so, and why")
	return addAt(cmd, at)
}

// selection says which records events shows.
type selection struct {
	migration, id string
	odd           bool
}

// notes are those selected; empty says in words that there are none.
func (s selection) notes(v *projector.View) (notes []projector.Note, empty string, err error) {
	switch {
	case s.id != "":
		notes, err = v.NotesByID(s.id)
		return notes, fmt.Sprintf("no event has the id %q", s.id), err
	case s.odd:
		notes, err = v.Odd(-1, projector.All)
		return notes, "no foreign and no repeated records", err
	case s.migration != "":
		if err := missing(v, s.migration, events.MigrationStream); err != nil {
			return nil, "", err
		}
	}
	notes, err = v.Notes(s.migration, 0, v.Applied(), projector.All)
	return notes, "the log is empty", err
}

// printNotes shows notes, or the events with their notes.
func (a *app) printNotes(ctx context.Context, notes []projector.Note, empty string, full bool) error {
	if full {
		return a.printEvents(ctx, notes)
	}
	t := &table{head: []string{"POSITION", "TIME", "MIGRATION", "STREAM", "EVENT", "VERDICT", "WHAT FOLLOWED OR WHY NOT"}, value: notes}
	for _, n := range notes {
		what := n.Reason
		if what == "" {
			what = strings.Join(n.Moves, ", ")
		}
		t.add(fmt.Sprint(n.Position), n.Time.UTC().Format(time.RFC3339), n.Migration, string(n.Stream), string(n.Type), string(n.Verdict), what)
	}
	if len(notes) == 0 {
		t.note = empty
	}
	return a.print(t)
}
