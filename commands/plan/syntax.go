package plan

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// How the decoder words what it refuses.
var (
	lineOf   = regexp.MustCompile(`(?s)^(?:yaml: )?line (\d+): (.*)$`)
	unknown  = regexp.MustCompile(`^field (.+) not found in type \S+$`)
	repeated = regexp.MustCompile(`(?s)^mapping key (.*) already defined at line (\d+)$`)
	badType  = regexp.MustCompile("(?s)^cannot unmarshal (\\S+)(?: `(.*)`)? into (\\S+)$")
)

// wanted says in words what the decoder's types are in a plan file.
func wanted(goType string) string {
	switch goType {
	case "string":
		return "text"
	case "int", "int64":
		return "a whole number"
	case "time.Duration":
		return "a duration with a unit, such as 5s"
	case "[]string":
		return "a list of names, such as [a, b]"
	case "plan.Plan":
		return "a plan: migration, source, targets, topics"
	case "plan.Topic":
		return "a topic: {name: orders}"
	case "[]plan.Topic":
		return "a list of topics: [{name: orders}]"
	case "events.Step":
		return "a step: {do: copy, approve: auto}"
	case "[]events.Step":
		return "a list of steps: [{do: copy, approve: auto}, ...]"
	case "plan.Policy":
		return "a policy: {hold: 5s, ...}"
	}
	return "another form"
}

// syntax turns the decoder's errors into problems with their lines.
func (p *Plan) syntax(err error) Problems {
	messages := []string{strings.TrimPrefix(err.Error(), "yaml: ")}
	var te *yaml.TypeError
	if errors.As(err, &te) {
		messages = te.Errors
	}
	out := make(Problems, len(messages))
	for i, m := range messages {
		out[i] = p.misread(m)
	}
	return out.byLine()
}

// misread words one message of the decoder.
func (p *Plan) misread(message string) Problem {
	out := Problem{Reason: message, Fix: "see `portage plan --help` for the form of a plan"}
	if at := lineOf.FindStringSubmatch(message); at != nil {
		out.Line, _ = strconv.Atoi(at[1])
		out.Reason = at[2]
	}
	if f := unknown.FindStringSubmatch(out.Reason); f != nil {
		out.Field, out.Reason, out.Fix = f[1], "unknown key", "remove it, or mend its spelling"
	} else if f := repeated.FindStringSubmatch(out.Reason); f != nil {
		out.Field, out.Reason, out.Fix = unquoted(f[1]), fmt.Sprintf("stands here and in line %s", f[2]), "remove one"
	} else if f := badType.FindStringSubmatch(out.Reason); f != nil {
		out.Field, out.Reason, out.Fix = p.only(out.Line, f[1]), "cannot be read", "write "+wanted(f[3])
		if f[2] != "" {
			out.Reason = fmt.Sprintf("%q cannot be read", f[2])
		}
	}
	return out
}

func unquoted(s string) string {
	if u, err := strconv.Unquote(s); err == nil {
		return u
	}
	return s
}

// only is the field whose value of a tag begins in a line, "" when the line has
// several or is the plan itself. A list or mapping is the outermost field of its
// line, a value the innermost.
func (p *Plan) only(line int, tag string) string {
	var outer, inner string
	for path, at := range p.lines {
		if at == line && (outer == "" || len(path) < len(outer)) {
			outer = path
		}
		if at == line && len(path) > len(inner) {
			inner = path
		}
	}
	for path, at := range p.lines {
		if at == line && (!strings.HasPrefix(inner, path) || !strings.HasPrefix(path, outer)) {
			return ""
		}
	}
	switch {
	case strings.HasPrefix(outer, "["):
		return ""
	case tag == "!!seq" || tag == "!!map":
		return outer
	}
	return inner
}
