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

func TestParseProblems(t *testing.T) {
	for text, says := range map[string]string{
		"":               "the file is empty",
		"control: new\n": "clusters: missing",
		"control: x\nclusters: {old: {bootstrap: [a:1]}}\n":                                `control: "x" is not among the clusters (old)`,
		"control: old\nclusters: {old: {bootstrap: [a:1]}}\nlisten_to: x\n":                "line 3",
		"control: old\nclusters: {old: {}}\n":                                              "clusters.old",
		"control: old\nclusters: {old: {properties: no.properties}}\n":                     "no.properties",
		"control: old\nclusters: {old: {properties: x, bootstrap: [a:1]}}\n":               "exclude each other",
		"control: old\nclusters: {old: {bootstrap: [a:1], sasl: {mechanism: KERBEROS}}}\n": "KERBEROS",
	} {
		_, err := Parse([]byte(text), t.TempDir())
		require.ErrorContains(t, err, says, "%q", text)
	}
}

func TestProperties(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "c.properties"), []byte("bootstrap.servers=a:1,b:2\n"), 0o600))
	c, err := Parse([]byte("control: old\nclusters: {old: {properties: c.properties}}\n"), dir)
	require.NoError(t, err)
	require.Equal(t, []string{"a:1", "b:2"}, c.Clusters["old"].Bootstrap)
}

func TestLoad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "portage.yaml")
	_, err := Load(path)
	require.ErrorContains(t, err, "PORTAGE_CONFIG")
	require.NoError(t, os.WriteFile(path, []byte(good), 0o600))
	t.Setenv("PORTAGE_CONFIG", path)
	c, err := Load("")
	require.NoError(t, err)
	require.Equal(t, path, c.Path)
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
