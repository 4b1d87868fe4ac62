package verify

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"strings"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/fsm/offsetmap"
)

// Side is one partition of one cluster.
type Side struct {
	Client    *cluster.Client
	Topic     string
	Partition int32
}

// String names the side for messages.
func (s Side) String() string {
	return fmt.Sprintf("%s/%d on %s", s.Topic, s.Partition, s.Client.Name())
}

// Request says what to compare.
type Request struct {
	Source, Target Side
	// Map says which target record is the image of which source record. nil
	// compares the committed records of both sides in order.
	Map *offsetmap.Map
	// UpTo is the source offset up to which records are compared. Without a map
	// it bounds the source alone, and the target must end with the last image.
	UpTo int64
	// Compacted says that the source may have lost records since they were
	// copied: their images are then no difference.
	Compacted bool
	// Shared says that others write to the target, too: records that are no
	// image are theirs.
	Shared bool
}

// Kind is how two sides differ at one place.
type Kind string

// The kinds of difference.
const (
	Missing  Kind = "missing"  // a source record has no image
	Extra    Kind = "extra"    // a target record is no image
	Changed  Kind = "changed"  // the image differs from its origin
	Vanished Kind = "vanished" // the origin is gone, and nothing says that it may be
)

// Difference is one place where two sides differ.
type Difference struct {
	Kind Kind
	// Source and Target are the offsets, -1 where there is none.
	Source, Target int64
	// What says what of a changed record differs: key, value, headers, timestamp.
	What string
}

// String puts the difference in words.
func (d Difference) String() string {
	switch d.Kind {
	case Missing:
		return fmt.Sprintf("source %d is missing on the target (expected at %d)", d.Source, d.Target)
	case Extra:
		return fmt.Sprintf("target %d is the image of nothing", d.Target)
	case Vanished:
		return fmt.Sprintf("source %d is gone, its image is target %d", d.Source, d.Target)
	}
	return fmt.Sprintf("source %d and target %d differ in %s", d.Source, d.Target, d.What)
}

// listed is how many differences a result lists.
const listed = 20

// Result is the outcome of a comparison.
type Result struct {
	// Records is the number of pairs compared.
	Records int64
	// SourceDigest and TargetDigest are SHA-256, in hex, over the records of
	// each side in order.
	SourceDigest, TargetDigest string
	// Differences lists the first ones, Count counts all.
	Differences []Difference
	Count       int64
}

// Summary says what differs, "" if nothing does.
func (r Result) Summary() string {
	if r.Count == 0 {
		if r.SourceDigest == r.TargetDigest {
			return ""
		}
		return fmt.Sprintf("the digests differ: source %s, target %s", r.SourceDigest, r.TargetDigest)
	}
	var parts []string
	for _, d := range r.Differences {
		parts = append(parts, d.String())
	}
	if more := r.Count - int64(len(parts)); more > 0 {
		parts = append(parts, fmt.Sprintf("%d more", more))
	}
	return fmt.Sprintf("%d differences: %s", r.Count, strings.Join(parts, "; "))
}

// Compare reads both sides and compares them. The error says that something
// could not be read; differences are in the result.
func Compare(ctx context.Context, q Request) (Result, error) {
	c := &comparison{Request: q, source: sha256.New(), target: sha256.New()}
	var err error
	if q.Map == nil {
		err = c.inOrder(ctx)
	} else {
		err = c.byMap(ctx)
	}
	if err != nil {
		return Result{}, err
	}
	c.res.SourceDigest, c.res.TargetDigest = hex.EncodeToString(c.source.Sum(nil)), hex.EncodeToString(c.target.Sum(nil))
	return c.res, nil
}

// comparison is a comparison under way.
type comparison struct {
	Request
	source, target hash.Hash
	buf            []byte
	res            Result
}

func (c *comparison) differ(d Difference) {
	c.res.Count++
	if len(c.res.Differences) < listed {
		c.res.Differences = append(c.res.Differences, d)
	}
}

// pair compares a record with its image.
func (c *comparison) pair(s, t record) {
	c.res.Records++
	c.hash(c.source, s)
	c.hash(c.target, t)
	if what := difference(s, t); what != "" {
		c.differ(Difference{Kind: Changed, Source: s.offset, Target: t.offset, What: what})
	}
}

// hash adds a record: timestamp, key, value and headers, each with its length,
// so that no two different sequences share an encoding.
func (c *comparison) hash(h hash.Hash, r record) {
	b := binary.BigEndian.AppendUint64(c.buf[:0], uint64(r.timestamp))
	b = appendBytes(appendBytes(b, r.key), r.value)
	b = binary.AppendVarint(b, int64(len(r.headers)))
	for _, x := range r.headers {
		b = appendBytes(appendBytes(b, []byte(x.Key)), x.Value)
	}
	c.buf = b
	h.Write(b)
}

func appendBytes(dst, x []byte) []byte {
	if x == nil {
		return binary.AppendVarint(dst, -1)
	}
	return append(binary.AppendVarint(dst, int64(len(x))), x...)
}

// difference names what differs between two records, "" if nothing does.
func difference(s, t record) string {
	var what []string
	if !same(s.key, t.key) {
		what = append(what, "key")
	}
	if !same(s.value, t.value) {
		what = append(what, "value")
	}
	if !sameHeaders(s, t) {
		what = append(what, "headers")
	}
	if s.timestamp != t.timestamp {
		what = append(what, "timestamp")
	}
	return strings.Join(what, ", ")
}

func sameHeaders(s, t record) bool {
	if len(s.headers) != len(t.headers) {
		return false
	}
	for i, h := range s.headers {
		if h.Key != t.headers[i].Key || !same(h.Value, t.headers[i].Value) {
			return false
		}
	}
	return true
}

// same tells null from empty.
func same(a, b []byte) bool { return (a == nil) == (b == nil) && bytes.Equal(a, b) }

// inOrder compares record with record, up to the first difference.
func (c *comparison) inOrder(ctx context.Context) error {
	source, _, err := open(ctx, c.Source, 0, c.UpTo)
	if err != nil {
		return err
	}
	target, err := c.wholeTarget(ctx)
	if err != nil {
		return err
	}
	for c.res.Count == 0 {
		s, more, err := source.take(ctx)
		if err != nil {
			return err
		}
		t, also, err := target.take(ctx)
		switch {
		case err != nil:
			return err
		case more && also:
			c.pair(s, t)
		case more:
			c.differ(Difference{Kind: Missing, Source: s.offset, Target: -1})
		case also:
			c.differ(Difference{Kind: Extra, Source: -1, Target: t.offset})
		default:
			return nil
		}
	}
	return nil
}

// wholeTarget is a cursor over all that the target has now.
func (c *comparison) wholeTarget(ctx context.Context) (*cursor, error) {
	ends, err := c.Target.Client.ListOffsets(ctx, c.Target.Topic, []int32{c.Target.Partition}, cluster.Stable)
	if err != nil {
		return nil, fmt.Errorf("read the end of %s: %w", c.Target, err)
	}
	target, _, err := open(ctx, c.Target, 0, ends[c.Target.Partition])
	return target, err
}
