// Package e2e is the acceptance suite: it drives portage as a user does, and judges what came out of it from outside.
//
// The tests build the programs `portage` and `testkit/service`, write a portage.yaml, and run the orchestrator, workers and
// services as processes of their own; everything that a person would do goes through the command line. Tests named TestReal…
// run on Apache Kafka (3.9.2 to 4.3.1) when PORTAGE_REAL=1, the others on the embedded clusters of package testkit/embedded,
// with the same steps on less data.
//
// A test waits for states, never for times: it folds portage.events itself, with nothing attached. Processes die with the
// test. Their logs, journals and settings stay in .cache/e2e/TEST at the root of the repository until the next run, and the
// ends of the logs are printed when a test fails.
//
// The verdict on data is that of testkit/oracle: nothing lost, doubled, reordered or processed twice, but for records that
// were in the hands of an instance that the test killed, which are listed.
package e2e
