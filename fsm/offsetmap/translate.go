package offsetmap

import (
	"fmt"
	"sort"
)

// Kind says why a position was translated to where it was.
type Kind uint8

// The kinds of a successful translation; see the package documentation.
const (
	Image    Kind = iota // the position is a copied record: its image
	Gap                  // the position was skipped: the start of the next run
	Frontier             // everything known is below the position: the end of the other side
	Deleted              // copying began above the position, and the log no longer has the records between
)

// String returns the kind as people read it.
func (k Kind) String() string {
	switch k {
	case Image:
		return "image"
	case Gap:
		return "gap"
	case Frontier:
		return "frontier"
	case Deleted:
		return "deleted"
	}
	return fmt.Sprintf("kind %d", uint8(k))
}

// MarshalText lets a kind appear by its name in JSON.
func (k Kind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// Position is a translated position.
type Position struct {
	Offset int64 `json:"offset"`
	Kind   Kind  `json:"kind"`
}

// Translate returns the target position that corresponds to a source position. sourceLogStart is the source
// partition's log start offset as read from the broker: it decides whether a position below the begin may move
// up to it. The error is a [NotYetError] or a [BelowError].
func (m *Map) Translate(position, sourceLogStart int64) (Position, error) {
	return m.translate(position, sourceLogStart, Source)
}

// Inverse returns the source position that corresponds to a target position, by the same rules with the sides
// exchanged; targetLogStart is the target partition's log start offset. At the target end the answer is the
// watermark: the gap before it holds no records to read.
func (m *Map) Inverse(position, targetLogStart int64) (Position, error) {
	return m.translate(position, targetLogStart, Target)
}

// Side names one of the two logs.
type Side uint8

// The two sides of a map.
const (
	Source Side = iota
	Target
)

// String returns "source" or "target".
func (s Side) String() string {
	if s == Target {
		return "target"
	}
	return "source"
}

// order returns (this side's offset, the other side's offset).
func (s Side) order(source, target int64) (int64, int64) {
	if s == Target {
		return target, source
	}
	return source, target
}

func (m *Map) translate(position, logStart int64, from Side) (Position, error) {
	begin, _ := from.order(m.begin.Source, m.begin.Target)
	end, otherEnd := from.order(m.end.Source, m.end.Target)
	if position > end {
		return Position{}, &NotYetError{Side: from, Position: position, Frontier: end}
	}
	gap, frontier := Gap, Frontier
	if position < begin {
		if position < 0 || logStart < begin {
			return Position{}, &BelowError{Side: from, Position: position, Begin: begin, LogStart: logStart}
		}
		gap, frontier = Deleted, Deleted
	}
	i := sort.Search(len(m.runs), func(i int) bool {
		last, _ := from.order(m.runs[i].SourceEnd(), m.runs[i].TargetEnd())
		return last > position
	})
	if i == len(m.runs) {
		return Position{Offset: otherEnd, Kind: frontier}, nil
	}
	start, other := from.order(m.runs[i].Source, m.runs[i].Target)
	if position >= start {
		return Position{Offset: other + position - start, Kind: Image}, nil
	}
	return Position{Offset: other, Kind: gap}, nil
}
