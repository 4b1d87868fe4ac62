package events

import (
	"bytes"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// MaxDepth is how deep objects and lists may be nested in a control record.
const MaxDepth = 32

// scanner reads one JSON text (RFC 8259) more strictly than encoding/json: no
// field twice in an object at any depth, no escape that is no Unicode, and,
// along a [shape], no field missing, null or spelled in another case. It
// allocates nothing on the good path.
type scanner struct {
	data  []byte
	at    int
	depth int
	keys  [][]byte // field names of the objects around the current place
}

// spare is the rest of the memory for field names, for another scanner that
// runs while this one waits.
func (s *scanner) spare() [][]byte { return s.keys[len(s.keys):] }

// whole reads one value and nothing after it.
func (s *scanner) whole(sh *shape, visit func(name, raw []byte)) *fault {
	s.space()
	if s.peek() != '{' {
		return refuse(RefusedJSON, "want a JSON object, have %s", quote(s.data))
	}
	if f := s.object(sh, visit); f != nil {
		return f
	}
	s.space()
	if s.at != len(s.data) {
		return refuse(RefusedTrailing, "want nothing after the JSON object, have %s at byte %d", quote(s.data[s.at:]), s.at)
	}
	return nil
}

func (s *scanner) value(sh *shape) *fault {
	switch c := s.peek(); {
	case c == '{':
		return s.object(sh, nil)
	case c == '[':
		return s.list(sh)
	case c == '"':
		_, f := s.text()
		return f
	case c == 't':
		return s.word("true")
	case c == 'f':
		return s.word("false")
	case c == 'n':
		return s.word("null")
	case c == '-' || c >= '0' && c <= '9':
		return s.number()
	}
	return s.syntax("a value")
}

func (s *scanner) object(sh *shape, visit func(name, raw []byte)) *fault {
	base, names := len(s.keys), nameSet(nil)
	if f := s.open(); f != nil {
		return f
	}
	for first := true; !s.closed('}', first); first = false {
		if f := s.comma(first); f != nil {
			return f
		}
		name, f := s.name(base, &names)
		if f != nil {
			return f
		}
		start := s.at
		if f := s.field(sh, name); f != nil {
			return f.in(name)
		}
		if visit != nil {
			visit(name, s.data[start:s.at])
		}
	}
	s.depth--
	f := sh.complete(s.keys[base:])
	s.keys = s.keys[:base]
	return f
}

func (s *scanner) list(sh *shape) *fault {
	if f := s.open(); f != nil {
		return f
	}
	i := 0
	for ; !s.closed(']', i == 0); i++ {
		if f := s.comma(i == 0); f != nil {
			return f
		}
		if f := s.element(sh); f != nil {
			return f.under("[" + strconv.Itoa(i) + "]")
		}
	}
	s.depth--
	return nil
}

func (s *scanner) element(sh *shape) *fault {
	elem := sh.element()
	if elem != nil && s.peek() == 'n' {
		return refuse(RefusedMissing, "want a value, have null")
	}
	return s.value(elem)
}

// field reads the value of a field, by what the shape knows about its name.
func (s *scanner) field(sh *shape, name []byte) *fault {
	if sh == nil {
		return s.value(nil)
	}
	if sh.fields == nil {
		return s.element(sh)
	}
	known, ok := sh.fields[string(name)]
	if !ok {
		if f := sh.alias(name); f != nil {
			return f
		}
		return s.value(nil)
	}
	if known.required && s.peek() == 'n' {
		return refuse(RefusedMissing, "is required, have null")
	}
	return s.value(known.shape)
}

// nameSet finds repeated names in objects of many fields, where comparing each
// with each would take too long.
type nameSet map[string]struct{}

const fewNames = 16

// name reads a field's name and its colon, and refuses a repeated one.
func (s *scanner) name(base int, many *nameSet) ([]byte, *fault) {
	if s.peek() != '"' {
		return nil, s.syntax("a field name")
	}
	name, f := s.text()
	if f != nil {
		return nil, f
	}
	if s.repeated(base, name, many) {
		return nil, refuse(RefusedDuplicate, "want each field once").in(name)
	}
	s.keys = append(s.keys, name)
	s.space()
	if !s.eat(':') {
		return nil, s.syntax("a colon after field " + quote(name))
	}
	s.space()
	return name, nil
}

func (s *scanner) repeated(base int, name []byte, many *nameSet) bool {
	before := s.keys[base:]
	if len(before) < fewNames {
		for _, k := range before {
			if bytes.Equal(k, name) {
				return true
			}
		}
		return false
	}
	if *many == nil {
		*many = make(nameSet)
		for _, k := range before {
			(*many)[string(k)] = struct{}{}
		}
	}
	_, found := (*many)[string(name)]
	(*many)[string(name)] = struct{}{}
	return found
}

// open enters an object or a list.
func (s *scanner) open() *fault {
	s.at++
	s.depth++
	if s.depth > MaxDepth {
		return refuse(RefusedDepth, "want at most %d levels of objects and lists", MaxDepth)
	}
	s.space()
	return nil
}

// closed leaves an object or a list if its end is here.
func (s *scanner) closed(end byte, first bool) bool {
	if !first {
		s.space()
	}
	return s.eat(end)
}

func (s *scanner) comma(first bool) *fault {
	if first {
		return nil
	}
	if !s.eat(',') {
		return s.syntax("a comma or the end of the object or list")
	}
	s.space()
	return nil
}

// text reads a string and returns its content: a part of the data where
// nothing is escaped.
func (s *scanner) text() ([]byte, *fault) {
	s.at++
	start := s.at
	for s.at < len(s.data) {
		switch c := s.data[s.at]; {
		case c == '"':
			s.at++
			return s.data[start : s.at-1], nil
		case c == '\\':
			return s.escaped(start)
		case c < ' ':
			return nil, s.syntax("no raw control character in a string")
		}
		s.at++
	}
	return nil, s.syntax("the end of a string")
}

func (s *scanner) escaped(start int) ([]byte, *fault) {
	out := bytes.Clone(s.data[start:s.at])
	for s.at < len(s.data) {
		c := s.data[s.at]
		switch {
		case c == '"':
			s.at++
			return out, nil
		case c == '\\':
			r, f := s.escape()
			if f != nil {
				return nil, f
			}
			out = utf8.AppendRune(out, r)
			continue
		case c < ' ':
			return nil, s.syntax("no raw control character in a string")
		}
		out = append(out, c)
		s.at++
	}
	return nil, s.syntax("the end of a string")
}

// escape reads one backslash escape; both halves of a surrogate pair are one.
func (s *scanner) escape() (rune, *fault) {
	if s.at+1 >= len(s.data) {
		return 0, s.syntax("an escape")
	}
	if i := bytes.IndexByte([]byte(`"\/bfnrt`), s.data[s.at+1]); i >= 0 {
		s.at += 2
		return rune("\"\\/\b\f\n\r\t"[i]), nil
	}
	r, ok := s.unit()
	if !ok {
		return 0, s.syntax("an escape")
	}
	if !utf16.IsSurrogate(r) {
		return r, nil
	}
	low, ok := s.unit()
	if pair := utf16.DecodeRune(r, low); ok && pair != utf8.RuneError {
		return pair, nil
	}
	return 0, refuse(RefusedUTF8, `half of a surrogate pair, \u%04x, at byte %d`, r, s.at)
}

// unit reads \uXXXX.
func (s *scanner) unit() (rune, bool) {
	if s.at+6 > len(s.data) || s.data[s.at] != '\\' || s.data[s.at+1] != 'u' {
		return 0, false
	}
	v, err := strconv.ParseUint(string(s.data[s.at+2:s.at+6]), 16, 16)
	if err != nil {
		return 0, false
	}
	s.at += 6
	return rune(v), true
}

func (s *scanner) number() *fault {
	s.eat('-')
	if !s.eat('0') && !s.digits() {
		return s.syntax("a digit")
	}
	if s.eat('.') && !s.digits() {
		return s.syntax("a digit")
	}
	if s.eat('e') || s.eat('E') {
		_ = s.eat('+') || s.eat('-')
		if !s.digits() {
			return s.syntax("a digit")
		}
	}
	return nil
}

func (s *scanner) digits() bool {
	start := s.at
	for s.at < len(s.data) && s.data[s.at] >= '0' && s.data[s.at] <= '9' {
		s.at++
	}
	return s.at > start
}

func (s *scanner) word(w string) *fault {
	if !bytes.HasPrefix(s.data[s.at:], []byte(w)) {
		return s.syntax(w)
	}
	s.at += len(w)
	return nil
}

func (s *scanner) space() {
	for s.at < len(s.data) {
		switch s.data[s.at] {
		case ' ', '\t', '\n', '\r':
			s.at++
		default:
			return
		}
	}
}

// peek is the next byte, 0 at the end (which begins no value).
func (s *scanner) peek() byte {
	if s.at < len(s.data) {
		return s.data[s.at]
	}
	return 0
}

func (s *scanner) eat(c byte) bool {
	if s.peek() != c || s.at >= len(s.data) {
		return false
	}
	s.at++
	return true
}

func (s *scanner) syntax(want string) *fault {
	have := "the end of the text"
	if s.at < len(s.data) {
		have = quote(s.data[s.at:min(len(s.data), s.at+20)])
	}
	return refuse(RefusedJSON, "byte %d: want %s, have %s", s.at, want, have)
}
