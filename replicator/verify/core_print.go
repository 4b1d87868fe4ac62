package verify

import (
	"github.com/portage-kafka/portage/cluster/batch"
)

// print is what a comparison keeps of a record: enough to find it again on the
// other side and to say what differs.
type print struct {
	offset, timestamp   int64
	whole               batch.Digest // over all that follows
	key, value, headers batch.Digest
	sample              string // the key's first bytes, for people
	nullKey, nullValue  bool
	plain               bool  // without headers
	natives             int64 // records of others that were skipped just before it
}

// sampled is how many bytes of a key are shown.
const sampled = 64

// hasher computes keyed digests of 128 bits, see [batch.Digester].
type hasher struct{ d *batch.Digester }

func newHasher(key []byte) hasher { return hasher{batch.NewDigester(key)} }

func (h hasher) record(r record) batch.Digest { return h.d.Record(r) }

// key digests a key alone: what compaction goes by.
func (h hasher) key(k []byte) batch.Digest { return h.d.Record(record{Key: k}) }

func (h hasher) print(r record) print {
	return print{
		offset: r.Offset, timestamp: r.Timestamp, whole: h.record(r), key: h.key(r.Key), value: h.d.Record(record{Value: r.Value}),
		headers: h.d.Record(record{Headers: r.Headers}), sample: string(r.Key[:min(len(r.Key), sampled)]),
		nullKey: r.Key == nil, nullValue: r.Value == nil, plain: len(r.Headers) == 0,
	}
}

// Fields of a record, as reports name them.
const (
	fieldKey       = "key"
	fieldValue     = "value"
	fieldHeaders   = "headers"
	fieldTimestamp = "timestamp"
)

// difference names the fields in which two records differ.
func difference(a, b print) (fields []string) {
	if a.key != b.key {
		fields = append(fields, fieldKey)
	}
	if a.value != b.value {
		fields = append(fields, fieldValue)
	}
	if a.headers != b.headers {
		fields = append(fields, fieldHeaders)
	}
	if a.timestamp != b.timestamp {
		fields = append(fields, fieldTimestamp)
	}
	return fields
}

// ident is what two records must share to be taken for one another. Fields that
// do not count are left zero.
type ident struct {
	key, value, headers batch.Digest
	timestamp           int64
}

// strength is a way to tell that two records are the same one, although some
// of their fields differ.
type strength struct {
	key, value, headers, timestamp bool
	// proves says whether the fields of a record say enough: many records share a
	// null or no headers.
	proves func(p print) bool
}

// exact wants all fields to be equal.
func exact() strength {
	return strength{key: true, value: true, headers: true, timestamp: true, proves: func(print) bool { return true }}
}

// weaker are the ways to recognise a changed record, from the surest on: two
// equal fields at least. Where cleaners leave holes on both sides, tombstones
// that stand there by chance are not taken for one another.
func weaker(holes bool) []strength {
	always := func(print) bool { return true }
	hasKey := func(p print) bool { return !p.nullKey }
	hasValue := func(p print) bool { return !p.nullValue }
	return []strength{
		{key: true, value: true, headers: true, proves: func(p print) bool { return hasValue(p) || hasKey(p) && !holes }},
		{key: true, value: true, timestamp: true, proves: always},
		{key: true, headers: true, timestamp: true, proves: always},
		{value: true, headers: true, timestamp: true, proves: func(p print) bool { return hasValue(p) || !holes }},
		{key: true, value: true, proves: func(p print) bool { return hasKey(p) && hasValue(p) }},
		{key: true, timestamp: true, proves: hasKey},
		{value: true, timestamp: true, proves: hasValue},
		{value: true, headers: true, proves: func(p print) bool { return hasValue(p) && !p.plain }},
	}
}

// of is the identity of a record under this strength.
func (s strength) of(p print) (id ident) {
	if s.key {
		id.key = p.key
	}
	if s.value {
		id.value = p.value
	}
	if s.headers {
		id.headers = p.headers
	}
	if s.timestamp {
		id.timestamp = p.timestamp
	}
	return id
}
