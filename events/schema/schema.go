// Package schema holds the contract of the control topics in a form for other
// languages: a JSON Schema (draft 2020-12) of every type of event and of every
// other value, and README.md, the reference page. All of it is generated from
// the catalogue and the comments of package events; a test fails when a file is
// stale.
//
// What no schema can say stands in package events: a record key must match its
// envelope, no object may name a field twice, lists name a partition once.
package schema

import "embed"

//go:generate go run ./gen

// Files are the schemas: TYPE.json for each type of event, envelope.json for
// what all have in common, and directive.json, mark.json, block.json,
// claim.json, progress.json.
//
//go:embed *.json
var Files embed.FS
