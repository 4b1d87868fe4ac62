// Package realkafka runs Apache Kafka on this machine: it fetches pinned versions from Maven Central once, and starts and
// stops clusters of one or three brokers on free loopback ports with their data in a temporary folder. It is the tier of
// tests that proves things; the embedded clusters of package embedded only make them fast.
//
// It needs a Java runtime (17 or later) and, for fetching, Maven; nothing else, and no root.
//
//	if err := realkafka.Available(); err != nil { ... }          // says what to install or fetch
//	cluster, err := realkafka.Start(ctx, realkafka.Options{Version: realkafka.Target, Brokers: 3})
//	defer cluster.Stop()
//	client := dial(cluster.Bootstrap(realkafka.Internal))
//
// In a test, ForTest does all of that, skips unless PORTAGE_REAL=1, and prints the brokers' last lines when the test failed.
//
// # Duties of the caller
//
// Stop must be called; it kills the brokers and removes their data. Should the process die first, the kernel kills the
// brokers (Linux), and only a temporary folder is left. A started broker takes about 350 MB and 4 s on two cores.
//
// # Measuring
//
// Cluster.CPU is the processor time of the brokers, MirrorMaker.CPU that of a MirrorMaker 2 (see StartMirrorMaker), which is
// what others copy with: differences of two readings are what a piece of work has cost (Linux only).
//
// # What differs from a production broker
//
// The settings in properties.go make tests quick: no initial rebalance delay (Options.RebalanceDelay restores Kafka's 3 s,
// which pause figures need), an eager log cleaner, a producer-id check every second, small internal topics. All brokers are
// controllers, too; those of version Oldest have one ZooKeeper beside them instead. Options.Properties overrides any of it.
//
// Every cluster has the listener INTERNAL: plaintext, open to all on loopback, super user. It serves the brokers among
// themselves and this package; Options.Listeners adds those that a test is about.
//
// All methods may be called from several goroutines at once.
package realkafka
