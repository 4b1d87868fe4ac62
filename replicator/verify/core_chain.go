package verify

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/portage-kafka/portage/cluster/batch"
)

// Chain is a digest over a sequence of digests, in order: loss, repetition and
// reordering change it as corruption does. It depends on nothing but the
// sequence, so a comparison that was resumed comes to the same chain.
type Chain [sha256.Size]byte

// then is the chain with one more digest: SHA-256(chain ‖ digest).
func (c Chain) then(d batch.Digest) Chain {
	var b [sha256.Size + len(d)]byte
	copy(b[copy(b[:], c[:]):], d[:])
	return sha256.Sum256(b[:])
}

// String is the chain in hex.
func (c Chain) String() string { return hex.EncodeToString(c[:]) }

// MarshalText implements [encoding.TextMarshaler]: hex.
func (c Chain) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (c *Chain) UnmarshalText(text []byte) error {
	b, err := hex.DecodeString(string(text))
	if err != nil || len(b) != len(c) {
		return fmt.Errorf("digest %q: want %d bytes in hex", text, len(c))
	}
	copy(c[:], b)
	return nil
}
