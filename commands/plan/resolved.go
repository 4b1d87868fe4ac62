package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"

	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/fsm"
)

// Resolved is a plan with everything that the clusters had to add.
type Resolved struct {
	Plan    *Plan
	Source  events.ClusterRef
	Targets []events.ClusterRef
	// Topics and Groups are in the plan's order.
	Topics []ResolvedTopic
	Groups []ResolvedGroup
	// Hash is the SHA-256 of all of the above in canonical JSON, in hex.
	Hash string
}

// ResolvedTopic is a topic's plan event under its name on the source.
type ResolvedTopic struct {
	Name string              `json:"name"`
	Body events.TopicPlanned `json:"body"`
}

// ResolvedGroup is a group's plan event under its name.
type ResolvedGroup struct {
	Name string              `json:"name"`
	Body events.GroupPlanned `json:"body"`
}

// hash pins what will be created.
func (r *Resolved) hash() error {
	raw, err := json.Marshal(struct {
		Migration, Strategy, Owner string
		Source                     events.ClusterRef
		Targets                    []events.ClusterRef
		Topics                     []ResolvedTopic
		Groups                     []ResolvedGroup
		Steps                      []events.Step
		Policy                     events.Policy
	}{r.Plan.Migration, r.Plan.Strategy, r.Plan.Owner, r.Source, r.Targets, r.Topics, r.Groups, r.Plan.Steps, r.Plan.Policy.body()})
	if err != nil {
		return err
	}
	sum := sha256.Sum256(raw)
	r.Hash = hex.EncodeToString(sum[:])
	return nil
}

// Stamp gives an event its id, actor and time; the caller knows them.
type Stamp func(stream events.Stream, body events.Body) (events.Event, error)

// Events are the events that create the migration, in the order in which they
// are to be appended. Each is the first of its stream.
func (r *Resolved) Events(stamp Stamp) ([]events.Event, error) {
	var out []events.Event
	add := func(stream events.Stream, body events.Body) error {
		e, err := stamp(stream, body)
		if err != nil {
			return err
		}
		e.Expects = new(uint64)
		out = append(out, e)
		return nil
	}
	for _, t := range r.Topics {
		if err := add(events.TopicStream(t.Name), t.Body); err != nil {
			return nil, err
		}
	}
	for _, g := range r.Groups {
		if err := add(events.GroupStream(g.Name), g.Body); err != nil {
			return nil, err
		}
	}
	err := add(events.MigrationStream, events.MigrationCreated{
		Hash: r.Hash, Machine: fsm.Version, Topics: len(r.Topics), Groups: len(r.Groups), Source: r.Source, Targets: r.Targets,
		Strategy: r.Plan.Strategy, Steps: r.Plan.Steps, Policy: r.Plan.Policy.body(), Owner: r.Plan.Owner,
	})
	return out, err
}
