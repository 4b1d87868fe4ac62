// Package wire speaks the Kafka protocol over kafka-go's Transport, which keeps the pool of connections. It carries three
// kinds of request:
//
//   - Any: every API, with kmsg as the codec, at the highest version that the broker at the other end of that very
//     connection offers (brokers of one cluster differ during a rolling upgrade);
//   - Fetch: many partitions, record batches handed over as the bytes that the broker sent, never decoded; FetchSession makes
//     requests that name changes only (KIP-227);
//   - Produce: many partitions, record batches sent as they are.
//
// The first exchanges on a connection are this package's own: TLS, the version exchange and the SASL login (with
// kafka-go's mechanisms). So a listener that is no broker is found out before its lengths are believed, a refused login is
// an error with the broker's words, and a connection is replaced before its login expires (KIP-368).
//
// A connection serves one request at a time, here and in the broker, so a long poll never delays another call: the
// pool opens one more connection instead.
//
// A call ends when its context does: the socket is given up, because an answer may still be on its way, and the call
// returns only after nothing touches its buffers any more. Every call needs a context with a deadline; package cluster
// sees to that. Transport is safe for concurrent use; a request value must not be shared between concurrent calls.
//
// What comes from a broker is treated as foreign bytes: lengths are checked before they are believed, and every parser
// is fuzzed.
package wire
