// Package grouptest is a model of a broker's classic group coordinator, for simulations and tests: no network, no goroutine,
// no clock. Requests go in with the time, answers come out when the group's rules say so.
//
//	b := grouptest.New(grouptest.Options{})
//	b.Handle(now, 1, joinRequest)    // token 1 comes back with the answer
//	b.Advance(b.Wake())              // sessions and rebalances run out by time alone
//	for _, r := range b.Replies() {} // r.Token, r.Response
//
// It follows Apache Kafka 2.8 to 4.3 (kafka.coordinator.group.GroupCoordinator, GroupMetadataManager's classic groups) in
// what members can observe: the join barrier with its pending members, generations, eviction by session and by rebalance
// timeout, static members and their replacement, protocol votes, and the answer to a commit in every state. The tests of
// package group run one script against this model, the embedded broker and real brokers. Not modelled: KIP-848 members,
// transactional commits, the growing initial delay (it is constant), group.max.size.
//
// A Broker is not safe for concurrent use.
package grouptest
