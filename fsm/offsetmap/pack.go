package offsetmap

import (
	"encoding/binary"
	"fmt"
	"math"
)

// version is the first byte of a packed map. A reader refuses any other: a later format gets its own number.
const version = 1

// minRunBytes is the least a packed run can take; it bounds what a forged run count may make Unpack allocate.
const minRunBytes = 3

// Pack returns the map's only encoding (layout in the package documentation).
func (m *Map) Pack() []byte {
	b := make([]byte, 1, 16+minRunBytes*len(m.runs))
	b[0] = version
	b = binary.AppendUvarint(b, uint64(m.begin.Source))
	b = binary.AppendUvarint(b, uint64(m.begin.Target))
	b = binary.AppendUvarint(b, uint64(len(m.runs)))
	at := m.begin
	for _, r := range m.runs {
		b = binary.AppendUvarint(b, uint64(r.Source-at.Source))
		b = binary.AppendUvarint(b, uint64(r.Target-at.Target))
		b = binary.AppendUvarint(b, uint64(r.Count-1))
		at = Pair{Source: r.SourceEnd(), Target: r.TargetEnd()}
	}
	return binary.AppendUvarint(b, uint64(m.end.Source-at.Source))
}

// Unpack reads what [Map.Pack] wrote and refuses everything else with an [EncodingError].
func Unpack(b []byte) (Map, error) {
	d := decoder{b: b}
	d.version()
	begin := Pair{Source: d.number(), Target: d.number()}
	m := Map{begin: begin, end: begin}
	n := d.number()
	if n > int64(len(b))/minRunBytes {
		d.fail(fmt.Sprintf("%d runs do not fit in %d bytes", n, len(b)))
	}
	if d.err == nil && n > 0 {
		m.runs = make([]Run, 0, n)
	}
	for i := int64(0); i < n && d.err == nil; i++ {
		d.run(&m)
	}
	d.skip(&m)
	if d.err == nil && d.at != len(b) {
		d.fail("bytes after the end")
	}
	if d.err != nil {
		return Map{}, d.err
	}
	return m, nil
}

// decoder reads varints until the first fault; afterwards every read returns 0.
type decoder struct {
	b   []byte
	at  int
	err error
}

func (d *decoder) fail(reason string) {
	if d.err == nil {
		d.err = &EncodingError{At: d.at, Reason: reason}
	}
}

func (d *decoder) version() {
	if len(d.b) == 0 {
		d.fail("empty")
		return
	}
	if d.b[0] != version {
		d.fail(fmt.Sprintf("version %d, this release reads version %d", d.b[0], version))
		return
	}
	d.at = 1
}

// number reads one unsigned varint in its shortest form that fits an int64.
func (d *decoder) number() int64 {
	if d.err != nil {
		return 0
	}
	v, n := binary.Uvarint(d.b[d.at:])
	switch {
	case n == 0:
		d.fail("cut short")
	case n < 0 || v > math.MaxInt64:
		d.fail("number beyond int64")
	case n > 1 && d.b[d.at+n-1] == 0:
		d.fail("number not in its shortest form")
	default:
		d.at += n
		return int64(v)
	}
	return 0
}

// plus adds a delta to an offset and refuses what lies beyond int64.
func (d *decoder) plus(offset, delta int64) int64 {
	if delta > math.MaxInt64-offset {
		d.fail("offset beyond int64")
		return offset
	}
	return offset + delta
}

func (d *decoder) run(m *Map) {
	gap, shift, less := d.number(), d.number(), d.number()
	r := Run{Source: d.plus(m.end.Source, gap), Target: d.plus(m.end.Target, shift), Count: d.plus(1, less)}
	if d.err != nil {
		return
	}
	if gap == 0 && shift == 0 && len(m.runs) > 0 {
		d.fail("a run that continues the former one")
		return
	}
	d.plus(r.Source, r.Count)
	d.plus(r.Target, r.Count)
	if d.err != nil {
		return
	}
	m.runs = append(m.runs, r)
	m.end = Pair{Source: r.SourceEnd(), Target: r.TargetEnd()}
}

func (d *decoder) skip(m *Map) {
	m.end.Source = d.plus(m.end.Source, d.number())
}
