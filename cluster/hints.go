package cluster

import "fmt"

// The authorization failures of the protocol, by the resource that they are about.
const (
	codeTopicDenied   = 29
	codeGroupDenied   = 30
	codeClusterDenied = 31
	codeTxnDenied     = 53
)

// needs is the operation that an API needs, by the kind of resource that the broker refused. (Kafka documentation,
// "Authorization and ACLs", table "Protocols".)
type needs struct{ topic, group, cluster string }

var operations = map[string]needs{
	"Produce":                 {topic: "WRITE", cluster: "IDEMPOTENT_WRITE"},
	"Fetch":                   {topic: "READ", cluster: "CLUSTER_ACTION"},
	"ListOffsets":             {topic: "DESCRIBE"},
	"Metadata":                {topic: "DESCRIBE"},
	"OffsetCommit":            {topic: "READ", group: "READ"},
	"OffsetFetch":             {topic: "DESCRIBE", group: "DESCRIBE"},
	"FindCoordinator":         {group: "DESCRIBE"},
	"JoinGroup":               {group: "READ"},
	"SyncGroup":               {group: "READ"},
	"Heartbeat":               {group: "READ"},
	"LeaveGroup":              {group: "READ"},
	"ConsumerGroupHeartbeat":  {topic: "DESCRIBE", group: "READ"},
	"DescribeGroups":          {group: "DESCRIBE"},
	"ConsumerGroupDescribe":   {topic: "DESCRIBE", group: "DESCRIBE"},
	"ListGroups":              {group: "DESCRIBE", cluster: "DESCRIBE"},
	"DeleteGroups":            {group: "DELETE"},
	"OffsetDelete":            {topic: "READ", group: "DELETE"},
	"CreateTopics":            {topic: "CREATE", cluster: "CREATE"},
	"DeleteTopics":            {topic: "DELETE"},
	"DeleteRecords":           {topic: "DELETE"},
	"CreatePartitions":        {topic: "ALTER"},
	"DescribeConfigs":         {topic: "DESCRIBE_CONFIGS", cluster: "DESCRIBE_CONFIGS"},
	"AlterConfigs":            {topic: "ALTER_CONFIGS", cluster: "ALTER_CONFIGS"},
	"IncrementalAlterConfigs": {topic: "ALTER_CONFIGS", cluster: "ALTER_CONFIGS"},
	"InitProducerID":          {cluster: "IDEMPOTENT_WRITE (or WRITE on any topic)"},
	"OffsetForLeaderEpoch":    {topic: "DESCRIBE"},
	"DescribeProducers":       {topic: "READ"},
	"DescribeLogDirs":         {cluster: "DESCRIBE"},
	"DescribeACLs":            {cluster: "DESCRIBE"},
	"CreateACLs":              {cluster: "ALTER"},
	"DeleteACLs":              {cluster: "ALTER"},
	"DescribeClientQuotas":    {cluster: "DESCRIBE_CONFIGS"},
	"DescribeCluster":         {cluster: "DESCRIBE"},
}

// hintForCode says what to check for a code; empty when the code says it all.
func hintForCode(code int16, f failure) string {
	op := operations[f.api]
	switch code {
	case codeTopicDenied:
		return missing(op.topic, topicResource, f)
	case codeGroupDenied:
		return missing(op.group, groupResource, f)
	case codeClusterDenied:
		return missing(op.cluster, clusterResource, f)
	case codeTxnDenied:
		return "the principal needs WRITE on the transactional id: " + f.remedy()
	}
	return hints[code]
}

func missing(operation, kind string, f failure) string {
	if operation == "" {
		operation = "more rights"
	}
	switch {
	case kind == clusterResource:
		return fmt.Sprintf("the principal needs %s on the cluster: %s", operation, f.remedy())
	case kind == f.kind && f.name != "":
		return fmt.Sprintf("the principal needs %s on %s %q: %s", operation, kind, f.name, f.remedy())
	}
	return fmt.Sprintf("the principal needs %s on the %s: %s", operation, kind, f.remedy())
}

// remedy: MSK asks IAM, not its ACLs, about whoever logged in by IAM.
func (f failure) remedy() string {
	if f.iam {
		return "allow it in the identity's IAM policy (actions kafka-cluster:…)"
	}
	return "add the ACL"
}

// hints: what to check, for the codes whose names do not say it.
var hints = map[int16]string{
	1:  "retention deleted it, or it is beyond the end: compare with the log's start and end",
	2:  "the batch's CRC is wrong: it was damaged on the way",
	7:  "the replicas did not answer in time; the records may be in the log",
	10: "raise max.message.bytes of the topic",
	19: "fewer replicas in sync than min.insync.replicas: look at the cluster's health",
	20: "the records are in the log but not on enough replicas",
	32: "the timestamps are outside message.timestamp.before.max.ms / after.max.ms of the topic",
	38: "the cluster has fewer brokers than the replication factor asks for",
	39: "the replica assignment does not fit the cluster's brokers",
	44: "a policy of the cluster (create.topic.policy.class.name or alter.config.policy.class.name) forbids it",
	45: "the broker expects another sequence number: resolve what was appended before writing again",
	47: "a producer with a higher epoch took over",
	54: "the brokers have no authorizer.class.name: ACLs can be neither kept nor asked for",
	87: "records without keys in a compacted topic, or a malformed batch",
	89: "the cluster throttles creations (controller_mutation_rate): slow down",
}
