// Package driver makes the clusters what the projection wants them to be.
//
// It is level-triggered: for every stream that wants something it compares the
// row with what the brokers show, does at most one thing, and appends what it
// did or saw as an event. It never touches a row; it meets its own event again
// in the log like everybody else. An effect may be executed twice, late, or by
// two orchestrators: decisions carry the version and epoch they were made for,
// and Step lets only one of them count.
//
// # The loop
//
//	store changed ──> queue ──> look at row ──> look at brokers ──> judge (core_*.go) ──> append event
//	      ^                                                                                  │
//	      └──────────────────────── projector folds portage.events <─────────────────────────┘
//
// Beside it run the publisher, which brings portage.directives up to the
// directives of the projection, makes a stream due again once its directive was
// read back, and sets the marks; the tail of portage.offsets,
// which keeps the offset maps; and the guards, which are members of consumer
// groups as long as their rows want them to be.
//
// # While a group stands still
//
// Between the hold and the decision instances handle nothing, so every round
// trip counts. Calls that do not depend on each other are made at once, records
// of many partitions are read with one request to a broker, and brokers are not
// asked before the instances that prepared have drained, or Config.Poll has
// passed. What a proof needs in an order stays in that order: see proveDrain and
// takeCut. While instances prepare, the guards are nudged at every look: a group
// waits for its slowest member's heartbeat.
//
// # Purity
//
// What is decided lies in the core_*.go files: pure functions of a row, of what
// was seen and of a clock value. Everything else is I/O.
//
// # Failures
//
// An effect that fails is tried again with growing pauses. What a retry cannot
// mend is appended as CopyFailed or AbortRequested with the cause: a person
// takes it from there, other topics and groups go on. A hold that an error keeps
// from going on is aborted. A decision that was refused is not said again before
// its row has changed, so no state makes the driver append for ever.
//
// # Guards
//
// A guard that was refused or removed tries again, with growing pauses. One that
// another process has relieved steps aside: it takes its place back only after a
// while, and only where a switch is under way or the other one has gone.
//
// # Cancel
//
// Only a topic that portage created, that is still the same one and that has no
// record but the copy's is deleted. Whatever is doubtful stays, with a note.
package driver
