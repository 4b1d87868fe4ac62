package projector

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/bits"

	"github.com/portage-kafka/portage/events"
)

// Sum is the state digest of a migration: the sum, modulo 2^256, of
//
//	SHA-256(length of key, 8 bytes ‖ key ‖ value)
//
// over its rows as they are stored (MSet-Add-Hash of Clarke, Devadas, van Dijk,
// Gassend and Suh, "Incremental Multiset Hash Functions and Their Application
// to Memory Integrity Checking", ASIACRYPT 2003). A sum does not depend on an
// order and can be taken back, so a changed row costs one subtraction and one
// addition, however many rows there are. Without a key it tells folds apart
// that differ by mistake; against a forger stands the log digest, a chain of
// which the rows are a function.
type Sum [4]uint64

func rowHash(key, value []byte) Sum {
	h := sha256.New()
	_, _ = h.Write(binary.BigEndian.AppendUint64(make([]byte, 0, 8), uint64(len(key))))
	_, _ = h.Write(key)
	_, _ = h.Write(value)
	var digest [sha256.Size]byte
	return sumOf(h.Sum(digest[:0]))
}

// sumOf reads 32 bytes, the most significant first.
func sumOf(b []byte) Sum {
	var s Sum
	for i := range s {
		s[i] = binary.BigEndian.Uint64(b[8*i:])
	}
	return s
}

func (s *Sum) add(o Sum) {
	var carry uint64
	for i := len(s) - 1; i >= 0; i-- {
		s[i], carry = bits.Add64(s[i], o[i], carry)
	}
}

func (s *Sum) sub(o Sum) {
	var borrow uint64
	for i := len(s) - 1; i >= 0; i-- {
		s[i], borrow = bits.Sub64(s[i], o[i], borrow)
	}
}

// String is the sum in 64 hex digits.
func (s Sum) String() string {
	b := make([]byte, 0, sha256.Size)
	for _, limb := range s {
		b = binary.BigEndian.AppendUint64(b, limb)
	}
	return hex.EncodeToString(b)
}

// Digests are the digests of a migration as of a position.
type Digests struct {
	Migration string
	// Log chains the events, State sums the rows.
	Log   events.Digest
	State Sum
	// Events counts what is chained, Position is the last of it.
	Events   int64
	Position int64
	// Plain counts what is chained apart from checkpoints, Sealed is what Plain
	// was at the position of the last checkpoint that was compared: together
	// they say whether there is anything that no checkpoint covers.
	Plain  int64
	Sealed int64
}

// digestsJSON is the stored and printed form of Digests.
type digestsJSON struct {
	Migration string `json:"migration"`
	Log       string `json:"log"`
	State     string `json:"state"`
	Events    int64  `json:"events"`
	Position  int64  `json:"position"`
	Plain     int64  `json:"plain"`
	Sealed    int64  `json:"sealed"`
}

// MarshalJSON writes both digests in hex.
func (d Digests) MarshalJSON() ([]byte, error) {
	return json.Marshal(digestsJSON{
		Migration: d.Migration, Log: d.Log.String(), State: d.State.String(),
		Events: d.Events, Position: d.Position, Plain: d.Plain, Sealed: d.Sealed,
	})
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (d *Digests) UnmarshalJSON(b []byte) error {
	var j digestsJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return err
	}
	log, err := events.ParseDigest(j.Log)
	if err != nil {
		return err
	}
	state, err := events.ParseDigest(j.State)
	if err != nil {
		return fmt.Errorf("state: %w", err)
	}
	*d = Digests{
		Migration: j.Migration, Log: log, State: sumOf(state[:]),
		Events: j.Events, Position: j.Position, Plain: j.Plain, Sealed: j.Sealed,
	}
	return nil
}
