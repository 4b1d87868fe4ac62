package e2e

import (
	"testing"

	"github.com/portage-kafka/portage/events"
	"github.com/portage-kafka/portage/testkit/realkafka"
)

// TestRealKillMatrix kills, on Apache Kafka, the orchestrator before and after every event that it writes in a migration with
// an aborted switch and in a cancelled one; then an instance of a group in every phase of its switch; and lets a stranger
// knock at a group that switches.
func TestRealKillMatrix(t *testing.T) {
	b := realBench(t, realkafka.Options{}, realkafka.Options{})
	b.init()
	crashMigration(b, func(events.Type) bool { return true })
	killAgents(b)
	closedDoor(b)
}
