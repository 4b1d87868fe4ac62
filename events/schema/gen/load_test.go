package main

import (
	"net/url"
	"path"

	"github.com/google/jsonschema-go/jsonschema"
)

// urlLoader finds a schema by the last part of its id.
func urlLoader(load func(name string) *jsonschema.Schema) func(*url.URL) (*jsonschema.Schema, error) {
	return func(u *url.URL) (*jsonschema.Schema, error) { return load(path.Base(u.Path)), nil }
}
