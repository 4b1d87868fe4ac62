package batch

import (
	"crypto/sha256"
	"encoding/binary"
	"hash"
)

// Digest is 128 bits that stand for a record or for the payload of a batch.
type Digest [16]byte

// Digester computes keyed digests: the first 16 bytes of SHA-256 over a block that holds the key and the fields, each
// with its length, so that no two different records share an encoding. Without the key nobody can prepare a collision.
// A Digester is for one goroutine.
type Digester struct {
	key [sha256.BlockSize]byte // padded: one block of the hash, as in HMAC
	h   hash.Hash
	buf []byte
	sum [sha256.Size]byte
}

// NewDigester returns a digester; everyone who compares digests needs the same key. Use 32 random bytes.
func NewDigester(key []byte) *Digester {
	d := &Digester{h: sha256.New()}
	if len(key) > sha256.Size {
		s := sha256.Sum256(key)
		key = s[:]
	}
	copy(d.key[:], key)
	d.key[sha256.BlockSize-1] = byte(len(key))
	return d
}

// Record digests what a record is, wherever it is stored: timestamp, key, value and the headers in order. The offset
// is not part of it; null and empty differ.
func (d *Digester) Record(r Record) Digest {
	d.buf = binary.BigEndian.AppendUint64(append(d.buf[:0], 'r'), uint64(r.Timestamp))
	d.buf = appendBytes(appendBytes(d.buf, r.Key), r.Value)
	d.buf = binary.AppendVarint(d.buf, int64(len(r.Headers)))
	for _, h := range r.Headers {
		d.buf = append(binary.AppendVarint(d.buf, int64(len(h.Key))), h.Key...)
		d.buf = appendBytes(d.buf, h.Value)
	}
	return d.finish(d.buf, nil)
}

// Payload digests what Rewrite leaves as it is: codec, count, base timestamp and the stored records. Equal payload
// digests mean equal records, without decompressing; different ones mean nothing when a batch was re-encoded.
func (d *Digester) Payload(b Batch) Digest {
	d.buf = append(d.buf[:0], 'p', byte(b.Codec()))
	d.buf = binary.BigEndian.AppendUint32(d.buf, uint32(b.Count()))
	d.buf = binary.BigEndian.AppendUint64(d.buf, uint64(b.BaseTimestamp()))
	return d.finish(d.buf, b.Payload())
}

func (d *Digester) finish(parts ...[]byte) (out Digest) {
	d.h.Reset()
	d.h.Write(d.key[:])
	for _, p := range parts {
		d.h.Write(p)
	}
	copy(out[:], d.h.Sum(d.sum[:0]))
	return out
}
