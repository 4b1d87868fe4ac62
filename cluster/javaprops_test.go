package cluster

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// javaString draws text that tries every corner of the two syntaxes.
var javaString = rapid.StringOfN(rapid.RuneFrom([]rune("ab =:;#!\\\"'\t\n\r\fé\u00a0u0041,")), 0, 12, -1)

// store writes a key or value the way java.util.Properties.store does.
func store(s string, key bool) string {
	var out strings.Builder
	for i, r := range s {
		switch {
		case r == '\t':
			out.WriteString(`\t`)
		case r == '\n':
			out.WriteString(`\n`)
		case r == '\r':
			out.WriteString(`\r`)
		case r == '\f':
			out.WriteString(`\f`)
		case r == ' ' && (key || i == 0), strings.ContainsRune(`=:#!\`, r):
			out.WriteString(`\` + string(r))
		case r < 0x20 || r > 0x7e:
			fmt.Fprintf(&out, `\u%04X`, r)
		default:
			out.WriteRune(r)
		}
	}
	return out.String()
}

// TestPropertiesThatJavaWroteAreRead: what java.util.Properties.store writes comes back, whatever the text.
func TestPropertiesThatJavaWroteAreRead(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := properties(rapid.MapOfN(javaString.Filter(func(s string) bool { return s != "" }), javaString, 0, 5).Draw(t, "properties"))
		var text strings.Builder
		for k, v := range want {
			if rapid.Bool().Draw(t, "comment") {
				text.WriteString("# " + strings.ReplaceAll(store(v, false), "\n", "") + "\n")
			}
			separator := rapid.SampledFrom([]string{"=", ":", " = ", "\t:", " "}).Draw(t, "separator")
			if separator == " " && strings.HasPrefix(v, "=") {
				separator = "="
			}
			text.WriteString(store(k, true) + separator + store(v, false) + rapid.SampledFrom([]string{"\n", "\r\n", "\r"}).Draw(t, "end"))
		}
		got, err := parseProperties(text.String())
		require.NoError(t, err)
		require.Equal(t, want, got, "%q", text.String())
	})
}

// TestJAASThatWasQuotedIsRead: quoted options come back, whatever the text.
func TestJAASThatWasQuotedIsRead(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		user, password := javaString.Draw(t, "user"), javaString.Draw(t, "password")
		quote := func(s string) string {
			mark := rapid.SampledFrom([]string{`"`, `'`}).Draw(t, "quote")
			return mark + strings.NewReplacer(`\`, `\\`, mark, `\`+mark).Replace(s) + mark
		}
		text := fmt.Sprintf("some.Module required\n username=%s password = %s ;", quote(user), quote(password))
		module, options, err := parseJAAS(text)
		require.NoError(t, err, "%q", text)
		require.Equal(t, "some.Module", module)
		require.Equal(t, map[string]string{"username": user, "password": password}, options, "%q", text)
	})
}

// TestJavaEscapes: escapes are those of java.io.StreamTokenizer.
func TestJavaEscapes(t *testing.T) {
	for in, want := range map[string]string{`\a\b\v`: "\a\b\v", `\101\7x\400`: "A\ax\x200", `\8\q`: "8q"} {
		_, options, err := parseJAAS(`m required x="` + in + `";`)
		require.NoError(t, err)
		require.Equal(t, want, options["x"], in)
	}
}

// FuzzJAAS: no text makes the reader fail in another way than by an error.
func FuzzJAAS(f *testing.F) {
	f.Add(`a required b="c\"" d='e' f=g;`)
	f.Fuzz(func(t *testing.T, text string) {
		module, options, err := parseJAAS(text)
		if err != nil {
			return
		}
		require.NotEmpty(t, module)
		for k := range options {
			require.NotEmpty(t, k)
		}
	})
}
