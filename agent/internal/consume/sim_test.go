package consume

import (
	"encoding/json"
	"flag"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	simSeed = flag.Uint64("sim.seed", 0, "run only this seed")
	simRuns = flag.Int("sim.runs", 6, "runs per kind of fault; hundreds after a change of the core")
)

func unmarshal(raw []byte, into any) error { return json.Unmarshal(raw, into) }

// TestSimulation runs the cores of whole groups, with the real group members' cores against modelled coordinators, through
// switches with faults, and checks that no record is lost, none is handled twice but those that a fault excuses, that the
// order of each partition holds, and that a partition never has two handlers.
func TestSimulation(t *testing.T) {
	for _, k := range []struct {
		name string
		f    faults
	}{
		{"clean", faults{agents: 3}},
		{"partial", faults{agents: 2, partial: true}},
		{"growing", faults{agents: 3, partial: true, grow: 2}},
		{"growing, crash, late, aborts", faults{agents: 3, partial: true, grow: 2, crash: 2, late: true, aborts: 2}},
		{"late", faults{agents: 2, late: true}},
		{"stale", faults{agents: 2, late: true, stale: true}},
		{"deaf", faults{agents: 3, deaf: 0.2}},
		{"deafest, crash", faults{agents: 3, deafest: true, crash: 3}},
		{"deaf, crash, late, stale", faults{agents: 3, deaf: 0.2, crash: 3, late: true, stale: true}},
		{"crash", faults{agents: 3, crash: 2}},
		{"pause", faults{agents: 3, pause: 2}},
		{"crash, pause, late, stale", faults{agents: 3, crash: 2, pause: 2, late: true, stale: true}},
		{"restart", faults{agents: 3, restart: 3}},
		{"stranger", faults{agents: 2, stranger: 2}},
		{"stranger, crash, late", faults{agents: 2, stranger: 2, crash: 1, late: true}},
		{"lossy network", faults{agents: 3, lost: 0.03}},
		{"operator aborts", faults{agents: 2, aborts: 3, late: true}},
		{"slow handlers", faults{agents: 2, slow: 0.01}},
		{"slow handlers, proceed", faults{agents: 2, slow: 0.02, proceed: true}},
		{"failing handlers", faults{agents: 2, errors: 0.1}},
		{"repeated aborts", faults{agents: 3, echo: true, late: true, slow: 0.01}},
		{"dead orchestrator", faults{agents: 2, dead: true}},
		{"dead orchestrator, crash, late", faults{agents: 3, dead: true, crash: 1, late: true}},
		{"everything", faults{agents: 3, partial: true, grow: 1, crash: 1, pause: 1, restart: 1, stranger: 1, lost: 0.01, late: true, stale: true, deaf: 0.03, slow: 0.005, aborts: 1, errors: 0.02}},
	} {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			for seed := uint64(1); seed <= uint64(*simRuns); seed++ {
				if *simSeed != 0 && seed != *simSeed {
					continue
				}
				w := newWorld(seed, k.f)
				err := w.run()
				require.NoError(t, err, fmt.Sprintf("seed %d: rerun with -run '%s$' -sim.seed=%d", seed, t.Name(), seed))
			}
		})
	}
}

// TestRulesAreNeeded breaks one rule at a time: the checks above must notice.
func TestRulesAreNeeded(t *testing.T) {
	for _, k := range []struct {
		lie string
		f   faults
	}{
		{"read before joining", faults{agents: 2, crash: 5, deafest: true}},
		{"no lease", faults{agents: 3, pause: 3}},
		{"latest arrival wins", faults{agents: 3, late: true, stale: true}},
		{"resume at the timeout", faults{agents: 3, late: true, aborts: 2}},
		{"drained with a record in hand", faults{agents: 2}},
		{"a repeated abort counts", faults{agents: 3, echo: true, late: true, slow: 0.05}},
	} {
		t.Run(k.lie, func(t *testing.T) {
			t.Parallel()
			k.f.lie = k.lie
			for seed := uint64(1); seed <= 1000; seed++ {
				if err := newWorld(seed, k.f).run(); err != nil {
					t.Logf("caught at seed %d: %s", seed, strings.SplitN(err.Error(), "\n", 2)[0])
					return
				}
			}
			t.Fatal("nothing was noticed in 1000 runs")
		})
	}
}
