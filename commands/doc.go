// Package commands turns what a person wants into events: it judges an intent
// on the projection first, so that a refusal can be explained before anything
// is written, appends it, and reports what became of it.
//
// The judge is [fsm.Machines.Step], here as in the fold: an intent that is
// refused here would be refused there, and an event that somebody appends with
// another tool is judged by the same table. Between judging and appending
// others may append; the receipt's note is what counts.
//
//	c := commands.New(commands.Config{Append: appender.AppendAll, Fold: fold, ...})
//	receipt, err := c.Send(ctx, "orders-eu", events.GroupStream("billing"), events.SwitchRequested{To: "target"})
//	var refused *commands.Refused
//	if errors.As(err, &refused) { // nothing was appended, or what was appended did not count
//
// [Why] says what a migration waits for and who has to act.
package commands
