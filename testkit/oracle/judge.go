package oracle

import (
	"context"
	"fmt"
	"hash/maphash"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/portage-kafka/portage/testkit/workload"
)

// Judge reads the clusters and gives the verdict. The error is about reading; faults are in the report.
func Judge(ctx context.Context, cfg Config) (Report, error) {
	if err := cfg.Validate(); err != nil {
		return Report{}, err
	}
	seed := maphash.MakeSeed()
	var logs []seen
	for _, log := range []struct {
		side
		cluster workload.ClusterConfig
	}{{source, cfg.Source}, {target, cfg.Target}} {
		if log.cluster.Name == "" {
			continue
		}
		read, err := readSide(ctx, cfg, seed, log.side, log.cluster)
		if err != nil {
			return Report{}, err
		}
		logs = append(logs, read...)
	}
	commits, err := readCommits(ctx, cfg)
	if err != nil {
		return Report{}, err
	}
	rep := weigh(cfg, logs, commits)
	if n := len(cfg.Entries); n > 0 && rep.Strays == n {
		return rep, fmt.Errorf("%w: none of the %d journal entries is of run %q, its clusters and topics: the first is of run %q, %v", ErrConfig, n, cfg.Run, cfg.Entries[0].Run, cfg.Entries[0].Place)
	}
	return rep, nil
}

// readSide reads all topics of one cluster.
func readSide(ctx context.Context, cfg Config, seed maphash.Seed, s side, cluster workload.ClusterConfig) ([]seen, error) {
	r, err := openReader(cluster)
	if err != nil {
		return nil, err
	}
	defer r.close()
	var logs []seen
	for i, t := range cfg.Topics {
		name := t.Name
		if s == target {
			name = t.target()
		}
		if err := r.read(ctx, name, func(rec *kgo.Record) { logs = append(logs, see(seed, s, i, rec)) }); err != nil {
			return nil, fmt.Errorf("oracle: read topic %s of %s: %w", name, cluster.Name, err)
		}
	}
	return logs, nil
}

// weigh gives the verdict on what was read. It does no I/O.
func weigh(cfg Config, logs []seen, commits map[groupAt]int64) Report {
	f := newFacts(cfg, logs)
	f.commits = commits
	rep := Report{Run: cfg.Run, Strays: f.strays, examples: cfg.Examples}
	if rep.examples == 0 {
		rep.examples = 5
	}
	for i, t := range cfg.Topics {
		rep.Topics = append(rep.Topics, TopicCount{Topic: t.Name, Foreign: f.foreign[source][i] + f.foreign[target][i]})
	}
	f.judgeLogs(&rep)
	for _, g := range cfg.Groups {
		f.judgeGroup(&rep, g)
	}
	for _, s := range cfg.Switches {
		rep.Pauses = append(rep.Pauses, f.pause(s))
	}
	sortFindings(rep.Findings)
	sortFindings(rep.Excused)
	return rep
}
