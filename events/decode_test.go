package events

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestEveryTypeSurvives(t *testing.T) {
	seen := map[Type]bool{}
	for _, body := range samples() {
		seen[body.EventType()] = true
		t.Run(string(body.EventType()), func(t *testing.T) {
			e := sample(t, body)
			key, value := encoded(t, e)
			got, gotBody, refused := Decode(key, value)
			require.Nil(t, refused)
			require.Equal(t, e, got)
			require.Equal(t, body, gotBody)
			again, err := Encode(got)
			require.NoError(t, err)
			require.Equal(t, string(value), string(again))
		})
	}
	for _, k := range Catalogue() {
		require.True(t, seen[k.Type], "no sample of %s", k.Type)
	}
}

func TestCanonicalForm(t *testing.T) {
	e := sample(t, PauseRequested{Reason: "a<b & \"c\""})
	e.Actor.Name = "ann\n\"\\\x01ü"
	e.Extra = map[string]json.RawMessage{"zone": raw(`{ "b": 1 }`), "audit": raw("null"), "Ü": raw("1e5")}
	_, value := encoded(t, e)
	require.Equal(t, `{"actor":{"host":"node-7","kind":"operator","name":"ann\u000a\"\\\u0001ü"},"at":"2026-01-31T12:00:00.5Z","audit":null,`+
		`"body":{"reason":"a\u003cb \u0026 \"c\""},"cause":"effect 12/0","expects":4,"id":"01JH0000000000000000000000","migration":"orders-eu",`+
		`"schema":1,"stream":"migration","type":"PauseRequested","zone":{ "b": 1 },"Ü":1e5}`, string(value))
}

// TestForeignSpelling: what another client may write differently means the same.
func TestForeignSpelling(t *testing.T) {
	e := sample(t, PauseRequested{Reason: "night"})
	key, _ := encoded(t, e)
	value := "\r\n\t " + `{ "type" : "Pause\u0052equested", "stream":"migration","schema":1,"migration":"orders-eu", "id":"01JH0000000000000000000000",
		"expects":4,"cause":null,"epoch":null,"body": {"reason" : "night", "later":[1,{"x":null}]},"at":"2026-01-31T13:00:00.500000+01:00",
		"actor":{"name":"ann","kind":"operator","host":"\ud83d\ude80"} ,"later":{"x":[]}}` + " \n"
	got, body, refused := Decode(key, []byte(value))
	require.Nil(t, refused)
	require.Equal(t, PauseRequested{Reason: "night"}, body)
	require.Equal(t, atNoon, got.At)
	require.Equal(t, "🚀", got.Actor.Host)
	require.Empty(t, got.Cause)
	require.Equal(t, map[string]json.RawMessage{"later": raw(`{"x":[]}`)}, got.Extra)
	require.Equal(t, `{"reason" : "night", "later":[1,{"x":null}]}`, string(got.Body), "the body's bytes survive")
	again, err := Encode(got)
	require.NoError(t, err)
	third, _, refused := Decode(key, again)
	require.Nil(t, refused)
	require.Equal(t, got, third)
}

// TestUnknownTypeIsKept: a later release's type is an event without a body,
// whatever stream, writer and schema it has.
func TestUnknownTypeIsKept(t *testing.T) {
	_, value := encoded(t, sample(t, StartRequested{}))
	value = edit(t, value, map[string]any{"type": "TeaServed", "stream": "kitchen/green", "schema": 7, "epoch": 9,
		"actor": raw(`{"kind":"butler","name":"james"}`), "body": raw(`{"Cups":2,"cups":3}`)})
	e, body, refused := Decode([]byte("orders-eu/kitchen/green/01JH0000000000000000000000/n"), value)
	require.Nil(t, refused)
	require.Nil(t, body)
	require.EqualValues(t, "TeaServed", e.Type)
	require.Equal(t, 7, e.Schema)
	again, err := Encode(e)
	require.NoError(t, err)
	require.JSONEq(t, string(value), string(again))
}

// TestForeign: what is no event at all.
func TestForeign(t *testing.T) {
	e := sample(t, CutTaken{Cut: []CutPoint{{Topic: "orders", Source: 1, Target: 1}}})
	key, value := encoded(t, e)
	with := func(fields map[string]any) []byte { return edit(t, value, fields) }
	swap := func(old, new string) []byte {
		require.Contains(t, string(value), old)
		return []byte(strings.Replace(string(value), old, new, 1))
	}
	for _, c := range []struct {
		name       string
		key, value []byte
		code       string
		reason     string
	}{
		{"null key", nil, value, RefusedNoKey, "null or empty"},
		{"empty key", []byte{}, value, RefusedNoKey, "null or empty"},
		{"tombstone", key, nil, RefusedTombstone, "the purge of a record"},
		{"long key", []byte(strings.Repeat("k", MaxKeySize+1)), value, RefusedOversize, "at most 40000"},
		{"long value", key, []byte(strings.Repeat(" ", MaxEventSize) + "{"), RefusedOversize, "has 1000001 bytes: want at most 1000000"},
		{"key no text", []byte("a/b\xff/c/d"), value, RefusedUTF8, `\xff`},
		{"value no text", key, swap(`"orders"`, "\"ord\xe2\x82ers\""), RefusedUTF8, "want UTF-8"},
		{"overlong encoding", key, swap(`"orders"`, "\"\xc0\xaf\""), RefusedUTF8, "want UTF-8"},
		{"half a surrogate pair", key, swap(`"orders"`, `"\ud83d"`), RefusedUTF8, `\ud83d`},
		{"surrogates in the wrong order", key, swap(`"orders"`, `"\ude80\ud83d"`), RefusedUTF8, `\ude80`},
		{"empty value", key, []byte{}, RefusedJSON, "want a JSON object"},
		{"no JSON", key, []byte("hello"), RefusedJSON, `"hello"`},
		{"null", key, []byte("null"), RefusedJSON, "want a JSON object"},
		{"a list", key, []byte("[]"), RefusedJSON, "want a JSON object"},
		{"cut off", key, value[:len(value)-1], RefusedJSON, "the end of the text"},
		{"a comma too many", key, swap(`"schema":1`, `"schema":1,`), RefusedJSON, "a field name"},
		{"no comma", key, swap(`,"schema"`, ` "schema"`), RefusedJSON, "a comma"},
		{"no colon", key, swap(`"schema":1`, `"schema"1`), RefusedJSON, `a colon after field "schema"`},
		{"single quotes", key, swap(`"schema"`, `'schema'`), RefusedJSON, "a field name"},
		{"a comment", key, swap(`"schema":1`, `"schema":1/**/`), RefusedJSON, "a comma"},
		{"leading zero", key, swap(`"schema":1`, `"schema":01`), RefusedJSON, "a comma"},
		{"a plus", key, swap(`"schema":1`, `"schema":+1`), RefusedJSON, "a value"},
		{"no digit", key, swap(`"schema":1`, `"schema":1.`), RefusedJSON, "a digit"},
		{"no exponent", key, swap(`"schema":1`, `"schema":1e`), RefusedJSON, "a digit"},
		{"not a number", key, swap(`"schema":1`, `"schema":NaN`), RefusedJSON, "a value"},
		{"raw control character", key, swap(`"orders"`, "\"a\tb\""), RefusedJSON, "control character"},
		{"bad escape", key, swap(`"orders"`, `"\x41"`), RefusedJSON, "an escape"},
		{"bad unicode escape", key, swap(`"orders"`, `"\u00g1"`), RefusedJSON, "an escape"},
		{"half a word", key, swap(`"schema":1`, `"schema":tru`), RefusedJSON, "true"},
		{"trailing data", key, append(append([]byte{}, value...), '{'), RefusedTrailing, `"{"`},
		{"two objects", key, append(append([]byte{}, value...), value...), RefusedTrailing, "nothing after"},
		{"a NUL at the end", key, append(append([]byte{}, value...), 0), RefusedTrailing, "nothing after"},
		{"field twice", key, swap(`"schema":1`, `"schema":1,"schema":1`), RefusedDuplicate, "field schema"},
		{"field twice by escape", key, swap(`"schema":1`, `"schema":1,"sch\u0065ma":1`), RefusedDuplicate, "field schema"},
		{"field twice in the body", key, swap(`"partition":0`, `"partition":0,"partition":1`), RefusedDuplicate, "field body.cut[0].partition"},
		{"field twice in the unknown", key, with(map[string]any{"later": raw(`[{"a":{"b":1,"b":1}}]`)}), RefusedDuplicate, "field later[0].a.b"},
		{"deep", key, with(map[string]any{"later": raw("%s1%s", strings.Repeat("[", MaxDepth), strings.Repeat("]", MaxDepth))}), RefusedDepth, "at most 32 levels"},
		{"other migration", []byte("m/group/billing/eu 1/01JH0000000000000000000000/n"), value, RefusedKey, `want "orders-eu/group/`},
		{"other stream", []byte("orders-eu/group/billing/01JH0000000000000000000000/n"), value, RefusedKey, "billing/eu 1"},
		{"other id", []byte("orders-eu/group/billing/eu 1/01JH/n"), value, RefusedKey, "01JH0000000000000000000000/NONCE"},
		{"no nonce", []byte("orders-eu/group/billing/eu 1/01JH0000000000000000000000/"), value, RefusedKey, "want migration/stream/event-id/nonce"},
		{"no key of ours", []byte("0"), value, RefusedKey, "want migration/stream/event-id/nonce"},
		{"field in capitals", key, swap(`"epoch"`, `"Epoch"`), RefusedCase, `field Epoch: want it spelled "epoch"`},
		{"actor's field in capitals", key, swap(`"host"`, `"HOST"`), RefusedCase, `field actor.HOST: want it spelled "host"`},
		{"actor's unknown field", key, swap(`"host"`, `"ip"`), RefusedField, "field actor.ip: an actor has kind, name and host only"},
		{"actor without name", key, with(map[string]any{"actor": raw(`{"kind":"operator"}`)}), RefusedMissing, "field actor.name: is required"},
		{"actor a string", key, with(map[string]any{"actor": "ann"}), RefusedField, "field actor: want an object"},
		{"host a number", key, with(map[string]any{"actor": raw(`{"kind":"operator","name":"a","host":1}`)}), RefusedField, "field actor.host: want a string, have \"1\""},
		{"body a string", key, with(map[string]any{"body": "{}"}), RefusedField, "field body: want an object"},
		{"body null", key, with(map[string]any{"body": raw("null")}), RefusedMissing, "field body: is required, have null"},
		{"id a number", key, with(map[string]any{"id": 7}), RefusedField, "field id: want a string"},
		{"schema a string", key, with(map[string]any{"schema": "1"}), RefusedField, "field schema: want a whole number"},
		{"schema a fraction", key, with(map[string]any{"schema": raw("1.0")}), RefusedField, "field schema"},
		{"epoch negative", key, with(map[string]any{"epoch": -1}), RefusedField, `field epoch: want a whole number from 0 of at most 32 bits, have "-1"`},
		{"epoch too large", key, with(map[string]any{"epoch": 1 << 32}), RefusedField, "field epoch"},
		{"expects with exponent", key, with(map[string]any{"expects": raw("1e3")}), RefusedField, "field expects"},
		{"at a number", key, with(map[string]any{"at": 5}), RefusedField, "field at: want a string"},
		{"at without zone", key, with(map[string]any{"at": "2026-01-31T12:00:00"}), RefusedField, "field at: want a time like"},
		{"at of a day that is none", key, with(map[string]any{"at": "2026-02-30T12:00:00Z"}), RefusedField, "2026-02-30"},
		{"at before the year 0", key, with(map[string]any{"at": "0000-01-01T00:00:00+23:00"}), RefusedField, "year from 0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, body, refused := Decode(c.key, c.value)
			require.NotNil(t, refused)
			require.Equal(t, c.code, refused.Code, refused.Reason)
			require.Contains(t, refused.Reason, c.reason)
			require.True(t, refused.Foreign)
			require.Nil(t, body)
			require.Equal(t, Event{}, got)
			require.Less(t, len(refused.Reason), 500, "a reason does not repeat the record")
		})
	}
	for _, field := range []string{"actor", "at", "body", "id", "migration", "schema", "stream", "type"} {
		_, _, refused := Decode(key, with(map[string]any{field: nil}))
		require.Equal(t, &Refusal{Code: RefusedMissing, Reason: "field " + field + ": is required", Foreign: true}, refused)
	}
}

// TestRefusedEvents: what is an event, and changes nothing.
func TestRefusedEvents(t *testing.T) {
	for _, c := range []struct {
		name   string
		body   Body
		fields map[string]any
		code   string
		reason string
	}{
		{"newer schema", StartRequested{}, map[string]any{"schema": 2}, RefusedSchema, "StartRequested: this release reads up to schema 1, have 2"},
		{"schema 0", StartRequested{}, map[string]any{"schema": 0}, RefusedSchema, "want a version from 1"},
		{"no type", StartRequested{}, map[string]any{"type": ""}, RefusedName, "field type"},
		{"no actor's name", StartRequested{}, map[string]any{"actor": raw(`{"kind":"operator","name":""}`)}, RefusedName, "field actor"},
		{"group's event on a topic", Prepared{"c", "m", "n"}, map[string]any{"stream": "topic/orders"}, RefusedStream, `Prepared stands on a stream of kind [group], have "topic/orders"`},
		{"stream of no kind", StartRequested{}, map[string]any{"stream": "unit/a"}, RefusedStream, `"unit/a"`},
		{"topic that cannot be", CopyStarted{}, map[string]any{"stream": "topic/a b"}, RefusedName, `have "topic/a b"`},
		{"topic ..", CopyStarted{}, map[string]any{"stream": "topic/.."}, RefusedName, "Kafka topic name"},
		{"long group", GuardReleased{Side: "source"}, map[string]any{"stream": "group/" + strings.Repeat("g", 1001)}, RefusedName, "(1007 bytes)"},
		{"wrong role", StartRequested{}, map[string]any{"actor": raw(`{"kind":"agent","name":"a"}`)}, RefusedWriter, `StartRequested is written by [operator], have "agent"`},
		{"unknown role", StartRequested{}, map[string]any{"actor": raw(`{"kind":"Operator","name":"a"}`)}, RefusedWriter, `have "Operator"`},
		{"command without expects", StartRequested{}, map[string]any{"expects": nil}, RefusedNoExpects, `StartRequested is a command: want the version of "migration"`},
		{"decision without expects", CopyStarted{}, map[string]any{"expects": raw("null")}, RefusedNoExpects, "CopyStarted is a decision"},
		{"acknowledgement with expects", GuardReleased{Side: "source"}, map[string]any{"expects": 3}, RefusedExpects, "leave expects out, have 3"},
		{"abort with expects", AbortRequested{Code: "a", Reason: "b"}, map[string]any{"expects": 3}, RefusedExpects, "judged by no version"},
		{"no epoch", WritersRolling{}, map[string]any{"epoch": nil}, RefusedNoEpoch, "want its epoch from 1"},
		{"epoch 0", WritersRolling{}, map[string]any{"epoch": 0}, RefusedNoEpoch, "WritersRolling belongs to a switch attempt"},
		{"body without a field", AbortRequested{Code: "a", Reason: "b"}, map[string]any{"body": raw(`{"code":"a"}`)}, RefusedMissing, "field body.reason: is required"},
		{"body's field null", AbortRequested{Code: "a", Reason: "b"}, map[string]any{"body": raw(`{"code":"a","reason":null}`)}, RefusedMissing, "field body.reason: is required, have null"},
		{"body's field in capitals", AbortRequested{Code: "a", Reason: "b"}, map[string]any{"body": raw(`{"code":"a","reason":"b","Code":"c"}`)}, RefusedCase, `field body.Code: want it spelled "code"`},
		{"body's field in odd capitals", GuardReleased{Side: "source"}, map[string]any{"body": raw(`{"side":"source","\u017fide":"target"}`)}, RefusedCase, "want it spelled"},
		{"missing deep inside", CutTaken{Cut: []CutPoint{{Topic: "a"}}}, map[string]any{"body": raw(`{"cut":[{"topic":"a","partition":0,"source":1}]}`)}, RefusedMissing, "field body.cut[0].target: is required"},
		{"null in a list", HoldOrdered{Members: []string{"m"}}, map[string]any{"body": raw(`{"members":["a",null]}`)}, RefusedMissing, "field body.members[1]: want a value, have null"},
		{"null in a map", TopicFinished{}, map[string]any{"body": raw(`{"configs":{"a":null}}`)}, RefusedMissing, "field body.configs.a: want a value, have null"},
		{"number for a string", AbortRequested{Code: "a", Reason: "b"}, map[string]any{"body": raw(`{"code":7,"reason":"b"}`)}, RefusedField, "field body.code: want string, have a JSON number"},
		{"fraction for a number", CopyShared{}, map[string]any{"body": raw(`{"partition":1.5}`)}, RefusedField, "field body.partition"},
		{"number too large", CopyShared{}, map[string]any{"body": raw(`{"partition":2147483648}`)}, RefusedField, "field body.partition"},
		{"object for a list", HoldOrdered{Members: []string{"m"}}, map[string]any{"body": raw(`{"members":{}}`)}, RefusedField, "field body.members"},
		{"partition negative", CopyShared{}, map[string]any{"body": raw(`{"partition":-1}`)}, RefusedBody, "field body: want a partition and an offset from 0, have -1 and 0"},
		{"partition listed twice", CopySynced{Ends: []PartitionOffset{{0, 1}}}, map[string]any{"body": raw(`{"ends":[{"partition":0,"offset":1},{"partition":0,"offset":1}]}`)}, RefusedBody, "ends[1]: partition 0 stands in the list twice"},
		{"topic partition listed twice", DrainProven{Offsets: []TopicOffset{{"a", 0, 1}}},
			map[string]any{"body": raw(`{"offsets":[{"topic":"a","partition":0,"offset":1},{"topic":"a","partition":0,"offset":2}]}`)}, RefusedBody, "offsets[1]: partition 0 of a stands in the list twice"},
		{"topic listed that cannot be", DrainProven{Offsets: []TopicOffset{{"a", 0, 1}}}, map[string]any{"body": raw(`{"offsets":[{"topic":"","partition":0,"offset":1}]}`)}, RefusedBody, "offsets[0]: want the name of a topic"},
		{"empty list", HoldOrdered{Members: []string{"m"}}, map[string]any{"body": raw(`{"members":[]}`)}, RefusedBody, "members: want at least one entry"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := sample(t, c.body)
			_, value := encoded(t, e)
			value = edit(t, value, c.fields)
			if s, changed := c.fields["stream"]; changed {
				e.Stream = Stream(s.(string))
			}
			got, body, refused := Decode([]byte(e.Key("n").String()), value)
			require.NotNil(t, refused)
			require.Equal(t, c.code, refused.Code, refused.Reason)
			require.Contains(t, refused.Reason, c.reason)
			require.False(t, refused.Foreign, "it belongs to the digest")
			require.Nil(t, body)
			require.Equal(t, e.ID, got.ID)
			_, err := Encode(got)
			require.ErrorAs(t, err, new(*Refusal), "and nobody writes it")
		})
	}
}

func TestRefusedNames(t *testing.T) {
	for field, wrong := range map[string][]string{
		"migration": {".a", strings.Repeat("m", 101), "a b", "a\u00e4"},
		"id":        {"a b", strings.Repeat("i", 201), "\u00e4"},
	} {
		for _, name := range wrong {
			e := sample(t, StartRequested{})
			_, value := encoded(t, e)
			value = edit(t, value, map[string]any{field: name})
			if field == "id" {
				e.ID = name
			} else {
				e.Migration = name
			}
			_, _, refused := Decode([]byte(e.Key("n").String()), value)
			require.NotNil(t, refused, "%s %q", field, name)
			require.Equal(t, RefusedName, refused.Code)
			require.Contains(t, refused.Reason, "field "+field)
		}
	}
}

// TestManyFields: objects of many fields are looked through in another way.
func TestManyFields(t *testing.T) {
	fields := make([]string, 0, 5000)
	for i := range 5000 {
		fields = append(fields, fmt.Sprintf(`"k%d":%d`, i, i))
	}
	e := sample(t, StartRequested{})
	key, value := encoded(t, e)
	_, _, refused := Decode(key, edit(t, value, map[string]any{"body": raw("{%s}", strings.Join(fields, ","))}))
	require.Nil(t, refused)
	for _, twice := range []string{`"k0":1`, `"k15":1`, `"k16":1`, `"k4999":1`} {
		body := strings.Join(append(fields, twice), ",")
		_, _, refused = Decode(key, []byte(strings.Replace(string(value), `"body":{}`, `"body":{`+body+`}`, 1)))
		require.NotNil(t, refused)
		require.Equal(t, RefusedDuplicate, refused.Code)
	}
}

func TestDeepestNesting(t *testing.T) {
	e := sample(t, StartRequested{})
	key, value := encoded(t, e)
	nested := strings.Repeat("[", MaxDepth-1) + strings.Repeat("]", MaxDepth-1)
	_, _, refused := Decode(key, edit(t, value, map[string]any{"later": raw("%s", nested)}))
	require.Nil(t, refused)
}

func TestNewRefusesWhatIsInNoCatalogue(t *testing.T) {
	_, err := New("1", "m", MigrationStream, Actor{}, atNoon, tea{})
	require.ErrorContains(t, err, `"TeaServed" is not in the catalogue`)
}

// tea is a body of a later release.
type tea struct{}

func (tea) EventType() Type { return "TeaServed" }
func (tea) Validate() error { return nil }

func TestEncodeRefusesYearsThatCannotBeWritten(t *testing.T) {
	e := sample(t, StartRequested{})
	e.At = e.At.AddDate(8000, 0, 0)
	_, err := Encode(e)
	require.ErrorContains(t, err, "year")
}

func TestQuoteKeepsWholeRunes(t *testing.T) {
	long := strings.Repeat("ä", 100)
	require.Equal(t, fmt.Sprintf("%q… (200 bytes)", strings.Repeat("ä", 40)), quote(long))
	require.Equal(t, fmt.Sprintf("%q… (201 bytes)", "x"+strings.Repeat("ä", 39)), quote("x"+long))
	require.Equal(t, `"\xff"`, quote("\xff"))
	require.Contains(t, quote(strings.Repeat("\xff", 200)), "(200 bytes)")
}
