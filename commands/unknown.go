package commands

import (
	"fmt"

	"github.com/portage-kafka/portage/commands/plan"
	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/projector"
)

// Unknown says that a migration, or a topic or group of it, is not there, and
// which one may have been meant; "" when it is there. The stream of a migration
// itself is [events.MigrationStream].
func Unknown(view *projector.View, migration string, stream events.Stream) string {
	if _, ok := view.Migration(migration); !ok {
		return fmt.Sprintf("there is no migration %q: %s", migration, meant(migration, migrationNames(view), "`portage status` lists them"))
	}
	if _, ok := StandingOf(view, migration, stream); ok {
		return ""
	}
	list := fmt.Sprintf("`portage status %s` lists them", migration)
	switch stream.Kind() {
	case events.OfTopic:
		return fmt.Sprintf("migration %q has no topic %q: %s", migration, stream.Name(), meant(stream.Name(), topicNames(view, migration), list))
	case events.OfGroup:
		return fmt.Sprintf("migration %q has no group %q: %s", migration, stream.Name(), meant(stream.Name(), groupNames(view, migration), list))
	}
	return fmt.Sprintf("%q is no stream: they are migration, topic/NAME and group/NAME", stream)
}

// meant suggests one of sorted names, or where they are listed.
func meant(name string, all []string, list string) string {
	if near, ok := plan.Nearest(name, all); ok {
		return fmt.Sprintf("did you mean %q?", near)
	}
	return list
}

// These only help to suggest a name: what cannot be read is left out.

func migrationNames(view *projector.View) (names []string) {
	rows, _ := view.Migrations()
	for _, m := range rows {
		names = append(names, m.Name)
	}
	return names
}

func topicNames(view *projector.View, migration string) (names []string) {
	rows, _ := view.Topics(migration)
	for _, t := range rows {
		names = append(names, t.Topic)
	}
	return names
}

func groupNames(view *projector.View, migration string) (names []string) {
	rows, _ := view.Groups(migration)
	for _, g := range rows {
		names = append(names, g.Group)
	}
	return names
}
