package events

import "strings"

// Stream is the sequence of facts about one thing in a migration: "migration",
// "topic/NAME" or "group/NAME". Commands and decisions are ordered by the
// stream's version.
type Stream string

// MigrationStream is the stream of the migration itself.
const MigrationStream Stream = "migration"

// StreamKind is the part of a stream's name before the slash.
type StreamKind string

// The three kinds of stream.
const (
	OfMigration StreamKind = "migration"
	OfTopic     StreamKind = "topic"
	OfGroup     StreamKind = "group"
)

// TopicStream is the stream of a topic, by its name on the source.
func TopicStream(topic string) Stream { return Stream("topic/" + topic) }

// GroupStream is the stream of a consumer group.
func GroupStream(group string) Stream { return Stream("group/" + group) }

// Kind is the part before the slash, "" for a stream of no known kind.
func (s Stream) Kind() StreamKind {
	if s == MigrationStream {
		return OfMigration
	}
	kind, name, found := strings.Cut(string(s), "/")
	if !found || name == "" || (kind != string(OfTopic) && kind != string(OfGroup)) {
		return ""
	}
	return StreamKind(kind)
}

// Name is the topic's or the group's name, "" for the migration's own stream.
func (s Stream) Name() string {
	_, name, _ := strings.Cut(string(s), "/")
	return name
}
