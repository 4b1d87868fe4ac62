package e2e

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/portage-kafka/portage/testkit/workload"
)

// crashEnv is the environment variable that makes `portage serve` kill itself before or after it appends an event.
const crashEnv = "PORTAGE_CRASH"

// serve starts the orchestrator; crash is "", "before:TYPE" or "after:TYPE".
func (b *bench) serve(crash string, flags ...string) *process {
	b.t.Helper()
	p := b.launch("serve", []string{crashEnv + "=" + crash}, b.programs.portage, append([]string{"serve"}, flags...)...)
	p.leaving = crash != ""
	return p
}

// worker is a `portage work` with its metrics.
type worker struct {
	*process
	metrics string // host:port
}

func (b *bench) work(name string) worker {
	b.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(b.t, err)
	at := l.Addr().String()
	require.NoError(b.t, l.Close())
	return worker{b.launch(name, nil, b.programs.portage, "work", "--listen", at), at}
}

// service is a running instance of the sample service.
type service struct {
	*process
	// label is the process in journals: of several processes of an instance each has its own.
	label string
}

// consumers says what an instance of a consuming service does.
type consumers struct {
	groups  []string // as "billing=orders,payments"
	latency time.Duration
	flags   []string
}

// consume starts one more process of a consuming instance.
func (b *bench) consume(instance string, c consumers) service {
	b.t.Helper()
	label := b.unique(instance)
	b.handlers = append(b.handlers, b.journal(label))
	args := []string{"consume", "--instance", instance, "--label", label, "--journal", b.journal(label), "--latency", c.latency.String()}
	for _, g := range c.groups {
		args = append(args, "--group", g)
	}
	return service{b.launch(label, nil, b.programs.service, append(args, c.flags...)...), label}
}

// producers says what an instance of a producing service does.
type producers struct {
	topics []string
	rate   float64 // records per second, over all topics
	codec  string
	flags  []string
}

// produce starts one more process of a producing instance.
func (b *bench) produce(instance string, p producers) service {
	b.t.Helper()
	label := b.unique(instance)
	args := []string{"produce", "--instance", instance, "--journal", b.journal(label), "--run", run, "--producer", label, "--rate", fmt.Sprint(p.rate)}
	if p.codec != "" {
		args = append(args, "--codec", p.codec)
	}
	for _, t := range p.topics {
		args = append(args, "--topic", t)
	}
	return service{b.launch(label, nil, b.programs.service, append(args, p.flags...)...), label}
}

// run is the workload's run of every test: each test has clusters of its own.
const run = "e2e"

// fill writes records to a cluster with a plain client and journals them.
func (b *bench) fill(cluster string, p workload.ProducerConfig) {
	b.t.Helper()
	require.NoError(b.t, b.filling(cluster, p))
}

// filling is fill for goroutines, which cannot end the test.
func (b *bench) filling(cluster string, p workload.ProducerConfig) (err error) {
	return b.writing(b.t.Context(), cluster, p)
}

// writing is filling until ctx ends.
func (b *bench) writing(ctx context.Context, cluster string, p workload.ProducerConfig) (err error) {
	journal, err := workload.OpenJournal(b.journal(p.Generator.Producer))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, journal.Close()) }()
	p.Generator.Run, p.Generator.Journal, p.Cluster = run, journal, b.cluster(cluster)
	producer, err := workload.NewProducer(p)
	if err != nil {
		return err
	}
	defer producer.Close()
	return producer.Run(ctx)
}

// entries are all journals so far. The SDK names topics as the service does; journals of records that were read from the
// target get the name that the topic has there.
func (b *bench) entries(renamed map[string]string) []workload.Entry {
	b.t.Helper()
	all := b.read(b.journals)
	for i := range all {
		e := &all[i]
		handler := e.Kind == workload.KindBegun || e.Kind == workload.KindHandled
		if name, ok := renamed[e.Topic]; ok && handler && e.Cluster == target {
			e.Topic = name
		}
	}
	return all
}

// handlings are the journals of consumers alone, topics under their names on the source.
func (b *bench) handlings() []workload.Entry {
	b.t.Helper()
	return b.read(b.handlers)
}

func (b *bench) read(journals []string) []workload.Entry {
	b.t.Helper()
	var there []string
	for _, path := range journals {
		if _, err := os.Stat(path); err == nil { // a process that has not come that far has none
			there = append(there, path)
		}
	}
	all, err := workload.ReadFiles(there...)
	require.NoError(b.t, err)
	return all
}

// plan writes a plan file of consumers-first.
func (b *bench) plan(migration string, topics, groups []string, policy string) string {
	b.t.Helper()
	var y strings.Builder
	fmt.Fprintf(&y, "migration: %s\nsource: %s\ntargets: [%s]\ntopics:\n", migration, source, target)
	for _, t := range topics {
		name, there, renamed := strings.Cut(t, "→")
		if !renamed {
			there = name
		}
		fmt.Fprintf(&y, "  - {name: %s, target_name: %s}\n", name, there)
	}
	fmt.Fprintf(&y, "groups: [%s]\npolicy: {%s}\n", strings.Join(groups, ", "), policy)
	return b.write(migration+".yaml", y.String())
}
