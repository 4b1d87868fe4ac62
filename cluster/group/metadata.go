package group

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Layout. Both messages are Kafka's ConsumerProtocol (embedded consumer protocol, version 0), whatever the protocol type, so
// that brokers see the subscribed topics (their offsets do not expire) and every tool can print the group:
//
//	subscription: version, topics, user data = JSON of userData, gzipped when longer than gzipAbove
//	assignment:   version, topics with partitions, user data = JSON of unitData, the same way; absent without units
//
// Compression matters: a broker keeps all members' subscriptions and assignments of a group in one record of
// __consumer_offsets, and that topic refuses records above 1 MiB.
const (
	userDataVersion = 1       // raised only for changes that an older reader would misunderstand; additions leave it
	gzipAbove       = 4 << 10 // bytes
	gunzipAtMost    = 64 << 20
)

type userData struct {
	V               int               `json:"v"`
	Kind            Kind              `json:"kind"`
	Incarnation     string            `json:"incarnation,omitempty"`
	Host            string            `json:"host,omitempty"`
	Wants           map[string]string `json:"wants,omitempty"` // topic → ranges, "0-3,7"
	WantsGeneration int32             `json:"wantsGeneration,omitempty"`
	Owned           map[string]string `json:"owned,omitempty"`
	Units           []string          `json:"units,omitempty"` // owned, too
	OwnedGeneration int32             `json:"ownedGeneration,omitempty"`
	Stamp           string            `json:"stamp,omitempty"`
}

type unitData struct {
	V     int      `json:"v"`
	Units []string `json:"units"`
}

// encodeSubscription makes the metadata of a JoinGroup protocol.
func encodeSubscription(topics []string, who Identity, owned Assignment, generation int32) []byte {
	data := userData{
		V: userDataVersion, Kind: who.Kind, Incarnation: who.Incarnation, Host: who.Host, Stamp: who.Stamp,
		Wants: textOf(who.Wants), WantsGeneration: who.WantsGeneration,
	}
	if owned.Len() > 0 {
		data.Owned, data.Units, data.OwnedGeneration = textOf(owned.Partitions), owned.Units, generation
	}
	m := kmsg.NewConsumerMemberMetadata()
	m.Version, m.Topics, m.UserData = 0, slices.Sorted(slices.Values(topics)), pack(data)
	return m.AppendTo(nil)
}

// decodeSubscription reads any member's metadata. Metadata that is no subscription gives a foreign member without topics: the
// leader must serve the others all the same.
func decodeSubscription(id, instance string, metadata []byte) Peer {
	p := Peer{ID: id, InstanceID: instance, Foreign: true, OwnedGeneration: -1}
	var m kmsg.ConsumerMemberMetadata
	if m.ReadFrom(metadata) != nil {
		return p
	}
	p.Topics = slices.Compact(slices.Sorted(slices.Values(m.Topics)))
	if data, err := unpackUserData(m.UserData); err == nil {
		p.adopt(data)
	}
	return p
}

func (p *Peer) adopt(data userData) {
	budget := maxListed
	wants, errWants := partitionsOf(data.Wants, &budget)
	owned, errOwned := partitionsOf(data.Owned, &budget)
	if errors.Join(errWants, errOwned) != nil {
		return
	}
	p.Foreign = false
	p.Identity = Identity{
		Kind: data.Kind, Incarnation: data.Incarnation, Host: data.Host, Stamp: data.Stamp,
		Wants: wants, WantsGeneration: data.WantsGeneration,
	}
	if p.Owned = (Assignment{Partitions: owned, Units: data.Units}); p.Owned.Len() > 0 {
		p.OwnedGeneration = data.OwnedGeneration
	}
}

func unpackUserData(packed []byte) (userData, error) {
	var data userData
	if err := unpack(packed, &data); err != nil {
		return data, err
	}
	if data.V < 1 || data.Kind == "" {
		return data, errors.New("user data is JSON, but not ours: no version or kind")
	}
	return data, nil
}

// encodeAssignment makes what SyncGroup carries to one member.
func encodeAssignment(a Assignment) []byte {
	m := kmsg.NewConsumerMemberAssignment()
	for topic, list := range a.Partitions.normal().all() {
		t := kmsg.NewConsumerMemberAssignmentTopic()
		t.Topic, t.Partitions = topic, list
		m.Topics = append(m.Topics, t)
	}
	if len(a.Units) > 0 {
		m.UserData = pack(unitData{V: userDataVersion, Units: slices.Sorted(slices.Values(a.Units))})
	}
	return m.AppendTo(nil)
}

// decodeAssignment reads what the leader, maybe a foreign one, has given us. No bytes at all mean nothing assigned.
func decodeAssignment(b []byte) (Assignment, error) {
	var a Assignment
	if len(b) == 0 {
		return a, nil
	}
	var m kmsg.ConsumerMemberAssignment
	if err := m.ReadFrom(b); err != nil {
		return a, fmt.Errorf("assignment of %d bytes is no consumer assignment: %w", len(b), err)
	}
	a.Partitions = Partitions{}
	for _, t := range m.Topics {
		if i := slices.IndexFunc(t.Partitions, func(n int32) bool { return n < 0 }); i >= 0 {
			return Assignment{}, fmt.Errorf("assignment lists partition %d of topic %q", t.Partitions[i], t.Topic)
		}
		a.Partitions[t.Topic] = append(a.Partitions[t.Topic], t.Partitions...)
	}
	a.Partitions = a.Partitions.normal()
	var units unitData
	if len(m.UserData) > 0 && unpack(m.UserData, &units) == nil && units.V > 0 { // a foreign leader's user data is its own affair
		a.Units = slices.Compact(slices.Sorted(slices.Values(units.Units)))
	}
	return a, nil
}

func pack(v any) []byte {
	raw, err := json.Marshal(v)
	if err != nil {
		panic("group: user data: " + err.Error()) //rules:impossible it is made of strings and numbers
	}
	if len(raw) <= gzipAbove {
		return raw
	}
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, errWrite := z.Write(raw)
	if err := errors.Join(errWrite, z.Close()); err != nil {
		panic("group: compress: " + err.Error()) //rules:impossible it is written to memory
	}
	return b.Bytes()
}

func unpack(packed []byte, into any) error {
	if len(packed) > 2 && packed[0] == 0x1f && packed[1] == 0x8b { // gzip's magic number; JSON starts with '{'
		z, err := gzip.NewReader(bytes.NewReader(packed))
		if err != nil {
			return fmt.Errorf("user data: %w", err)
		}
		if packed, err = io.ReadAll(io.LimitReader(z, gunzipAtMost+1)); err != nil {
			return fmt.Errorf("user data: %w", err)
		}
		if len(packed) > gunzipAtMost {
			return fmt.Errorf("user data: more than %d bytes once unpacked", gunzipAtMost)
		}
	}
	if err := json.Unmarshal(packed, into); err != nil {
		return fmt.Errorf("user data: %w", err)
	}
	return nil
}

func textOf(p Partitions) map[string]string {
	out := make(map[string]string, len(p))
	for topic, list := range p.normal() {
		out[topic] = formatRanges(list)
	}
	return out
}

func partitionsOf(text map[string]string, budget *int) (Partitions, error) {
	out := make(Partitions, len(text))
	for topic, ranges := range text {
		list, err := parseRanges(ranges, budget)
		if err != nil {
			return nil, fmt.Errorf("topic %q: %w", topic, err)
		}
		out[topic] = list
	}
	return out.normal(), nil
}
