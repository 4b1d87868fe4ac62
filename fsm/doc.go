// Package fsm is portage's judgement: pure state machines that fold the facts
// of portage.events into rows.
//
// [Machines.Step] takes one event and a reader of rows and returns the rows
// that change, the directives and effects that follow, and a note that says
// whether the event counted and why not. It is total: no event, however odd,
// makes it fail; a misfit is noted and changes nothing.
//
// # Duties of the caller
//
// Call Step with the records of portage.events in the order of their
// positions, and apply each [Outcome] before the next call. Never modify a row
// that Rows returned or an Outcome holds. A Machines is not safe for
// concurrent use: one per fold.
//
// # Purity
//
// No clock, no randomness, no I/O, no goroutine, no visible map order: the same
// records give the same rows on every machine, in an audit and in a test. A
// step reads and changes only the few rows of the event's stream, so that a
// migration of ten thousand topics costs no more per event than one of ten;
// what is needed of all topics or groups is counted in the migration's row.
//
// # What others judge, too
//
// Held consumers and starting producers read the log themselves and must come
// to the same answer without the rows. So three events are judged by
// [events.Judge] and nothing else: AbortRequested, SwitchCommitted of a group
// and WritersRolling of a topic. Never add a condition to them: what is found
// against a switch has to be said by an AbortRequested. The other decisions are
// held to what the rows know, as a second net under whoever proves them.
//
// # What protects
//
// A topic or group is claimed on both of its clusters by one open migration. An
// orchestrator begins no step that waits for a person. Nothing goes further
// towards a copy that is stopped. A topic is finished only when its source is
// quiet and both sides were compared up to the highest end known. Instances are
// let out of the source only by a guard that was seen after the decision.
//
// # Tables
//
// The transition tables are those of [events.Moves], run by looplab/fsm with
// one machine per axis shared by all rows. Guards that need the rows (the last
// partition staged, nothing moved yet) are functions beside them.
package fsm
