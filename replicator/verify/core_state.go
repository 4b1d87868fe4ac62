package verify

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
)

// Place is a topic on a cluster: what a state remembers of a side.
type Place struct {
	Cluster string `json:"cluster"` // the cluster's own id
	Topic   string `json:"topic"`
	// TopicID tells a topic that was deleted and created again, in hex; it is
	// all zeros on brokers before 2.8.
	TopicID string `json:"topic_id"`
}

// State is what a later comparison goes on from: written as JSON, so that people
// can read it. Version 1.
type State struct {
	Version int `json:"version"`
	// Key keys the digests of all comparisons, in hex.
	Key     string  `json:"key"`
	Entries []Entry `json:"partitions"`
}

// Entry is the result of one partition, by its sides.
type Entry struct {
	Source Place  `json:"source"`
	Target Place  `json:"target"`
	Result Result `json:"result"`
}

// stateVersion is the version that this package reads and writes.
const stateVersion = 1

// NewState is a state with nothing in it.
func NewState(key []byte) *State {
	return &State{Version: stateVersion, Key: hex.EncodeToString(key), Entries: []Entry{}}
}

// ParseState reads what Encode wrote. Another version and impossible values are
// refused.
func ParseState(b []byte) (*State, error) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	var s State
	if err := d.Decode(&s); err != nil {
		return nil, fmt.Errorf("state of a verification: %w", err)
	}
	if s.Version != stateVersion {
		return nil, fmt.Errorf("state of a verification: version %d, this release reads %d: begin anew with another file", s.Version, stateVersion)
	}
	if key, err := hex.DecodeString(s.Key); err != nil || len(key) != keyBytes {
		return nil, fmt.Errorf("state of a verification: key %q: want %d bytes in hex", s.Key, keyBytes)
	}
	for i, e := range s.Entries {
		if r := e.Result; r.Verified.Source < r.From.Source || r.Verified.Target < r.From.Target || r.From.Source < 0 || r.From.Target < 0 || r.Records < 0 || r.Count < 0 {
			return nil, fmt.Errorf("state of a verification: partitions[%d]: from %v, verified %v, %d records, %d differences cannot be", i, r.From, r.Verified, r.Records, r.Count)
		}
	}
	return &s, nil
}

// Encode writes a state.
func (s *State) Encode() ([]byte, error) { return json.MarshalIndent(s, "", " ") }

// KeyBytes is the key, for Config.Key.
func (s *State) KeyBytes() []byte {
	key, _ := hex.DecodeString(s.Key) // checked when it was read
	return key
}

// Find returns the result to go on from, nil for none. A topic that was created
// again since is an error.
func (s *State) Find(source, target Place, partition int32) (*Result, error) {
	i := s.index(source, target, partition)
	if i < 0 {
		return nil, nil
	}
	e := &s.Entries[i]
	for _, was := range []struct{ then, now Place }{{e.Source, source}, {e.Target, target}} {
		if was.then.TopicID != was.now.TopicID {
			return nil, fmt.Errorf("topic %s was created anew since it was compared (its id was %s, is %s): begin anew with another state", was.now.Topic, was.then.TopicID, was.now.TopicID)
		}
	}
	r := e.Result.clone()
	return &r, nil
}

// Put takes a result in.
func (s *State) Put(source, target Place, r Result) {
	e := Entry{Source: source, Target: target, Result: r}
	if i := s.index(source, target, r.Partition); i >= 0 {
		s.Entries[i] = e
		return
	}
	s.Entries = append(s.Entries, e)
}

func (s *State) index(source, target Place, partition int32) int {
	return slices.IndexFunc(s.Entries, func(e Entry) bool {
		return e.Result.Partition == partition && e.Source.named(source) && e.Target.named(target)
	})
}

// named says whether two places have the same name, whatever the topic's id.
func (p Place) named(o Place) bool { return p.Cluster == o.Cluster && p.Topic == o.Topic }
