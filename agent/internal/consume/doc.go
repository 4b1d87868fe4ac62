// Package consume decides what one consumer instance does during a migration. It does no I/O: [Core.Step] is told one thing
// that happened and what time it is, and returns what is to be done, in order. The same inputs at the same times give the
// same outputs.
//
//	     directives, group events, closed lanes, read events
//	                         │ Input
//	                   ┌─────▼─────┐
//	                   │   Core    │  order · two sides · lanes · hold
//	                   └─────┬─────┘
//	                         │ Action
//	member requests, lanes to open and shut, events to append, hooks to call
//
// Words. A side is one of the two clusters of a switch and the instance's membership there. A lane is the right to handle
// one partition from one side in one generation; a partition has one lane at a time. The order is the directive in force.
//
// # What the shell owes
//
//   - It hands over every event of each side's group member, in order, and every answer exactly once.
//   - It calls Step with Tick at or soon after [Core.Wake], with the positions that the open lanes have reached.
//   - It hands over the partition counts of each side's topics (Counted): what a leading member made an assignment with, those
//     after every Assigned, and then from time to time.
//   - A lane starts a record only while [MayStart] says so, asked anew for every record. After Shut it starts none and says
//     LaneClosed once nothing of it is in a handler's hands, with the offset below which all is handled.
//   - Append is repeated until it succeeds. Hooks (Call) run in the order of the actions, one at a time.
//
// # Rules, and what breaks without them
//
// (Each was switched off in a model, which then lost or doubled a record.)
//
//   - A directive of a lower position is ignored: a late orchestrator would send part of a group back.
//   - The directive is read after joining: an instance that joins after the members were counted would not know of the hold.
//   - The lease ([MayStart]): a process that slept would handle records that its successor has.
//   - A verdict ends an expired hold, never the clock alone: the decision may have been made.
//   - An abort under an id that may have stood in the log before does not make a verdict: the fold ignores repetitions.
//   - Positions on the target are read after the route: before, the cut may not have been staged.
//   - The cut is staged only where the committed offset is absent or lower: a late owner would rewind the group.
//   - A starter in the middle of a switch joins both groups, held: else nobody would be there to stage.
package consume
