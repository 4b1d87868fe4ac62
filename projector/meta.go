package projector

import (
	"time"

	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/fsm"
)

// Layout is the version of the store's keys and values:
//
//	1  the drawing in doc.go
//
// A store of an older layout, or one folded by an older version of the
// machines, is emptied when it is opened and folded again; a newer one is
// refused, because an older release cannot know what it would break.
const Layout = 1

// Identity is how a log is recognised.
type Identity struct {
	// ClusterID is the control cluster's, TopicID that of portage.events.
	ClusterID string `json:"cluster_id"`
	TopicID   string `json:"topic_id"`
	// First and Last are the first and last chained events, nil for none yet.
	// Foreign records may be taken by compaction and cannot stand for the log.
	First *Landmark `json:"first,omitempty"`
	Last  *Landmark `json:"last,omitempty"`
}

// Landmark is an event by which a log is recognised.
type Landmark struct {
	Position int64 `json:"position"`
	// Digest is the log digest of this event alone, in hex.
	Digest string `json:"digest"`
}

func landmark(rec *events.Record) *Landmark {
	return &Landmark{Position: rec.Position, Digest: events.Digest{}.Extend(rec.Event).String()}
}

// Tally counts what became of the records folded so far.
type Tally struct {
	Accepted int64 `json:"accepted"`
	Ignored  int64 `json:"ignored"`
	Refused  int64 `json:"refused"`
	// Foreign counts those refused that are no events of ours, Repeated those
	// ignored whose event came before.
	Foreign  int64 `json:"foreign"`
	Repeated int64 `json:"repeated"`
	// Compared and Uncompared count accepted checkpoints: those that equal the
	// fold and those at a position whose digests were not kept. Differing
	// counts those that were tolerated (see Config.Tolerate).
	Compared   int64 `json:"compared"`
	Uncompared int64 `json:"uncompared"`
	Differing  int64 `json:"differing"`
}

func (t *Tally) count(v fsm.Verdict) {
	switch v {
	case fsm.Accepted:
		t.Accepted++
	case fsm.Ignored:
		t.Ignored++
	default:
		t.Refused++
	}
}

// meta is the one value that is committed with every batch.
type meta struct {
	Layout   int `json:"layout"`
	Machines int `json:"machines"`
	// Applied is the position up to which the log is folded, -1 for none.
	Applied int64 `json:"applied"`
	// Millis is the latest broker time among the records folded.
	Millis int64    `json:"millis"`
	Log    Identity `json:"log"`
	Tally  Tally    `json:"tally"`
}

func emptyMeta() meta { return meta{Layout: Layout, Machines: fsm.Version, Applied: -1} }

// Health is what a view tells about the fold itself.
type Health struct {
	// Applied is the position up to which the log is folded, -1 for none; Time
	// the latest broker time among the records up to there.
	Applied int64
	Time    time.Time
	// Layout and Machines are the versions of the store and of its fold.
	Layout   int
	Machines int
	Log      Identity
	Tally    Tally
}
