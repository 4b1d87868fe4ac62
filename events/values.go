package events

import (
	"encoding/json"
	"reflect"
	"strconv"
	"strings"
)

// The shapes of the values of the directives, offsets and progress topics.
var (
	directiveShape = shapeOf(reflect.TypeFor[Directive]())
	markShape      = shapeOf(reflect.TypeFor[Mark]())
	blockShape     = shapeOf(reflect.TypeFor[Block]())
	claimShape     = shapeOf(reflect.TypeFor[Claim]())
	progressShape  = shapeOf(reflect.TypeFor[Progress]())
)

// DecodeDirective reads a directive as strictly as [Decode] reads an event:
// every error is a *[Refusal], and a refused directive must not be obeyed.
// Fields that this release does not know are ignored: a directive whose
// meaning depends on them says so in AtLeast.
func DecodeDirective(key, value []byte) (Directive, error) {
	k, f := keyOf(key, value, ParseDirectiveKey)
	if f != nil {
		return Directive{}, f.refusal(true)
	}
	d, f := decodeValue[Directive](value, directiveShape)
	if f != nil {
		return Directive{}, f.refusal(false)
	}
	if err := d.Validate(k); err != nil {
		return Directive{}, refuse(RefusedDirective, "%s", oneLine(err)).refusal(false)
	}
	return d, nil
}

// EncodeDirective writes a directive's value; its record key is Key. It refuses
// what [DecodeDirective] would refuse.
func EncodeDirective(d Directive) ([]byte, error) {
	value, err := json.Marshal(d)
	if err != nil {
		return nil, err
	}
	_, err = DecodeDirective([]byte(d.Key().String()), value)
	return value, err
}

// DecodeMark reads a partition's mark; every error is a *[Refusal].
func DecodeMark(key, value []byte) (partition int32, m Mark, err error) {
	partition, f := keyOf(key, value, ParseMarkKey)
	if f != nil {
		return 0, Mark{}, f.refusal(true)
	}
	m, f = decodeValue[Mark](value, markShape)
	if f == nil {
		f = m.check()
	}
	if f != nil {
		return 0, Mark{}, f.refusal(false)
	}
	return partition, m, nil
}

// EncodeMark writes a mark's value; its record key is [MarkKey].
func EncodeMark(m Mark) ([]byte, error) {
	if f := m.check(); f != nil {
		return nil, f.refusal(false)
	}
	return json.Marshal(m)
}

// DecodeBlock reads a block of the offset map; every error is a *[Refusal].
// What Runs mean is for package fsm/offsetmap to judge.
func DecodeBlock(key, value []byte) (OffsetsKey, Block, error) {
	k, f := keyOf(key, value, ParseOffsetsKey)
	if f != nil {
		return OffsetsKey{}, Block{}, f.refusal(true)
	}
	b, f := decodeValue[Block](value, blockShape)
	if f == nil {
		f = b.check()
	}
	if f == nil && b.Key(k.Copy) != k {
		f = refuse(RefusedKey, "the record key %s stands over block %d of owner epoch %d", quote(key), b.Number, b.OwnerEpoch)
	}
	if f != nil {
		return OffsetsKey{}, Block{}, f.refusal(false)
	}
	return k, b, nil
}

// EncodeBlock writes a block's value; its record key is Key.
func EncodeBlock(b Block) ([]byte, error) {
	if f := b.check(); f != nil {
		return nil, f.refusal(false)
	}
	if b.Runs == nil {
		b.Runs = []byte{} // null is no list of runs
	}
	return json.Marshal(b)
}

// DecodeClaim reads a claim of a lineage; every error is a *[Refusal].
func DecodeClaim(key, value []byte) (OffsetsKey, Claim, error) {
	k, f := keyOf(key, value, ParseOffsetsKey)
	if f != nil {
		return OffsetsKey{}, Claim{}, f.refusal(true)
	}
	c, f := decodeValue[Claim](value, claimShape)
	if f == nil {
		f = c.check()
	}
	if f == nil && c.Key(k.Copy) != k {
		f = refuse(RefusedKey, "the record key %s stands over a claim of owner epoch %d with nonce %s", quote(key), c.OwnerEpoch, quote(c.Nonce))
	}
	if f != nil {
		return OffsetsKey{}, Claim{}, f.refusal(false)
	}
	return k, c, nil
}

// EncodeClaim writes a claim's value; its record key is Key.
func EncodeClaim(c Claim) ([]byte, error) {
	if f := c.check(); f != nil {
		return nil, f.refusal(false)
	}
	return json.Marshal(c)
}

// DecodeProgress reads a worker's report; every error is a *[Refusal].
func DecodeProgress(key, value []byte) (CopyKey, Progress, error) {
	k, f := keyOf(key, value, ParseCopyKey)
	if f != nil {
		return CopyKey{}, Progress{}, f.refusal(true)
	}
	p, f := decodeValue[Progress](value, progressShape)
	if f == nil {
		f = p.check()
	}
	if f != nil {
		return CopyKey{}, Progress{}, f.refusal(false)
	}
	return k, p, nil
}

// EncodeProgress writes a report's value; its record key is a [CopyKey].
func EncodeProgress(p Progress) ([]byte, error) {
	if f := p.check(); f != nil {
		return nil, f.refusal(false)
	}
	return json.Marshal(p)
}

// keyOf parses a record key after the checks that hold for every record.
func keyOf[K any](key, value []byte, parse func(string) (K, error)) (K, *fault) {
	var none K
	if f := readable(key, value); f != nil {
		return none, f
	}
	k, err := parse(string(key))
	if err != nil {
		return none, refuse(RefusedKey, "%s", short(err, string(key)))
	}
	return k, nil
}

func decodeValue[V any](value []byte, sh *shape) (V, *fault) {
	var v V
	s := scanner{data: value}
	if f := s.whole(sh, nil); f != nil {
		return v, f
	}
	if err := json.Unmarshal(value, &v); err != nil {
		return v, badField(err)
	}
	return v, nil
}

func (m Mark) check() *fault { return atLeast(0, "position", m.Position) }

func (b Block) check() *fault {
	return firstFault(ownerFault(b.OwnerEpoch, b.ProducerID, b.ProducerEpoch), atLeast(0, "recopies", int64(b.Recopies)), atLeast(0, "number", int64(b.Number)),
		atLeast(0, "watermark", b.Watermark), atLeast(0, "target_end", b.TargetEnd), atLeast(0, "sequence", int64(b.Sequence)),
		atLeast(0, "source_epochs", int64(b.SourceEpochs)))
}

// ownerFault checks what claims and blocks say of their owner.
func ownerFault(ownerEpoch int32, producerID int64, producerEpoch int16) *fault {
	return firstFault(atLeast(0, "owner_epoch", int64(ownerEpoch)), atLeast(0, "producer_id", producerID), atLeast(0, "producer_epoch", int64(producerEpoch)))
}

func (c Claim) check() *fault {
	f := firstFault(ownerFault(c.OwnerEpoch, c.ProducerID, c.ProducerEpoch), atLeast(0, "recopies", int64(c.Recopies)))
	switch {
	case f != nil:
		return f
	case c.Owner == "":
		return refuse(RefusedControlRecord, "want the claim's owner, have none").under(".owner")
	case c.Nonce == "" || strings.Contains(c.Nonce, "/"):
		return refuse(RefusedControlRecord, "want the nonce of the record key, without a slash, have %s", quote(c.Nonce)).under(".nonce")
	}
	return nil
}

func (p Progress) check() *fault {
	if p.Worker == "" {
		return refuse(RefusedControlRecord, "want the worker's name, have none").under(".worker")
	}
	return firstFault(atLeast(0, "watermark", p.Watermark), atLeast(0, "high_watermark", p.HighWatermark),
		atLeast(0, "records", p.Records), atLeast(0, "bytes", p.Bytes))
}

func atLeast(least int64, field string, have int64) *fault {
	if have < least {
		return refuse(RefusedControlRecord, "want a number from %d, have %d", least, have).under("." + field)
	}
	return nil
}

func firstFault(fs ...*fault) *fault {
	for _, f := range fs {
		if f != nil {
			return f
		}
	}
	return nil
}

// Key is the block's record key.
func (b Block) Key(k CopyKey) OffsetsKey {
	return OffsetsKey{Copy: k, OwnerEpoch: b.OwnerEpoch, Number: b.Number}
}

// Key is the claim's record key.
func (c Claim) Key(k CopyKey) OffsetsKey {
	return OffsetsKey{Copy: k, Claim: true, OwnerEpoch: c.OwnerEpoch, Nonce: c.Nonce}
}

// digits reads a whole number from 0 in its one decimal spelling: a key that
// could be spelled twice would be two records under compaction.
func digits(s string, bits int) (int64, bool) {
	n, err := strconv.ParseInt(s, 10, bits)
	return n, err == nil && n >= 0 && strconv.FormatInt(n, 10) == s
}
