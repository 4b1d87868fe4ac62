package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/portage-kafka/portage/cluster/auth/authtest"
)

const good = "control: new\nclusters:\n  old: {bootstrap: [a:1]}\n  new: {bootstrap: [b:2]}\n"

// TestParse: what is left out has a default.
func TestParse(t *testing.T) {
	c, err := Parse([]byte(good), t.TempDir())
	require.NoError(t, err)
	require.Equal(t, []string{"new", "old"}, c.Names())
	require.Equal(t, []string{"a:1"}, c.Clusters["old"].Bootstrap)
	require.NotEmpty(t, c.Data)
}

// TestExamples: what the README and the package's documentation show can be
// copied.
func TestExamples(t *testing.T) {
	dir := t.TempDir()
	ca := filepath.Join(dir, "ca.pem")
	require.NoError(t, os.WriteFile(ca, []byte(authtest.NewAuthority(t).PEM), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "client.properties"), []byte("bootstrap.servers=a:1\n"), 0o600))
	readme, err := os.ReadFile("../../../README.md")
	require.NoError(t, err)
	_, after, _ := strings.Cut(string(readme), "```yaml\n")
	fromReadme, _, ok := strings.Cut(after, "```")
	require.True(t, ok, "the README shows a configuration")
	source, err := os.ReadFile("config.go")
	require.NoError(t, err)
	var fromDoc strings.Builder
	for l := range strings.Lines(string(source)) {
		if shown, ok := strings.CutPrefix(l, "//\t"); ok {
			fromDoc.WriteString(shown)
		}
	}
	for _, text := range []string{fromReadme, fromDoc.String()} {
		text = strings.NewReplacer("/etc/ssl/kafka-ca.pem", ca, "/etc/kafka/client.properties", "client.properties").Replace(text)
		c, err := Parse([]byte(text), dir)
		require.NoError(t, err, "%s", text)
		require.Equal(t, []string{"new", "old"}, c.Names())
		require.Equal(t, "new", c.Control)
	}
}

// TestParseProblems: each names its line or key, and the fix.
func TestParseProblems(t *testing.T) {
	for text, says := range map[string]string{
		"":               "the file is empty",
		"control: new\n": "clusters: missing",
		"control: x\nclusters: {old: {bootstrap: [a:1]}}\n":                                               `control: "x" is not among the clusters (old)`,
		"control: old\nclusters: {old: {bootstrap: [a:1]}}\nlisten_to: x\n":                               "line 3: listen_to: unknown key: remove it, or mend its spelling",
		"control: old\nclusters:\n  old: {bootstraps: [a:1]}\n  new: {bootstrap: b:1}\n":                  "line 3: bootstraps: unknown key: remove it, or mend its spelling\nline 4: `b:1` cannot be read: write a list, such as [kafka-1:9092, kafka-2:9092]",
		"control: old\nclusters: {old: {bootstrap: [a:1], tls: here, dial_timeout: long}}\nlisten: [a]\n": "line 2: `here` cannot be read: write keys and values, such as {key: value}\nline 2: `long` cannot be read: write a duration with a unit, such as 5s\nline 3: cannot be read: write text",
		"control: old\nclusters: {old: {bootstrap: [a:1], tls: {insecure: perhaps}}}\n":                   "line 2: `perhaps` cannot be read: write true or false",
		"clusters: [old]\n":             "line 1: cannot be read: write the clusters by their names",
		"- old\n":                       "line 1: cannot be read: write keys and values, such as control: new",
		"control: old\n clusters: {}\n": "line 2: mapping values are not allowed in this context",
		"control: a b\nclusters: {a b: {bootstrap: [a:1]}}\n":                              `clusters: "a b" is no name for a cluster`,
		"control: old\nclusters: {old: {}}\n":                                              "clusters.old",
		"control: old\nclusters: {old: {properties: no.properties}}\n":                     "no.properties",
		"control: old\nclusters: {old: {properties: x, bootstrap: [a:1]}}\n":               "exclude each other",
		"control: old\nclusters: {old: {bootstrap: [a:1], sasl: {mechanism: KERBEROS}}}\n": "KERBEROS",
	} {
		_, err := Parse([]byte(text), t.TempDir())
		require.ErrorContains(t, err, says, "%q", text)
	}
}

// TestCluster: one that is not there is told with those that are.
func TestCluster(t *testing.T) {
	c, err := Parse([]byte(good), t.TempDir())
	require.NoError(t, err)
	c.Path = "portage.yaml"
	found, err := c.Cluster("old")
	require.NoError(t, err)
	require.Equal(t, []string{"a:1"}, found.Bootstrap)
	_, err = c.Cluster("odl")
	require.EqualError(t, err, `cluster "odl" is not in portage.yaml, which has new, old: did you mean "old"?`)
	_, err = c.Cluster("elsewhere")
	require.EqualError(t, err, `cluster "elsewhere" is not in portage.yaml, which has new, old`)
}

// TestProperties: a Java client's file stands for a cluster's settings.
func TestProperties(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "c.properties"), []byte("bootstrap.servers=a:1,b:2\n"), 0o600))
	c, err := Parse([]byte("control: old\nclusters: {old: {properties: c.properties}}\n"), dir)
	require.NoError(t, err)
	require.Equal(t, []string{"a:1", "b:2"}, c.Clusters["old"].Bootstrap)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "c.properties"), []byte("security.protocol=CARRIER_PIGEON\n"), 0o600))
	_, err = Parse([]byte("control: old\nclusters: {old: {properties: c.properties}}\n"), dir)
	require.ErrorContains(t, err, "clusters.old: "+filepath.Join(dir, "c.properties"))
}

// TestLoad: the environment names the file that no flag names.
func TestLoad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "portage.yaml")
	_, err := Load(path)
	require.ErrorContains(t, err, "PORTAGE_CONFIG")
	require.NoError(t, os.WriteFile(path, []byte(good), 0o600))
	t.Setenv("PORTAGE_CONFIG", path)
	c, err := Load("")
	require.NoError(t, err)
	require.Equal(t, path, c.Path)
	require.NoError(t, os.WriteFile(path, []byte("control: old\n"), 0o600))
	_, err = Load("")
	require.ErrorContains(t, err, path+": clusters: missing", "what is wrong is told with the file")
	_, err = Load(t.TempDir())
	require.ErrorContains(t, err, "read the configuration")
}

// FuzzParse: no file makes it panic, and what it takes has the control cluster.
func FuzzParse(f *testing.F) {
	f.Add([]byte(good))
	f.Add([]byte("control: old\nclusters: {old: {properties: c.properties}}\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		c, err := Parse(raw, t.TempDir())
		if err == nil {
			require.Contains(t, c.Clusters, c.Control)
		}
	})
}
