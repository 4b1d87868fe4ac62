package classes

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/portage-kafka/portage/cluster/batch"
)

// Result is what a copier makes of a page.
type Result struct {
	// Batches are those of the page, in order, up to one that cannot be copied.
	Batches []Judged `json:"batches"`
	// Rest are the bytes of the page behind the last whole batch.
	Rest Hex `json:"rest,omitempty"`
	// Sent is what goes to the target.
	Sent []Sent `json:"sent,omitempty"`
	// Next is where reading goes on.
	Next int64 `json:"next"`
	// Stop says why the copy cannot go on.
	Stop string `json:"stop,omitempty"`
}

// Judged is one batch of a page.
type Judged struct {
	Shape
	Class  string `json:"class"`
	Reason string `json:"reason"`
	Raw    Hex    `json:"raw"`
}

// Shape is what is to be seen of a batch from outside.
type Shape struct {
	Offsets string `json:"offsets"` // first and last, holes included
	Count   int32  `json:"count"`
	Codec   string `json:"codec"`
	Flags   string `json:"flags,omitempty"`
}

// Sent is one batch for the target.
type Sent struct {
	Origins string `json:"origins"` // offsets of its records on the source
	Codec   string `json:"codec"`
	// Encoded says that the records were encoded anew. Bytes then holds them without compression: compressors may
	// give other bytes in the next release and on another processor, for the same records.
	Encoded bool        `json:"encoded,omitempty"`
	Bytes   Hex         `json:"bytes"`
	Batch   batch.Batch `json:"-"` // as sent
}

// Identity is the producer in the goldens' sent batches; its sequence numbers begin at 0.
func Identity() batch.Producer { return batch.Producer{ID: 1001, Epoch: 0} }

// Replay copies a page in the simplest way, under the identity given. It leaves the page as it is.
func Replay(p Page, id batch.Producer) Result {
	r := replay{Page: p, id: id, Result: Result{Next: p.From}}
	filter := batch.NewFilter(p.Aborted)
	rest := p.Records
	for r.Stop == "" {
		b, after := batch.Split(rest)
		if b == nil {
			break
		}
		rest = after
		r.take(b, filter)
	}
	r.flush()
	if r.Stop == "" {
		r.Rest = rest
	}
	return r.Result
}

// replay is a page on its way.
type replay struct {
	Page
	Result
	id    batch.Producer
	small []batch.Batch // to be merged with what follows
	from  int64         // the first offset that counts in the first of them
}

func (r *replay) take(b batch.Batch, filter *batch.Filter) {
	class, reason := batch.Classify(b, batch.Case{Aborted: filter.Aborted(b), Limit: r.MaxBytes})
	r.Batches = append(r.Batches, Judged{shape(b), class.String(), reason, bytes.Clone(b)})
	from := max(r.Next, b.BaseOffset())
	switch {
	case class == batch.Refuse: // where it begins is not known: an older message has the offset of its last record
		r.flush()
		r.stop(r.Next, errors.New(reason))
	case b.NextOffset() <= r.Next:
	case class == batch.Skip:
		if err := b.Check(); err != nil {
			r.stop(from, err)
		}
		r.Next = b.NextOffset()
	default:
		r.copy(b, class, from)
	}
}

// stop ends the copy at a source offset.
func (r *replay) stop(at int64, err error) {
	var large *batch.TooLargeError
	if errors.As(err, &large) {
		at = large.Offset
	}
	if r.Stop == "" {
		r.Stop = fmt.Sprintf("source offset %d: %v", at, err)
	}
}

// copy sends a batch, or keeps it to be merged with others.
func (r *replay) copy(b batch.Batch, class batch.Class, from int64) {
	size := len(b)
	for _, x := range r.small {
		size += len(x)
	}
	small := class != batch.Cut && len(b) <= r.MergeBelow
	if !small || size > r.MergeUpTo {
		r.flush()
	}
	if r.Stop != "" {
		return
	}
	if len(r.small) == 0 {
		r.from = from
	}
	r.small, r.Next = append(r.small, b), b.NextOffset()
	if !small {
		r.flush()
	}
}

// flush sends what was kept: a single batch as it is, if it may stay so.
func (r *replay) flush() {
	all := r.small
	r.small = nil
	if len(all) == 0 || r.Stop != "" {
		return
	}
	class, _ := batch.Classify(all[0], batch.Case{Limit: r.MaxBytes})
	if len(all) == 1 && class == batch.Pass && all[0].BaseOffset() >= r.from {
		r.pass(all[0])
		return
	}
	r.encode(all)
}

func (r *replay) pass(b batch.Batch) {
	sent := batch.Batch(bytes.Clone(b))
	if err := sent.Rewrite(r.id); err != nil {
		r.stop(r.from, err)
		return
	}
	origins := fmt.Sprintf("%d-%d", b.BaseOffset(), b.LastOffset())
	r.Sent = append(r.Sent, Sent{Origins: origins, Codec: b.Codec().String(), Bytes: Hex(sent), Batch: sent})
	r.id = r.id.After(b.Count())
}

func (r *replay) encode(all []batch.Batch) {
	var records []batch.Record
	for _, b := range all {
		rs, err := b.Records()
		if err != nil {
			r.stop(r.from, err)
			return
		}
		records = append(records, slices.DeleteFunc(rs, func(x batch.Record) bool { return x.Offset < r.from })...)
	}
	if len(records) == 0 {
		return
	}
	id := r.id
	pieces, err := batch.Encode(batch.Spec{Codec: all[0].Codec(), Producer: &id}, records, r.MaxBytes)
	if err != nil {
		r.stop(r.from, err)
		return
	}
	for _, p := range pieces {
		plain, err := Plain(p.Batch)
		if err != nil {
			r.stop(r.from, err)
			return
		}
		r.Sent = append(r.Sent, Sent{Origins: origins(p.Records), Codec: p.Batch.Codec().String(), Encoded: true, Bytes: plain, Batch: p.Batch})
	}
	r.id = id.After(int32(len(records)))
}

// Plain is a batch with the same records and the same producer, not compressed.
func Plain(b batch.Batch) (Hex, error) {
	records, err := b.Records()
	if err != nil {
		return nil, err
	}
	id := b.Producer()
	plain, err := batch.Build(batch.Spec{Producer: &id}, records)
	return Hex(plain), err
}

// origins lists the offsets of records in runs: "0-4 7 9-11".
func origins(records []batch.Record) string {
	var out []string
	for i := 0; i < len(records); {
		first, last := records[i].Offset, records[i].Offset
		for i++; i < len(records) && records[i].Offset == last+1; i++ {
			last++
		}
		out = append(out, fmt.Sprintf("%d-%d", first, last))
	}
	return strings.Join(out, " ")
}

// shape describes a batch. Of a message of an older format only the offset stands where it stands in a batch.
func shape(b batch.Batch) Shape {
	if b.Magic() != batch.Magic {
		return Shape{Offsets: fmt.Sprint(b.BaseOffset()), Flags: fmt.Sprintf("format %d", b.Magic())}
	}
	s := Shape{Offsets: fmt.Sprintf("%d-%d", b.BaseOffset(), b.LastOffset()), Count: b.Count(), Codec: b.Codec().String()}
	for _, flag := range []struct {
		name string
		set  bool
	}{
		{"append-time", b.LogAppendTime()},
		{"transactional", b.Transactional()},
		{"control", b.Control()},
		{"delete-horizon", b.Attributes()&0x40 != 0},
	} {
		if flag.set {
			s.Flags = strings.TrimSpace(s.Flags + " " + flag.name)
		}
	}
	return s
}
