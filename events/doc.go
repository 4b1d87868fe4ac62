// Package events is the contract of the portage control topics: the envelope
// in which every fact is written, the catalogue of facts, the rule by which a
// command or decision is accepted, and the values of the directives, offsets
// and progress topics.
//
// # The loop
//
// A fact is an [Event] on the single partition of portage.events. Commands ask
// for something, decisions fix something, acknowledgements answer something
// and observations report something (see [Class]). State is always folded
// from these facts by package fsm; nobody writes state. What a service, a
// worker or a producer must do now is a [Directive], derived from the fold and
// compacted by addressee.
//
// # Record key
//
// Every physical send has a key of its own, so compaction can never drop or
// move a fact:
//
//	migration / stream / event id / nonce
//	orders-eu / topic/orders / 01J... / 9f3a41c2d07be655
//
// The stream may itself contain slashes (a consumer group may be named "a/b"):
// [ParseKey] takes the migration from the front and the id and the nonce from
// the end. A record whose key does not match its envelope is foreign: it is
// counted and named, and changes nothing.
//
// # Reading
//
// [Decode] and the decoders of the other topics are strict (see [Refusal] for
// the codes) and keep what later releases add: unknown fields survive, unknown
// types are events without a body. Which records are foreign is the same in
// every release, so the [Digest] of a log is, too. Folder schema has the
// contract for other languages.
//
// # Purity
//
// The package does no I/O and knows no clock. Values are safe to share between
// goroutines as long as nobody modifies them.
package events
