package events

import (
	"encoding/json"
	"fmt"
	"time"
)

// Type names a kind of event, for example "SwitchRequested". Types are
// additive: a type is never given another meaning.
type Type string

// Class says what an event is good for and how it is judged.
type Class string

// The classes: how an event is judged, and whether it moves its stream's version.
const (
	Command         Class = "command"         // asked for by a person or a policy; carries expects
	Decision        Class = "decision"        // fixed by an orchestrator on evidence; carries expects
	Abort           Class = "abort"           // judged by (epoch, phase) alone, and still raises the version
	Acknowledgement Class = "acknowledgement" // answers a directive or an effect; commutes, never moves the version
	Observation     Class = "observation"     // reports what was seen; never moves the version
)

// Versioned reports whether an accepted event of the class raises the version
// of its stream by one.
func (c Class) Versioned() bool { return c == Command || c == Decision || c == Abort }

// ActorKind says in which role an event was written.
type ActorKind string

// The roles that write events.
const (
	Operator     ActorKind = "operator"
	Orchestrator ActorKind = "orchestrator"
	Agent        ActorKind = "agent"
	Worker       ActorKind = "worker"
)

// Actor is who wrote an event. Name is unique for the life of a process (its
// incarnation) for agents and workers, and the user or host name otherwise.
type Actor struct {
	Kind ActorKind `json:"kind"`
	Name string    `json:"name"`
	Host string    `json:"host,omitempty"`
}

// Event is one fact in its envelope. The JSON names are the contract for
// clients in other languages; unknown envelope fields survive a decode and an
// encode in Extra.
type Event struct {
	// ID is a ULID for a command, and derived ([DeriveID]) from what caused
	// the event for everything else, so that a restarted writer repeats it.
	ID string
	// Migration is the name of the migration; letters, digits, '.', '_', '-'.
	Migration string
	// Stream is "migration", "topic/NAME" or "group/NAME"; the topic's name is
	// the one on the source.
	Stream Stream
	// Expects is the version of the stream that the writer saw; only on
	// commands and decisions.
	Expects *uint64
	// Type and Schema name the body's form.
	Type   Type
	Schema int
	// At is the writer's clock: shown to people, never decided on.
	At time.Time
	// Actor wrote the event.
	Actor Actor
	// Cause is the id of the event or effect that this one answers.
	Cause string
	// Epoch is the switch attempt that the event belongs to; 0 for none.
	Epoch uint32
	// Body is the type's own content, see [Catalogue].
	Body json.RawMessage
	// Extra keeps envelope fields of later releases.
	Extra map[string]json.RawMessage
}

// Record is an event with the place where it stands in portage.events.
type Record struct {
	// Position is the record's offset.
	Position int64
	// Time is the broker's append time: used by time travel, never decided on.
	Time time.Time
	// Event is the decoded envelope; meaningless when Refusal says foreign.
	Event Event
	// Body is the decoded body, nil for a type this release does not know.
	Body Body
	// Refusal says why the record is no event of ours; nil when it is one.
	Refusal *Refusal
}

// Refusal is a record that cannot be an event: foreign bytes, an unknown newer
// schema, a key that does not match. It is recorded and changes nothing.
type Refusal struct {
	// Code is a short stable word, for example "key-mismatch".
	Code string `json:"code"`
	// Reason names the value and what would be accepted.
	Reason string `json:"reason"`
	// Foreign is true for what is no event at all: the record key does not
	// match the envelope, or there is none that can be read. The others stand
	// in the log as events and belong to its [Digest], though they change
	// nothing: which of them a release refuses may change, which records are
	// foreign never does.
	Foreign bool `json:"foreign,omitempty"`
}

// Error makes a Refusal usable as an error.
func (r *Refusal) Error() string { return r.Code + ": " + r.Reason }

// New builds an event around a body, with the schema of this release. The
// caller sets Expects, Epoch and Cause where the catalogue asks for them.
func New(id, migration string, stream Stream, actor Actor, at time.Time, body Body) (Event, error) {
	raw, err := json.Marshal(body)
	if err != nil {
		return Event{}, err
	}
	kind, known := Lookup(body.EventType())
	if !known {
		return Event{}, fmt.Errorf("type %q is not in the catalogue of this release", body.EventType())
	}
	return Event{
		ID: id, Migration: migration, Stream: stream, Type: body.EventType(), Schema: kind.Schema,
		At: at, Actor: actor, Body: raw,
	}, nil
}
