package batch

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"
)

// wrapped is a batch around any payload, with a right checksum.
func wrapped(payload []byte, count, lastDelta int32, c Codec) Batch {
	b := append(make(Batch, HeaderSize), payload...)
	be.PutUint32(b[offLength:], uint32(len(b)-prefix))
	b[offMagic] = Magic
	be.PutUint16(b[offAttributes:], uint16(c))
	be.PutUint32(b[offLastDelta:], uint32(lastDelta))
	be.PutUint32(b[offCount:], uint32(count))
	return seal(b)
}

// framed is a record of fields, with its length before it.
func framed(fields ...[]byte) []byte {
	var body []byte
	for _, f := range fields {
		body = append(body, f...)
	}
	return append(binary.AppendVarint(nil, int64(len(body))), body...)
}

func varints(all ...int64) (out []byte) {
	for _, v := range all {
		out = binary.AppendVarint(out, v)
	}
	return out
}

// TestMalformedRecords: a right checksum over wrong bytes, as a broken producer sends them, is an error that says what is
// wrong with which record; nothing is read that is not there.
func TestMalformedRecords(t *testing.T) {
	attributes := []byte{0}
	good := framed(attributes, varints(0, 0, -1, 3), []byte("abc"), varints(1, 1), []byte("h"), varints(-1))
	b := wrapped(good, 1, 0, None)
	records, err := b.Records()
	require.NoError(t, err)
	require.Equal(t, []Record{{Value: []byte("abc"), Headers: []Header{{Key: "h"}}}}, records)

	long := framed(attributes, varints(0, 0, -1, 9), []byte("some text"), varints(0))
	one := func(payload []byte) Batch { return wrapped(payload, 1, 0, None) }
	short := one(good)[:HeaderSize-1]
	be.PutUint32(short[offLength:], uint32(len(short)-prefix))
	for name, c := range map[string]struct {
		batch Batch
		says  string
	}{
		"a header cut off":              {short, "60 bytes are too few for a v2 header"},
		"fewer than no records":         {wrapped(good, -1, 0, None), "record count -1, last offset delta 0"},
		"offsets that run backwards":    {wrapped(good, 1, -1, None), "record count 1, last offset delta -1"},
		"more records than bytes":       {wrapped(good, 3, 2, None), "3 records cannot fit in 13 bytes"},
		"a record that is missing":      {wrapped(long, 2, 1, None), "record 1 of 2 is malformed"},
		"bytes behind the records":      {one(append(good[:len(good):len(good)], 0)), "1 bytes follow the last record"},
		"a length that never ends":      {one([]byte{0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80}), "record 0 of 1 is malformed"},
		"a length beyond the batch":     {one(append(varints(100), good...)), "record 0 of 1 is malformed"},
		"a negative length":             {one(append(varints(-5), good...)), "record 0 of 1 is malformed"},
		"bytes behind the headers":      {one(framed(attributes, varints(0, 0, -1, -1, 0), []byte("rest"))), "record 0 of 1 is malformed"},
		"a value beyond the record":     {one(framed(attributes, varints(0, 0, -1, 50), []byte("abc"))), "record 0 of 1 is malformed"},
		"an offset beyond the batch":    {one(framed(attributes, varints(0, 1, -1, -1, 0))), "record 0 of 1 is malformed"},
		"an offset before the batch":    {one(framed(attributes, varints(0, -1, -1, -1, 0))), "record 0 of 1 is malformed"},
		"more headers than bytes":       {one(framed(attributes, varints(0, 0, -1, -1, 1<<40))), "record 0 of 1 is malformed"},
		"fewer than no headers":         {one(framed(attributes, varints(0, 0, -1, -1, -1))), "record 0 of 1 is malformed"},
		"a header without a key":        {one(framed(attributes, varints(0, 0, -1, -1, 1, -1, -1))), "record 0 of 1 is malformed"},
		"gzip that is none":             {wrapped(good, 1, 0, Gzip), "gzip"},
		"snappy that is none":           {wrapped(good, 1, 0, Snappy), "snappy"},
		"lz4 that is none":              {wrapped(good, 1, 0, LZ4), "lz4"},
		"zstd that is none":             {wrapped(good, 1, 0, Zstd), "zstd"},
		"a codec that is not known yet": {wrapped(good, 1, 0, 6), "unknown codec"},
	} {
		_, err := c.batch.Records()
		require.ErrorIs(t, err, ErrCorrupt, name)
		require.ErrorContains(t, err, c.says, name)
		require.ErrorContains(t, err, "offset 0", name)
	}
}
