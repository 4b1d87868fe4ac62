package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/portage-kafka/portage/cmd/internal/service"
	"github.com/portage-kafka/portage/commands"
	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/fsm"
	"github.com/portage-kafka/portage/projector"
)

// look runs a verb on the projection, folded to the end of the log or, with
// --at, to an earlier point.
func (a *app) look(show func(ctx context.Context, v *projector.View, args []string) error) (func(*cobra.Command, []string) error, *string) {
	at := new(string)
	return a.within(func(ctx context.Context, args []string) (err error) {
		view, closeView, err := a.viewAt(ctx, *at)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, closeView()) }()
		return errors.Join(show(ctx, view, args), view.Err())
	}), at
}

// viewAt is the projection as of a position or a time; "" is now.
func (a *app) viewAt(ctx context.Context, at string) (*projector.View, func() error, error) {
	if at == "" {
		v, err := a.view(ctx)
		if err != nil {
			return nil, nil, err
		}
		return v, v.Close, nil
	}
	bound, err := parseBound(at)
	if err != nil {
		return nil, nil, usage(err)
	}
	control, err := a.control(ctx)
	if err != nil {
		return nil, nil, err
	}
	store, err := projector.At(ctx, service.LogOf(control), bound)
	if err != nil {
		return nil, nil, err
	}
	v := store.View()
	return v, func() error { return errors.Join(v.Close(), store.Close()) }, nil
}

// parseBound reads what --at takes.
func parseBound(at string) (projector.Bound, error) {
	if position, err := strconv.ParseInt(at, 10, 64); err == nil && position >= 0 {
		return projector.AtPosition(position), nil
	}
	if t, err := time.Parse(time.RFC3339Nano, at); err == nil {
		return projector.AtTime(t), nil
	}
	return projector.Bound{}, fmt.Errorf("--at %q: give an event position such as 1200, or a time such as 2026-01-31T08:30:00Z", at)
}

func addAt(cmd *cobra.Command, at *string) *cobra.Command {
	cmd.Flags().StringVar(at, "at", "", "as of an event position or a time (RFC 3339)")
	return cmd
}

func statusVerb(a *app) *cobra.Command {
	var withLag bool
	var at *string
	var run func(*cobra.Command, []string) error
	run, at = a.look(func(ctx context.Context, v *projector.View, args []string) error {
		switch {
		case withLag && (len(args) == 0 || *at != ""):
			return usage(errors.New("--lag is that of one migration, as workers say now: name it, without --at"))
		case len(args) == 0:
			return a.migrations(v)
		}
		return a.migration(ctx, v, args[0], withLag)
	})
	cmd := &cobra.Command{Use: "status [MIGRATION]", Short: "Show where migrations, or one with its topics and groups, stand", Args: atMost(1), RunE: run}
	cmd.Flags().BoolVar(&withLag, "lag", false, "show how many offsets of each topic were not copied yet when workers last said so")
	return addAt(cmd, at)
}

func (a *app) migrations(v *projector.View) error {
	all, err := v.Migrations()
	if err != nil {
		return err
	}
	t := &table{head: []string{"MIGRATION", "PHASE", "STEP", "SYNCED", "READERS", "WRITERS", "QUIET", "STOPPED"}, value: all}
	for _, m := range all {
		c := m.Count
		t.add(m.Name, string(m.Phase), stepName(m), of(c.Synced, c.Topics), of(c.Readers, c.Groups), of(c.Writers, c.Topics), of(c.Quiet, c.Topics), fmt.Sprint(c.Stopped))
	}
	t.note = fmt.Sprintf("as of event %d", v.Applied())
	if len(all) == 0 {
		t.note = "there is no migration yet: `portage plan` drafts one" + asOf(v)
	}
	return a.print(t)
}

// asOf names the last event of the log, if there is any.
func asOf(v *projector.View) string {
	if v.Applied() < 0 {
		return ", the log is empty"
	}
	return fmt.Sprintf(", as of event %d", v.Applied())
}

func of(n, all int) string { return fmt.Sprintf("%d/%d", n, all) }

// stepName names the step that a migration is at.
func stepName(m *fsm.Migration) string {
	if m.Plan == nil {
		return ""
	}
	i, awaiting := m.StepIs()
	if i >= len(m.Plan.Steps) {
		return "done"
	}
	name := m.Plan.Steps[i].Do
	if awaiting && m.Phase == events.PhaseRunning {
		name += " (awaiting approval)"
	}
	return name
}

// details is what `status MIGRATION -o json` shows.
type details struct {
	Migration *fsm.Migration `json:"migration"`
	Topics    []*fsm.Topic   `json:"topics"`
	Groups    []*fsm.Group   `json:"groups"`
	Position  int64          `json:"position"`
	// Lag is by topic, with --lag only.
	Lag map[string]*lag `json:"lag,omitempty"`
}

func (a *app) migration(ctx context.Context, v *projector.View, name string, withLag bool) error {
	m, ok := v.Migration(name)
	if !ok {
		return missing(v, name, events.MigrationStream)
	}
	topics, err1 := v.Topics(name)
	groups, err2 := v.Groups(name)
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	d := details{Migration: m, Topics: topics, Groups: groups, Position: v.Applied()}
	if withLag {
		var err error
		if d.Lag, err = a.lags(ctx, name); err != nil {
			return err
		}
	}
	return a.print(d.table(withLag))
}

// table has a column for the lag if it was asked for.
func (d details) table(withLag bool) *table {
	m := d.Migration
	t := &table{
		head:  []string{"STREAM", "COPY", "READERS", "WRITERS", "SOURCE", "EPOCH", "NOTE"},
		value: d,
		note:  fmt.Sprintf("%s is %s, step %s, as of event %d", m.Name, m.Phase, stepName(m), d.Position) + bounds(m.Rates),
	}
	add := func(lag string, cells ...string) {
		if withLag {
			cells = slices.Insert(cells, 2, lag)
		}
		t.add(cells...)
	}
	if withLag {
		t.head = slices.Insert(t.head, 2, "LAG")
	}
	for _, r := range d.Topics {
		add(d.Lag[r.Topic].of(r), "topic/"+r.Topic, string(r.Copy), "", string(r.Writers), string(r.Retire), fmt.Sprint(r.Standing.Epoch), topicNote(r))
	}
	for _, g := range d.Groups {
		add("", "group/"+g.Group, "", string(g.Readers), "", "", fmt.Sprint(g.Standing.Epoch), groupNote(g))
	}
	return t
}

// missing says that a stream is not there.
func missing(v *projector.View, migration string, stream events.Stream) error {
	unknown := commands.Unknown(v, migration, stream)
	if err := v.Err(); err != nil || unknown == "" {
		return err
	}
	return errors.New(unknown)
}

func topicNote(t *fsm.Topic) string {
	if t.Stop != nil {
		note := t.Stop.Code + ": " + t.Stop.Reason
		if n := len(t.MoreStops); n > 0 {
			note += fmt.Sprintf(" (and %d more)", n)
		}
		return note
	}
	if t.Abort != nil && t.Writers == events.PhaseOnSource {
		return "aborted: " + t.Abort.Reason
	}
	if t.Target != nil && t.Target.ACLs.Note != "" && t.Copy != events.PhaseReleased {
		return "ACLs: " + t.Target.ACLs.Note
	}
	return ""
}

func groupNote(g *fsm.Group) string {
	if g.Abort != nil && g.Readers == events.PhaseOnSource {
		return "aborted (" + g.Abort.Code + "): " + g.Abort.Reason
	}
	if len(g.Abandoned) > 0 {
		return fmt.Sprintf("%d records left behind by handlers", len(g.Abandoned))
	}
	return strings.Join(topicNames(g), ", ")
}

func topicNames(g *fsm.Group) []string {
	names := make([]string, len(g.Topics))
	for i, t := range g.Topics {
		names[i] = t.Topic
	}
	return names
}
