package events

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// Key is the record key of one physical send of an event.
type Key struct {
	Migration string
	Stream    Stream
	ID        string
	// Nonce is random per send, so that no two records ever share a key and
	// compaction keeps both copies of a repeated append where they stand.
	Nonce string
}

// String joins the key's parts with slashes.
func (k Key) String() string {
	return k.Migration + "/" + string(k.Stream) + "/" + k.ID + "/" + k.Nonce
}

// ParseKey reads a record key of portage.events. The stream may contain
// slashes; the other parts may not.
func ParseKey(s string) (Key, error) {
	migration, rest, ok1 := strings.Cut(s, "/")
	rest, nonce, ok2 := cutLast(rest)
	stream, id, ok3 := cutLast(rest)
	if !ok1 || !ok2 || !ok3 || migration == "" || stream == "" || id == "" || nonce == "" {
		return Key{}, fmt.Errorf("record key %q: want migration/stream/event-id/nonce", s)
	}
	return Key{Migration: migration, Stream: Stream(stream), ID: id, Nonce: nonce}, nil
}

func cutLast(s string) (before, after string, found bool) {
	i := strings.LastIndexByte(s, '/')
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+1:], true
}

// DeriveID is the id of a decision, acknowledgement or observation: a hash
// over what caused it, so that a restarted writer repeats the same id and the
// second copy is recognised as a repetition. Parts are length-prefixed before
// hashing, so that ("ab","c") and ("a","bc") differ.
func DeriveID(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d:%s,", len(p), p)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// ValidName reports whether s can name a migration or a cluster: 1 to 100 of
// letters, digits, '.', '_' and '-', not starting with a dot.
func ValidName(s string) bool {
	if len(s) == 0 || len(s) > 100 || s[0] == '.' {
		return false
	}
	for i := range len(s) {
		if !nameByte(s[i]) {
			return false
		}
	}
	return true
}
