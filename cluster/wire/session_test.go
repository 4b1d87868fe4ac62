package wire

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// oldBroker is the other side of fetch sessions, made as simply as can be: it serves the partitions of its session in order,
// and those that got something go to the end (FetchSession.scala).
type oldBroker struct {
	logs     map[place]int64 // last stable offset; every record is one byte
	granting bool
	id       int32 // 0: no session
	epoch    int32
	session  []brokerPart
	lastID   int32
}

type brokerPart struct {
	place
	FetchPartition
	answered int64 // stable offset told last, −1: never
}

// answer serves a request; order turned around starves whoever is last.
func (b *oldBroker) answer(t require.TestingT, f *Fetch, unfair bool) *FetchResult {
	if f.Session.Epoch == -1 {
		return b.serve(f, listOf(f), false, unfair)
	}
	if f.Session.Epoch == 0 {
		if b.id == f.Session.ID {
			b.id = 0
		}
		parts := listOf(f)
		res := b.serve(f, parts, false, unfair)
		if b.granting && len(parts) > 0 {
			b.lastID++
			b.id, b.epoch, b.session = b.lastID, 1, parts
			res.SessionID = b.id
		}
		return res
	}
	if b.id == 0 || f.Session.ID != b.id {
		return &FetchResult{Code: codeSessionNotFound}
	}
	if f.Session.Epoch != b.epoch {
		return &FetchResult{Code: codeSessionEpoch}
	}
	b.update(t, f)
	if len(b.session) == 0 {
		b.id = 0
		return &FetchResult{}
	}
	if b.epoch++; b.epoch < 0 {
		b.epoch = 1
	}
	res := b.serve(f, b.session, true, unfair)
	res.SessionID = b.id
	return res
}

func listOf(f *Fetch) (parts []brokerPart) {
	for _, t := range f.Topics {
		for _, p := range t.Partitions {
			parts = append(parts, brokerPart{place{t.Topic, p.Partition}, p, -1})
		}
	}
	return parts
}

// update takes the changes in; a change that changes nothing is a waste.
func (b *oldBroker) update(t require.TestingT, f *Fetch) {
	for _, p := range listOf(f) {
		i := slices.IndexFunc(b.session, func(x brokerPart) bool { return x.place == p.place })
		if i < 0 {
			b.session = append(b.session, p)
			continue
		}
		require.NotEqual(t, b.session[i].FetchPartition, p.FetchPartition, "%v is told again what it knows", p.place)
		b.session[i].FetchPartition = p.FetchPartition
	}
	for _, forgotten := range f.Forget {
		for _, p := range forgotten.Partitions {
			i := slices.IndexFunc(b.session, func(x brokerPart) bool { return x.place == place{forgotten.Topic, p} })
			require.GreaterOrEqual(t, i, 0, "%s/%d is to be forgotten, but was never asked for", forgotten.Topic, p)
			b.session = slices.Delete(b.session, i, i+1)
		}
	}
}

// serve reads the partitions one after the other until the answer is full.
func (b *oldBroker) serve(f *Fetch, parts []brokerPart, incremental, unfair bool) *FetchResult {
	res := &FetchResult{}
	room := int64(f.MaxBytes)
	var fed []brokerPart
	for i := range parts {
		p := &parts[i]
		stable := b.logs[p.place]
		n := min(max(stable-p.Offset, 0), room, int64(p.MaxBytes))
		if n == 0 && incremental && p.answered == stable {
			continue
		}
		p.answered = stable
		room -= n
		res.Partitions = append(res.Partitions, FetchedPartition{Topic: p.topic, Partition: p.Partition, LastStable: stable, Records: make([]byte, n)})
		if n > 0 && incremental && !unfair {
			fed = append(fed, *p)
		}
	}
	for _, p := range fed {
		i := slices.IndexFunc(b.session, func(x brokerPart) bool { return x.place == p.place })
		b.session = append(slices.Delete(b.session, i, i+1), p)
	}
	return res
}

// sameSession requires that the broker asks for what is wanted.
func sameSession(t require.TestingT, b *oldBroker, wants map[place]int64) {
	has := map[place]int64{}
	for _, p := range b.session {
		has[p.place] = p.Offset
	}
	require.Equal(t, wants, has)
}

// TestSessionFollowsWhatIsWanted: whatever changes and whatever is lost, the broker asks for exactly what is wanted, everything
// is read once and in order, and nobody waits for ever.
func TestSessionFollowsWhatIsWanted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := &oldBroker{logs: map[place]int64{}, granting: true}
		s := NewFetchSession[string]()
		wants := map[place]int64{}
		all := []place{{"a", 0}, {"a", 1}, {"b", 0}, {"b", 1}, {"c", 7}}
		set := func(at place, from int64) {
			s.Set(at.topic, FetchPartition{at.partition, from, 5}, at.topic+fmt.Sprint(at.partition))
			wants[at] = from
		}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			at := rapid.SampledFrom(all).Draw(t, "at")
			switch rapid.IntRange(0, 6).Draw(t, "what") {
			case 0:
				set(at, min(wants[at], b.logs[at]))
			case 1:
				s.Drop(at.topic, at.partition, at.topic+fmt.Sprint(at.partition))
				delete(wants, at)
			case 2:
				b.logs[at] += int64(rapid.IntRange(1, 20).Draw(t, "more"))
			case 3:
				b.granting = rapid.Bool().Draw(t, "granting")
			case 4: // evicted, or the broker has restarted
				b.id = 0
			default:
				converse(t, s, b, wants, rapid.IntRange(0, 9).Draw(t, "lost"), rapid.Bool().Draw(t, "unfair"), set)
			}
			require.Len(t, wants, s.Len())
		}
		for range 40 { // calm: everything is read
			converse(t, s, b, wants, 9, true, set)
		}
		for at, from := range wants {
			require.Equal(t, b.logs[at], from, "%v starves", at)
		}
	})
}

// converse makes one request; 0 loses the request, 1 the answer.
func converse(t *rapid.T, s *FetchSession[string], b *oldBroker, wants map[place]int64, lost int, unfair bool, set func(place, int64)) {
	if s.Len() == 0 {
		return
	}
	f := &Fetch{MaxBytes: 7}
	s.Next(f)
	if lost == 0 {
		s.Failed()
		return
	}
	res := b.answer(t, f, unfair)
	if lost == 1 {
		s.Failed()
		return
	}
	if res.SessionID != 0 {
		sameSession(t, b, wants)
	}
	served, gone := s.Answered(res)
	require.Equal(t, res.Code != 0, gone)
	for _, x := range served {
		at := place{x.Topic, x.Partition}
		require.Equal(t, x.Topic+fmt.Sprint(x.Partition), x.Owner)
		require.Equal(t, wants[at], x.From, "read once and in order")
		require.False(t, x.First && len(x.Records) == 0 && x.LastStable > x.From, "%v was bound to get something", at)
		set(at, x.From+int64(len(x.Records)))
	}
}

// TestSessionSaysLittle: a request names what has changed, and nothing when nothing has.
func TestSessionSaysLittle(t *testing.T) {
	s := NewFetchSession[int]()
	for p := range int32(1000) {
		s.Set("t", FetchPartition{p, 5, 100}, int(p))
	}
	f := &Fetch{MaxBytes: 1000, MaxWait: time.Second}
	s.Next(f)
	require.Equal(t, &Session{}, f.Session)
	require.Len(t, f.Topics, 1)
	require.Len(t, f.Topics[0].Partitions, 1000)
	res := &FetchResult{SessionID: 9}
	for p := range int32(1000) {
		res.Partitions = append(res.Partitions, FetchedPartition{Topic: "t", Partition: p, LastStable: 5})
	}
	served, lost := s.Answered(res)
	require.False(t, lost)
	require.Len(t, served, 1000)

	s.Next(f)
	require.Equal(t, &Session{9, 1}, f.Session)
	require.Empty(t, f.Topics)
	require.Empty(t, f.Forget)
	require.Equal(t, time.Second, f.MaxWait)
	served, _ = s.Answered(&FetchResult{SessionID: 9, Partitions: []FetchedPartition{{Topic: "t", Partition: 3, LastStable: 6, Records: []byte{1}}}})
	require.Len(t, served, 1)
	require.Equal(t, 3, served[0].Owner)

	s.Set("t", FetchPartition{3, 6, 100}, 3)
	s.Drop("t", 4, 4)
	s.Drop("t", 5, 77) // not its owner
	s.Drop("t", 6, 6)
	s.Set("t", FetchPartition{6, 5, 100}, 6) // and back before anybody noticed
	s.Set("u", FetchPartition{0, 1, 100}, 2000)
	s.Drop("u", 0, 2000) // the broker never heard of it
	s.Next(f)
	require.Equal(t, &Session{9, 2}, f.Session)
	require.Equal(t, []FetchTopic{{"t", []FetchPartition{{3, 6, 100}}}}, f.Topics)
	require.Equal(t, []ForgetTopic{{"t", []int32{4}}}, f.Forget)
	require.Equal(t, 999, s.Len())
	require.Len(t, s.wanted, 999)
}

// TestSessionOfAnotherOwner: a partition that another owner has taken over is not dropped by the former.
func TestSessionOfAnotherOwner(t *testing.T) {
	s := NewFetchSession[int]()
	s.Set("t", FetchPartition{0, 1, 1}, 1)
	s.Set("t", FetchPartition{0, 2, 1}, 2)
	s.Drop("t", 0, 1)
	require.Equal(t, 1, s.Len())
	s.Drop("t", 0, 2)
	s.Drop("t", 0, 2)
	require.Zero(t, s.Len())
}

// TestSessionEnds: what the broker may say about the session, and what the next request says then (KIP-227).
func TestSessionEnds(t *testing.T) {
	running := func() (*FetchSession[int], *Fetch) {
		s := NewFetchSession[int]()
		s.Set("t", FetchPartition{0, 1, 1}, 1)
		f := &Fetch{MaxBytes: 10}
		s.Next(f)
		s.Answered(&FetchResult{SessionID: 7, Partitions: []FetchedPartition{{Topic: "t", LastStable: 1}}})
		s.Next(f)
		return s, f
	}
	for name, c := range map[string]struct {
		end  func(*FetchSession[int])
		want Session
	}{
		"not found":          {func(s *FetchSession[int]) { s.Answered(&FetchResult{Code: 70}) }, Session{0, 0}},
		"another epoch":      {func(s *FetchSession[int]) { s.Answered(&FetchResult{Code: 71}) }, Session{7, 0}},
		"another error":      {func(s *FetchSession[int]) { s.Answered(&FetchResult{Code: 35}) }, Session{7, 0}},
		"no answer":          {func(s *FetchSession[int]) { s.Failed() }, Session{7, 0}},
		"closed as empty":    {func(s *FetchSession[int]) { s.Answered(&FetchResult{}) }, Session{0, 0}},
		"somebody else's":    {func(s *FetchSession[int]) { s.Answered(&FetchResult{SessionID: 8}) }, Session{0, 0}},
		"it goes on":         {func(s *FetchSession[int]) { s.Answered(&FetchResult{SessionID: 7}) }, Session{7, 2}},
		"the epoch wraps":    {func(s *FetchSession[int]) { s.epoch = math.MaxInt32; s.Answered(&FetchResult{SessionID: 7}) }, Session{7, 1}},
		"before the largest": {func(s *FetchSession[int]) { s.epoch = math.MaxInt32 - 1; s.Answered(&FetchResult{SessionID: 7}) }, Session{7, math.MaxInt32}},
	} {
		s, f := running()
		c.end(s)
		s.Next(f)
		require.Equal(t, c.want, *f.Session, name)
		require.Equal(t, c.want.Epoch == 0, len(f.Topics) == 1, "%s: a full request lists everything", name)
	}
}

// TestSessionSeesEmptyStretches: a partition that has more and got nothing although nobody did is asked for alone, so that it
// shows that compaction has emptied the rest of its log.
func TestSessionSeesEmptyStretches(t *testing.T) {
	s := NewFetchSession[int]()
	s.Set("t", FetchPartition{0, 1, 1}, 1)
	s.Set("t", FetchPartition{1, 1, 1}, 2)
	f := &Fetch{MaxBytes: 10, MaxWait: time.Second}
	s.Next(f)
	served, _ := s.Answered(&FetchResult{SessionID: 7, Partitions: []FetchedPartition{
		{Topic: "t", Partition: 0, LastStable: 9, Records: []byte{1}}, {Topic: "t", Partition: 1, LastStable: 1}}})
	require.True(t, served[0].First)
	require.False(t, served[1].First, "the answer may have been full")
	s.Set("t", FetchPartition{0, 5, 1}, 1)
	s.Next(f)
	s.Answered(&FetchResult{SessionID: 7})
	s.Next(f)
	require.Equal(t, &Session{0, -1}, f.Session)
	require.Zero(t, f.MaxWait)
	require.Equal(t, []FetchTopic{{"t", []FetchPartition{{0, 5, 1}}}}, f.Topics)
	served, _ = s.Answered(&FetchResult{Partitions: []FetchedPartition{{Topic: "t", LastStable: 9}}})
	require.True(t, served[0].First)
	s.Set("t", FetchPartition{0, 9, 1}, 1)
	s.Next(f)
	require.Equal(t, &Session{7, 2}, f.Session, "the session has not noticed")
	require.Len(t, f.Topics, 1)
}
