// Package produce holds the decisions of an agent's producer, without I/O:
//
//   - [Lane] gives the batches of one partition their sequence numbers, and says
//     what an answer, or none, means: stored, send the same bytes again, or failed.
//   - [Bind] says which route binds a producer that has just registered, from its
//     topic's directive and the events between that and its registration;
//     [Passed] says when the copy has passed what the source had by then.
//   - [Partitioner] picks a record's partition as Kafka's Java client does;
//     [Writable] says how many partitions there are to pick from.
//
// # A lane
//
// One batch is under way at a time. An unanswered batch is repeated with the same
// producer id, epoch, sequence and bytes until it is answered; brokers drop a
// repetition that they have. Its sequence range never carries other content:
// brokers compare the range only. A batch that a broker refuses at once was not
// stored and consumes no sequence; one that is refused after an attempt without an
// answer may be stored, so the lane goes on under a new identity.
//
//	        Take                 Answer: ok
//	idle ─────────> under way ──────────────> idle, sequence += records
//	                 │   ▲
//	  no answer, or  └───┘  same bytes after a pause
//	  a passing error
package produce
