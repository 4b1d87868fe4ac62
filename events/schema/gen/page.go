package main

import (
	_ "embed" // head.md
	"fmt"
	"io"
	"reflect"
	"strings"

	"github.com/portage-kafka/portage/events"
)

// writePage writes the reference page.
func writePage(w io.Writer, d docs) {
	fmt.Fprint(w, head)
	writeEnvelope(w, d)
	writeCatalogue(w)
	for _, k := range events.Catalogue() {
		writeType(w, d, k)
	}
	fmt.Fprint(w, valuesHead)
	for _, v := range values() {
		fmt.Fprintf(w, "\n### %s\n\n%s\nTopic `%s`, key %s, schema [%s.json](%s.json).\n\n", v.name, paragraph(d[v.of.Name()]), v.in, v.key, v.name, v.name)
		writeFields(w, d, v.of)
	}
	writeParts(w, d)
}

// head is the page up to the generated part.
//
//go:embed head.md
var head string

func writeEnvelope(w io.Writer, d docs) {
	fmt.Fprintf(w, "## Envelope of portage.events\n\nKey `<migration>/<stream>/<id>/<nonce>` with a random nonce for every send, schema [envelope.json](envelope.json).\n\n"+
		"| field | | meaning |\n|---|---|---|\n")
	for _, f := range envelopeFields() {
		need := ""
		if required(f.json) {
			need = "required"
		}
		fmt.Fprintf(w, "| `%s` | %s %s | %s |\n", f.json, f.kind, need, cell(d["Event."+f.field]))
	}
	fmt.Fprint(w, "\n`actor` has exactly `kind`, `name` and, optionally, `host`.\n\n")
}

func writeCatalogue(w io.Writer) {
	fmt.Fprint(w, "## Types\n\n| type | class | streams | written by | expects | epoch | an accepted one changes |\n|---|---|---|---|---|---|---|\n")
	for _, k := range events.Catalogue() {
		fmt.Fprintf(w, "| [%s](#%s) | %s | %s | %s | %s | %s | %s |\n", k.Type, strings.ToLower(string(k.Type)), k.Class,
			join(k.Streams), join(k.Writers), mark(k.Class == events.Command || k.Class == events.Decision), mark(k.Epoch), k.Changes)
	}
}

func mark(yes bool) string {
	if yes {
		return "yes"
	}
	return ""
}

func join[S ~string](list []S) string {
	parts := make([]string, len(list))
	for i, s := range list {
		parts[i] = string(s)
	}
	return strings.Join(parts, ", ")
}

func writeType(w io.Writer, d docs, k events.Kind) {
	t := reflect.TypeOf(k.Zero)
	fmt.Fprintf(w, "\n### %s\n\n%s\nSchema %d: [%s.json](%s.json).\n\n", k.Type, paragraph(d[t.Name()]), k.Schema, k.Type, k.Type)
	if t.NumField() == 0 {
		fmt.Fprint(w, "The body is empty: `{}`.\n")
		return
	}
	writeFields(w, d, t)
}

const valuesHead = `
## Values of the other topics

The partition of a record is FNV-1a (32 bit) modulo 16: of ` + "`<source cluster id>/<addressee>`" + ` for directives, of
` + "`<migration>/<topic>/<partition>`" + ` for offsets and progress. A mark stands in the partition that it is about.
`

func writeFields(w io.Writer, d docs, t reflect.Type) {
	fmt.Fprint(w, "| field | | meaning |\n|---|---|---|\n")
	for f := range t.Fields() {
		need := " required"
		if optional(f) {
			need = ""
		}
		fmt.Fprintf(w, "| `%s` | %s%s | %s |\n", jsonName(f), typeName(f.Type), need, cell(d[t.Name()+"."+f.Name]))
	}
}

// typeName is what a field holds, with a link where that is an object.
func typeName(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Pointer:
		return typeName(t.Elem())
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return "base64"
		}
		return "list of " + typeName(t.Elem())
	case reflect.Map:
		return "object of " + typeName(t.Elem())
	case reflect.Struct:
		return "[" + t.Name() + "](#" + strings.ToLower(t.Name()) + ")"
	case reflect.Bool:
		return "boolean"
	case reflect.String:
		return "string"
	default:
		return t.Kind().String()
	}
}

// writeParts documents the objects inside bodies and values.
func writeParts(w io.Writer, d docs) {
	fmt.Fprint(w, "\n## Parts\n")
	known := make(map[reflect.Type]bool)
	var parts []reflect.Type
	for _, k := range events.Catalogue() {
		parts = collect(parts, known, reflect.TypeOf(k.Zero), false)
	}
	for _, v := range values() {
		parts = collect(parts, known, v.of, false)
	}
	for _, t := range parts {
		fmt.Fprintf(w, "\n### %s\n\n%s\n", t.Name(), paragraph(d[t.Name()]))
		writeFields(w, d, t)
	}
}

// collect lists the structs inside a type, each once, in the order met.
func collect(parts []reflect.Type, known map[reflect.Type]bool, t reflect.Type, inside bool) []reflect.Type {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
		return collect(parts, known, t.Elem(), true)
	case reflect.Struct:
		if inside && known[t] {
			return parts
		}
		if inside {
			known[t] = true
			parts = append(parts, t)
		}
		for f := range t.Fields() {
			parts = collect(parts, known, f.Type, true)
		}
	}
	return parts
}

func paragraph(s string) string {
	if s == "" {
		return ""
	}
	return s + "\n"
}

// cell keeps a sentence from breaking a table.
func cell(s string) string { return strings.ReplaceAll(s, "|", `\|`) }
