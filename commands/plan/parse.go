package plan

import (
	"bytes"
	"errors"
	"fmt"
	"io"
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
	p := &Plan{lines: make(map[string]int)}
	if err := yaml.Unmarshal(raw, &node); err != nil {
		return nil, p.syntax(err)
	}
	if len(node.Content) == 0 || node.Content[0].Tag == "!!null" {
		return nil, Problems{{Reason: "the file is empty", Fix: "write one with `portage plan`"}}
	}
	p.index("", node.Content[0])
	d := yaml.NewDecoder(bytes.NewReader(raw))
	d.KnownFields(true)
	if err := d.Decode(p); err != nil {
		return nil, p.syntax(err)
	}
	if err := d.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, Problems{{Reason: "the file has more than one document", Fix: "one plan a file"}}
	}
	p.defaults()
	if err := p.check().OrNil(); err != nil {
		return nil, err
	}
	return p, nil
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
		{&p.Prepare, time.Minute}, {&p.Hold, 5 * time.Second}, {&p.Quiet, 10 * time.Second}, {&p.Silent, max(2*time.Minute, p.Quiet)},
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

// Marshal writes a plan file: steps and policy in full, of the topics what is not
// the default.
func (p *Plan) Marshal() ([]byte, error) {
	brief := *p
	brief.Topics = make([]Topic, len(p.Topics))
	for i, t := range p.Topics {
		if len(p.Targets) == 1 && t.Target == p.Targets[0] {
			t.Target = ""
		}
		if t.TargetName == t.Name {
			t.TargetName = ""
		}
		brief.Topics[i] = t
	}
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := e.Encode(&brief); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
