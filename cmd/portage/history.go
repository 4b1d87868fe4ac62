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
	run, at := a.look(func(_ context.Context, v *projector.View, args []string) error {
		if _, ok := v.Migration(args[0]); !ok {
			return missing(args[0])
		}
		var notes []projector.Note
		var err error
		if stream != "" {
			notes, err = v.History(args[0], events.Stream(stream), -1, projector.All)
		} else {
			notes, err = v.Notes(args[0], 0, v.Applied(), projector.All)
		}
		if err != nil {
			return err
		}
		var moves []projector.Note
		for _, n := range notes {
			if len(n.Moves) > 0 {
				moves = append(moves, n)
			}
		}
		return a.print(notesTable(moves))
	})
	cmd := &cobra.Command{Use: "history MIGRATION", Short: "Show what changed a phase, in order", Args: exactly(1), RunE: run}
	cmd.Flags().StringVar(&stream, "stream", "", "only this stream, for example group/billing")
	return addAt(cmd, at)
}

func eventsVerb(a *app) *cobra.Command {
	var id string
	var last int
	var odd bool
	run, at := a.look(func(_ context.Context, v *projector.View, args []string) error {
		notes, err := findNotes(v, args, id, odd)
		if err != nil {
			return err
		}
		if last > 0 && len(notes) > last {
			notes = notes[len(notes)-last:]
		}
		return a.print(notesTable(notes))
	})
	cmd := &cobra.Command{Use: "events [MIGRATION]", Short: "Show every record of the log and what became of it", Args: atMost(1), RunE: run}
	f := cmd.Flags()
	f.StringVar(&id, "id", "", "only the event with this id")
	f.IntVar(&last, "last", 0, "only so many of the last ones")
	f.BoolVar(&odd, "odd", false, "only foreign and repeated records")
	return addAt(cmd, at)
}

func findNotes(v *projector.View, args []string, id string, odd bool) ([]projector.Note, error) {
	migration := ""
	if len(args) > 0 {
		migration = args[0]
	}
	switch {
	case id != "":
		return v.NotesByID(id)
	case odd:
		return v.Odd(-1, projector.All)
	}
	return v.Notes(migration, 0, v.Applied(), projector.All)
}

func notesTable(notes []projector.Note) *table {
	t := &table{head: []string{"POSITION", "TIME", "MIGRATION", "STREAM", "EVENT", "VERDICT", "WHAT FOLLOWED OR WHY NOT"}, value: notes}
	for _, n := range notes {
		what := n.Reason
		if what == "" {
			what = strings.Join(n.Moves, ", ")
		}
		t.add(fmt.Sprint(n.Position), n.Time.UTC().Format(time.RFC3339), n.Migration, string(n.Stream), string(n.Type), string(n.Verdict), what)
	}
	if len(notes) == 0 {
		t.note = "no events"
	}
	return t
}
