package group

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"
)

// TestSubscriptionRoundTrip: what a member tells of itself arrives, whatever it is.
func TestSubscriptionRoundTrip(t *testing.T) {
	set := rapid.Custom(func(t *rapid.T) Partitions {
		return Partitions(rapid.MapOfN(rapid.StringMatching(`[a-z.]{1,5}`), rapid.SliceOfN(rapid.Int32Range(0, 1000), 1, 50), 0, 5).Draw(t, "set")).normal()
	})
	rapid.Check(t, func(t *rapid.T) {
		who := Identity{
			Kind: rapid.SampledFrom([]Kind{KindAgent, KindGuard, KindWorker}).Draw(t, "kind"), Incarnation: rapid.StringMatching(`[a-z0-9]{0,8}`).Draw(t, "incarnation"),
			Host: rapid.String().Draw(t, "host"), Wants: set.Draw(t, "wants"), WantsGeneration: rapid.Int32().Draw(t, "generation"), Stamp: rapid.StringMatching(`[a-z]*`).Draw(t, "stamp"),
		}
		who.Host = strings.ToValidUTF8(who.Host, "?")
		owned := Assignment{Partitions: set.Draw(t, "owned"), Units: rapid.SliceOf(rapid.StringMatching(`[a-z]+/[0-9]`)).Draw(t, "units")}
		p := decodeSubscription("id", "instance", encodeSubscription([]string{"b", "a"}, who, owned, 9))
		require.False(t, p.Foreign)
		require.Equal(t, []string{"a", "b"}, p.Topics)
		require.Equal(t, who, p.Identity)
		require.True(t, owned.Equal(p.Owned), "%v %v", owned, p.Owned)
		if owned.Len() > 0 {
			require.EqualValues(t, 9, p.OwnedGeneration)
		} else {
			require.EqualValues(t, -1, p.OwnedGeneration)
		}
	})
}

// TestAssignmentRoundTrip: so does what it is assigned.
func TestAssignmentRoundTrip(t *testing.T) {
	a := Assignment{Partitions: Partitions{"t": {3, 1, 1}, "empty": nil}, Units: []string{"b", "a"}}
	got, err := decodeAssignment(encodeAssignment(a))
	require.NoError(t, err)
	require.Equal(t, Assignment{Partitions: Partitions{"t": {1, 3}}, Units: []string{"a", "b"}}, got)
	got, err = decodeAssignment(nil)
	require.NoError(t, err)
	require.Zero(t, got.Len())
}

// TestLargeMetadataFitsTheBrokersRecord: a broker stores a whole group in one record of at most 1 MiB.
func TestLargeMetadataFitsTheBrokersRecord(t *testing.T) {
	owned := Assignment{}
	for i := range 10_000 {
		for n := range 10 {
			owned.Units = append(owned.Units, fmt.Sprintf("orders.by-region.%d/%d", i, n))
		}
	}
	raw := encodeSubscription(nil, Identity{Kind: KindWorker}, owned, 1)
	require.Less(t, len(raw)+len(encodeAssignment(owned)), 1<<20, "100,000 units of one member")
	require.Len(t, decodeSubscription("", "", raw).Owned.Units, 100_000)
}

// TestForeignMetadata: what others put there is theirs, and never stops a leader.
func TestForeignMetadata(t *testing.T) {
	sub := func(version int16, data []byte) []byte {
		m := kmsg.NewConsumerMemberMetadata()
		m.Version, m.Topics, m.UserData = version, []string{"t"}, data
		return m.AppendTo(nil)
	}
	for _, data := range [][]byte{nil, {}, []byte("sticky\x00\x01"), []byte(`{"kind":"agent"}`), []byte(`{"v":1}`), []byte(`{"v":1,"kind":"agent","wants":{"t":"0-2147483646"}}`), {0x1f, 0x8b, 0}} {
		for version := range int16(4) {
			p := decodeSubscription("id", "", sub(version, data))
			require.True(t, p.Foreign, "%q", data)
			require.Equal(t, []string{"t"}, p.Topics)
			require.Empty(t, p.Kind)
		}
	}
	require.True(t, decodeSubscription("id", "", []byte("junk")).Foreign)
	require.Empty(t, decodeSubscription("id", "", []byte("junk")).Topics)
}

// TestNewerMetadata: additions of a later release are read over.
func TestNewerMetadata(t *testing.T) {
	m := kmsg.NewConsumerMemberMetadata()
	m.Version, m.Topics, m.UserData = 3, []string{"t"}, []byte(`{"v":2,"kind":"agent","incarnation":"i","colour":"red"}`)
	p := decodeSubscription("id", "", append(m.AppendTo(nil), 1, 2, 3))
	require.False(t, p.Foreign)
	require.Equal(t, "i", p.Incarnation)
}

// TestForeignAssignment: a foreign leader's assignment is read without its user data, and refused if it is none.
func TestForeignAssignment(t *testing.T) {
	_, err := decodeAssignment([]byte("junk"))
	require.ErrorContains(t, err, "4 bytes")
	m := kmsg.NewConsumerMemberAssignment()
	m.Topics = []kmsg.ConsumerMemberAssignmentTopic{{Topic: "t", Partitions: []int32{0, -3}}}
	_, err = decodeAssignment(m.AppendTo(nil))
	require.ErrorContains(t, err, `partition -3 of topic "t"`)
	m.Topics, m.UserData = []kmsg.ConsumerMemberAssignmentTopic{{Topic: "t", Partitions: []int32{2, 0, 2}}}, []byte("theirs")
	a, err := decodeAssignment(m.AppendTo(nil))
	require.NoError(t, err)
	require.Equal(t, Assignment{Partitions: Partitions{"t": {0, 2}}}, a)
}

// TestUnpackIsBounded: a small message cannot unpack to a huge one.
func TestUnpackIsBounded(t *testing.T) {
	var data userData
	bomb := pack(unitData{V: 1, Units: []string{strings.Repeat("x", gunzipAtMost)}})
	require.Less(t, len(bomb), 1<<20)
	require.ErrorContains(t, unpack(bomb, &data), "more than")
	require.ErrorContains(t, unpack(append([]byte{0x1f, 0x8b, 8}, bytes.Repeat([]byte{0}, 20)...), &data), "user data")
}

// FuzzDecodeSubscription: no metadata makes the reader fail, and what it reads is normal.
func FuzzDecodeSubscription(f *testing.F) {
	f.Add(encodeSubscription([]string{"t"}, Identity{Kind: KindAgent, Wants: Partitions{"t": {0, 1, 5}}}, Assignment{Units: []string{"u"}}, 3))
	f.Add(encodeSubscription(nil, Identity{Kind: KindWorker, Host: strings.Repeat("h", gzipAbove)}, Assignment{}, 0))
	f.Add([]byte{0, 1, 0, 0, 0, 1, 0, 1, 't'})
	f.Fuzz(func(t *testing.T, b []byte) {
		p := decodeSubscription("id", "i", b)
		if p.Foreign && p.Owned.Len()+p.Wants.Len() > 0 {
			t.Fatal("a foreign member claims partitions")
		}
		AssignPortage(counts(3, "t"), []Peer{p})
		again := decodeSubscription("id", "i", encodeSubscription(p.Topics, p.Identity, p.Owned, p.OwnedGeneration))
		if !p.Foreign && (!again.Wants.Equal(p.Wants) || !again.Owned.Partitions.Equal(p.Owned.Partitions)) {
			t.Fatalf("%+v became %+v", p, again)
		}
	})
}

// FuzzDecodeAssignment: no assignment makes the reader fail in another way than by an error.
func FuzzDecodeAssignment(f *testing.F) {
	f.Add(encodeAssignment(Assignment{Partitions: Partitions{"t": {0, 1}}, Units: []string{"u", "v"}}))
	f.Add([]byte{0, 0, 0, 0, 0, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := decodeAssignment(b)
		if err != nil {
			return
		}
		again, err := decodeAssignment(encodeAssignment(a))
		if err != nil || !again.Partitions.Equal(a.Partitions) {
			t.Fatalf("%+v became %+v, %v", a, again, err)
		}
	})
}
