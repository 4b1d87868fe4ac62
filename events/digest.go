package events

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
)

// Digest is the log digest of a migration: a SHA-256 chain over its events. It
// begins as 32 zero bytes; each event makes it
//
//	SHA-256(previous digest ‖ canonical form of the event)
//
// where the canonical form is what [Encode] writes (see there for its rules).
// The caller chains, in the order of the log, the first occurrence of each
// event id of the migration whose record is not foreign ([Refusal.Foreign]):
// events that were refused or ignored, of unknown types or later schemas
// belong to it. Position, append time and record key do not: so it is the same
// before and after compaction takes foreign records away, and over an exported
// and imported log.
type Digest [sha256.Size]byte

// Extend is the digest with one more event.
func (d Digest) Extend(e Event) Digest {
	b := append(make([]byte, 0, len(d)+512+len(e.Body)), d[:]...)
	// The canonical form begins a JSON object of its own behind the digest.
	return sha256.Sum256(canonical(b, e))
}

// String is the digest in 64 hex digits.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// ParseDigest reads what String wrote.
func ParseDigest(s string) (Digest, error) {
	var d Digest
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != len(d) || s != hex.EncodeToString(b) {
		return d, fmt.Errorf("digest %s: want %d lower-case hex digits", quote(s), 2*len(d))
	}
	copy(d[:], b)
	return d, nil
}
