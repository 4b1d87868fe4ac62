package events

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestKeys(t *testing.T) {
	for _, k := range []Key{
		{"m", MigrationStream, "id", "n"},
		{"m", GroupStream("a/b"), "id", "n"},
		{"m", GroupStream("/"), "id", "n"},
		{"m", GroupStream("x//"), "id", "n"},
		{"m", TopicStream("t"), "id", "n"},
	} {
		got, err := ParseKey(k.String())
		require.NoError(t, err)
		require.Equal(t, k, got)
	}
	for _, s := range []string{"", "/", "a/b/c", "m//id/n", "/s/id/n", "m/s//n", "m/s/id/", "m"} {
		_, err := ParseKey(s)
		require.ErrorContains(t, err, "want migration/stream/event-id/nonce", "%q", s)
	}
}

// TestKeysHaveOneSpelling: two spellings of a key would be two records, of
// which compaction keeps both.
func TestKeysHaveOneSpelling(t *testing.T) {
	parse := map[string]func(string) error{
		"directive": func(s string) error { _, err := ParseDirectiveKey(s); return err },
		"mark":      func(s string) error { _, err := ParseMarkKey(s); return err },
		"copy":      func(s string) error { _, err := ParseCopyKey(s); return err },
		"offsets":   func(s string) error { _, err := ParseOffsetsKey(s); return err },
	}
	for kind, keys := range map[string]map[string]bool{
		"directive": {"c/group/g/5": true, "c/group/a/b/5": true, "c/replicate/migration/m/0": true, "c/group/g/05": false, "c/group/g/+5": false, "c/group/g/-5": false,
			"c/group/g/": false, "c/g/5": false, "/group/g/5": false, "c/group/g/9223372036854775808": false, "mark/5": false, "c": false},
		"mark": {"mark/0": true, "mark/15": true, "mark/16": false, "mark/05": false, "mark/-1": false, "mark/": false, "marks/1": false, "c/group/g/5": false},
		"copy": {"m/t/0": true, "m/t/2147483647": true, "m/t/2147483648": false, "m/t/00": false, "m/t/-1": false, "m/t/": false, "m//0": false, "/t/0": false, "m/t/0/0": false, "m/a b/0": false},
		"offsets": {"m/t/0/0.0": true, "m/t/0/7.12": true, "m/t/0/claim/3/n": true, "m/t/0/07.12": false, "m/t/0/7.": false, "m/t/0/7": false, "m/t/0/-1.0": false, "m/t/0/2147483647.0": true, "m/t/0/2147483648.0": false,
			"m/t/0/claim/3": false, "m/t/0/claim/3/": false, "m/t/0/claim/x/n": false, "m/t/0/klaim/3/n": false, "m/t/0/claim/03/n": false, "m/t/x/1.1": false, "": false},
	} {
		for key, good := range keys {
			if err := parse[kind](key); good {
				require.NoError(t, err, "%s %q", kind, key)
			} else {
				require.Error(t, err, "%s %q", kind, key)
				require.Contains(t, err.Error(), fmt.Sprintf("%q", key))
			}
		}
	}
}

// TestControlPartition: the rule is a contract for other languages.
func TestControlPartition(t *testing.T) {
	for key, want := range map[string]int32{"": 5, "a": 12, "foobar": 8} { // FNV-1a 811c9dc5, e40c292c, bf9cf968
		require.Equal(t, want, ControlPartition(key), key)
	}
	d := orders()["group"]
	require.Equal(t, ControlPartition("src-id/group/billing/eu 1"), d.Key().Partition())
	require.Equal(t, ControlPartition("m/t/3"), CopyKey{"m", "t", 3}.ControlPartition())
}

func TestDeriveID(t *testing.T) {
	require.Len(t, DeriveID("a"), 32)
	require.Equal(t, DeriveID("a", "b"), DeriveID("a", "b"))
	require.NotEqual(t, DeriveID("ab", "c"), DeriveID("a", "bc"))
	require.NotEqual(t, DeriveID("a"), DeriveID("a", ""))
	require.True(t, validID(DeriveID("x")))
	// printf '1:a,' | sha256sum
	require.Equal(t, "9fa1b1c0f0be70b0a0a46e93c1b2cdab", DeriveID("a"), "ids are a contract: a restarted writer of another release repeats them")
}

func TestValidNames(t *testing.T) {
	for name, want := range map[string]bool{"a": true, "A-b_c.9": true, strings.Repeat("x", 100): true, strings.Repeat("x", 101): false, "": false, ".a": false, "a/b": false, "a b": false, "ä": false} {
		require.Equal(t, want, ValidName(name), name)
	}
	for name, want := range map[string]bool{"a": true, ".a": true, "...": true, "__consumer_offsets": true, strings.Repeat("x", 249): true, strings.Repeat("x", 250): false, "": false, ".": false, "..": false, "a/b": false, "a:b": false} {
		require.Equal(t, want, ValidTopic(name), name)
	}
}

func TestStreams(t *testing.T) {
	for s, want := range map[Stream]StreamKind{MigrationStream: OfMigration, "topic/a": OfTopic, "group/a/b": OfGroup, "topic/": "", "topic": "", "": "", "group": "", "migration/a": "", "unit/a": ""} {
		require.Equal(t, want, s.Kind(), s)
	}
	require.Equal(t, "a/b", GroupStream("a/b").Name())
	require.Empty(t, MigrationStream.Name())
}

// TestAnyKeyIsReadBack: whatever a group is called.
func TestAnyKeyIsReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		group := rapid.StringN(1, 40, -1).Draw(t, "group")
		k := Key{Migration: rapid.StringMatching(`[a-zA-Z0-9_-]{1,20}`).Draw(t, "migration"), Stream: GroupStream(group),
			ID: rapid.StringMatching(`[a-zA-Z0-9]{1,20}`).Draw(t, "id"), Nonce: rapid.StringMatching(`[0-9a-f]{1,16}`).Draw(t, "nonce")}
		got, err := ParseKey(k.String())
		require.NoError(t, err)
		require.Equal(t, k, got)
		d := DirectiveKey{SourceCluster: k.ID, Addressee: ToGroup(group), Position: rapid.Int64Min(0).Draw(t, "position")}
		back, err := ParseDirectiveKey(d.String())
		require.NoError(t, err)
		require.Equal(t, d, back)
	})
}
