package cluster_test

import (
	"maps"
	"slices"
	"testing"

	"github.com/portage-kafka/portage/testkit/realkafka"
)

// onAnyKafka are the tests that need no control over the brokers: they pass on Apache Kafka as on the embedded broker.
var onAnyKafka = map[string]func(*testing.T){
	"AdminCommit":                   TestAdminCommit,
	"AppendAndRead":                 TestAppendAndRead,
	"AppendRefusals":                TestAppendRefusals,
	"CallOptions":                   TestCallOptions,
	"ClientIsSafeForConcurrentUse":  TestClientIsSafeForConcurrentUse,
	"CompactedBatchesAreCopied":     TestCompactedBatchesAreCopied,
	"Configs":                       TestConfigs,
	"DenseBatchesAreCopied":         TestDenseBatchesAreCopied,
	"GroupLife":                     TestGroupLife,
	"IdempotentAppend":              TestIdempotentAppend,
	"ListOffsets":                   TestListOffsets,
	"ListOffsetsJoinsErrorsPerPart": TestListOffsetsJoinsErrorsPerPartition,
	"LogAppendTimeIsCopied":         TestLogAppendTimeIsCopied,
	"PassThrough":                   TestPassThrough,
	"RawFetchAndProduce":            TestRawFetchAndProduce,
	"ReadBelowTheLogStart":          TestReadBelowTheLogStart,
	"ReadCommitted":                 TestReadCommitted,
	"ReadOutOfRangeIsAnError":       TestReadOutOfRangeIsAnError,
	"ReadWaits":                     TestReadWaits,
	"TopicLife":                     TestTopicLife,
	"TopicRefusals":                 TestTopicRefusals,
	"TransactionsAreCopied":         TestTransactionsAreCopied,
}

// TestReal runs them on every pinned release of Apache Kafka; what they copy goes to the newest.
func TestReal(t *testing.T) {
	for _, version := range realkafka.Pinned() {
		t.Run(version, func(t *testing.T) {
			all := realkafka.AllForTest(t, realkafka.Options{Name: "source", Version: version}, realkafka.Options{Name: "target", Version: realkafka.Target})
			t.Setenv(bootstrapVariable, all[0].Bootstrap(realkafka.Internal)[0])
			t.Setenv(targetVariable, all[1].Bootstrap(realkafka.Internal)[0])
			for _, name := range slices.Sorted(maps.Keys(onAnyKafka)) {
				t.Run(name, onAnyKafka[name])
			}
		})
	}
}
