package events

import (
	"fmt"
	"strconv"
	"unicode/utf8"
)

// The codes of a [Refusal]. They are a contract: notes, metrics and other
// languages' clients compare them.
const (
	RefusedNoKey         = "key-missing"         // the record key is null or empty
	RefusedTombstone     = "tombstone"           // the value is null: the purge of a record
	RefusedOversize      = "oversize"            // key or value exceed MaxKeySize, MaxEventSize
	RefusedUTF8          = "bad-utf8"            // bytes, or an escape, that are no Unicode text
	RefusedJSON          = "invalid-json"        // the value is no JSON object
	RefusedDepth         = "too-deep"            // nested deeper than MaxDepth
	RefusedDuplicate     = "duplicate-field"     // an object names a field twice
	RefusedTrailing      = "trailing-data"       // bytes after the object
	RefusedKey           = "key-mismatch"        // the record key says something else than the value
	RefusedMissing       = "missing-field"       // a required field is absent or null
	RefusedField         = "bad-field"           // a field has another JSON type than the schema's
	RefusedCase          = "field-case"          // a field differs from a known one in upper and lower case only
	RefusedName          = "bad-name"            // an id or name that cannot be one
	RefusedSchema        = "schema-unknown"      // a newer schema than this release reads
	RefusedStream        = "stream-not-allowed"  // the type does not stand on such a stream
	RefusedWriter        = "writer-not-allowed"  // the role does not write the type
	RefusedNoExpects     = "expects-missing"     // a command or decision without the version it was made at
	RefusedExpects       = "expects-not-allowed" // a version on what is not judged by one
	RefusedNoEpoch       = "epoch-missing"       // an event of a switch attempt without the attempt's number
	RefusedBody          = "bad-body"            // a body that its own Validate refuses
	RefusedDirective     = "bad-directive"       // a directive that does not fit its addressee
	RefusedControlRecord = "bad-value"           // a mark, block, claim or progress that cannot be one
)

// fault is a Refusal under construction: the path grows while the scanner
// leaves the objects around the place.
type fault struct {
	code, path, reason string
}

func refuse(code, format string, args ...any) *fault {
	return &fault{code: code, reason: fmt.Sprintf(format, args...)}
}

// under names the field or element that the fault lies in.
func (f *fault) under(name string) *fault {
	if f != nil {
		f.path = name + f.path
	}
	return f
}

// in is under for a field; it costs nothing where there is no fault.
func (f *fault) in(name []byte) *fault {
	if f == nil {
		return nil
	}
	return f.under("." + string(name))
}

func (f *fault) refusal(foreign bool) *Refusal {
	reason := f.reason
	if f.path != "" {
		reason = "field " + f.path[1:] + ": " + reason
	}
	return &Refusal{Code: f.code, Reason: reason, Foreign: foreign}
}

// quote shows a foreign value in a reason, shortened to 80 bytes.
func quote[S ~string | ~[]byte](v S) string {
	const most = 80
	s := string(v[:min(len(v), most)])
	if len(v) <= most {
		return strconv.Quote(s)
	}
	for len(s) > 0 {
		if r, size := utf8.DecodeLastRuneInString(s); r != utf8.RuneError || size != 1 {
			break
		}
		s = s[:len(s)-1]
	}
	return fmt.Sprintf("%s… (%d bytes)", strconv.Quote(s), len(v))
}
