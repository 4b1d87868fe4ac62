// Package group is a member of Kafka consumer groups (the classic protocol: JoinGroup, SyncGroup, Heartbeat, OffsetCommit,
// OffsetFetch, LeaveGroup) that can do what a switch between clusters needs and libraries do not:
//
//   - hold: stay a member, with heartbeats, for as long as handlers drain; a rebalance is reported at once, and the member
//     rejoins when its owner is Ready, or shortly before the broker would evict it;
//   - close a group by protocol name: members that all offer "portage" alone make the broker refuse (23) every classic client
//     that does not offer it; opening it again is one more Rejoin with another Offer;
//   - mirror: the assignor "portage" gives members what they hold on the other cluster (Identity.Wants);
//   - commit with metadata under a named generation, one answer per partition;
//   - tell until when it may act without asking (Lease: the fetch rule).
//
// # Parts
//
//	Core         the membership as a function: inputs and a time in, requests and events out (core*.go)
//	Member       runs a Core on a cluster: goroutine, timer, requests
//	Guard        a static Member that keeps a group closed, and can be relieved without a rebalance
//	Assign…      assignors, pure: AssignPortage, AssignRange, AssignUnits
//	Inspect      what a group is, as its coordinator sees it; tells a KIP-848 group from a dead one
//	grouptest    a model of the coordinator, for simulations
//
// A membership moves like this; what leads back to joining without a word is a rebalance, a lost connection, a retry:
//
//	outside ─Start, Rejoin─> joining ──> syncing ──> assigned ─27─> draining ─Ready or deadline─> joining
//	   ^                        │ Refused    │           │ 22, 25: Lost ──────^
//	   └────────Left────────────┴────────────┴───────────┴──> 82: fenced, for good
//
// # Duties of the owner
//
// Read Events. Start a record only while Lease().Holds(time.Now()) and its partition is in the last Assigned; stop at
// RebalanceNeeded, Lost and one's own Rejoin, until the next Assigned. Answer RebalanceNeeded and Lost with Ready once
// nothing of that generation is being handled. Commit under the generation of the Assigned that gave the partition: from
// RebalanceNeeded until the rejoin it still works, later it is refused (22), as the broker would.
// Lease.Holds counts on the monotonic clock, which stands still while a machine is suspended.
//
// # A service's consumer: two memberships, one loop
//
//	s, err := group.Join(source, group.Config{Group: "billing", Offer: group.Open(who, "orders")})
//	t, err := group.Join(target, group.Config{Group: "billing", Offer: group.Closed(who, "orders")}) // paused: nobody fetches
//	for {
//		select {
//		case e := <-s.Events():
//			switch e := e.(type) {
//			case group.Assigned:
//				who.Wants, who.WantsGeneration = e.Assignment.Partitions, e.Generation
//				t.Rejoin(group.Closed(who, "orders")) // the target follows
//				s.Do(group.Commit{ID: 1, Generation: e.Generation, Offsets: handled}) // answered by an event: Committed
//			case group.RebalanceNeeded:
//				drain(func() { s.Ready(e.Generation) })
//			}
//		case e := <-t.Events(): // the same
//		}
//	}
//
// Commit, Offsets, Confirm and Leave exist as calls, too. A simulation drives two Cores with the same inputs and events.
//
// # The driver: a guard
//
//	g, err := group.NewGuard(source, group.GuardConfig{Group: "billing", Topics: []string{"orders"}})
//	held, err := g.Wait(ctx)             // errors.Is(err, group.ErrStranger): somebody inside does not offer portage
//	offsets, err := g.Offsets(ctx, nil)  // stable, as a member
//	err = g.Commit(ctx, held.Generation, again(offsets)...) // a linearizable write; ErrGeneration: look at everything anew
//	err = g.Seal(ctx)                    // once alone: nobody at all comes in
//	g.Stop()                             // keeps the place for a successor; g.Leave(ctx) gives it up
//
// # Workers: sharing anything
//
//	w, err := group.Join(control, group.Config{
//		Group: "portage-workers", Offer: group.Workers(who),
//		Inventory: func(context.Context, []string) (group.Inventory, error) { return group.Inventory{Units: units()}, nil },
//	})
//	// Assigned.Assignment.Units. When the units change, the leader rejoins, or anybody with another Identity.Stamp.
package group
