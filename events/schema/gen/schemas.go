package main

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/google/jsonschema-go/jsonschema"
	"github.com/portage-kafka/portage/events"
)

const (
	draft = "https://json-schema.org/draft/2020-12/schema"
	base  = "https://github.com/portage-kafka/portage/events/schema/"
)

// value is what a record of a state topic holds.
type value struct {
	name string
	of   reflect.Type
	key  string
	in   string
}

func values() []value {
	return []value{
		{"directive", reflect.TypeFor[events.Directive](), "`<source cluster id>/<addressee>/<position>`", events.TopicDirectives},
		{"mark", reflect.TypeFor[events.Mark](), "`mark/<partition>`", events.TopicDirectives},
		{"block", reflect.TypeFor[events.Block](), "`<migration>/<topic>/<partition>/<owner-epoch>.<number>`", events.TopicOffsets},
		{"claim", reflect.TypeFor[events.Claim](), "`<migration>/<topic>/<partition>/claim/<owner-epoch>/<nonce>`", events.TopicOffsets},
		{"progress", reflect.TypeFor[events.Progress](), "`<migration>/<topic>/<partition>`", events.TopicProgress},
	}
}

// schemas are the schema files, each as what writes it.
func schemas(d docs) map[string]func() ([]byte, error) {
	files := map[string]func() ([]byte, error){
		"envelope.json": func() ([]byte, error) { return text("envelope", envelope(d)) },
	}
	for _, k := range events.Catalogue() {
		files[string(k.Type)+".json"] = func() ([]byte, error) {
			s, err := event(d, k)
			if err != nil {
				return nil, err
			}
			return text(string(k.Type), s)
		}
	}
	for _, v := range values() {
		files[v.name+".json"] = func() ([]byte, error) {
			s, err := infer(d, v.of)
			if err != nil {
				return nil, err
			}
			return text(v.name, s)
		}
	}
	return files
}

func text(name string, s *jsonschema.Schema) ([]byte, error) {
	s.Schema, s.ID, s.Title = draft, base+name+".json", name
	out, err := json.MarshalIndent(s, "", "  ")
	return append(out, '\n'), err
}

// infer is the schema of a Go type with its comments. Fields of later releases
// are allowed everywhere; null is no value.
func infer(d docs, t reflect.Type) (*jsonschema.Schema, error) {
	s, err := jsonschema.ForType(t, &jsonschema.ForOptions{TypeSchemas: map[reflect.Type]*jsonschema.Schema{
		reflect.TypeFor[[]byte](): {Type: "string", ContentEncoding: "base64"},
	}})
	if err != nil {
		return nil, err
	}
	describe(d, s, t)
	return s, nil
}

// describe walks a type and its schema side by side.
func describe(d docs, s *jsonschema.Schema, t reflect.Type) {
	s.Types = slices.DeleteFunc(s.Types, func(name string) bool { return name == "null" })
	if len(s.Types) == 1 {
		s.Type, s.Types = s.Types[0], nil
	}
	switch t.Kind() {
	case reflect.Pointer:
		describe(d, s, t.Elem())
	case reflect.Slice:
		if s.Items != nil {
			describe(d, s.Items, t.Elem())
		}
	case reflect.Map:
		describe(d, s.AdditionalProperties, t.Elem())
	case reflect.Struct:
		s.Description, s.AdditionalProperties = d[t.Name()], nil
		for f := range t.Fields() {
			of := s.Properties[jsonName(f)]
			describe(d, of, f.Type)
			if comment := d[t.Name()+"."+f.Name]; comment != "" {
				of.Description = comment
			}
		}
	}
}

func jsonName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return name
}

func optional(f reflect.StructField) bool { return strings.HasSuffix(f.Tag.Get("json"), ",omitempty") }

// envelopeFields are the envelope's in the order of the documentation, with the
// field of events.Event that describes each.
func envelopeFields() []struct{ json, field, kind string } {
	return []struct{ json, field, kind string }{
		{"id", "ID", "string"}, {"migration", "Migration", "string"}, {"stream", "Stream", "string"}, {"expects", "Expects", "integer"},
		{"type", "Type", "string"}, {"schema", "Schema", "integer"}, {"at", "At", "string"}, {"actor", "Actor", "object"},
		{"cause", "Cause", "string"}, {"epoch", "Epoch", "integer"}, {"body", "Body", "object"},
	}
}

// required says which fields of the envelope every event has.
func required(name string) bool { return name != "expects" && name != "cause" && name != "epoch" }

func envelope(d docs) *jsonschema.Schema {
	s := &jsonschema.Schema{Type: "object", Description: d["Event"], Properties: make(map[string]*jsonschema.Schema)}
	for _, f := range envelopeFields() {
		s.Properties[f.json] = &jsonschema.Schema{Type: f.kind, Description: d["Event."+f.field]}
		s.PropertyOrder = append(s.PropertyOrder, f.json)
		if required(f.json) {
			s.Required = append(s.Required, f.json)
		}
	}
	p := s.Properties
	p["at"].Format = "date-time"
	p["migration"].Pattern = `^[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}$`
	p["id"].Pattern = `^[A-Za-z0-9._:-]{1,200}$`
	p["schema"].Minimum = jsonschema.Ptr(1.0)
	p["expects"].Minimum, p["epoch"].Minimum, p["epoch"].Maximum = jsonschema.Ptr(0.0), jsonschema.Ptr(0.0), jsonschema.Ptr(4294967295.0)
	name := &jsonschema.Schema{Type: "string", MinLength: jsonschema.Ptr(1)}
	p["actor"] = &jsonschema.Schema{
		Type: "object", Description: d["Actor"], Required: []string{"kind", "name"}, AdditionalProperties: &jsonschema.Schema{Not: &jsonschema.Schema{}},
		Properties:    map[string]*jsonschema.Schema{"kind": name, "name": name, "host": {Type: "string"}},
		PropertyOrder: []string{"kind", "name", "host"},
	}
	return s
}

// event is the schema of one type of event with its envelope.
func event(d docs, k events.Kind) (*jsonschema.Schema, error) {
	body, err := infer(d, reflect.TypeOf(k.Zero))
	if err != nil {
		return nil, err
	}
	roles := make([]any, len(k.Writers))
	for i, w := range k.Writers {
		roles[i] = string(w)
	}
	s := &jsonschema.Schema{
		Description: fmt.Sprintf("%s Changes: %s.", body.Description, k.Changes),
		AllOf:       []*jsonschema.Schema{{Ref: base + "envelope.json"}},
		Properties: map[string]*jsonschema.Schema{
			"type":   {Const: jsonschema.Ptr[any](string(k.Type))},
			"schema": {Maximum: jsonschema.Ptr(float64(k.Schema))},
			"stream": {Pattern: streamPattern(k.Streams)},
			"actor":  {Properties: map[string]*jsonschema.Schema{"kind": {Enum: roles}}},
			"body":   body,
		},
		PropertyOrder: []string{"type", "schema", "stream", "actor", "expects", "epoch", "body"},
	}
	if k.Class == events.Command || k.Class == events.Decision {
		s.Required = append(s.Required, "expects")
	} else {
		s.Properties["expects"] = &jsonschema.Schema{Not: &jsonschema.Schema{}}
	}
	if k.Epoch {
		s.Required = append(s.Required, "epoch")
		s.Properties["epoch"] = &jsonschema.Schema{Minimum: jsonschema.Ptr(1.0)}
	}
	return s, nil
}

func streamPattern(kinds []events.StreamKind) string {
	alternatives := make([]string, len(kinds))
	for i, k := range kinds {
		switch k {
		case events.OfMigration:
			alternatives[i] = "migration"
		case events.OfTopic:
			alternatives[i] = "topic/[A-Za-z0-9._-]{1,249}"
		default:
			alternatives[i] = string(k) + "/(.|\\n){1,1000}"
		}
	}
	return "^(" + strings.Join(alternatives, "|") + ")$"
}
