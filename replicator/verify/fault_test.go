package verify

import (
	"bytes"
	"slices"
	"testing"

	"github.com/portage-kafka/portage/cluster/batch"
	"github.com/portage-kafka/portage/fsm/offsetmap"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// fault changes a target log at one place and says what must be found.
type fault struct {
	name  string
	plant func(rt *rapid.T, s *side, at int) Finding
}

// faults are all kinds of fault, with what names them exactly. The target is
// dense before; offsets are those after the fault was planted.
func faults() []fault {
	return []fault{
		{"loss", func(_ *rapid.T, s *side, at int) Finding {
			s.replace(slices.Delete(slices.Clone(s.records), at, at+1))
			return Finding{Kind: Loss, Source: int64(at), Target: -1}
		}},
		{"duplicate", func(rt *rapid.T, s *side, at int) Finding {
			again := at - rapid.IntRange(0, min(at, 50)).Draw(rt, "back")
			s.replace(slices.Insert(slices.Clone(s.records), at+1, s.records[again]))
			of := int64(again)
			return Finding{Kind: Duplicate, Source: -1, Target: int64(at) + 1, Of: &of}
		}},
		{"extra", func(_ *rapid.T, s *side, at int) Finding {
			s.replace(slices.Insert(slices.Clone(s.records), at, record{Timestamp: 7, Value: []byte("foreign")}))
			return Finding{Kind: Extra, Source: -1, Target: int64(at)}
		}},
		{"reorder", func(rt *rapid.T, s *side, at int) Finding {
			if len(s.records) < 2 {
				rt.Skip("too few")
			}
			from := min(at, len(s.records)-2)
			to := from + rapid.IntRange(1, min(60, len(s.records)-1-from)).Draw(rt, "by")
			r := s.records[from]
			s.replace(slices.Insert(slices.Delete(slices.Clone(s.records), from, from+1), to, r))
			return Finding{Kind: Reorder, Source: int64(from), Target: int64(to)}
		}},
		{"value flip", func(rt *rapid.T, s *side, at int) Finding {
			s.edit(at, func(r *record) { r.Value = flipped(rt, r.Value) })
			return Finding{Kind: Corrupted, Source: int64(at), Target: int64(at), Fields: []string{fieldValue}}
		}},
		{"key flip", func(rt *rapid.T, s *side, at int) Finding {
			s.edit(at, func(r *record) { r.Key = flipped(rt, append([]byte{'k'}, r.Key...)) })
			return Finding{Kind: Corrupted, Source: int64(at), Target: int64(at), Fields: []string{fieldKey}}
		}},
		{"header change", func(rt *rapid.T, s *side, at int) Finding {
			s.edit(at, func(r *record) { r.Headers = append(slices.Clone(r.Headers), batch.Header{Key: "more"}) })
			return Finding{Kind: Headers, Source: int64(at), Target: int64(at), Fields: []string{fieldHeaders}}
		}},
		{"header order", func(rt *rapid.T, s *side, at int) Finding {
			at -= at % 3 // these have headers
			s.edit(at, func(r *record) { r.Headers = []batch.Header{r.Headers[1], r.Headers[0]} })
			return Finding{Kind: Headers, Source: int64(at), Target: int64(at), Fields: []string{fieldHeaders}}
		}},
		{"timestamp change", func(rt *rapid.T, s *side, at int) Finding {
			s.edit(at, func(r *record) { r.Timestamp += rapid.Int64Range(1, 1<<40).Draw(rt, "later") })
			return Finding{Kind: Timestamp, Source: int64(at), Target: int64(at), Fields: []string{fieldTimestamp}}
		}},
	}
}

// flipped changes one bit.
func flipped(rt *rapid.T, b []byte) []byte {
	b = bytes.Clone(b)
	i := rapid.IntRange(0, 8*len(b)-1).Draw(rt, "bit")
	b[i/8] ^= 1 << (i % 8)
	return b
}

// replace puts other records at the offsets from 0 on.
func (s *side) replace(rs []record) { s.records = sideOf(rs...).records }

func (s *side) edit(at int, change func(*record)) {
	s.records = slices.Clone(s.records)
	change(&s.records[at])
}

// bare leaves of a finding what a test can say beforehand.
func bare(fs []Finding) (out []Finding) {
	for _, f := range fs {
		out = append(out, Finding{Kind: f.Kind, Source: f.Source, Target: f.Target, Fields: f.Fields, Of: f.Of})
	}
	return out
}

// TestEveryFaultIsNamed: one fault at a random place of logs that are aligned by
// order is found, is the only finding, and carries its exact offsets and key.
func TestEveryFaultIsNamed(t *testing.T) {
	for _, f := range faults() {
		t.Run(f.name, func(t *testing.T) {
			rapid.Check(t, func(rt *rapid.T) {
				n := rapid.IntRange(3, 400).Draw(rt, "records")
				w := &world{cfg: small(rt), source: sideOf(contents(n)...), target: sideOf(contents(n)...)}
				w.source.per, w.target.per = rapid.IntRange(1, 30).Draw(rt, "source batches"), rapid.IntRange(1, 30).Draw(rt, "target batches")
				w.q.UpTo = int64(n)
				want := f.plant(rt, w.target, rapid.IntRange(0, n-1).Draw(rt, "at"))
				res := w.compare(rt)
				require.Equal(rt, []Finding{want}, bare(res.Findings))
				require.EqualValues(rt, 1, res.Count)
				require.Equal(rt, map[Kind]int64{want.Kind: 1}, res.Kinds)
				require.Equal(rt, Different, res.Verdict)
			})
		})
	}
}

// TestEveryFaultIsNamedByMap: with a map that knows nothing of the fault the same
// is found; where the fault shifts what follows, a run tells of it, for the map
// is wrong from there on.
func TestEveryFaultIsNamedByMap(t *testing.T) {
	for _, f := range faults() {
		t.Run(f.name, func(t *testing.T) {
			rapid.Check(t, func(rt *rapid.T) {
				n := rapid.IntRange(3, 1200).Draw(rt, "records")
				w := &world{cfg: small(rt), source: sideOf(contents(n)...), target: sideOf(contents(n)...)}
				w.source.per, w.target.per = rapid.IntRange(1, 30).Draw(rt, "source batches"), rapid.IntRange(1, 30).Draw(rt, "target batches")
				upTo := int64(rapid.IntRange(1, n).Draw(rt, "up to"))
				w.q.Map, w.q.UpTo = mapOf(rt, int64(n), offsetmap.Run{Count: int64(n)}), upTo
				w.q.Compacted = rapid.Bool().Draw(rt, "compacted")
				fault := f.plant(rt, w.target, rapid.IntRange(0, int(upTo)-1).Draw(rt, "at"))
				if fault.Source < 0 && fault.Target >= upTo {
					rt.Skip("behind the bound")
				}
				want := append([]Finding{fault}, shifted(fault, upTo)...)
				res := w.compare(rt)
				require.Equal(rt, want, bare(res.Findings))
				count := int64(1)
				if len(want) > 1 {
					count += upTo - want[1].Source
				}
				require.Equal(rt, count, res.Count)
			})
		})
	}
}

// shifted is the run of records that a fault moves away from where the map says.
func shifted(f Finding, upTo int64) []Finding {
	from, by := int64(0), int64(0)
	switch f.Kind {
	case Loss:
		from, by = f.Source+1, -1
	case Duplicate, Extra:
		from, by = f.Target, 1
	}
	if by == 0 || from >= upTo {
		return nil
	}
	return []Finding{{Kind: Displaced, Source: from, Target: from + by}}
}
