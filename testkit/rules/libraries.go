package rules

import (
	"slices"
	"strconv"
	"strings"
)

// library says which packages of ours may import one of others.
type library struct {
	path string   // import path; stands for everything below, too
	in   []string // packages of ours, subpackages included; tests and testkit may always
}

// libraries are those with a home. One that is not listed may be used anywhere.
func libraries() []library {
	return []library{
		{"github.com/segmentio/kafka-go", []string{"cluster"}},
		{"github.com/twmb/franz-go/pkg/kgo", nil},
		{"github.com/twmb/franz-go/pkg/kadm", nil},
		{"github.com/twmb/franz-go/pkg/kfake", nil},
		{"github.com/cockroachdb/pebble/v2", []string{"projector"}},
		{"github.com/looplab/fsm", []string{"fsm"}},
		{"github.com/spf13/cobra", []string{"cmd"}},
		{"github.com/prometheus/client_golang", []string{"cmd/internal"}},
		{"github.com/aws/aws-sdk-go-v2", []string{"cluster/auth/msk"}},
		{"github.com/stretchr/testify", nil},
		{"github.com/cockroachdb/datadriven", nil},
		{"go.uber.org/goleak", nil},
		{"pgregory.net/rapid", nil},
	}
}

// checkLibraries finds libraries outside their home.
func checkLibraries(t *Tree) (all []Violation) {
	for _, f := range t.Files {
		if f.Test || covers("testkit", f.Dir) {
			continue
		}
		for _, spec := range f.AST.Imports {
			p, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				continue
			}
			for _, l := range libraries() {
				if covers(l.path, p) && !slices.ContainsFunc(l.in, func(home string) bool { return covers(home, f.Dir) }) {
					all = append(all, f.at("libraries", spec, "%s may be imported in %s", p, homes(l)))
				}
			}
		}
	}
	return all
}

func homes(l library) string {
	return strings.Join(append(slices.Clone(l.in), "tests and testkit"), ", ") + " only"
}
