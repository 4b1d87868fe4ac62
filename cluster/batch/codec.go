package batch

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// Codec is how the records of a batch are compressed; the numbers are Kafka's.
type Codec int8

// The codecs that Kafka knows.
const (
	None Codec = iota
	Gzip
	Snappy
	LZ4
	Zstd
)

// String is the name that topic and producer configurations use.
func (c Codec) String() string {
	switch c {
	case None:
		return "none"
	case Gzip:
		return "gzip"
	case Snappy:
		return "snappy"
	case LZ4:
		return "lz4"
	case Zstd:
		return "zstd"
	}
	return fmt.Sprintf("codec %d", int8(c))
}

// maxDecoded is the largest batch that is decompressed. Brokers take batches of some MB, a few hundred at the most that
// anyone configures; beyond it the batch is an attack or an accident.
const maxDecoded = 512 << 20

var errTooBig = errors.New("decompresses to more than any broker should hold")

// The pools keep compressors, whose construction costs far more than their use.
var (
	gzipReaders  = sync.Pool{New: func() any { return new(gzip.Reader) }}
	gzipWriters  = sync.Pool{New: func() any { return gzip.NewWriter(io.Discard) }}
	lz4Readers   = sync.Pool{New: func() any { return lz4.NewReader(nil) }}
	lz4Writers   = sync.Pool{New: newLZ4Writer}
	zstdDecoders = sync.Pool{New: newZstdDecoder}
	zstdEncoders = sync.Pool{New: newZstdEncoder}
)

// newLZ4Writer: Kafka's Java reader wants independent blocks, which is the library's default; 64 KB is what the Java
// writer uses.
func newLZ4Writer() any {
	w := lz4.NewWriter(io.Discard)
	if err := w.Apply(lz4.BlockSizeOption(lz4.Block64Kb)); err != nil {
		return err
	}
	return w
}

func newZstdDecoder() any {
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxDecoded))
	if err != nil {
		return err
	}
	return d
}

func newZstdEncoder() any {
	e, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		return err
	}
	return e
}

// decompress returns the records block of a batch, at most limit bytes of it; uncompressed it is src itself.
func decompress(c Codec, src []byte, limit int) ([]byte, error) {
	switch c {
	case None:
		return src, nil
	case Gzip:
		r := gzipReaders.Get().(*gzip.Reader)
		defer gzipReaders.Put(r)
		if err := r.Reset(bytes.NewReader(src)); err != nil {
			return nil, err
		}
		return readAll(r, len(src), limit)
	case Snappy:
		return unsnappy(src, limit)
	case LZ4:
		r := lz4Readers.Get().(*lz4.Reader)
		defer lz4Readers.Put(r)
		r.Reset(bytes.NewReader(src))
		return readAll(r, len(src), limit)
	case Zstd:
		return unzstd(src, limit)
	}
	return nil, errors.New("unknown codec")
}

// zstdRatio is more than any zstd block expands: 128 KB out of the four bytes of a run-length block.
const zstdRatio = 128 << 10 / 4

// unzstd: a frame may say how large it is, and the decoder takes the memory for it at once; so a claim beyond what its
// bytes can hold is not worth it. A frame that says nothing (Java's), or lies, meets the decoder's own limit.
func unzstd(src []byte, limit int) ([]byte, error) {
	var head zstd.Header
	if err := head.Decode(src); err == nil && head.HasFCS {
		if head.FrameContentSize > uint64(limit) {
			return nil, errTooBig
		}
		if head.FrameContentSize > zstdRatio*uint64(len(src)) {
			return nil, zstd.ErrUnexpectedBlockSize
		}
	}
	d, ok := zstdDecoders.Get().(*zstd.Decoder)
	if !ok {
		return nil, errors.New("zstd decoder refused its options")
	}
	defer zstdDecoders.Put(d)
	out, err := d.DecodeAll(src, nil)
	if len(out) > limit {
		return nil, errTooBig
	}
	return out, err
}

func readAll(r io.Reader, compressed, limit int) ([]byte, error) {
	out := bytes.NewBuffer(make([]byte, 0, min(4*compressed, limit)+512))
	if _, err := io.Copy(out, io.LimitReader(r, int64(limit)+1)); err != nil {
		return nil, err
	}
	if out.Len() > limit {
		return nil, errTooBig
	}
	return out.Bytes(), nil
}

// xerial is the start of snappy-java's framing, which the Java client writes: the magic, two int32 versions, then
// blocks of int32 length and raw snappy. Other clients write one raw snappy block; brokers and consumers take both.
var xerial = []byte{0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0}

const xerialHeader = 16

func unsnappy(src []byte, limit int) ([]byte, error) {
	if len(src) < xerialHeader || !bytes.HasPrefix(src, xerial) {
		return snappyBlock(nil, src, limit)
	}
	var out []byte
	for src = src[xerialHeader:]; len(src) > 0; {
		if len(src) < 4 {
			return nil, errors.New("xerial framing ends early")
		}
		n := binary.BigEndian.Uint32(src)
		if uint64(n) > uint64(len(src)-4) {
			return nil, errors.New("xerial block is longer than the batch")
		}
		var err error
		if out, err = snappyBlock(out, src[4:4+n], limit); err != nil {
			return nil, err
		}
		src = src[4+n:]
	}
	return out, nil
}

// snappyBlock appends one decompressed block to out.
func snappyBlock(out, src []byte, limit int) ([]byte, error) {
	n, err := s2.DecodedLen(src)
	if err != nil {
		return nil, err
	}
	if n > limit-len(out) {
		return nil, errTooBig
	}
	// A snappy block expands at most about 21 times per copy element; a larger claim is not worth its memory.
	if n > 64*len(src)+64 {
		return nil, s2.ErrCorrupt
	}
	block, err := s2.Decode(make([]byte, n), src)
	if err != nil || out == nil {
		return block, err
	}
	return append(out, block...), nil
}

// compress returns raw compressed; with None it is raw itself.
func compress(c Codec, raw []byte) ([]byte, error) {
	switch c {
	case None:
		return raw, nil
	case Gzip:
		w := gzipWriters.Get().(*gzip.Writer)
		defer gzipWriters.Put(w)
		return writeAll(w, raw, w.Reset)
	case Snappy:
		return s2.EncodeSnappy(nil, raw), nil
	case LZ4:
		w, ok := lz4Writers.Get().(*lz4.Writer)
		if !ok {
			return nil, errors.New("lz4 writer refused its options")
		}
		defer lz4Writers.Put(w)
		return writeAll(w, raw, w.Reset)
	case Zstd:
		e, ok := zstdEncoders.Get().(*zstd.Encoder)
		if !ok {
			return nil, errors.New("zstd encoder refused its options")
		}
		defer zstdEncoders.Put(e)
		return e.EncodeAll(raw, nil), nil
	}
	return nil, fmt.Errorf("cannot compress with %s: use none, gzip, snappy, lz4 or zstd", c)
}

func writeAll(w io.WriteCloser, raw []byte, reset func(io.Writer)) ([]byte, error) {
	out := bytes.NewBuffer(make([]byte, 0, len(raw)/2+64))
	reset(out)
	if _, err := w.Write(raw); err != nil {
		return nil, err
	}
	err := w.Close()
	return out.Bytes(), err
}
