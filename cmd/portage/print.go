package main

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"text/tabwriter"

	"go.yaml.in/yaml/v3"
)

// table is what a verb shows: rows for people, and the value behind them for
// programs.
type table struct {
	head  []string
	rows  [][]string
	value any
	// note is a line under the table.
	note string
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

// print writes a table in the format that was asked for.
func (a *app) print(t *table) error {
	switch a.flags.output {
	case "json":
		return a.printJSON(t.value)
	case "yaml":
		return a.printYAML(t.value)
	}
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	if len(t.rows) > 0 && len(t.head) > 0 {
		fmt.Fprintln(w, strings.Join(t.head, "\t"))
	}
	for _, r := range t.rows {
		for i := range r {
			r[i] = oneLine.Replace(r[i])
		}
		fmt.Fprintln(w, strings.Join(r, "\t"))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if t.note != "" {
		fmt.Fprintln(a.out, t.note)
	}
	return nil
}

// oneLine keeps a cell from breaking its table: an error may have many lines.
var oneLine = strings.NewReplacer("\n", "; ", "\t", " ")

func (a *app) printJSON(value any) error {
	e := json.NewEncoder(a.out)
	e.SetIndent("", "  ")
	return e.Encode(listed(value))
}

// listed shows an empty list as a list: programs iterate over it.
func listed(value any) any {
	if v := reflect.ValueOf(value); v.Kind() == reflect.Slice && v.IsNil() {
		return []any{}
	}
	return value
}

// printYAML goes through JSON, so that both show the same names.
func (a *app) printYAML(value any) error {
	raw, err := json.Marshal(listed(value))
	if err != nil {
		return err
	}
	var node yaml.Node
	if err := yaml.Unmarshal(raw, &node); err != nil {
		return err
	}
	block(&node)
	e := yaml.NewEncoder(a.out)
	e.SetIndent(2)
	return e.Encode(&node)
}

// block takes JSON's flow style out of a YAML tree.
func block(n *yaml.Node) {
	n.Style = 0
	for _, c := range n.Content {
		block(c)
	}
}
