package rules

import "testing"

// TestTiers plants tests on real brokers under names that make kafka does not know.
func TestTiers(t *testing.T) {
	head := []string{`import (`, `"testing"`, `"` + ours("testkit/realkafka") + `"`, `)`}
	runAll(t, []planted{
		{"asks itself", map[string]string{"events/doc.go": src("events"), "events/x_test.go": plain("events", append(head,
			`func TestOnKafka(t *testing.T) { realkafka.ForTest(t, realkafka.Options{}) }`)...)},
			[]string{"events/x_test.go:6: [tiers] TestOnKafka needs real brokers"}},
		{"asks through others, in another file", map[string]string{"events/doc.go": src("events"),
			"events/a_test.go": plain("events", `import "testing"`, `func TestSome(t *testing.T) { t.Run("x", func(t *testing.T) { pair(t) }) }`, `func pair(t *testing.T) { one(t) }`),
			"events/b_test.go": plain("events", append(head, `func one(t *testing.T) { realkafka.Require(t) }`)...)},
			[]string{"events/a_test.go:3: [tiers] TestSome needs real brokers"}},
		{"well named, or harmless", map[string]string{"events/doc.go": src("events"), "events/x_test.go": plain("events", append(head,
			`func TestRealKafka(t *testing.T) { realkafka.AllForTest(t) }`, `func TestPath(t *testing.T) { _ = realkafka.Target; helper() }`, `func helper() {}`)...)}, nil},
	})
}
