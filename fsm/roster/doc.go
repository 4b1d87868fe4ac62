// Package roster decides who must still acknowledge a switch of a consumer group: pure functions over what the
// broker lists as members and what agents have acknowledged. No I/O, no clock.
//
// [Check] is asked before Hold (acknowledgements: Prepared) and before Cut (Drained): is every member of the group,
// as the broker says, the guard or somebody who has acknowledged this epoch under that very member id? It answers
// with names, so that `why` can show them.
//
// # What counts
//
// An acknowledgement of another epoch, incarnation or member id counts for nothing. Acknowledgements commute, so
// the answer never depends on their order or on how often one is repeated. Where two incarnations claim the same
// member id in one epoch and the broker does not say which is inside, neither counts: the member is disputed.
//
// # Who is who
//
//	acked      has acknowledged the epoch under this member id
//	missing    one of ours that has not
//	ghost      one of ours that has not, and whose process acknowledged under a newer member id: a dead membership
//	           that the broker has not expired yet. It is waited out, never kicked
//	disputed   two incarnations claim the member id
//	stranger   nobody of ours ever claimed the member id. Conclusive only when the members' incarnations were read
//	           from the broker, for an agent that has just joined has not acknowledged anything yet
//	gone       acknowledged, but no longer (or not yet) a member. It does not block: the broker will not take its commits
package roster
