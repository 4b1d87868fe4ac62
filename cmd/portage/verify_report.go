package main

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/portage-kafka/portage/replicator/verify"
)

// verifyReport is what `verify -o json` shows. Its names are a promise.
type verifyReport struct {
	Verdict verify.Verdict `json:"result"`
	// Key keys the digests, in hex: with it anyone can compute them again.
	Key    string          `json:"key"`
	Topics []verifiedTopic `json:"topics"`
}

// verifiedTopic is a topic in a report.
type verifiedTopic struct {
	Source verifiedSide `json:"source"`
	Target verifiedSide `json:"target"`
	// AlignedBy is "map" or "order".
	AlignedBy  string          `json:"aligned_by"`
	Verdict    verify.Verdict  `json:"result"`
	Partitions []verify.Result `json:"partitions"`
	Problem    string          `json:"problem,omitempty"`
	// Stops say why the copy is stopped, if it is: the comparison ends there.
	Stops []string `json:"stops,omitempty"`
}

// reportOf sorts results, which are in the order of the topics' requests.
func reportOf(key []byte, topics []*pairedTopic, results []verify.Result) *verifyReport {
	r := &verifyReport{Verdict: verify.Identical, Key: hex.EncodeToString(key), Topics: []verifiedTopic{}}
	for _, t := range topics {
		v := verifiedTopic{Source: t.source, Target: t.target, AlignedBy: "order", Verdict: verify.Identical, Problem: t.problem, Stops: t.stops}
		if t.byMap {
			v.AlignedBy = "map"
		}
		n := min(len(t.requests), len(results))
		v.Partitions = slices.Concat([]verify.Result{}, results[:n], t.problems)
		results = results[n:]
		slices.SortFunc(v.Partitions, func(a, b verify.Result) int { return cmp.Compare(a.Partition, b.Partition) })
		if t.problem != "" {
			v.Verdict = verify.Unknown
		}
		for _, p := range v.Partitions {
			v.Verdict = worse(v.Verdict, p.Verdict)
		}
		r.Verdict = worse(r.Verdict, v.Verdict)
		r.Topics = append(r.Topics, v)
	}
	return r
}

// worse is the verdict on two parts together.
func worse(a, b verify.Verdict) verify.Verdict {
	for _, v := range []verify.Verdict{verify.Different, verify.Unknown} {
		if a == v || b == v {
			return v
		}
	}
	return verify.Identical
}

// exit is the error whose code scripts see.
func (r *verifyReport) exit() error {
	switch r.Verdict {
	case verify.Different:
		return &codedError{exitFailed, errSilent}
	case verify.Unknown:
		return &codedError{exitUnknown, errSilent}
	}
	return nil
}

// shownFindings is how many differences of a partition people see.
const shownFindings = 20

func (r *verifyReport) table() *table {
	t := &table{head: []string{"TOPIC", "PARTITION", "RESULT", "RECORDS", "UP TO", "DIFFERENCES", "EXPLAINED", "NOTE"}, value: r}
	var notes []string
	for _, v := range r.Topics {
		if v.Problem != "" {
			t.add(v.Source.Topic, "", string(v.Verdict), "", "", "", "", v.Problem)
		}
		for _, p := range v.Partitions {
			t.add(v.Source.Topic, fmt.Sprint(p.Partition), string(p.Verdict), fmt.Sprint(p.Records), of64(p.Verified.Source, p.UpTo), counts(p.Kinds), counts(p.Explained), resultNote(p))
			notes = append(notes, differencesOf(v.Source.Topic, p)...)
		}
		for _, why := range v.Stops {
			notes = append(notes, fmt.Sprintf("%s: the copy is stopped, and what it has not reached is not compared: %s", v.Source.Topic, why))
		}
	}
	t.note = strings.Join(append(notes, string(r.Verdict)), "\n")
	return t
}

func of64(n, all int64) string { return fmt.Sprintf("%d/%d", n, all) }

// counts shows numbers by name, in the order of the names.
func counts[K ~string](by map[K]int64) string {
	var parts []string
	for k, n := range by {
		parts = append(parts, fmt.Sprintf("%s %d", k, n))
	}
	slices.Sort(parts)
	return strings.Join(parts, ", ")
}

// resultNote says what a partition's numbers do not.
func resultNote(p verify.Result) string {
	var parts []string
	if p.Problem != "" {
		parts = append(parts, p.Problem)
	}
	for _, l := range p.Losses {
		parts = append(parts, fmt.Sprintf("offsets %d to %d were given up", l.From, l.To-1))
	}
	if p.Behind {
		parts = append(parts, "the target is behind")
	}
	if len(p.Stamped) > 0 {
		parts = append(parts, "broker's time on the "+strings.Join(p.Stamped, " and the "))
	}
	return strings.Join(parts, "; ")
}

// differencesOf lists the first differences of a partition.
func differencesOf(topic string, p verify.Result) (lines []string) {
	rest := p.Count
	for _, f := range p.Findings[:min(len(p.Findings), shownFindings)] {
		lines = append(lines, fmt.Sprintf("%s/%d: %s: %s", topic, p.Partition, f.Kind, f))
		rest -= f.Records
	}
	if rest > 0 {
		lines = append(lines, fmt.Sprintf("%s/%d: %d more", topic, p.Partition, rest))
	}
	return lines
}
