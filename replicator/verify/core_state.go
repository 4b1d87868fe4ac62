package verify

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
)

// Place is a topic on a cluster: what a state remembers of a side.
type Place struct {
	Cluster string `json:"cluster"` // the cluster's own id
	Topic   string `json:"topic"`
	// TopicID tells a topic that was deleted and created again, in hex; it is
	// all zeros on brokers before 2.8.
	TopicID string `json:"topic_id"`
}

// State is what later comparisons go on from: the last result of every partition,
// and the key of the digests. Its text is JSON, one value in a line:
//
//	{"version":1,"key":"…"}
//	{"source":{…},"target":{…},"result":{…}}   of a partition the last line counts
//
// so that a file of it can be appended to; a last line that was not written to
// its end is left out.
type State struct {
	key     []byte
	entries []entry
	at      map[address]int
}

// head is the first line.
type head struct {
	Version int    `json:"version"`
	Key     string `json:"key"`
}

// entry is a line of a partition.
type entry struct {
	Source Place  `json:"source"`
	Target Place  `json:"target"`
	Result Result `json:"result"`
}

// address names a partition, whatever the ids of its topics.
type address struct {
	sourceCluster, source, targetCluster, target string
	partition                                    int32
}

func addressOf(source, target Place, partition int32) address {
	return address{source.Cluster, source.Topic, target.Cluster, target.Topic, partition}
}

// stateVersion is the version that this package reads and writes.
const stateVersion = 1

// NewState is a state with nothing in it.
func NewState(key []byte) *State { return &State{key: key, at: make(map[address]int)} }

// ParseState reads a state. Another version and impossible values are refused.
func ParseState(text []byte) (*State, error) {
	s := NewState(nil)
	for n := 1; ; n++ {
		line, rest, whole := bytes.Cut(text, []byte("\n"))
		if !whole {
			break
		}
		if err := s.parse(line); err != nil {
			return nil, fmt.Errorf("state of a verification: line %d: %w", n, err)
		}
		text = rest
	}
	if s.key == nil {
		return nil, fmt.Errorf("state of a verification: %d bytes hold no whole line", len(text))
	}
	return s, nil
}

func (s *State) parse(line []byte) (err error) {
	if s.key == nil {
		s.key, err = parseHead(line)
		return err
	}
	var e entry
	if err := strictly(line, &e); err != nil {
		return err
	}
	r := &e.Result
	if r.Verified.Source < r.From.Source || r.Verified.Target < r.From.Target || r.From.Source < 0 || r.From.Target < 0 || r.Records < 0 || r.Count < 0 {
		return fmt.Errorf("from %v, verified %v, %d records, %d differences cannot be", r.From, r.Verified, r.Records, r.Count)
	}
	s.put(e)
	return nil
}

func parseHead(line []byte) ([]byte, error) {
	var h head
	if err := strictly(line, &h); err != nil {
		return nil, err
	}
	if h.Version != stateVersion {
		return nil, fmt.Errorf("version %d, this release reads %d: begin anew with another file", h.Version, stateVersion)
	}
	key, err := hex.DecodeString(h.Key)
	if err != nil || len(key) != keyBytes {
		return nil, fmt.Errorf("key %q: want %d bytes in hex", h.Key, keyBytes)
	}
	return key, nil
}

// strictly reads one JSON value without unknown fields.
func strictly(line []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if d.More() {
		return fmt.Errorf("more than one value")
	}
	return nil
}

// Encode writes a whole state.
func (s *State) Encode() ([]byte, error) {
	text, err := line(head{Version: stateVersion, Key: hex.EncodeToString(s.key)})
	for _, e := range s.entries {
		if err != nil {
			return nil, err
		}
		var l []byte
		l, err = line(e)
		text = append(text, l...)
	}
	return text, err
}

func line(v any) ([]byte, error) {
	b, err := json.Marshal(v)
	return append(b, '\n'), err
}

// Key is the key of the digests, for Config.Key.
func (s *State) Key() []byte { return s.key }

// Find returns the result to go on from, nil for none. A topic that was created
// again since is an error.
func (s *State) Find(source, target Place, partition int32) (*Result, error) {
	i, ok := s.at[addressOf(source, target, partition)]
	if !ok {
		return nil, nil
	}
	e := &s.entries[i]
	for _, was := range []struct{ then, now Place }{{e.Source, source}, {e.Target, target}} {
		if was.then.TopicID != was.now.TopicID {
			return nil, fmt.Errorf("topic %s was created anew since it was compared (its id was %s, is %s): begin anew with another state", was.now.Topic, was.then.TopicID, was.now.TopicID)
		}
	}
	r := e.Result.clone()
	return &r, nil
}

// Put takes a result in and returns the line to be appended to a file of the
// state.
func (s *State) Put(source, target Place, r Result) ([]byte, error) {
	e := entry{Source: source, Target: target, Result: r}
	s.put(e)
	return line(e)
}

func (s *State) put(e entry) {
	a := addressOf(e.Source, e.Target, e.Result.Partition)
	if i, ok := s.at[a]; ok {
		s.entries[i] = e
		return
	}
	s.at[a] = len(s.entries)
	s.entries = append(s.entries, e)
}
