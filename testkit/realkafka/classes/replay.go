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
	r.judge()
	r.send()
	return r.Result
}

// replay is a page on its way.
type replay struct {
	Page
	Result
	id   batch.Producer
	copy []part
}

// part is a batch to be copied, from an offset on.
type part struct {
	batch.Batch
	class batch.Class
	from  int64
}

// judge takes the page apart, up to a batch that cannot be copied.
func (r *replay) judge() {
	filter := batch.NewFilter(r.Aborted)
	rest := r.Records
	for {
		b, after := batch.Split(rest)
		if b == nil {
			break
		}
		rest = after
		if !r.take(b, filter.Aborted(b)) {
			return
		}
	}
	if len(rest) > 0 {
		r.Rest = rest
	}
}

// take judges one batch and says whether to go on.
func (r *replay) take(b batch.Batch, aborted bool) bool {
	class, reason := batch.Classify(b, batch.Case{Aborted: aborted, Limit: r.MaxBytes})
	r.Batches = append(r.Batches, Judged{shape(b), class.String(), reason, bytes.Clone(b)})
	if class == batch.Skip {
		if err := b.Check(); err != nil { // nobody looks at it again
			class, reason = batch.Refuse, err.Error()
		}
	}
	switch {
	case class == batch.Refuse: // where it begins is not known: an older message has the offset of its last record
		r.stop(r.Next, errors.New(reason))
		return false
	case b.NextOffset() <= r.Next:
		return true
	case class != batch.Skip:
		r.copy = append(r.copy, part{b, class, max(r.Next, b.BaseOffset())})
	}
	r.Next = b.NextOffset()
	return true
}

// stop ends the copy at a source offset.
func (r *replay) stop(at int64, err error) {
	var large *batch.TooLargeError
	if errors.As(err, &large) {
		at = large.Offset
	}
	r.Stop = fmt.Sprintf("source offset %d: %v", at, err)
}

// send makes batches for the target, merging what is small; parts that do not go together go alone.
func (r *replay) send() {
	for len(r.copy) > 0 {
		n := r.mergeable()
		err := r.sendFirst(n)
		if err != nil && n > 1 {
			n = 1
			err = r.sendFirst(n)
		}
		if err != nil {
			r.Next = r.copy[0].from
			r.stop(r.Next, err)
			return
		}
		r.copy = r.copy[n:]
	}
}

// mergeable counts the parts that are small enough to go together.
func (r *replay) mergeable() (n int) {
	size := 0
	for _, p := range r.copy {
		size += len(p.Batch)
		if p.class == batch.Cut || len(p.Batch) > r.MergeBelow || n > 0 && size > r.MergeUpTo {
			break
		}
		n++
	}
	return max(n, 1)
}

// sendFirst sends the first n parts: a single one as it is, if it may stay so.
func (r *replay) sendFirst(n int) error {
	if p := r.copy[0]; n == 1 && p.class == batch.Pass && p.from == p.BaseOffset() {
		return r.pass(p.Batch)
	}
	var records []batch.Record
	for _, p := range r.copy[:n] {
		rs, err := p.Records()
		if err != nil {
			return err
		}
		records = append(records, slices.DeleteFunc(rs, func(x batch.Record) bool { return x.Offset < p.from })...)
	}
	if len(records) == 0 {
		return nil
	}
	return r.encode(r.copy[0].Codec(), records)
}

func (r *replay) pass(b batch.Batch) error {
	sent := batch.Batch(bytes.Clone(b))
	if err := sent.Rewrite(r.id); err != nil {
		return err
	}
	origins := fmt.Sprintf("%d-%d", b.BaseOffset(), b.LastOffset())
	r.Sent = append(r.Sent, Sent{Origins: origins, Codec: b.Codec().String(), Bytes: Hex(sent), Batch: sent})
	r.id = r.id.After(b.Count())
	return nil
}

func (r *replay) encode(codec batch.Codec, records []batch.Record) error {
	id := r.id
	pieces, err := batch.Encode(batch.Spec{Codec: codec, Producer: &id}, records, r.MaxBytes)
	if err != nil {
		return err
	}
	for _, p := range pieces {
		plain, err := Plain(p.Batch)
		if err != nil {
			return err
		}
		r.Sent = append(r.Sent, Sent{Origins: origins(p.Records), Codec: codec.String(), Encoded: true, Bytes: plain, Batch: p.Batch})
	}
	r.id = id.After(int32(len(records)))
	return nil
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
