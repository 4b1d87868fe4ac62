package consume

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/portage-kafka/portage/cluster/group"
	"github.com/portage-kafka/portage/events"
	"github.com/stretchr/testify/require"
)

// TestScenarios runs the scripts in testdata: inputs to one core, one a line, and the actions that follow. Rewrite them with
// -rewrite and read the difference.
//
//	new [topics=orders,audit] [clusters=S,T] [start=latest]  a core that has begun; time starts at 0
//	step                                         each line of the script is one of
//	  read [#n] none | read [#n] ORDER k=v…      answers the last (or nth) ReadDirective
//	  see ORDER k=v…                             a directive arrives: at=, epoch=, to=, open, leave, hold=, proceed, cut=0:108,1:109
//	                                             for=GROUP of somebody else, empty without an order
//	  joined|assigned|rebalance|lost|left SIDE … events of a member: id=, gen=, p=0,1 (partitions), topic=, lost … final
//	  failing SIDE tries=                        requests are repeated; left SIDE failed: without an answer
//	  refused SIDE [member] [code=]              error 23, or another
//	  counted SIDE id= gen= [made] TOPIC=n…      partition counts, by names on the side
//	  fetched SIDE p:offset… [failed]            answers the last Fetch of a side (−1: nothing committed)
//	  confirmed SIDE gen=, committed SIDE [code=]
//	  returned, starts p:offset…                 answer the last Call and FindStarts
//	  closed p [next=] [abandoned]               the lane of a partition is closed
//	  tick [p:next…], wait DURATION              time passes
//	  appended at=, events TYPE@pos[/expects]…   answer the last Append and ReadEvents; AbortRequested@pos? is not ours
//	  login [ERR], close
func TestScenarios(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		var s *script
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "new":
				s = newScript(t, d)
				return s.flush()
			case "step":
				for line := range strings.SplitSeq(d.Input, "\n") {
					s.line(line)
				}
				return s.flush()
			}
			t.Fatalf("%s: unknown command %q", d.Pos, d.Cmd)
			return ""
		})
	})
}

// script is one core and what it asked for last.
type script struct {
	t       *testing.T
	core    *Core
	now     time.Time
	reads   []uint64
	fetch   [2]uint64
	confirm [2]uint64
	commit  [2]group.Commit
	call    uint64
	starts  FindStarts
	event   string
	events  uint64
	out     strings.Builder
}

func newScript(t *testing.T, d *datadriven.TestData) *script {
	topics, clusters, start := []string{"orders"}, []string{"S", "T"}, StartEarliest
	for _, a := range d.CmdArgs {
		switch a.Key {
		case "topics":
			topics = a.Vals
		case "clusters":
			clusters = a.Vals
		case "start":
			start = StartAt(a.Vals[0])
		}
	}
	core, err := New(Config{Group: "g", Topics: slices.Clone(topics), Home: "S", Clusters: clusters, Instance: "i", Incarnation: "inc", Start: start})
	require.NoError(t, err)
	s := &script{t: t, core: core, now: simStart}
	s.in(Begin{})
	return s
}

func (s *script) flush() string {
	out := s.out.String()
	s.out.Reset()
	if out == "" {
		return "nothing\n"
	}
	return out
}

func (s *script) in(in Input) {
	for _, a := range s.core.Step(s.now, in) {
		fmt.Fprintf(&s.out, "%s\n", s.show(a))
	}
}

// args of a line: words, and values by key.
type args struct {
	words []string
	vals  map[string]string
}

func (a args) has(w string) bool  { return slices.Contains(a.words, w) }
func (a args) int(key string) int { n, _ := strconv.Atoi(a.vals[key]); return n }
func (a args) gen() int32         { return int32(a.int("gen")) }
func (a args) word(i int) string  { return a.words[i] }
func (a args) side() Side {
	if a.words[0] == "T" {
		return Target
	}
	return Source
}

// offsets are words of the form partition:offset.
func (a args) offsets() map[int32]int64 {
	out := map[int32]int64{}
	for _, w := range a.words {
		if p, at, ok := strings.Cut(w, ":"); ok {
			n, _ := strconv.Atoi(p)
			o, _ := strconv.ParseInt(at, 10, 64)
			out[int32(n)] = o
		}
	}
	return out
}

func (s *script) line(line string) {
	fields := strings.Fields(line)
	a := args{vals: map[string]string{}}
	for _, f := range fields[1:] {
		if k, v, ok := strings.Cut(f, "="); ok {
			a.vals[k] = v
		} else {
			a.words = append(a.words, f)
		}
	}
	fmt.Fprintf(&s.out, "> %s\n", line)
	s.now = s.now.Add(time.Millisecond)
	switch fields[0] {
	case "read":
		seq := s.reads[len(s.reads)-1]
		if strings.HasPrefix(a.word(0), "#") {
			n, _ := strconv.Atoi(a.word(0)[1:])
			seq, a.words = s.reads[n-1], a.words[1:]
		}
		in := DirectiveRead{Seq: seq, Found: a.word(0) != "none"}
		if in.Found {
			in.Directive = s.directive(a)
		}
		s.in(in)
	case "see":
		s.in(DirectiveSeen{s.directive(a)})
	case "joined":
		s.member(a, group.Joined{Generation: a.gen(), MemberID: a.vals["id"], Protocol: "portage"})
	case "assigned":
		s.member(a, group.Assigned{Generation: a.gen(), Assignment: group.Assignment{Partitions: s.partitions(a)}, At: s.now})
	case "counted":
		in := Counted{Side: a.side(), Member: a.vals["id"], Generation: a.gen(), Made: a.has("made"), Counts: map[string]int32{}}
		for topic := range a.vals {
			if topic != "id" && topic != "gen" {
				in.Counts[topic] = int32(a.int(topic))
			}
		}
		s.in(in)
	case "rebalance":
		s.member(a, group.RebalanceNeeded{Generation: a.gen()})
	case "lost":
		s.member(a, group.Lost{Generation: a.gen(), MemberID: a.vals["id"], Why: &group.CodeError{Op: "heartbeat", Group: "g", Code: 25}, Final: a.has("final")})
	case "failing":
		s.member(a, group.Retrying{Op: "join", Err: errSimNet, Tries: a.int("tries"), Next: s.now})
	case "refused":
		code := int16(23)
		if c, other := a.vals["code"]; other {
			n, _ := strconv.Atoi(c)
			code = int16(n)
		}
		s.member(a, group.Refused{Why: &group.CodeError{Op: "join", Group: "g", Code: code}, Member: a.has("member")})
	case "left":
		s.member(a, group.Left{Err: s.failure(a)})
	case "fetched":
		s.member(a, group.Fetched{ID: s.fetch[a.side()], Generation: a.gen(), Offsets: s.stored(a), Err: s.failure(a)})
	case "confirmed":
		s.member(a, group.Confirmed{ID: s.confirm[a.side()], Lease: group.Lease{Generation: a.gen(), Sent: s.now, For: time.Second}})
	case "committed":
		s.committed(a)
	case "returned":
		s.in(Returned{s.call})
	case "starts":
		found := map[Partition]int64{}
		for p, at := range a.offsets() {
			found[Partition{Topic: "orders", ID: p}] = at
		}
		s.in(StartsFound{Seq: s.starts.Seq, Offsets: found})
	case "closed":
		n, _ := strconv.Atoi(a.word(0))
		s.in(LaneClosed{Lane: s.lane(int32(n), s.topic(a)), Next: int64(a.int("next")), Abandoned: a.has("abandoned")})
	case "tick":
		next := map[uint64]int64{}
		for p, at := range a.offsets() {
			next[s.lane(p, "orders")] = at
		}
		s.in(Tick{Next: next})
	case "wait":
		d, err := time.ParseDuration(a.word(0))
		require.NoError(s.t, err)
		s.now = s.now.Add(d)
		s.in(Tick{})
	case "appended":
		s.in(Appended{ID: s.event, Position: int64(a.int("at"))})
	case "events":
		s.in(EventsRead{Seq: s.events, Records: s.records(a)})
	case "login":
		s.in(LoggedIn{Cluster: "T", Err: strings.Join(a.words, " ")})
	case "close":
		s.in(Close{})
	default:
		s.t.Fatalf("unknown input %q", line)
	}
}

func (s *script) failure(a args) error {
	if a.has("failed") {
		return errSimNet
	}
	return nil
}

func (s *script) topic(a args) string {
	if t := a.vals["topic"]; t != "" {
		return t
	}
	return "orders"
}

func (s *script) member(a args, e group.Event) { s.in(MemberEvent{Side: a.side(), Event: e}) }

func (s *script) partitions(a args) group.Partitions {
	out := group.Partitions{}
	for key, list := range a.vals {
		topic, ok := strings.CutPrefix(key, "p")
		if !ok {
			continue
		}
		if topic == "" {
			topic = "orders"
			if a.side() == Target {
				topic = "orders-eu"
			}
		} else {
			topic = topic[1:] // "p.audit"
		}
		for w := range strings.SplitSeq(list, ",") {
			if n, err := strconv.Atoi(w); err == nil {
				out[topic] = append(out[topic], int32(n))
			}
		}
	}
	return out
}

func (s *script) stored(a args) map[string]map[int32]group.Stored {
	topic := "orders"
	if a.side() == Target {
		topic = "orders-eu"
	}
	if t := a.vals["topic"]; t != "" {
		topic = t
	}
	out := map[string]map[int32]group.Stored{topic: {}}
	for _, w := range a.words {
		place, at, ok := strings.Cut(w, ":")
		if !ok {
			continue
		}
		t, id, named := strings.Cut(place, "/")
		if !named {
			t, id = topic, place
		}
		n, _ := strconv.Atoi(id)
		o, _ := strconv.ParseInt(at, 10, 64)
		if out[t] == nil {
			out[t] = map[int32]group.Stored{}
		}
		out[t][int32(n)] = group.Stored{At: o, LeaderEpoch: -1}
	}
	return out
}

func (s *script) committed(a args) {
	c := s.commit[a.side()]
	e := group.Committed{ID: c.ID, Generation: c.Generation}
	for _, o := range c.Offsets {
		e.Results = append(e.Results, group.Result{Offset: o, Code: int16(a.int("code"))})
	}
	s.member(a, e)
}

func (s *script) lane(p int32, topic string) uint64 {
	l := s.core.lanes[Partition{Topic: topic, ID: p}]
	require.NotNil(s.t, l, "no lane for %s/%d", topic, p)
	return l.ID
}

// directive makes one from "ORDER k=v…".
func (s *script) directive(a args) events.Directive {
	g := &events.GroupOrder{
		Order: a.word(0), Source: "S", Target: "T", HoldMillis: 1000, Straggler: events.StragglerAbort,
		Topics: []events.GroupTopic{{Topic: "orders", TargetTopic: "orders-eu", Partitions: 4}},
		Open:   a.has("open"), LeaveSource: a.has("leave"),
	}
	if to, other := a.vals["to"]; other {
		g.Target = to
	}
	if a.has("proceed") {
		g.Straggler = events.StragglerProceed
	}
	if h, ok := a.vals["hold"]; ok {
		g.HoldMillis, _ = strconv.ParseInt(h, 10, 64)
	}
	for w := range strings.SplitSeq(a.vals["cut"], ",") {
		if p, at, ok := strings.Cut(w, ":"); ok {
			n, _ := strconv.Atoi(p)
			o, _ := strconv.ParseInt(at, 10, 64)
			g.Cut = append(g.Cut, events.CutPoint{Topic: "orders", Partition: int32(n), Source: o - 100, Target: o})
		}
	}
	d := events.Directive{
		SourceCluster: "S", Addressee: events.ToGroup("g"), Position: int64(a.int("at")), Migration: "m", Stream: "group/g",
		Version: uint64(a.int("version")), Epoch: uint32(a.int("epoch")), AtLeast: a.vals["least"], Group: g,
		Phase: map[string]events.Phase{
			events.OrderSource: events.PhaseOnSource, events.OrderPrepare: events.PhasePreparing, events.OrderHold: events.PhaseHolding,
			events.OrderStage: events.PhaseCut, events.OrderTarget: events.PhaseCommitted,
		}[a.word(0)],
	}
	if who, other := a.vals["for"]; other {
		d.Addressee = events.ToGroup(who)
	}
	if a.has("empty") {
		d.Group = nil
	}
	if a.has("released") {
		*g = events.GroupOrder{Order: events.OrderSource, Source: "S", Open: true}
	}
	return d
}

// records makes events from words of the form TYPE@position or TYPE@position/expects, of the order's epoch.
func (s *script) records(a args) (list []events.Record) {
	for i, w := range a.words {
		w, theirs := strings.CutSuffix(w, "?")
		name, rest, _ := strings.Cut(w, "@")
		at, expects, versioned := strings.Cut(rest, "/")
		n, _ := strconv.ParseInt(at, 10, 64)
		e := events.Event{
			ID: fmt.Sprintf("%s%d", name, i), Migration: "m", Stream: "group/g", Type: events.Type(name), Epoch: s.core.order.dir.Epoch,
		}
		if versioned {
			v, _ := strconv.ParseUint(expects, 10, 64)
			e.Expects = &v
		}
		r := events.Record{Position: n, Event: e}
		if name == "AbortRequested" && !theirs {
			r = wish(n, s.core.order.dir, "inc")
		}
		list = append(list, r)
	}
	return list
}

// show puts an action into a line, and remembers what must be answered.
func (s *script) show(a Action) string {
	switch a := a.(type) {
	case ReadDirective:
		s.reads = append(s.reads, a.Seq)
		return fmt.Sprintf("ReadDirective #%d", len(s.reads))
	case Join:
		return fmt.Sprintf("Join %s on %s offering %s", a.Side, a.Cluster, showOffer(a.Offer))
	case Tell:
		return s.showTell(a)
	case Forget:
		return fmt.Sprintf("Forget %s", a.Side)
	case Open:
		return fmt.Sprintf("Open %s as %s/%d on %s generation %d from %d", a.Lane.Partition, a.Lane.Topic, a.Lane.Partition.ID, a.Lane.Cluster, a.Lane.Generation, a.Lane.From)
	case Shut:
		return fmt.Sprintf("Shut %s cancel=%v", s.laneName(a.Lane), a.Cancel)
	case Abandon:
		return fmt.Sprintf("Abandon %s", s.laneName(a.Lane))
	case FindStarts:
		s.starts = a
		return fmt.Sprintf("FindStarts on %s of %v as %v", a.Cluster, a.At, a.Topics)
	case Call:
		s.call = a.Seq
		word := "OnRevoked"
		if a.Assigned {
			word = "OnAssigned"
		}
		return fmt.Sprintf("Call %s %s %v lost=%v", word, a.Cluster, a.Partitions, a.Lost)
	case Append:
		s.event = a.Event.ID
		return fmt.Sprintf("Append %s epoch %d cause %s %s", a.Event.Type, a.Event.Epoch, a.Event.Cause, a.Event.Body)
	case ReadEvents:
		s.events = a.Seq
		return fmt.Sprintf("ReadEvents %d to %d", a.From, a.To)
	case LogIn:
		return "LogIn " + a.Cluster
	case Notice:
		s := fmt.Sprintf("Notice %s: %s", a.Kind, a.Text)
		if a.Pause > 0 {
			s += fmt.Sprintf(" after %v", a.Pause)
		}
		return s
	case Done:
		return "Done"
	}
	return fmt.Sprintf("%T", a)
}

func (s *script) showTell(a Tell) string {
	switch in := a.Input.(type) {
	case group.Rejoin:
		return fmt.Sprintf("Rejoin %s offering %s", a.Side, showOffer(in.Offer))
	case group.Ready:
		return fmt.Sprintf("Ready %s generation %d", a.Side, in.Generation)
	case group.Commit:
		s.commit[a.Side] = in
		var list []string
		for _, o := range in.Offsets {
			list = append(list, fmt.Sprintf("%s@%d", o.Partition, o.At))
		}
		return fmt.Sprintf("Commit %s generation %d %s", a.Side, in.Generation, strings.Join(list, " "))
	case group.Fetch:
		s.fetch[a.Side] = in.ID
		return fmt.Sprintf("FetchOffsets %s %v", a.Side, in.Topics)
	case group.Confirm:
		s.confirm[a.Side] = in.ID
		return fmt.Sprintf("Confirm %s", a.Side)
	case group.Leave:
		return fmt.Sprintf("Leave %s", a.Side)
	case group.Cancel:
		return fmt.Sprintf("Cancel %s", a.Side)
	}
	return fmt.Sprintf("Tell %s %T", a.Side, a.Input)
}

func showOffer(o group.Offer) string {
	s := fmt.Sprintf("%v %v", o.Protocols, o.Topics)
	if len(o.Identity.Wants) > 0 {
		s += fmt.Sprintf(" wants %s of generation %d", o.Identity.Wants, o.Identity.WantsGeneration)
	}
	if o.Identity.Stamp != "" {
		s += fmt.Sprintf(" stamp %q", o.Identity.Stamp)
	}
	return s
}

func (s *script) laneName(id uint64) string {
	if l := s.core.laneByID(id); l != nil {
		return l.Partition.String()
	}
	return "?"
}
