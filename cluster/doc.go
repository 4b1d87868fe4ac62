// Package cluster is everything that the rest of portage knows about talking to a Kafka cluster: connecting, metadata,
// topics, configurations, offsets, groups, raw fetch and produce. It rides on kafka-go's Transport (package wire) with
// kmsg as the codec.
//
//	c, err := cluster.Open(ctx, "source", cfg)   // authenticates; a wrong password is an error here, named as such
//	defer c.Close()
//	ends, err := c.ListOffsets(ctx, "orders", partitions, cluster.Latest)
//
// Call sends any request that kmsg knows, to any broker, the controller, a given broker or a group's coordinator; the
// typed methods cover what portage does most. A Client is safe for concurrent use and starts no goroutine of its own
// but those of the connection pool, which Close ends and waits for.
//
// # Errors
//
// Every error of a call is an *Error that names the cluster, the broker, the API, the resource, Kafka's code with its
// name, and what to check. Code, Retriable and Uncertain are the three questions that programs ask; sentinels (ErrTopicExists,
// ErrUnauthorized …) work with errors.Is.
//
// # Rotation
//
// Passwords, tokens, certificates and keys that are given by reference are read anew for every connection. A connection
// gives way to another before its login ends (KIP-368) or its client certificate does, never during a request; a token that
// is over is not sent. So whoever keeps the files up to date need not restart anything. When brokers refuse what a client was
// opened with, it counts as Retriable if it is kept by reference: one side knows of a rotation before the other.
//
// # What is retried
//
// A connection that had died before anything was sent on it is replaced silently. Read-only requests are sent once more
// when a connection breaks. Group requests are repeated while the coordinator loads or moves (14, 15, 16). ListOffsets,
// Read and Leader wait a moment (Config.Settle) for a partition that was just created or is changing its leader. Nothing
// that writes is ever repeated after it may have reached a broker.
package cluster
