package workload

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"
)

// ErrConfig is what every constructor of this package refuses; the text names field, value and remedy.
var ErrConfig = errors.New("workload: config")

// GeneratorConfig says what records a Generator makes.
type GeneratorConfig struct {
	// Run names this use of the workload and Producer the generator; a producer name is used once per run. Required.
	Run, Producer string
	// Topics are written in turn. Required.
	Topics []string
	// Keys is the number of distinct keys per topic, drawn evenly; 0 makes records without a key.
	Keys int
	// MinBytes and MaxBytes bound the size of a value, drawn evenly; the identity needs some 40 bytes, and no value is
	// smaller than that. Default 100 and MinBytes.
	MinBytes, MaxBytes int
	// Headers is the number of headers per record; among them are repeated names, empty values and nulls.
	Headers int
	// Tombstones makes every n-th record a tombstone; 0 none. It needs Keys.
	Tombstones int64
	// Seed draws keys, sizes and filler.
	Seed uint64
	// Journal receives what was acknowledged. Required.
	Journal *Journal
	// Plant is the fault to commit and PlantAt the record at which it happens, counted from 1; default 10.
	Plant   Plant
	PlantAt int64
}

// Validate says what is wrong with the config.
func (c GeneratorConfig) Validate() error {
	switch {
	case c.Run == "" || c.Producer == "":
		return fmt.Errorf("%w: Run is %q and Producer %q: both need a name", ErrConfig, c.Run, c.Producer)
	case len(c.Topics) == 0:
		return fmt.Errorf("%w: Topics is empty: name at least one", ErrConfig)
	case c.Journal == nil:
		return fmt.Errorf("%w: Journal is nil: open one", ErrConfig)
	case c.MaxBytes != 0 && c.MaxBytes < c.MinBytes:
		return fmt.Errorf("%w: MaxBytes is %d, below MinBytes %d", ErrConfig, c.MaxBytes, c.MinBytes)
	case c.Keys < 0 || c.MinBytes < 0 || c.Headers < 0 || c.Tombstones < 0 || c.PlantAt < 0:
		return fmt.Errorf("%w: Keys, MinBytes, Headers, Tombstones and PlantAt are never negative", ErrConfig)
	case c.Keys == 0 && (c.Tombstones > 0 || c.Plant == PlantReorder):
		return fmt.Errorf("%w: Keys is 0: tombstones and the reorder plant need keys", ErrConfig)
	case c.Plant > PlantReorder:
		return fmt.Errorf("%w: Plant is %v, which a handler commits, not a generator", ErrConfig, c.Plant)
	}
	return nil
}

func (c GeneratorConfig) withDefaults() GeneratorConfig {
	if c.MinBytes == 0 {
		c.MinBytes = 100
	}
	c.MaxBytes = max(c.MaxBytes, c.MinBytes)
	if c.PlantAt == 0 {
		c.PlantAt = 10
	}
	return c
}

// lane is what numbers are counted per.
type lane struct{ topic, key string }

// Generator makes a producer's records. Next is for one goroutine; Acked, Aborted and Unknown are for any.
type Generator struct {
	cfg   GeneratorConfig
	rng   *rand.Rand
	made  int64
	next  map[lane]int64
	queue []Record // to be given out before anything else is made
}

// NewGenerator returns a generator at its first record.
func NewGenerator(cfg GeneratorConfig) (*Generator, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	return &Generator{cfg: cfg, rng: rand.New(rand.NewPCG(cfg.Seed, 1)), next: map[lane]int64{}}, nil
}

// Next makes the next record, with this time cut to milliseconds.
func (g *Generator) Next(now time.Time) Record {
	if len(g.queue) > 0 {
		r := g.queue[0]
		g.queue = g.queue[1:]
		return r
	}
	r := g.make(g.draw(), now)
	if g.made != g.cfg.PlantAt {
		return r
	}
	switch g.cfg.Plant {
	case PlantLoss:
		g.Acked(r, Place{Topic: r.Topic, Partition: -1, Offset: -1})
		return g.Next(now)
	case PlantDuplicate:
		g.queue = append(g.queue, r)
	case PlantReorder:
		g.queue = append(g.queue, r)
		return g.make(lane{r.Topic, r.ID.Key}, now)
	}
	return r
}

// draw picks the topic in turn and a key.
func (g *Generator) draw() lane {
	l := lane{topic: g.cfg.Topics[g.made%int64(len(g.cfg.Topics))]}
	if g.cfg.Keys > 0 {
		l.key = "key-" + strconv.Itoa(g.rng.IntN(g.cfg.Keys))
	}
	return l
}

func (g *Generator) make(l lane, now time.Time) Record {
	g.made++
	id := ID{Run: g.cfg.Run, Producer: g.cfg.Producer, Key: l.key, Seq: g.next[l]}
	g.next[l]++
	r := Record{Topic: l.topic, ID: id, Headers: g.headers(), Time: now.Truncate(time.Millisecond)}
	if l.key != "" {
		r.Key = []byte(l.key)
	}
	if g.cfg.Tombstones > 0 && g.made%g.cfg.Tombstones == 0 {
		r.Headers = append(r.Headers, Header{Key: HeaderName, Value: seal(id.encode(), r.Headers)})
		return r
	}
	size := g.cfg.MinBytes + g.rng.IntN(g.cfg.MaxBytes-g.cfg.MinBytes+1)
	r.Value = seal(g.fill(id.encode(), size-4), r.Headers)
	return r
}

// headers makes pairs of equal names; every third value is null and every fourth empty.
func (g *Generator) headers() []Header {
	var out []Header
	for i := range g.cfg.Headers {
		h := Header{Key: "header-" + strconv.Itoa(i/2)}
		switch {
		case i%3 == 2:
		case i%4 == 3:
			h.Value = []byte{}
		default:
			h.Value = strconv.AppendUint(nil, g.rng.Uint64(), 36)
		}
		out = append(out, h)
	}
	return out
}

// fill grows a value to its size with what compresses about as well as JSON does; the identity is never cut.
func (g *Generator) fill(identity []byte, size int) []byte {
	b := identity
	for len(b) < size {
		b = append(b, `{"field":`...)
		b = strconv.AppendUint(b, uint64(g.rng.Uint32()), 36)
		b = append(b, "},"...)
	}
	return b[:max(size, len(identity))]
}

// Acked journals that the cluster has acknowledged a record, and where. A journal that fails says so in Journal.Close.
func (g *Generator) Acked(r Record, at Place) { g.journal(KindSent, r, at) }

// Aborted journals that the transaction of a record was aborted: nobody who reads committed may ever see it.
func (g *Generator) Aborted(r Record, at Place) { g.journal(KindAborted, r, at) }

// Unknown journals that nobody knows whether a record was written: it may be there or not.
func (g *Generator) Unknown(r Record, at Place) { g.journal(KindUnknown, r, at) }

func (g *Generator) journal(kind Kind, r Record, at Place) {
	_ = g.cfg.Journal.Append(Entry{Kind: kind, ID: r.ID, Place: at, Tombstone: r.Value == nil, At: g.cfg.Journal.Now()})
}
