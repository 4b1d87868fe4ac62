package offsetmap

import (
	"encoding/json"
	"math"
	"slices"
)

// Pair is one offset on each side.
type Pair struct {
	Source int64 `json:"source"`
	Target int64 `json:"target"`
}

// Run is a stretch of Count records whose source and target offsets differ by a constant: the record at source
// offset Source+i is the record at target offset Target+i.
type Run struct {
	Source int64 `json:"source"`
	Target int64 `json:"target"`
	Count  int64 `json:"count"`
}

// SourceEnd is the source offset after the last record of the run.
func (r Run) SourceEnd() int64 { return r.Source + r.Count }

// TargetEnd is the target offset after the last record of the run.
func (r Run) TargetEnd() int64 { return r.Target + r.Count }

// Map is what is known of one partition's copy. Its zero value is an empty copy that began at offset 0 on both
// sides; [New] begins elsewhere.
type Map struct {
	begin Pair
	end   Pair // Source: the watermark; Target: the end of the last run
	runs  []Run
}

// New begins an empty map: copying starts at this source offset, and its first record will be written at this
// target offset or later.
func New(source, target int64) (Map, error) {
	if source < 0 || target < 0 {
		return Map{}, &InvalidError{Op: "begin", Run: Run{Source: source, Target: target}, Reason: "an offset is never negative"}
	}
	at := Pair{Source: source, Target: target}
	return Map{begin: at, end: at}, nil
}

// Begin is where the map starts on both sides.
func (m *Map) Begin() Pair { return m.begin }

// Watermark is the next source offset that is not copied yet: everything from the begin up to it is either in a
// run or was skipped on purpose.
func (m *Map) Watermark() int64 { return m.end.Source }

// TargetEnd is the target offset after the last image: where the next copied record is expected while the copier
// is the only writer.
func (m *Map) TargetEnd() int64 { return m.end.Target }

// Len is the number of runs.
func (m *Map) Len() int { return len(m.runs) }

// Runs returns a copy of the runs, in order of both offsets.
func (m *Map) Runs() []Run { return slices.Clone(m.runs) }

// Copied is the number of records that have an image.
func (m *Map) Copied() int64 {
	var n int64
	for _, r := range m.runs {
		n += r.Count
	}
	return n
}

// Clone returns a map that shares nothing with m.
func (m *Map) Clone() Map {
	return Map{begin: m.begin, end: m.end, runs: slices.Clone(m.runs)}
}

// Append adds a stretch that the target has acknowledged. It must start at the watermark (call [Map.Skip] first
// for what was left out) and not below the target end; a target offset above it leaves a gap on the target, which
// happens when somebody else wrote there. A stretch that continues the last run on both sides extends it.
func (m *Map) Append(r Run) error {
	switch {
	case r.Count < 1:
		return m.invalid(r, "a run has at least one record")
	case r.Source < m.end.Source:
		return m.invalid(r, "its source offsets are already in the map")
	case r.Source > m.end.Source:
		return m.invalid(r, "source offsets before it are unaccounted for: skip them first")
	case r.Target < m.end.Target:
		return m.invalid(r, "its target offsets are already in the map")
	case r.Count > math.MaxInt64-r.Source || r.Count > math.MaxInt64-r.Target:
		return m.invalid(r, "it ends beyond the largest offset")
	}
	if n := len(m.runs); n > 0 && m.runs[n-1].SourceEnd() == r.Source && m.runs[n-1].TargetEnd() == r.Target {
		m.runs[n-1].Count += r.Count
	} else {
		m.runs = append(m.runs, r)
	}
	m.end = Pair{Source: r.SourceEnd(), Target: r.TargetEnd()}
	return nil
}

// Skip advances the watermark to this source offset: what lies between has no image and never will.
// Skipping to the watermark itself changes nothing; a lower offset is an error.
func (m *Map) Skip(to int64) error {
	if to < m.end.Source {
		return &InvalidError{Op: "skip", Run: Run{Source: to}, End: m.end, Reason: "the watermark never falls"}
	}
	m.end.Source = to
	return nil
}

func (m *Map) invalid(r Run, reason string) error {
	return &InvalidError{Op: "append", Run: r, End: m.end, Reason: reason}
}

// view is the JSON shape of a map, for people and for clients in other languages; nothing is read back from it.
type view struct {
	Begin     Pair  `json:"begin"`
	Watermark int64 `json:"watermark"`
	TargetEnd int64 `json:"target_end"`
	Copied    int64 `json:"copied"`
	Runs      []Run `json:"runs"`
}

// MarshalJSON shows the map as {"begin":{"source","target"},"watermark","target_end","copied","runs":[…]}.
func (m Map) MarshalJSON() ([]byte, error) {
	runs := m.runs
	if runs == nil {
		runs = []Run{}
	}
	return json.Marshal(view{Begin: m.begin, Watermark: m.end.Source, TargetEnd: m.end.Target, Copied: m.Copied(), Runs: runs})
}
