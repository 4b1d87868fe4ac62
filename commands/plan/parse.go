package plan

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/portage-kafka/portage/events"
)

// MaxSize is the largest plan file that is read, in bytes.
const MaxSize = 16 << 20

// Parse reads a plan file, fills in defaults and checks what can be checked
// without a cluster. The error is a Problems.
func Parse(raw []byte) (*Plan, error) {
	if len(raw) > MaxSize {
		return nil, Problems{{Reason: fmt.Sprintf("the file has %d bytes, a plan has at most %d", len(raw), MaxSize)}}
	}
	var node yaml.Node
	if err := yaml.Unmarshal(raw, &node); err != nil {
		return nil, syntax(err)
	}
	p := &Plan{lines: make(map[string]int)}
	if len(node.Content) == 0 {
		return nil, Problems{{Reason: "the file is empty", Fix: "write one with `portage plan`"}}
	}
	p.index("", node.Content[0])
	d := yaml.NewDecoder(bytes.NewReader(raw))
	d.KnownFields(true)
	if err := d.Decode(p); err != nil {
		return nil, syntax(err)
	}
	if err := d.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, Problems{{Reason: "the file has more than one document", Fix: "one plan a file"}}
	}
	p.defaults()
	return p, p.check().OrNil()
}

// index notes the line of every field.
func (p *Plan) index(path string, n *yaml.Node) {
	if path != "" {
		p.lines[path] = n.Line
	}
	switch n.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			at := n.Content[i].Value
			if path != "" {
				at = path + "." + at
			}
			p.index(at, n.Content[i+1])
			p.lines[at] = n.Content[i].Line
		}
	case yaml.SequenceNode:
		for i, c := range n.Content {
			p.index(path+"["+strconv.Itoa(i)+"]", c)
		}
	}
}

var (
	lineOf  = regexp.MustCompile(`line (\d+): (.*)`)
	unknown = regexp.MustCompile(`field (\S+) not found in type \S+`)
)

// syntax turns the decoder's errors into problems with their lines.
func syntax(err error) Problems {
	messages := []string{err.Error()}
	var te *yaml.TypeError
	if errors.As(err, &te) {
		messages = te.Errors
	}
	var out Problems
	for _, m := range messages {
		p := Problem{Reason: m, Fix: "see `portage plan --help` for the form of a plan"}
		if at := lineOf.FindStringSubmatch(m); at != nil {
			p.Line, _ = strconv.Atoi(at[1])
			p.Reason = at[2]
		}
		if f := unknown.FindStringSubmatch(p.Reason); f != nil {
			p.Field, p.Reason, p.Fix = f[1], "unknown key", "remove it, or mend its spelling"
		}
		out = append(out, p)
	}
	return out
}

func (p *Plan) defaults() {
	if p.Strategy == "" {
		p.Strategy = ConsumersFirst
	}
	if len(p.Steps) == 0 {
		p.Steps = DefaultSteps()
	}
	for i := range p.Topics {
		t := &p.Topics[i]
		if t.Target == "" && len(p.Targets) == 1 {
			t.Target = p.Targets[0]
		}
		if t.TargetName == "" {
			t.TargetName = t.Name
		}
	}
	p.Policy.defaults()
}

func (p *Policy) defaults() {
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{
		{&p.Prepare, time.Minute}, {&p.Hold, 5 * time.Second}, {&p.Quiet, 10 * time.Second}, {&p.Silent, 2 * time.Minute},
	} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	if p.Straggler == "" {
		p.Straggler = events.StragglerAbort
	}
	if p.MaxLag == 0 {
		p.MaxLag = 10000
	}
}

func (p *Plan) check() (out Problems) {
	out = append(out, p.checkNames()...)
	out = append(out, p.checkTopics()...)
	out = append(out, p.checkGroups()...)
	out = append(out, p.checkSteps()...)
	return append(out, p.checkPolicy()...)
}

func (p *Plan) checkNames() (out Problems) {
	if !events.ValidName(p.Migration) {
		out = append(out, p.problem("migration", fmt.Sprintf("%q is no name for a migration", p.Migration), "use letters, digits, '.', '_' and '-', at most 100"))
	}
	if p.Source == "" {
		out = append(out, p.problem("source", "missing", "name the cluster that the topics leave"))
	}
	if len(p.Targets) == 0 {
		out = append(out, p.problem("targets", "missing", "name the clusters that the topics reach"))
	}
	for i, t := range p.Targets {
		if slices.Contains(p.Targets[:i], t) {
			out = append(out, p.problem(fmt.Sprintf("targets[%d]", i), fmt.Sprintf("%q is listed twice", t), "remove one"))
		}
	}
	if p.Strategy != ConsumersFirst {
		out = append(out, p.problem("strategy", fmt.Sprintf("%q is unknown", p.Strategy), "use "+ConsumersFirst))
	}
	return out
}

func (p *Plan) checkTopics() (out Problems) {
	if len(p.Topics) == 0 {
		out = append(out, p.problem("topics", "missing", "list the topics to move"))
	}
	seen, reached := make(map[string]bool), make(map[string]string)
	for i, t := range p.Topics {
		at := fmt.Sprintf("topics[%d]", i)
		switch {
		case t.Name == "":
			out = append(out, p.problem(at+".name", "missing", "name the topic"))
		case seen[t.Name]:
			out = append(out, p.problem(at+".name", fmt.Sprintf("topic %q is listed twice", t.Name), "remove one"))
		case !slices.Contains(p.Targets, t.Target):
			out = append(out, p.problem(at+".target", fmt.Sprintf("%q is not among the targets %v", t.Target, p.Targets), "name one of them"))
		case reached[t.Target+"/"+t.TargetName] != "":
			out = append(out, p.problem(at+".target_name", fmt.Sprintf("topic %q goes to %s/%s as well", reached[t.Target+"/"+t.TargetName], t.Target, t.TargetName), "give one of them another target_name"))
		case t.ReplicationFactor < 0:
			out = append(out, p.problem(at+".replication_factor", fmt.Sprintf("%d is no replication factor", t.ReplicationFactor), "use 1 or more, or leave it out"))
		}
		seen[t.Name] = true
		reached[t.Target+"/"+t.TargetName] = t.Name
	}
	return out
}

func (p *Plan) checkGroups() (out Problems) {
	for i, g := range p.Groups {
		at := fmt.Sprintf("groups[%d]", i)
		if g == "" {
			out = append(out, p.problem(at, "empty", "name the consumer group"))
		} else if slices.Contains(p.Groups[:i], g) {
			out = append(out, p.problem(at, fmt.Sprintf("group %q is listed twice", g), "remove one"))
		}
	}
	return out
}

// checkSteps wants each step once and in the order of the strategy.
func (p *Plan) checkSteps() (out Problems) {
	order := DefaultSteps()
	if len(p.Steps) != len(order) {
		return Problems{p.problem("steps", fmt.Sprintf("%d steps, %s has %d", len(p.Steps), ConsumersFirst, len(order)), "list copy, readers, writers and finish, or leave steps out")}
	}
	for i, s := range p.Steps {
		at := fmt.Sprintf("steps[%d]", i)
		if s.Do != order[i].Do {
			out = append(out, p.problem(at+".do", fmt.Sprintf("%q, step %d of %s is %q", s.Do, i+1, ConsumersFirst, order[i].Do), "keep the order copy, readers, writers, finish"))
		}
		if s.Approve != events.ApproveManual && s.Approve != events.ApproveAuto {
			out = append(out, p.problem(at+".approve", fmt.Sprintf("%q", s.Approve), "use manual or auto"))
		}
	}
	return out
}

func (p *Plan) checkPolicy() (out Problems) {
	for _, d := range []struct {
		field string
		value time.Duration
		least time.Duration
	}{
		{"prepare", p.Policy.Prepare, time.Second}, {"hold", p.Policy.Hold, 100 * time.Millisecond},
		{"quiet", p.Policy.Quiet, 100 * time.Millisecond}, {"silent", p.Policy.Silent, p.Policy.Quiet},
	} {
		if d.value < d.least {
			out = append(out, p.problem("policy."+d.field, fmt.Sprintf("%v is too short", d.value), fmt.Sprintf("use %v or more", d.least)))
		}
	}
	if p.Policy.Straggler != events.StragglerAbort && p.Policy.Straggler != events.StragglerProceed {
		out = append(out, p.problem("policy.straggler", fmt.Sprintf("%q", p.Policy.Straggler), "use abort or proceed"))
	}
	if p.Policy.MaxLag < 0 {
		out = append(out, p.problem("policy.max_lag", fmt.Sprint(p.Policy.MaxLag), "use 0 or more records"))
	}
	return out
}

// Marshal writes a plan file.
func (p *Plan) Marshal() ([]byte, error) {
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := e.Encode(p); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
