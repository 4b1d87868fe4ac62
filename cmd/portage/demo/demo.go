// Package demo runs a whole migration in one process, on embedded clusters or
// on real Apache Kafka: six topics, three groups of several instances, live
// producers; the oracle of the test kit judges it at the end.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/portage-kafka/portage/testkit/oracle"
	"github.com/portage-kafka/portage/testkit/workload"
)

// Options say what the demo runs.
type Options struct {
	// Real uses Apache Kafka instead of embedded clusters.
	Real bool
	// Plant makes the workload cheat once: loss, duplicate, reorder or
	// reprocess; empty for none.
	Plant string
	// Rate is how many records per second all producers write together.
	Rate float64
	// Out is where the story is told.
	Out io.Writer
	// Logger takes the structured logs of all parts.
	Logger zerolog.Logger
}

// Sentinels of [Run].
var (
	// ErrFound says that the oracle found a fault.
	ErrFound = errors.New("the oracle found faults")
	// ErrOptions says that an option is none; the text names it and the values
	// that are.
	ErrOptions = errors.New("demo")
)

// maxRate is what the demo's clients can do on a small machine.
const maxRate = 100_000

// plants maps the words of --plant.
func plants() map[string]workload.Plant {
	return map[string]workload.Plant{
		"": workload.PlantNone, "loss": workload.PlantLoss, "duplicate": workload.PlantDuplicate,
		"reorder": workload.PlantReorder, "reprocess": workload.PlantReprocess,
	}
}

// demo is one run.
type demo struct {
	Options
	plant   workload.Plant
	dir     string
	start   time.Time
	pair    pair
	journal *workload.Journal
	entries string
	tell    sync.Mutex
	pauses  []oracle.Switch
}

const (
	run       = "demo"
	migration = "demo"
)

// topics of the demo, and the groups that read them: one reads two.
func topics() []string {
	return []string{"orders", "payments", "shipments", "clicks", "invoices", "refunds"}
}

func groups() []oracle.Group {
	return []oracle.Group{
		{Name: "billing", Topics: []string{"orders", "payments"}},
		{Name: "shipping", Topics: []string{"shipments"}},
		{Name: "analytics", Topics: []string{"clicks"}},
	}
}

const partitionsPerTopic = 4

// Validate says what is wrong with the options.
func (o Options) Validate() error {
	if _, ok := plants()[o.Plant]; !ok {
		return fmt.Errorf("%w: --plant %q: use loss, duplicate, reorder or reprocess", ErrOptions, o.Plant)
	}
	if !(o.Rate >= 1 && o.Rate <= maxRate) {
		return fmt.Errorf("%w: --rate %v: use 1 to %d records per second", ErrOptions, o.Rate, maxRate)
	}
	return nil
}

// Run runs the demo. It returns ErrFound when the oracle found a fault, the
// cause when it could not be finished, and nil when all is well.
func Run(ctx context.Context, o Options) (err error) {
	if err := o.Validate(); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "portage-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	d := &demo{Options: o, plant: plants()[o.Plant], dir: dir, start: time.Now(), entries: filepath.Join(dir, "journal")}
	if d.journal, err = workload.OpenJournal(d.entries); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.journal.Close()) }()
	d.say("starting two %s clusters", d.kind())
	if d.pair, err = d.startClusters(ctx); err != nil {
		return err
	}
	defer d.pair.stop()
	if err := d.story(ctx); err != nil {
		return err
	}
	return d.judge(ctx)
}

func (d *demo) kind() string {
	if d.Real {
		return "Apache Kafka"
	}
	return "embedded"
}

// say tells one line of the story.
func (d *demo) say(format string, args ...any) {
	d.tell.Lock()
	defer d.tell.Unlock()
	fmt.Fprintf(d.Out, "%6.2fs  %s\n", time.Since(d.start).Seconds(), fmt.Sprintf(format, args...))
}

// judge lets the oracle look at both clusters and the journals.
func (d *demo) judge(ctx context.Context) error {
	entries, err := workload.ReadFiles(d.entries)
	if err != nil {
		return err
	}
	cfg := oracle.Config{Run: run, Source: d.pair.source.workload, Target: d.pair.target.workload, Groups: groups(), Entries: entries, Switches: d.pauses}
	for _, t := range topics() {
		cfg.Topics = append(cfg.Topics, oracle.Topic{Name: t})
	}
	report, err := oracle.Judge(ctx, cfg)
	if err != nil {
		return fmt.Errorf("the oracle could not judge: %w", err)
	}
	fmt.Fprintf(d.Out, "\n%s\n", report.Table())
	if !report.OK() {
		return ErrFound
	}
	d.say("nothing lost, nothing doubled, nothing reordered, nothing processed twice")
	return nil
}
