package workload

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// Kind says what an entry tells.
type Kind string

// The kinds of entries.
const (
	KindSent    Kind = "sent"    // acknowledged and, in a transaction, committed
	KindAborted Kind = "aborted" // its transaction was aborted
	KindUnknown Kind = "unknown" // a send without an answer: may be there or not
	KindBegun   Kind = "begun"   // a handler has it in its hands
	KindHandled Kind = "handled" // a handler has finished it
)

// Place is where a record was written or read, by the cluster's name and the topic's name there.
type Place struct {
	Cluster   string `json:"cluster"`
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	Offset    int64  `json:"offset"`
}

// String is cluster:topic/partition@offset.
func (p Place) String() string {
	return fmt.Sprintf("%s:%s/%d@%d", p.Cluster, p.Topic, p.Partition, p.Offset)
}

// Entry is one line of a journal.
type Entry struct {
	Kind Kind `json:"kind"`
	ID
	Place
	Group     string `json:"group,omitempty"`     // of a handler
	Instance  string `json:"instance,omitempty"`  // of a handler
	Tombstone bool   `json:"tombstone,omitempty"` // of a send
	// At is when a send was answered or a handler began, End when it finished: nanoseconds, see Journal.Now.
	At  int64 `json:"at"`
	End int64 `json:"end,omitempty"`
}

// Journal appends entries as JSON lines. It may be used from several goroutines. An entry is in the file, in one write,
// when Append returns, so a killed process loses none.
type Journal struct {
	start time.Time

	mu  sync.Mutex
	w   io.Writer // guarded by mu
	err error     // the first failure; guarded by mu
}

// NewJournal writes to w; time counts from now.
func NewJournal(w io.Writer) *Journal { return &Journal{start: time.Now(), w: w} }

// OpenJournal appends to a file, which it creates if need be. Every process has a file of its own. A line that a killed
// process left unfinished is closed first, so that it spoils no other.
func OpenJournal(path string) (*Journal, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o644)
	if err != nil {
		return nil, fmt.Errorf("workload: open journal: %w", err)
	}
	if err := endLine(f); err != nil {
		return nil, fmt.Errorf("workload: continue journal %s: %w", path, errors.Join(err, f.Close()))
	}
	return NewJournal(f), nil
}

// endLine ends a torn last line with a newline; ReadEntries knows such a line by its being no JSON.
func endLine(f *os.File) error {
	info, err := f.Stat()
	if err != nil || info.Size() == 0 {
		return err
	}
	last := make([]byte, 1)
	if _, err := f.ReadAt(last, info.Size()-1); err != nil || last[0] == '\n' {
		return err
	}
	_, err = f.WriteString(torn + "\n")
	return err
}

// Now is the journal's time in nanoseconds: its start on the wall clock plus monotonic time since.
func (j *Journal) Now() int64 { return j.start.UnixNano() + int64(time.Since(j.start)) }

// At converts a time of this process to the journal's time.
func (j *Journal) At(t time.Time) int64 { return j.start.UnixNano() + int64(t.Sub(j.start)) }

// Append writes entries, one line each. After a failure it writes nothing more and returns that failure.
func (j *Journal) Append(entries ...Entry) error {
	var lines []byte
	for _, e := range entries {
		b, err := json.Marshal(e)
		if err != nil {
			return fmt.Errorf("workload: encode journal entry %v: %w", e.ID, err)
		}
		lines = append(append(lines, b...), '\n')
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.err == nil {
		if _, err := j.w.Write(lines); err != nil {
			j.err = fmt.Errorf("workload: write journal: %w", err)
		}
	}
	return j.err
}

// Close closes the file and returns the first failure of the journal's life.
func (j *Journal) Close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if c, ok := j.w.(io.Closer); ok {
		j.err = errors.Join(j.err, c.Close())
	}
	j.w = closed{}
	return j.err
}

// closed is what a closed journal writes to.
type closed struct{}

func (closed) Write([]byte) (int, error) { return 0, os.ErrClosed }
