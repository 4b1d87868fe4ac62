package group

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"

	"github.com/portage-kafka/portage/cluster/group/grouptest"
)

// TestScenarios runs the texts in testdata/core: commands in, every event of every member out. Rewrite them with
// go test -run TestScenarios -rewrite, then read the difference.
//
//	broker [delay=3s]                        a new world
//	topic NAME PARTITIONS  |  units A,B,C    what there is to assign
//	member NAME OFFER [topics=a,b] [kind=…] [instance=…] [wants=orders:0-3@GENERATION] [session=] [rebalance=] [prompt] [stayout] [hold]
//	start NAME… · run DURATION · ready NAME GENERATION · rejoin NAME OFFER […] · leave NAME · kill NAME · evict NAME
//	commit NAME ID GENERATION orders/0=5 … · fetch NAME ID [orders/0 …] · confirm NAME ID · cancel NAME ID
//	fault NAME OP CODE|lost TIMES · cut NAME · heal NAME
//	status · describe · offset TOPIC PARTITION
func TestScenarios(t *testing.T) {
	datadriven.Walk(t, "testdata/core", func(t *testing.T, path string) {
		s := &scenario{t: t}
		datadriven.RunTest(t, path, s.run)
	})
}

type scenario struct {
	t   *testing.T
	w   *world
	out strings.Builder
}

func (s *scenario) run(t *testing.T, d *datadriven.TestData) string {
	s.out.Reset()
	for line := range strings.Lines(d.Cmd + " " + argsOf(d) + "\n" + d.Input) {
		if words := strings.Fields(line); len(words) > 0 {
			s.command(words)
		}
	}
	if s.out.Len() == 0 {
		return "ok"
	}
	return s.out.String()
}

func argsOf(d *datadriven.TestData) string {
	var words []string
	for _, a := range d.CmdArgs {
		words = append(words, a.String())
	}
	return strings.Join(words, " ")
}

func (s *scenario) command(words []string) {
	w := s.w
	var n *node
	if len(words) > 1 && w != nil {
		n = w.node(words[1])
	}
	switch words[0] {
	case "broker":
		s.w = newWorld(grouptest.Options{InitialDelay: s.duration(option(words, "delay", "0s"))})
		s.w.log = s.log
	case "topic":
		w.counts[words[1]] = int32(s.number(words[2]))
	case "units":
		w.units = strings.Split(words[1], ",")
	case "member":
		s.member(words)
	case "start":
		for _, name := range words[1:] {
			w.do(w.node(name), Start{})
		}
	case "run":
		w.run(s.duration(words[1]))
	case "ready":
		w.do(n, Ready{Generation: int32(s.number(words[2]))})
	case "rejoin":
		w.do(n, Rejoin{Offer: s.offer(words)})
	case "leave":
		w.do(n, Leave{})
	case "kill":
		n.up = false
	case "evict":
		w.broker.Evict("g", n.core.id)
		w.collect()
	case "hold":
		n.hold = true
	default:
		s.request(words, n)
	}
}

func (s *scenario) request(words []string, n *node) {
	w := s.w
	switch words[0] {
	case "commit":
		c := Commit{ID: uint64(s.number(words[2])), Generation: int32(s.number(words[3]))}
		for _, word := range words[4:] {
			where, at, _ := strings.Cut(word, "=")
			at, metadata, _ := strings.Cut(at, ":")
			c.Offsets = append(c.Offsets, Offset{Partition: s.partition(where), At: int64(s.number(at)), Metadata: metadata})
		}
		w.do(n, c)
	case "fetch":
		f := Fetch{ID: uint64(s.number(words[2])), Topics: map[string][]int32{}}
		for _, word := range words[3:] {
			p := s.partition(word)
			f.Topics[p.Topic] = append(f.Topics[p.Topic], p.ID)
		}
		if len(words) == 3 {
			f.Topics = nil
		}
		w.do(n, f)
	case "confirm":
		w.do(n, Confirm{ID: uint64(s.number(words[2]))})
	case "cancel":
		w.do(n, Cancel{ID: uint64(s.number(words[2]))})
	case "fault":
		f := fault{op: strings.ReplaceAll(words[2], "_", " "), times: s.number(words[4])}
		if f.lost = words[3] == "lost"; !f.lost {
			f.code = int16(s.number(words[3]))
		}
		n.faults = append(n.faults, f)
	case "cut", "heal":
		n.cut = words[0] == "cut"
	default:
		s.look(words)
	}
}

func (s *scenario) look(words []string) {
	switch words[0] {
	case "status":
		for _, n := range s.w.nodes {
			st := n.core.Status()
			lease := "no lease"
			if l := n.core.Lease(); l.Holds(s.w.now) {
				lease = fmt.Sprintf("lease of generation %d for another %s", l.Generation, l.For-s.w.now.Sub(l.Sent).Round(time.Millisecond))
			}
			fmt.Fprintf(&s.out, "%s: %s, generation %d, %s, %s\n", n.name, st.Phase, st.Generation, showAssignment(st.Assignment), lease)
		}
	case "describe":
		s.out.WriteString(s.w.describe("g"))
	case "offset":
		c := s.w.broker.Offset("g", words[1], int32(s.number(words[2])))
		fmt.Fprintf(&s.out, "%d epoch %d %q\n", c.At, c.Epoch, c.Metadata)
	default:
		s.t.Fatalf("unknown command %v", words)
	}
}

func (s *scenario) member(words []string) {
	cfg := Config{Group: "g", Offer: s.offer(words), InstanceID: option(words, "instance", ""), Prompt: hasWord(words, "prompt"), StayOut: hasWord(words, "stayout")}
	cfg.Session = s.duration(option(words, "session", "10s"))
	cfg.Rebalance = s.duration(option(words, "rebalance", "30s"))
	n, err := s.w.add(words[1], cfg)
	require.NoError(s.t, err)
	n.hold = hasWord(words, "hold")
}

func (s *scenario) offer(words []string) Offer {
	who := Identity{Kind: Kind(option(words, "kind", "agent")), Incarnation: words[1], Stamp: option(words, "stamp", "")}
	if wants := option(words, "wants", ""); wants != "" {
		ranges, generation, _ := strings.Cut(wants, "@")
		topic, ranges, _ := strings.Cut(ranges, ":")
		budget := 100
		list, err := parseRanges(ranges, &budget)
		require.NoError(s.t, err)
		who.Wants, who.WantsGeneration = Partitions{topic: list}, int32(s.number(generation))
	}
	var topics []string
	if list := option(words, "topics", ""); list != "" {
		topics = strings.Split(list, ",")
	}
	switch words[2] {
	case "open":
		return Open(who, topics...)
	case "closed":
		return Closed(who, topics...)
	case "workers":
		return Workers(who)
	case "range":
		return Offer{Type: TypeConsumer, Protocols: []string{ProtocolRange}, Topics: topics, Identity: who}
	case "own":
		return Offer{Type: TypeGuard, Protocols: []string{ProtocolHold}, Topics: topics, Identity: who}
	}
	s.t.Fatalf("unknown offer %q", words[2])
	return Offer{}
}

// log writes one line for every event; requests do not show.
func (s *scenario) log(n *node, o Output) {
	e, ok := o.(Event)
	if !ok {
		return
	}
	fmt.Fprintf(&s.out, "%8s %s: %s\n", s.w.since(), n.name, s.show(e))
}

func (s *scenario) show(e Event) string {
	in := func(t time.Time) string {
		if t.IsZero() {
			return "at once"
		}
		return "in " + t.Sub(s.w.now).String()
	}
	switch e := e.(type) {
	case Joined:
		leads := ""
		if e.Leader {
			leads = " as leader"
		}
		return fmt.Sprintf("joined generation %d as %s%s, protocol %s", e.Generation, e.MemberID, leads, e.Protocol)
	case Assigned:
		return fmt.Sprintf("assigned in generation %d: %s", e.Generation, showAssignment(e.Assignment))
	case RebalanceNeeded:
		return fmt.Sprintf("rebalance needed, generation %d ends; rejoins %s", e.Generation, in(e.Deadline))
	case Lost:
		if e.Final {
			return fmt.Sprintf("lost for good: %v", e.Why)
		}
		if e.Outside {
			return fmt.Sprintf("lost generation %d: %v; stays out", e.Generation, e.Why)
		}
		return fmt.Sprintf("lost generation %d: %v; rejoins %s", e.Generation, e.Why, in(e.Deadline))
	case Refused:
		return fmt.Sprintf("refused (member %t, offered %v): %v", e.Member, e.Offer.Protocols, e.Why)
	case Retrying:
		return fmt.Sprintf("retrying to %s %s: %v", e.Op, in(e.Next), e.Err)
	}
	return showAnswer(e)
}

func showAnswer(e Event) string {
	switch e := e.(type) {
	case Committed:
		if err := e.Err("g"); err != nil {
			return fmt.Sprintf("commit %d (unknown %t): %s", e.ID, e.Unknown, strings.ReplaceAll(err.Error(), "\n", "; "))
		}
		return fmt.Sprintf("commit %d: ok, %d partitions", e.ID, len(e.Results))
	case Fetched:
		return fmt.Sprintf("fetch %d in generation %d: %v %v", e.ID, e.Generation, e.Offsets, e.Err)
	case Confirmed:
		if e.Err != nil {
			return fmt.Sprintf("confirm %d: %v", e.ID, e.Err)
		}
		return fmt.Sprintf("confirm %d: generation %d, lease %s", e.ID, e.Lease.Generation, e.Lease.For)
	case Left:
		if e.Err != nil {
			return "left, but " + e.Err.Error()
		}
		return "left"
	}
	return fmt.Sprintf("%T", e)
}

func (s *scenario) partition(text string) Partition {
	topic, n, ok := strings.Cut(text, "/")
	require.True(s.t, ok, text)
	return Partition{Topic: topic, ID: int32(s.number(n))}
}

func (s *scenario) number(text string) int {
	n, err := strconv.Atoi(text)
	require.NoError(s.t, err)
	return n
}

func (s *scenario) duration(text string) time.Duration {
	d, err := time.ParseDuration(text)
	require.NoError(s.t, err)
	return d
}

func option(words []string, name, otherwise string) string {
	for _, w := range words {
		if key, value, ok := strings.Cut(w, "="); ok && key == name {
			return value
		}
	}
	return otherwise
}

func hasWord(words []string, word string) bool {
	for _, w := range words {
		if w == word {
			return true
		}
	}
	return false
}
