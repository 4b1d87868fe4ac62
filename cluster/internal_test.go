package cluster

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/portage-kafka/portage/cluster/auth"
	"github.com/portage-kafka/portage/cluster/wire"
	kafka "github.com/segmentio/kafka-go"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// TestCoordinatorCodeKnowsEveryGroupResponse: 14, 15 and 16 are found wherever an API has them.
func TestCoordinatorCodeKnowsEveryGroupResponse(t *testing.T) {
	for _, resp := range []kmsg.Response{
		&kmsg.JoinGroupResponse{ErrorCode: 16}, &kmsg.SyncGroupResponse{ErrorCode: 16}, &kmsg.HeartbeatResponse{ErrorCode: 16},
		&kmsg.LeaveGroupResponse{ErrorCode: 16}, &kmsg.ConsumerGroupHeartbeatResponse{ErrorCode: 16}, &kmsg.OffsetDeleteResponse{ErrorCode: 16},
		&kmsg.OffsetCommitResponse{Topics: []kmsg.OffsetCommitResponseTopic{{Partitions: []kmsg.OffsetCommitResponseTopicPartition{{}, {ErrorCode: 16}}}}},
		&kmsg.TxnOffsetCommitResponse{Topics: []kmsg.TxnOffsetCommitResponseTopic{{Partitions: []kmsg.TxnOffsetCommitResponseTopicPartition{{}, {ErrorCode: 16}}}}},
		&kmsg.OffsetFetchResponse{ErrorCode: 16},
		&kmsg.OffsetFetchResponse{Groups: []kmsg.OffsetFetchResponseGroup{{ErrorCode: 16}}},
		&kmsg.OffsetFetchResponse{Topics: []kmsg.OffsetFetchResponseTopic{{Partitions: []kmsg.OffsetFetchResponseTopicPartition{{ErrorCode: 16}}}}},
		&kmsg.DescribeGroupsResponse{Groups: []kmsg.DescribeGroupsResponseGroup{{ErrorCode: 16}}},
		&kmsg.ConsumerGroupDescribeResponse{Groups: []kmsg.ConsumerGroupDescribeResponseGroup{{ErrorCode: 16}}},
		&kmsg.DeleteGroupsResponse{Groups: []kmsg.DeleteGroupsResponseGroup{{ErrorCode: 16}}},
	} {
		require.EqualValues(t, 16, coordinatorCode(resp), "%T", resp)
	}
	for _, resp := range []kmsg.Response{
		&kmsg.MetadataResponse{}, &kmsg.OffsetFetchResponse{}, &kmsg.DescribeGroupsResponse{}, &kmsg.DeleteGroupsResponse{}, &kmsg.ConsumerGroupDescribeResponse{},
		&kmsg.OffsetCommitResponse{Topics: []kmsg.OffsetCommitResponseTopic{{Partitions: []kmsg.OffsetCommitResponseTopicPartition{{ErrorCode: 22}}}}},
		&kmsg.TxnOffsetCommitResponse{},
	} {
		require.False(t, moving(coordinatorCode(resp)), "%T", resp)
	}
}

// TestErrorNamesEverything: an error is one line with all that it knows.
func TestErrorNamesEverything(t *testing.T) {
	err := error(&Error{
		Cluster: "source", Broker: "2 (10.0.0.7:9092)", API: "ListOffsets", Resource: `topic "orders" partition 3`,
		Code: 29, Message: "denied", Hint: "add the ACL",
	})
	require.Equal(t, `cluster "source": broker 2 (10.0.0.7:9092): ListOffsets: topic "orders" partition 3: TOPIC_AUTHORIZATION_FAILED (29) (the broker says: denied): add the ACL`, err.Error())
	require.Equal(t, "error code 9999", CodeName(9999))
	require.Equal(t, "NONE (0)", CodeName(0))
	require.Equal(t, "UNKNOWN_SERVER_ERROR (-1)", CodeName(-1))
}

func coded(code int16) error { return fmt.Errorf("while testing: %w", &Error{Code: code}) }

func lost(err error) error { return &Error{Err: err} }

// TestCodeRetriableUncertain: the three questions that programs ask, for every kind of failure.
func TestCodeRetriableUncertain(t *testing.T) {
	dial := &wire.DialError{Address: "b:1", Stage: "connect", Err: errors.New("refused")}
	broken := &wire.ExchangeError{Address: "b:1", Err: errors.New("reset")}
	for _, c := range []struct {
		name                 string
		err                  error
		code                 int16
		retriable, uncertain bool
	}{
		{"nothing", nil, 0, false, false},
		{"not leader", coded(6), 6, true, false},
		{"timeout", coded(7), 7, true, true},
		{"not enough replicas", coded(19), 19, true, false},
		{"not enough after append", coded(20), 20, true, true},
		{"unknown server error", coded(-1), -1, false, true},
		{"too large", coded(10), 10, false, false},
		{"joined", errors.Join(errors.New("x"), coded(3)), 3, true, false},
		{"franz-go's", fmt.Errorf("x: %w", kerr.NotController), 41, true, false},
		{"kafka-go's", kafka.LeaderNotAvailable, 5, true, false},
		{"dial", lost(dial), 0, true, false},
		{"TLS hiccup", lost(&wire.DialError{Stage: "TLS handshake", Err: errors.New("reset")}), 0, true, false},
		{"TLS cut off", lost(&wire.DialError{Stage: "TLS handshake", Err: io.EOF}), 0, true, false},
		{"bad certificate", lost(&wire.DialError{Stage: "TLS handshake", Err: x509.HostnameError{Certificate: &x509.Certificate{}, Host: "b"}}), 0, false, false},
		{"broken", lost(broken), 0, true, true},
		{"deadline", lost(context.DeadlineExceeded), 0, true, true},
		{"cancelled", lost(context.Canceled), 0, false, true},
		{"closed", lost(ErrClosed), 0, false, false},
		{"secret", lost(&auth.SecretError{Err: errors.New("x")}), 0, false, false},
		{"version", lost(&wire.VersionError{}), 0, false, false},
		{"unknown broker", lost(wire.ErrUnknownBroker), 0, true, false},
		{"login", lost(&wire.LoginError{Code: 58}), 0, false, false},
		{"token", lost(&auth.RefusedError{}), 0, false, false},
		{"anything else", errors.New("x"), 0, false, true},
	} {
		code, ok := Code(c.err)
		require.Equal(t, c.code, code, c.name)
		require.Equal(t, c.code != 0, ok, c.name)
		require.Equal(t, c.retriable, Retriable(c.err), c.name)
		require.Equal(t, c.uncertain, Uncertain(c.err), c.name)
	}
}

// TestSentinels: a code matches its own sentinel, no other, and kerr's error.
func TestSentinels(t *testing.T) {
	for code, want := range map[int16]error{1: ErrOffsetOutOfRange, 3: ErrUnknownTopic, 36: ErrTopicExists, 29: ErrUnauthorized, 30: ErrUnauthorized, 31: ErrUnauthorized, 58: ErrAuthentication, 35: ErrUnsupported} {
		for _, s := range []error{ErrOffsetOutOfRange, ErrUnknownTopic, ErrTopicExists, ErrUnauthorized, ErrAuthentication, ErrUnsupported, ErrUnreachable} {
			require.Equal(t, s == want, errors.Is(coded(code), s), "%d is %v", code, s)
		}
		require.ErrorIs(t, coded(code), kerr.ErrorForCode(code))
	}
}

// TestPatience: a request that lets the broker wait gets that time on top.
func TestPatience(t *testing.T) {
	require.Equal(t, 40*time.Second, patience(&kmsg.JoinGroupRequest{RebalanceTimeoutMillis: 40000, SessionTimeoutMillis: 10000}))
	require.Equal(t, 2*time.Second, patience(&kmsg.FetchRequest{MaxWaitMillis: 2000}))
	require.Equal(t, 3*time.Second, patience(&kmsg.ProduceRequest{TimeoutMillis: 3000}))
	require.Equal(t, 3*time.Second, patience(&kmsg.CreateTopicsRequest{TimeoutMillis: 3000}))
	require.Equal(t, 3*time.Second, patience(&kmsg.DeleteTopicsRequest{TimeoutMillis: 3000}))
	require.Equal(t, 3*time.Second, patience(&kmsg.DeleteRecordsRequest{TimeoutMillis: 3000}))
	require.Zero(t, patience(&kmsg.MetadataRequest{}))
	require.Zero(t, patience(&kmsg.FetchRequest{MaxWaitMillis: -5}))
}

// Every API that a typed method uses can name the right that is missing.
func TestMissingRightsHaveNames(t *testing.T) {
	for api, op := range operations {
		for code, operation := range map[int16]string{codeTopicDenied: op.topic, codeGroupDenied: op.group, codeClusterDenied: op.cluster} {
			hint := hintForCode(code, failure{api: api})
			if operation == "" {
				operation = "more rights"
			}
			require.Contains(t, hint, "needs "+operation, api)
		}
		require.NotNil(t, apiKey(api), "%s is not Kafka's name of an API", api)
	}
	require.Contains(t, hintForCode(codeTopicDenied, failure{api: "Fetch", kind: topicResource, name: "t"}), `READ on topic "t"`)
	require.Contains(t, hintForCode(codeClusterDenied, failure{api: "CreateTopics", kind: topicResource, name: "t"}), "CREATE on the cluster")
	require.Contains(t, hintForCode(codeTxnDenied, failure{api: "Produce"}), "transactional id")
	require.Empty(t, hintForCode(25, failure{api: "Heartbeat"}))
	iam := newClient("a", Config{SASL: &auth.SASL{Mechanism: auth.MSKIAM}})
	require.ErrorContains(t, iam.refused(codeTopicDenied, failure{api: "Fetch", kind: topicResource, name: "t"}), `READ on topic "t": allow it in the identity's IAM policy`)
	require.NoError(t, iam.Close())
}

func apiKey(name string) *int16 {
	for k := int16(0); k <= kmsg.MaxKey; k++ {
		if kmsg.NameForKey(k) == name {
			return &k
		}
	}
	return nil
}
