package workload

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func entry(kind Kind, seq int64) Entry {
	e := Entry{Kind: kind, ID: ID{Run: "r", Producer: "p", Key: "k", Seq: seq}, Place: Place{Cluster: "source", Topic: "orders", Partition: 2, Offset: seq}, At: 10 * seq}
	if kind == KindBegun || kind == KindHandled {
		e.Group, e.Instance = "billing", "i-1"
	}
	if kind == KindHandled {
		e.End = e.At + 5
	}
	return e
}

func TestJournalIsReadBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	j, err := OpenJournal(path)
	require.NoError(t, err)
	want := []Entry{entry(KindSent, 0), entry(KindAborted, 1), entry(KindUnknown, 2), entry(KindBegun, 3), entry(KindHandled, 3)}
	require.NoError(t, j.Append(want...))
	require.NoError(t, j.Close())
	j, err = OpenJournal(path)
	require.NoError(t, err)
	require.NoError(t, j.Append(entry(KindSent, 9)))
	require.NoError(t, j.Close())
	got, err := ReadFiles(path)
	require.NoError(t, err)
	require.Equal(t, append(want, entry(KindSent, 9)), got)
	require.ErrorIs(t, j.Append(entry(KindSent, 10)), os.ErrClosed)
}

func TestTornLines(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	j, err := OpenJournal(path)
	require.NoError(t, err)
	require.NoError(t, j.Append(entry(KindSent, 0), entry(KindSent, 1)))
	require.NoError(t, j.Close())
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	for cut := 1; cut < 60; cut++ {
		require.NoError(t, os.WriteFile(path, whole[:len(whole)-cut], 0o600))
		got, err := ReadFiles(path)
		require.NoError(t, err)
		require.Equal(t, []Entry{entry(KindSent, 0)}, got, "cut %d", cut)

		j, err = OpenJournal(path) // the process starts again
		require.NoError(t, err)
		require.NoError(t, j.Append(entry(KindSent, 2)))
		require.NoError(t, j.Close())
		got, err = ReadFiles(path)
		require.NoError(t, err)
		require.Equal(t, []Entry{entry(KindSent, 0), entry(KindSent, 2)}, got, "cut %d", cut)
	}
}

func TestDamagedJournals(t *testing.T) {
	for name, text := range map[string]string{
		"line 1: invalid character": "nonsense\n",
		`line 2: kind is "sold"`:    `{"kind":"sent"}` + "\n" + `{"kind":"sold"}` + "\n",
		"without a group":           `{"kind":"handled"}` + "\n",
	} {
		_, err := ReadEntries(strings.NewReader(text))
		require.ErrorIs(t, err, ErrJournal)
		require.ErrorContains(t, err, name)
	}
	path := filepath.Join(t.TempDir(), "none")
	_, err := ReadFiles(path)
	require.ErrorIs(t, err, os.ErrNotExist)
	require.ErrorContains(t, err, path)
	_, err = OpenJournal(t.TempDir())
	require.Error(t, err)
}

// failing refuses everything after the first write.
type failing struct{ writes int }

var errDisk = errors.New("disk full")

func (f *failing) Write(b []byte) (int, error) {
	f.writes++
	if f.writes > 1 {
		return 0, errDisk
	}
	return len(b), nil
}

func TestAFailureSticks(t *testing.T) {
	f := &failing{}
	j := NewJournal(f)
	require.NoError(t, j.Append(entry(KindSent, 0)))
	require.ErrorIs(t, j.Append(entry(KindSent, 1)), errDisk)
	require.ErrorIs(t, j.Append(entry(KindSent, 2)), errDisk)
	require.Equal(t, 2, f.writes)
	require.ErrorIs(t, j.Close(), errDisk)
}

func TestManyWriters(t *testing.T) {
	var out bytes.Buffer
	j := NewJournal(&out)
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range 100 {
				_ = j.Append(entry(KindSent, int64(w*100+i)))
			}
		})
	}
	wg.Wait()
	require.NoError(t, j.Close())
	entries, err := ReadEntries(&out)
	require.NoError(t, err)
	require.Len(t, entries, 400)
}

func TestJournalTimes(t *testing.T) {
	j := NewJournal(nil)
	a, now, b := j.Now(), time.Now(), j.Now()
	require.LessOrEqual(t, a, j.At(now))
	require.LessOrEqual(t, j.At(now), b)
	require.InDelta(t, now.UnixNano(), j.At(now), float64(time.Second))
}

func TestHandsOf(t *testing.T) {
	other := entry(KindHandled, 5)
	other.Instance = "i-2"
	entries := []Entry{
		entry(KindBegun, 1), entry(KindHandled, 1), // ends at 15
		entry(KindBegun, 2), entry(KindHandled, 2), // ends at 25
		entry(KindBegun, 3),
		entry(KindSent, 4), other,
	}
	require.Equal(t, []Entry{entry(KindHandled, 2), entry(KindBegun, 3)}, HandsOf(entries, "billing", "i-1", 20))
	require.Equal(t, []Entry{entry(KindBegun, 3)}, HandsOf(entries, "billing", "i-1", 26))
	require.Empty(t, HandsOf(entries, "audit", "i-1", 0))
}

func FuzzReadEntries(f *testing.F) {
	f.Add([]byte(`{"kind":"sent","run":"r","seq":1}` + "\n"))
	f.Add([]byte(`{"kind":"handled","group":"g"}` + "\nx~torn\n{"))
	f.Fuzz(func(t *testing.T, b []byte) {
		entries, err := ReadEntries(bytes.NewReader(b))
		if err != nil {
			require.ErrorIs(t, err, ErrJournal)
		}
		require.LessOrEqual(t, len(entries), bytes.Count(b, []byte("\n")))
		for _, e := range entries {
			require.NoError(t, e.check())
		}
	})
}
