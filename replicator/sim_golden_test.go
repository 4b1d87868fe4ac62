package replicator

import (
	"encoding/binary"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/cluster/batch"
	"github.com/stretchr/testify/require"
)

// The table of testdata/broker says what brokers answer: every file is a
// script of requests with the answers below. Here the model of the simulator is
// held against it; TestRealModel holds Apache Kafka against it.
//
//	brokers [count=3] [check=1s]     what the file needs: a cluster of so many brokers, and how often producer ids expire
//	topic [k=v…]                     makes a fresh topic with one partition
//	produce                          each line is a batch and how it is sent:
//	  A.0 7+3 [k=v…]                 producer A, epoch 0, sequences 7 to 9; A to W got their ids from the cluster (T to W with a transactional id), X to Z did not
//	  - 3                            three records without a producer
//	    age=72h, future=2h           of the records' times           codec=lz4   compression
//	    key=a | key=null | keys=a,b  of all records, of each         value=null  a tombstone
//	    size=100                     bytes of each value             attr=0x08   further attributes
//	    base=5 delta=9 count=9       put into the header             damaged     a broken checksum
//	    holes                        deltas 0, 2, 4 …                other       other contents
//	    acks=1                       the leader alone                txn         part of the producer's transaction
//	commit A, abort A                ends the producer's transaction
//	fetch from=3 [max=100] [committed]    control records show as commit or abort
//	ends                             log start, log end, high watermark, last stable offset
//	epochs                           where each leader epoch with records ended, and the present one; numbered from 0, as in fetches
//	restart [killed]                 of the broker
//	expire                           waits until old producers have expired
//	trim to=3                        DeleteRecords
//	clean until=5                    waits until the log cleaner has left so many records
//	recreate                         deletes the topic and creates it again
//	lag, catch-up                    stops the follower, which stays in sync, and lets it go on
//	leave                            stops the follower, and it is in sync no more
//	elect [unclean]                  the stopped follower becomes the leader with the log that it has

// subject answers the table: the model, or Apache Kafka.
type subject interface {
	topic(configs map[string]string)
	producerID(transactional bool) int64
	send(b batch.Batch, o sendOptions) answer
	endTransaction(pid int64, commit bool)
	serve(from int64, size int, committed bool) fetched
	ends() logEnds
	epochEnd(epoch int32) (end int64, current bool)
	restart(killed bool)
	expire()
	trim(to int64)
	clean(until int)
	recreate() (sameID bool)
	lag(stopped bool)
	leave()
	elect(unclean bool)
}

type sendOptions struct {
	acks int16
	txn  bool
}

// logEnds are the edges of a log; end is -1 where nobody says.
type logEnds struct{ start, end, high, stable int64 }

// goldenFiles are the scripts of the table.
func goldenFiles(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/broker/*")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	return files
}

// TestModelAnswersAsBrokersDo holds the model against the table.
func TestModelAnswersAsBrokersDo(t *testing.T) {
	for _, path := range goldenFiles(t) {
		t.Run(filepath.Base(path), func(t *testing.T) {
			g := newGolden(t, nil)
			g.subject = newModelSubject(g.now.UnixMilli())
			datadriven.RunTest(t, path, g.run)
		})
	}
}

// golden plays one script.
type golden struct {
	t       *testing.T
	subject subject
	now     time.Time
	ids     map[string]int64
	names   map[int64]string
}

func newGolden(t *testing.T, s subject) *golden {
	return &golden{t: t, subject: s, now: time.Now().Truncate(time.Second), ids: map[string]int64{}, names: map[int64]string{}}
}

func (g *golden) run(t *testing.T, d *datadriven.TestData) string {
	g.t = t
	switch d.Cmd {
	case "brokers":
		return "ok\n"
	case "topic":
		configs := map[string]string{}
		for _, a := range d.CmdArgs {
			configs[a.Key] = strings.Join(a.Vals, ",")
		}
		g.subject.topic(configs)
		return "ok\n"
	case "produce":
		return g.produce(d.Input)
	case "commit", "abort":
		g.subject.endTransaction(g.id(d.CmdArgs[0].Key), d.Cmd == "commit")
		return g.where()
	case "fetch":
		return g.fetch(d)
	case "ends":
		e := g.subject.ends()
		return fmt.Sprintf("start %d end %d high %d stable %d\n", e.start, e.end, e.high, e.stable)
	case "epochs":
		return g.epochs()
	case "restart":
		g.subject.restart(d.HasArg("killed"))
	case "expire":
		g.subject.expire()
	case "trim":
		g.subject.trim(argInt(t, d, "to", 0))
	case "clean":
		g.subject.clean(int(argInt(t, d, "until", 0)))
	case "recreate":
		if g.subject.recreate() {
			return "the same topic id\n"
		}
		return "another topic id\n"
	case "lag", "catch-up":
		g.subject.lag(d.Cmd == "lag")
	case "leave":
		g.subject.leave()
	case "elect":
		g.subject.elect(d.HasArg("unclean"))
	default:
		t.Fatalf("%s: unknown command %q", d.Pos, d.Cmd)
	}
	return g.where()
}

func argInt(t *testing.T, d *datadriven.TestData, key string, otherwise int64) int64 {
	if !d.HasArg(key) {
		return otherwise
	}
	var s string
	d.ScanArgs(t, key, &s)
	n, err := strconv.ParseInt(s, 0, 64)
	require.NoError(t, err)
	return n
}

// where is the log's end.
func (g *golden) where() string { return fmt.Sprintf("end %d\n", g.subject.ends().end) }

func (g *golden) epochs() string {
	var out strings.Builder
	_, ends := g.terms()
	for i, end := range ends {
		fmt.Fprintf(&out, "epoch %d ends at %d\n", i, end)
	}
	return out.String()
}

// terms are the leader epochs in which something was written, with their ends,
// and the end of the one that is: a new leader may take more epochs than one.
func (g *golden) terms() (epochs []int32, ends []int64) {
	last := g.subject.ends().start
	for epoch := int32(0); ; epoch++ {
		end, current := g.subject.epochEnd(epoch)
		written := end > last
		if written || current {
			ends, last = append(ends, end), end
		}
		if written {
			epochs = append(epochs, epoch)
		}
		if current {
			return epochs, ends
		}
	}
}

// id is the producer id behind a letter.
func (g *golden) id(name string) int64 {
	id, known := g.ids[name]
	if !known {
		id = 9_000_000_000 + int64(name[0])
		if name < "X" {
			id = g.subject.producerID(name >= "T")
		}
		g.ids[name], g.names[id] = id, name
	}
	return id
}

// produce sends the batches of a table.
func (g *golden) produce(table string) string {
	var out strings.Builder
	for line := range strings.Lines(table) {
		line = strings.TrimSpace(line)
		spec := g.parse(line)
		a := g.subject.send(spec.batch(g), spec.sendOptions)
		require.NoError(g.t, a.err, line)
		fmt.Fprintf(&out, "%-28s %s", line, cluster.CodeName(a.code))
		if a.base >= 0 {
			fmt.Fprintf(&out, " base %d", a.base)
		}
		fmt.Fprintf(&out, " end %d\n", g.subject.ends().end)
	}
	return out.String()
}

// goldenBatch is a batch as a line of the table describes it.
type goldenBatch struct {
	sendOptions
	line     string
	producer *batch.Producer
	count    int
	options  map[string]string
}

func (g *golden) parse(line string) goldenBatch {
	words := strings.Fields(line)
	b := goldenBatch{line: line, options: map[string]string{}, sendOptions: sendOptions{acks: -1}}
	n, next := words[1], words[2:]
	if words[0] != "-" {
		name, epoch, ok := strings.Cut(words[0], ".")
		require.True(g.t, ok, line)
		sequence, count, ok := strings.Cut(words[1], "+")
		require.True(g.t, ok, line)
		b.producer = &batch.Producer{ID: g.id(name), Epoch: int16(g.int(epoch)), Sequence: int32(g.int(sequence))}
		n = count
	}
	b.count = int(g.int(n))
	for _, w := range next {
		k, v, _ := strings.Cut(w, "=")
		b.options[k] = v
	}
	_, b.txn = b.options["txn"]
	if v, ok := b.options["acks"]; ok {
		b.acks = int16(g.int(v))
	}
	return b
}

func (g *golden) int(s string) int64 {
	n, err := strconv.ParseInt(s, 0, 64)
	require.NoError(g.t, err)
	return n
}

func (b goldenBatch) has(option string) bool { _, ok := b.options[option]; return ok }

// records are the records described.
func (b goldenBatch) records(g *golden) []batch.Record {
	var all []batch.Record
	at := g.now
	for k, sign := range map[string]int64{"age": -1, "future": 1} {
		if b.has(k) {
			d, err := time.ParseDuration(b.options[k])
			require.NoError(g.t, err)
			at = at.Add(time.Duration(sign * d.Nanoseconds()))
		}
	}
	keys := strings.Split(b.options["keys"], ",")
	for i := range b.count {
		r := batch.Record{Offset: int64(i), Timestamp: at.UnixMilli() + int64(i), Key: []byte("k"), Value: []byte("value")}
		if b.has("keys") {
			r.Key = []byte(keys[i])
		}
		if k, ok := b.options["key"]; ok {
			if r.Key = []byte(k); k == "null" {
				r.Key = nil
			}
		}
		switch {
		case b.has("other"):
			r.Value = []byte("OTHER")
		case b.options["value"] == "null":
			r.Value = nil
		case b.has("size"):
			r.Value = make([]byte, g.int(b.options["size"]))
		}
		all = append(all, r)
	}
	return all
}

// batch is the batch described.
func (b goldenBatch) batch(g *golden) batch.Batch {
	codecs := map[string]batch.Codec{"": batch.None, "gzip": batch.Gzip, "snappy": batch.Snappy, "lz4": batch.LZ4, "zstd": batch.Zstd}
	spec := batch.Spec{Codec: codecs[b.options["codec"]], Producer: b.producer, Transactional: b.txn}
	raw, err := batch.Build(spec, b.records(g))
	require.NoError(g.t, err)
	if b.has("holes") {
		raw = withHoles(b.records(g), b.producer)
	}
	for k, at := range map[string]int{"delta": 23, "count": 57} {
		if b.has(k) {
			binary.BigEndian.PutUint32(raw[at:], uint32(g.int(b.options[k])))
		}
	}
	if b.has("attr") {
		binary.BigEndian.PutUint16(raw[21:], uint16(raw.Attributes())|uint16(g.int(b.options["attr"])))
	}
	if b.has("maxtime") {
		binary.BigEndian.PutUint64(raw[35:], uint64(g.now.UnixMilli()+g.int(b.options["maxtime"])))
	}
	seal(raw)
	if b.has("base") {
		binary.BigEndian.PutUint64(raw, uint64(g.int(b.options["base"])))
	}
	if b.has("damaged") {
		raw[len(raw)-1] ^= 1
	}
	return raw
}

// withHoles is a batch as compaction leaves it: only every second offset is there.
func withHoles(records []batch.Record, p *batch.Producer) batch.Batch {
	for i := range records {
		records[i].Offset *= 2
	}
	b := stored(0, records[len(records)-1].Offset, 0, p.ID, records)
	binary.BigEndian.PutUint16(b[51:], uint16(p.Epoch))
	binary.BigEndian.PutUint32(b[53:], uint32(p.Sequence))
	return b
}

// fetch shows what a fetch returns.
func (g *golden) fetch(d *datadriven.TestData) string {
	committed := d.HasArg("committed")
	f := g.subject.serve(argInt(g.t, d, "from", 0), int(argInt(g.t, d, "max", 1<<20)), committed)
	var out strings.Builder
	if f.code != 0 {
		fmt.Fprintln(&out, cluster.CodeName(f.code))
	}
	rest := f.records
	epochs, _ := g.terms()
	for b, next := batch.Split(rest); b != nil; b, next = batch.Split(next) {
		g.show(&out, b, slices.Index(epochs, b.LeaderEpoch()))
		rest = next
	}
	if len(rest) > 0 {
		fmt.Fprintf(&out, "%d bytes of a batch\n", len(rest))
	}
	fmt.Fprintf(&out, "high %d stable %d start %d", f.high, f.stable, f.start)
	for _, a := range f.aborted {
		fmt.Fprintf(&out, " aborted %s from %d", g.names[a.ProducerID], a.First)
	}
	return out.String() + "\n"
}

// show describes a stored batch: the times are ms after the script's own time.
func (g *golden) show(out *strings.Builder, b batch.Batch, term int) {
	p := b.Producer()
	name := "-"
	if p.ID >= 0 {
		name = fmt.Sprintf("%s.%d %d", g.names[p.ID], p.Epoch, p.Sequence)
	}
	fmt.Fprintf(out, "%d-%d %s %d bytes attr %#x leader epoch %d:", b.BaseOffset(), b.LastOffset(), name, len(b), b.Attributes(), term)
	records, err := b.Records()
	require.NoError(g.t, err)
	for _, r := range records {
		switch {
		case b.Control():
			fmt.Fprintf(out, " %d=%s", r.Offset, map[byte]string{0: "abort", 1: "commit"}[r.Key[3]])
		default:
			at := (time.Duration(r.Timestamp-g.now.UnixMilli()) * time.Millisecond).String()
			if b.LogAppendTime() {
				at = "append"
			}
			fmt.Fprintf(out, " %d=%s/%s@%s", r.Offset, brief(r.Key), brief(r.Value), at)
		}
	}
	fmt.Fprintln(out)
}

// brief shows a key or a value.
func brief(b []byte) string {
	switch {
	case b == nil:
		return "null"
	case len(b) > 10:
		return fmt.Sprintf("%d bytes", len(b))
	}
	return string(b)
}
