package cluster

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// parseProperties reads the format of java.util.Properties: key=value, key:value or key value; # and ! begin comments; a
// backslash escapes, and at the end of a line joins it with the next, whose leading blanks are dropped.
func parseProperties(text string) (properties, error) {
	text = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text)
	p := properties{}
	lines := strings.Split(text, "\n")
	for n := 0; n < len(lines); n++ {
		start := n + 1
		line := strings.TrimLeft(lines[n], " \t\f")
		if line == "" || line[0] == '#' || line[0] == '!' {
			continue
		}
		for continues(line) {
			line = line[:len(line)-1]
			if n++; n == len(lines) {
				break
			}
			line += strings.TrimLeft(lines[n], " \t\f")
		}
		key, value, err := splitProperty(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", start, err)
		}
		p[key] = value
	}
	return p, nil
}

// continues says whether a line ends in an odd number of backslashes.
func continues(line string) bool {
	n := len(line) - len(strings.TrimRight(line, `\`))
	return n%2 == 1
}

// splitProperty cuts a logical line at the first unescaped '=', ':' or blank.
func splitProperty(line string) (key, value string, err error) {
	end := len(line)
	for i := 0; i < len(line); i++ {
		if line[i] == '\\' {
			i++
			continue
		}
		if strings.IndexByte("=: \t\f", line[i]) >= 0 {
			end = i
			break
		}
	}
	rest := strings.TrimLeft(line[end:], " \t\f")
	if rest != "" && (rest[0] == '=' || rest[0] == ':') {
		rest = strings.TrimLeft(rest[1:], " \t\f")
	}
	if key, err = unescape(line[:end]); err != nil {
		return "", "", err
	}
	value, err = unescape(rest)
	return key, value, err
}

// unescape resolves \t \n \r \f \uXXXX; before any other character a backslash is dropped.
func unescape(s string) (string, error) {
	if !strings.Contains(s, `\`) {
		return s, nil
	}
	var out strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			out.WriteByte(s[i])
			continue
		}
		if i++; i == len(s) {
			break
		}
		switch s[i] {
		case 't':
			out.WriteByte('\t')
		case 'n':
			out.WriteByte('\n')
		case 'r':
			out.WriteByte('\r')
		case 'f':
			out.WriteByte('\f')
		case 'u':
			if len(s) < i+5 {
				return "", errors.New(`malformed \u escape: four hexadecimal digits must follow`)
			}
			code, err := strconv.ParseUint(s[i+1:i+5], 16, 16)
			if err != nil {
				return "", errors.New(`malformed \u escape: four hexadecimal digits must follow`)
			}
			out.WriteRune(rune(code))
			i += 4
		default:
			out.WriteByte(s[i])
		}
	}
	return out.String(), nil
}

// parseJAAS reads one entry of a JAAS configuration as Kafka's clients take it in sasl.jaas.config:
//
//	org.apache.kafka.common.security.plain.PlainLoginModule required username="alice" password="secret";
//
// Messages never repeat the text, which holds the password.
func parseJAAS(text string) (module string, options map[string]string, err error) {
	j := jaasReader{rest: text}
	if module, err = j.word(); err != nil {
		return "", nil, err
	}
	flag, err := j.word()
	if err != nil || !isFlag(flag) {
		return "", nil, errors.New("after the login module must come required, requisite, sufficient or optional")
	}
	options = map[string]string{}
	for !j.end() {
		key, err := j.word()
		if err != nil {
			return "", nil, err
		}
		if !j.take('=') {
			return "", nil, fmt.Errorf("option %d: '=' is missing", len(options)+1)
		}
		value, err := j.value()
		if err != nil {
			return "", nil, fmt.Errorf("option %s: %w", key, err)
		}
		options[key] = value
	}
	return module, options, j.close()
}

func isFlag(s string) bool {
	switch strings.ToLower(s) {
	case "required", "requisite", "sufficient", "optional":
		return true
	}
	return false
}

type jaasReader struct{ rest string }

func (j *jaasReader) skip() { j.rest = strings.TrimLeft(j.rest, " \t\r\n\f") }

func (j *jaasReader) take(c byte) bool {
	if j.skip(); j.rest == "" || j.rest[0] != c {
		return false
	}
	j.rest = j.rest[1:]
	return true
}

// end says that the options are over: a semicolon or nothing follows.
func (j *jaasReader) end() bool {
	j.skip()
	return j.rest == "" || j.rest[0] == ';'
}

func (j *jaasReader) close() error {
	if !j.take(';') {
		return errors.New("the closing ';' is missing")
	}
	if j.skip(); j.rest != "" {
		return errors.New("only one login module is allowed, something follows the ';'")
	}
	return nil
}

// word reads up to a blank, '=' , ';' or a quote.
func (j *jaasReader) word() (string, error) {
	j.skip()
	n := strings.IndexAny(j.rest, " \t\r\n\f=;\"")
	if n < 0 {
		n = len(j.rest)
	}
	if n == 0 {
		return "", errors.New("a name is missing, or a quote or '=' stands in the wrong place")
	}
	word := j.rest[:n]
	j.rest = j.rest[n:]
	return word, nil
}

// value reads a quoted string or a bare word.
func (j *jaasReader) value() (string, error) {
	switch {
	case j.take('"'):
		return j.quoted('"')
	case j.take('\''):
		return j.quoted('\'')
	}
	return j.word()
}

// quoted reads up to the closing quote. Escapes are those of java.io.StreamTokenizer, which Kafka reads this with.
func (j *jaasReader) quoted(quote byte) (string, error) {
	var out strings.Builder
	for i := 0; i < len(j.rest); i++ {
		switch c := j.rest[i]; {
		case c == quote:
			j.rest = j.rest[i+1:]
			return out.String(), nil
		case c == '\\' && i+1 < len(j.rest):
			char, used := javaEscape(j.rest[i+1:])
			out.WriteByte(char)
			i += used
		default:
			out.WriteByte(c)
		}
	}
	return "", errors.New("the closing quote is missing")
}

// javaEscape resolves what follows a backslash: a control letter, up to three octal digits, or the character itself.
func javaEscape(s string) (char byte, used int) {
	if i := strings.IndexByte("abfnrtv", s[0]); i >= 0 {
		return "\a\b\f\n\r\t\v"[i], 1
	}
	n := 0
	for used < len(s) && used < 3 && s[used] >= '0' && s[used] <= '7' && n*8+int(s[used]-'0') <= 255 {
		n = n*8 + int(s[used]-'0')
		used++
	}
	if used == 0 {
		return s[0], 1
	}
	return byte(n), used
}
