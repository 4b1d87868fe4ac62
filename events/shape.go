package events

import (
	"bytes"
	"reflect"
	"strings"
)

// shape is what a Go type says about the JSON that it is read from: the names
// of the fields and which are required (those without omitempty and omitzero). It exists
// because encoding/json is lenient where a contract must not be: it takes
// "Offset" for "offset" and a missing number for 0.
type shape struct {
	fields   map[string]shapeField // of a struct, else nil
	names    []string              // of the fields, in the struct's order
	required []string              // those that must be there
	elem     *shape                // of a list's or a map's values
}

type shapeField struct {
	required bool
	shape    *shape
}

// shapeOf reads a type's shape; nil for a type without parts.
func shapeOf(t reflect.Type) *shape {
	switch t.Kind() {
	case reflect.Pointer:
		return shapeOf(t.Elem())
	case reflect.Slice, reflect.Map:
		if t.Elem().Kind() == reflect.Uint8 {
			return nil
		}
		elem := shapeOf(t.Elem())
		if elem == nil {
			elem = &shape{}
		}
		return &shape{elem: elem}
	case reflect.Struct:
		return structShape(t)
	default:
		return nil
	}
}

func structShape(t reflect.Type) *shape {
	s := &shape{fields: make(map[string]shapeField)}
	for f := range t.Fields() {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		s.add(name, options != "omitempty" && options != "omitzero", shapeOf(f.Type))
	}
	return s
}

func (s *shape) add(name string, required bool, of *shape) {
	s.fields[name] = shapeField{required: required, shape: of}
	s.names = append(s.names, name)
	if required {
		s.required = append(s.required, name)
	}
}

func (s *shape) element() *shape {
	if s == nil {
		return nil
	}
	return s.elem
}

// complete names the first required field that is not among the names.
func (s *shape) complete(names [][]byte) *fault {
	if s == nil {
		return nil
	}
next:
	for _, want := range s.required {
		for _, have := range names {
			if string(have) == want {
				continue next
			}
		}
		return refuse(RefusedMissing, "is required").under("." + want)
	}
	return nil
}

// alias refuses a name that encoding/json would take for a known one.
func (s *shape) alias(name []byte) *fault {
	for _, known := range s.names {
		if bytes.EqualFold(name, []byte(known)) {
			return refuse(RefusedCase, "want it spelled %q", known)
		}
	}
	return nil
}
