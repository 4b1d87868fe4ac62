package verify

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// maxWindow is the largest window of a zstd frame, whose memory is taken before
// anything is decompressed: that of the highest level.
const maxWindow = 128 << 20

// unpacker decompresses record blocks. It keeps its decompressors, whose
// construction costs more than their use, and its memory: a block is valid until
// the next one is unpacked. It is for one goroutine.
type unpacker struct {
	gzip *gzip.Reader
	lz4  *lz4.Reader
	zstd *zstd.Decoder
	buf  bytes.Buffer
	most int64 // bytes of a block; 0: maxRecords
}

// keptBytes is the largest memory that is kept for the next block.
const keptBytes = 16 << 20

// unpack returns the records block of a batch.
func (u *unpacker) unpack(codec int16, b []byte) ([]byte, error) {
	switch codec {
	case 0:
		return b, nil
	case 1:
		return u.gunzip(b)
	case 2:
		return unsnappy(b)
	case 3:
		if u.lz4 == nil {
			u.lz4 = lz4.NewReader(nil)
		}
		u.lz4.Reset(bytes.NewReader(b))
		return u.readAll(u.lz4)
	case 4:
		return u.unzstd(b)
	}
	return nil, fmt.Errorf("unknown codec %d", codec)
}

func (u *unpacker) gunzip(b []byte) ([]byte, error) {
	if u.gzip == nil {
		u.gzip = new(gzip.Reader)
	}
	if err := u.gzip.Reset(bytes.NewReader(b)); err != nil {
		return nil, err
	}
	return u.readAll(u.gzip)
}

func (u *unpacker) unzstd(b []byte) ([]byte, error) {
	if u.zstd == nil {
		z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxRecords), zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return nil, err
		}
		u.zstd = z
	}
	if err := u.zstd.Reset(bytes.NewReader(b)); err != nil {
		return nil, err
	}
	return u.readAll(u.zstd)
}

func (u *unpacker) close() {
	if u.zstd != nil {
		u.zstd.Close()
	}
}

func (u *unpacker) readAll(r io.Reader) ([]byte, error) {
	if u.buf.Reset(); u.buf.Cap() > keptBytes {
		u.buf = bytes.Buffer{}
	}
	most := cmp.Or(u.most, maxRecords)
	n, err := io.Copy(&u.buf, io.LimitReader(r, most+1))
	if err == nil && n > most {
		err = fmt.Errorf("decompresses to more than %d bytes", most)
	}
	return u.buf.Bytes(), err
}

// unsnappy reads a raw block or the Java client's framing (xerial): a magic of
// eight bytes, two int32 versions, then blocks of an int32 length each.
func unsnappy(b []byte) ([]byte, error) {
	if !bytes.HasPrefix(b, []byte("\x82SNAPPY\x00")) || len(b) < 16 {
		return block(b)
	}
	var out []byte
	for b = b[16:]; len(b) > 0; {
		if len(b) < 4 || uint64(binary.BigEndian.Uint32(b)) > uint64(len(b)-4) {
			return nil, errors.New("snappy: a block is cut short")
		}
		n := binary.BigEndian.Uint32(b)
		part, err := block(b[4 : 4+n])
		if err != nil {
			return nil, err
		}
		if out = append(out, part...); len(out) > maxRecords {
			return nil, fmt.Errorf("decompresses to more than %d bytes", maxRecords)
		}
		b = b[4+n:]
	}
	return out, nil
}

func block(b []byte) ([]byte, error) {
	n, err := snappy.DecodedLen(b)
	if err != nil {
		return nil, err
	}
	if n > maxRecords || n > 64*len(b)+64 { // a copy element expands about 21 times
		return nil, fmt.Errorf("snappy: %d bytes claim to hold %d", len(b), n)
	}
	return snappy.Decode(nil, b)
}
