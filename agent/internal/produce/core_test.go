package produce

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/portage-kafka/portage/events"
)

func TestLaneRepeatsUntilAnswered(t *testing.T) {
	var l Lane
	l.Renew(Producer{ID: 7})
	first, err := l.Take(3)
	require.NoError(t, err)
	require.Equal(t, Stamp{Producer{ID: 7}, 0}, first)
	_, err = l.Take(1)
	require.ErrorIs(t, err, ErrBusy)
	require.Equal(t, Again, l.Answered(Answer{}), "silence")
	require.Equal(t, firstPause, l.Pause())
	require.Equal(t, Again, l.Answered(Answer{Answered: true, Code: 6, Passing: true}), "the leader moved")
	require.Equal(t, 2*firstPause, l.Pause())
	require.Equal(t, Stored, l.Answered(Answer{Answered: true, Code: codeDuplicate}), "an earlier attempt had arrived")
	second, err := l.Take(1)
	require.NoError(t, err)
	require.EqualValues(t, 3, second.Sequence)
	for range 30 {
		l.Answered(Answer{})
	}
	require.Equal(t, mostPause, l.Pause())
}

func TestLaneRefusals(t *testing.T) {
	for code, want := range map[int16][2]Outcome{
		10: {Refused, Refused}, 87: {Refused, Refused}, codeOutOfOrder: {Broken, Forgotten}, codeInvalidEpoch: {Broken, Forgotten},
		codeUnknownProducer: {Broken, Forgotten}, codeInvalidMapping: {Broken, Forgotten},
	} {
		for n, before := range []int32{0, 4} { // records stored under the identity
			l := Lane{producer: Producer{ID: 1}, sequence: before}
			_, err := l.Take(5)
			require.NoError(t, err)
			require.Equal(t, want[n], l.Answered(Answer{Answered: true, Code: code}), "code %d at sequence %d", code, before)
			s, err := l.Take(1)
			require.NoError(t, err)
			require.Equal(t, before, s.Sequence, "a refused batch consumes no sequence")
		}
	}
}

// A refusal after silence leaves open whether the batch is stored; the next one must not carry the same sequence.
func TestLaneDoubt(t *testing.T) {
	for _, k := range []struct {
		before Answer
		want   Outcome
	}{
		{Answer{}, Broken},
		{Answer{Answered: true, Code: 7, Passing: true, Uncertain: true}, Broken},
		{Answer{Answered: true, Code: 6, Passing: true}, Refused},
	} {
		var l Lane
		l.Renew(Producer{ID: 1})
		_, err := l.Take(5)
		require.NoError(t, err)
		require.Equal(t, Again, l.Answered(k.before))
		require.Equal(t, k.want, l.Answered(Answer{Answered: true, Code: 29}))
		require.Equal(t, k.want == Broken, l.Doubtful())
		l.Renew(Producer{ID: 2})
		s, err := l.Take(1)
		require.NoError(t, err)
		require.Equal(t, Stamp{Producer{ID: 2}, 0}, s)
		require.False(t, l.Doubtful())
	}
}

func TestSequenceWraps(t *testing.T) {
	require.EqualValues(t, 0, next(math.MaxInt32, 1))
	require.EqualValues(t, 2, next(math.MaxInt32-1, 4))
}

// TestLaneExactlyOnce: against a broker that loses requests and answers at
// random, every batch that the lane calls stored is in the log once, in order.
func TestLaneExactlyOnce(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	var l Lane
	l.Renew(Producer{ID: 1})
	var log, acked []int32
	expected := int32(0)
	for batch := range int32(2000) {
		n := 1 + r.Int32N(5)
		stamp, err := l.Take(int(n))
		require.NoError(t, err)
		for {
			arrives, heard := r.IntN(3) > 0, r.IntN(3) > 0
			if arrives && stamp.Sequence == expected { // the broker drops what it has: by sequence alone
				log = append(log, batch)
				expected = next(expected, n)
			}
			out := l.Answered(Answer{Answered: arrives && heard})
			if out == Stored {
				acked = append(acked, batch)
				break
			}
			require.Equal(t, Again, out)
		}
	}
	require.Equal(t, acked, log)
}

// TestMurmur2 has the values of Kafka's own test (UtilsTest.testMurmur2 and
// librdkafka's rdmurmur2.c).
func TestMurmur2(t *testing.T) {
	for key, want := range map[string]uint32{
		"kafka": 0xd067cf64, "giberish123456789": 0x8f552b0c, "1234": 0x9fc97b14, "234": 0xe7c009ca, "34": 0x873930da,
		"4": 0x5a4b5ca1, "PreAmbleWillBeRemoved,ThePrePartThatIs": 0x78424f1c, "": 0x106e08d9,
	} {
		require.Equal(t, want, murmur2([]byte(key)), "%q", key)
	}
}

func TestPartitioner(t *testing.T) {
	p := NewPartitioner(4, 6)
	require.EqualValues(t, 2, p.Pick(nil))
	require.EqualValues(t, 2, p.Pick(nil), "records without a key stay together")
	p.Rotated()
	require.EqualValues(t, 3, p.Pick(nil))
	p.Rotated()
	require.EqualValues(t, 0, p.Pick(nil))
	p.Grow(3)
	require.EqualValues(t, int32(murmur2([]byte("a"))&0x7fffffff)%4, p.Pick([]byte("a")), "never fewer")
	require.Equal(t, p.Pick([]byte("a")), p.Pick([]byte("a")))
	require.EqualValues(t, int32(uint32(0x106e08d9)&0x7fffffff)%4, p.Pick([]byte{}), "an empty key is a key")
	p.Grow(7)
	require.EqualValues(t, 0, p.Pick(nil), "records without a key stay where they are")
	require.EqualValues(t, int32(murmur2([]byte("a"))&0x7fffffff)%7, p.Pick([]byte("a")))
}

// TestWritable: while producers are moved, those of the source write to what is copied alone.
func TestWritable(t *testing.T) {
	moving := events.Directive{Topic: &events.TopicOrder{Level: events.LevelRestart, Partitions: 3}}
	before := events.Directive{Topic: &events.TopicOrder{Partitions: 3}}
	require.EqualValues(t, 5, Writable(events.Directive{}, events.RouteSource, 5), "no migration")
	require.EqualValues(t, 5, Writable(before, events.RouteSource, 5), "the copy grows, too")
	require.EqualValues(t, 3, Writable(moving, events.RouteSource, 5))
	require.EqualValues(t, 2, Writable(moving, events.RouteSource, 2))
	require.EqualValues(t, 5, Writable(moving, events.RouteTarget, 5))
}
