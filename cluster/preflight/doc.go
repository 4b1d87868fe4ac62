// Package preflight looks, before anything is created, for what could lose
// data in a migration or make it fail half-way. Every check has a number, its
// evidence and a fix; it only reads.
//
//	report, err := preflight.Run(ctx, preflight.Subject{Source: s, Pairs: pairs, Control: c, Groups: groups})
//	for _, f := range report.Findings { ... }
//
// The numbers are those under which the checks are documented; they are stable,
// so that a policy can name one.
package preflight
