// Package embedded starts Kafka clusters inside the process: a pair named "source" and "target", each a kfake cluster of
// one or three brokers on loopback ports, ready in milliseconds. It is the fast tier of the tests and what `portage demo`
// runs on when no Java is there.
//
//	pair, err := embedded.Start(embedded.Options{Brokers: 3, Source: embedded.Side{
//		Topics: []embedded.Topic{{Name: "orders", Partitions: 4}},
//	}})
//	defer pair.Stop()
//	client := dial(pair.Source.Bootstrap())
//
// In a test, ForTest does the same and stops the pair when the test ends. Everything here may be used from several
// goroutines at once.
//
// # What it is not
//
// kfake is never the oracle: whatever matters is shown on Apache Kafka as well (package realkafka). It differs from a broker:
//
//   - no throttling, and no initial rebalance delay: pauses measured here mean nothing;
//   - producer ids never expire by the age of their records;
//   - compaction drops empty batches and advances the start of the log;
//   - error codes for malformed batches differ, and an emptied group keeps its protocol;
//   - a KIP-848 client cannot enter a live classic group (error 69); on Kafka 4 it can;
//   - a topic created over the wire gets random leaders; one created by Cluster.CreateTopic gets those of Options.Seed.
//
// # Faults
//
// kfake's own faults (Fault, ControlKey, SleepControl) are reached through Cluster.Kfake. Two more live here: LoseAcks,
// where the broker does the work and the client never hears, and Cut, where a whole cluster drops off the network.
package embedded
