// Package plan reads and writes the file that people review before a migration
// is created, checks it against the clusters, and turns it into the events that
// create the migration.
//
//	migration: orders-eu            # name of the migration
//	source: old                     # cluster names of portage's configuration
//	targets: [new]
//	strategy: consumers-first
//	owner: payments team
//	topics:
//	  - name: orders
//	  - name: payments
//	    target: new                 # needed only when there are several targets
//	    target_name: payments-v2    # default: the same name
//	    replication_factor: 3       # default: as on the source, at most the target's brokers
//	groups: [billing, shipping]
//	steps:                          # default: as below
//	  - {do: copy, approve: auto}
//	  - {do: readers, approve: manual}
//	  - {do: writers, approve: manual}
//	  - {do: finish, approve: manual}
//	policy:
//	  prepare: 60s
//	  hold: 5s
//	  straggler: abort
//	  max_lag: 10000
//	  quiet: 10s
//	  silent: 2m
//
// [Parse] finds what is wrong with the file alone, [Resolve] what is wrong with
// it on these clusters; both return [Problems], each with the line and the fix.
// Nothing is written before both are content.
package plan
