// Package classes shows a copier every class of record batch as real brokers store them.
//
// A Scene writes one partition of a real source in a way of its own: a codec, a transaction, compaction, an old message
// format. A Golden is a page of such a partition, as one fetch returned it, with the class of each batch and what a
// copier sends for it: a small file in cluster/batch/testdata/classes, named by scene, number of the page and version
// of the source.
//
// Replay is the simplest copier there is, batch by batch with package cluster/batch. Goldens hold what it made of their
// pages, so they are judged three times:
//
//   - always: Replay and the replicator's core must make of the stored pages what is stored;
//   - on real brokers: the scenes are written anew, and must give batches of the same shape and classes;
//   - there, too: a real target takes what is sent, and its records read back as the source's committed ones.
//
// Goldens are written anew with
//
//	go test ./cluster/batch -run Golden -update                          # from the stored pages: after a change of the rules
//	PORTAGE_REAL=1 go test ./cluster/batch -run TestRealClasses -update  # from real brokers: a new scene, a new version
//
// Read the difference before it is committed: it is what a copy does to people's records.
package classes
