package projector

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/portage-kafka/portage/fsm"
)

// TestTableEqualsAMap drives a table and a map at random, with flushes, trims
// and commits in between, and compares rows, sum and store.
func TestTableEqualsAMap(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s, err := Open(Options{})
		require.NoError(rt, err)
		defer func() { require.NoError(rt, s.Close()) }()
		m := &tableModel{rt: rt, s: s, want: map[string]string{}}
		m.table = newTable[string, fsm.Claim](migrationKey, func(string) string { return "all" })
		m.batch = s.db.NewBatch()
		rt.Repeat(map[string]func(*rapid.T){
			"put": func(rt *rapid.T) {
				k, v := m.key(rt), fmt.Sprint(rapid.IntRange(0, 9).Draw(rt, "value"))
				require.NoError(rt, m.table.put(s.db, k, &fsm.Claim{Migration: v}))
				m.want[k] = v
			},
			"take away": func(rt *rapid.T) {
				k := m.key(rt)
				require.NoError(rt, m.table.put(s.db, k, nil))
				delete(m.want, k)
			},
			"get":    func(rt *rapid.T) { m.compare(rt, m.key(rt)) },
			"flush":  func(*rapid.T) { m.flush() },
			"commit": func(*rapid.T) { m.commit() },
			"":       func(rt *rapid.T) { m.compare(rt, "a") },
		})
		m.commit()
		m.compareAll()
		require.NoError(rt, m.batch.Close())
	})
}

type tableModel struct {
	rt    *rapid.T
	s     *Store
	table *table[string, fsm.Claim]
	batch *pebble.Batch
	want  map[string]string
	sum   Sum
}

func (*tableModel) key(rt *rapid.T) string {
	return rapid.SampledFrom([]string{"a", "b", "c", "d"}).Draw(rt, "key")
}

func (m *tableModel) compare(rt *rapid.T, k string) {
	have, err := m.table.get(m.s.db, k)
	require.NoError(rt, err)
	want, ok := m.want[k]
	require.Equal(rt, ok, have != nil)
	if ok {
		require.Equal(rt, want, have.Migration)
	}
}

func (m *tableModel) flush() {
	pending := len(m.table.changed)
	reported := 0
	err := m.table.flush(m.batch, func(owner string) (*Sum, error) {
		require.Equal(m.rt, "all", owner)
		return &m.sum, nil
	}, func(string, *fsm.Claim, *fsm.Claim) error {
		reported++
		return nil
	})
	require.NoError(m.rt, err)
	require.Equal(m.rt, pending, reported, "every changed row once")
	var want Sum
	for k, v := range m.want {
		raw, err := json.Marshal(fsm.Claim{Migration: v})
		require.NoError(m.rt, err)
		want.add(rowHash(migrationKey(k), raw))
	}
	require.Equal(m.rt, want, m.sum)
}

// commit flushes, writes and forgets, as a fold does at the end of a batch.
func (m *tableModel) commit() {
	m.flush()
	require.NoError(m.rt, m.batch.Commit(pebble.NoSync))
	require.NoError(m.rt, m.batch.Close())
	m.batch = m.s.db.NewBatch()
	m.table.trim(2)
	require.LessOrEqual(m.rt, len(m.table.cells), 2)
}

func (m *tableModel) compareAll() {
	have := map[string]string{}
	prefix := newKey(spaceMigration)
	require.NoError(m.rt, scan(m.s.db, prefix, prefix.end(), func(k, value []byte) error {
		name, _, err := cutString(k[1:])
		if err != nil {
			return err
		}
		c, err := decode[fsm.Claim](k, value)
		if err == nil {
			have[name] = c.Migration
		}
		return err
	}))
	require.Equal(m.rt, m.want, have)
}

func TestNoveltyKnowsWhatIsNew(t *testing.T) {
	var none *novelty
	none.add(named{"m", "a"})
	require.False(t, none.isNew(named{"m", "a"}), "nothing is known: ask the store")
	n := newNovelty()
	require.True(t, n.isNew(named{"m", "a"}))
	n.add(named{"m", "a"})
	require.False(t, n.isNew(named{"m", "a"}))
	require.True(t, n.isNew(named{"ma", ""}), "of another migration")
	n.ids = nil
	require.False(t, n.isNew(named{"m", "b"}), "given up")
}

func TestScanEndsWithTheFirstError(t *testing.T) {
	s := memory(t)
	for i := range 5 {
		require.NoError(t, s.db.Set(noteKey(int64(i)), nil, pebble.NoSync))
	}
	seen := 0
	count := func(end error) error {
		seen = 0
		return scan(s.db, noteKey(1), noteKey(4), func([]byte, []byte) error {
			if seen++; seen == 2 {
				return end
			}
			return nil
		})
	}
	require.NoError(t, count(nil))
	require.Equal(t, 3, seen, "from the first on, below the last")
	require.NoError(t, count(errEnough))
	require.Equal(t, 2, seen)
	require.ErrorIs(t, count(errNote), errNote)
	require.Equal(t, 2, seen)
}
