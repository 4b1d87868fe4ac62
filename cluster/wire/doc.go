// Package wire speaks the Kafka protocol over kafka-go's Transport, which keeps the pool of connections and
// authenticates them. It carries three kinds of request:
//
//   - Any: every API, with kmsg as the codec, at the highest version that the broker at the other end of that very
//     connection offers (brokers of one cluster differ during a rolling upgrade);
//   - Fetch: many partitions, record batches handed over as the bytes that the broker sent, never decoded;
//   - Produce: many partitions, record batches sent as they are.
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
