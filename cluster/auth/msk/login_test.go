package msk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/portage-kafka/portage/cluster/auth"
	"github.com/segmentio/kafka-go/sasl"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const broker = "b-1.orders.x1y2z3.c2.kafka.eu-central-1.amazonaws.com"

// given is a source of what the test gives.
type given struct {
	keys   aws.Credentials
	region string
	err    error
}

func (g given) credentials(context.Context, string) (aws.Credentials, string, error) {
	return g.keys, g.region, g.err
}

func at(host string) context.Context {
	return sasl.WithMetadata(context.Background(), &sasl.Metadata{Host: host, Port: 9098})
}

var noon = time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)

func fixed(g given, region string) *Login {
	return &Login{region: region, source: g, now: func() time.Time { return noon }}
}

// TestMessage: the whole message, byte for byte, of temporary and of long-lived credentials.
func TestMessage(t *testing.T) {
	keys := aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"}
	_, got, err := fixed(given{keys: keys}, "").Start(at(broker))
	require.NoError(t, err)
	const head = `{"action":"kafka-cluster:Connect","host":"` + broker + `","user-agent":"portage","version":"2020_10_22",` +
		`"x-amz-algorithm":"AWS4-HMAC-SHA256","x-amz-credential":"AKIDEXAMPLE/20260314/eu-central-1/kafka-cluster/aws4_request","x-amz-date":"20260314T120000Z","x-amz-expires":"900",`
	require.Equal(t, head+`"x-amz-signature":"8130c214eefa35fe868a91f9ce31514e1565fad8d338956b55095831ab67ba94","x-amz-signedheaders":"host"}`, string(got))

	keys.SessionToken = "a/session+token=="
	session, got, err := fixed(given{keys: keys}, "").Start(at(broker))
	require.NoError(t, err)
	require.Equal(t, head+`"x-amz-security-token":"a/session+token==","x-amz-signature":"b3dfdaaedf548b105aa56c25224a36bd9e72a389852ad92e8389dc1d28ec11ac","x-amz-signedheaders":"host"}`, string(got))
	over, answer, err := session.Next(t.Context(), []byte(`{"version":"2020_10_22","request-id":"x"}`))
	require.NoError(t, err)
	require.True(t, over)
	require.Empty(t, answer)
}

// resign computes the signature that belongs to a message, the way a broker would check it.
func resign(t require.TestingT, message []byte, secret, region string) (fields map[string]string, signature string) {
	require.NoError(t, json.Unmarshal(message, &fields))
	p := presigned{host: fields["host"], path: "/", body: noBody, region: region, service: "kafka-cluster", date: fields["x-amz-date"], query: map[string]string{"Action": fields["action"]}}
	for field, parameter := range map[string]string{
		"x-amz-algorithm": "X-Amz-Algorithm", "x-amz-credential": "X-Amz-Credential", "x-amz-date": "X-Amz-Date", "x-amz-expires": "X-Amz-Expires",
		"x-amz-signedheaders": "X-Amz-SignedHeaders", "x-amz-security-token": "X-Amz-Security-Token",
	} {
		if v, ok := fields[field]; ok {
			p.query[parameter] = v
		}
	}
	return fields, p.signature(secret)
}

// TestSignatures: whatever the keys, the token, the region, the host and the time, the signature is the one that an
// independent computation finds.
func TestSignatures(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := func(name string) string {
			return rapid.StringOfN(rapid.RuneFrom([]rune("aZ09/+=-._~ %&é\"")), 1, 40, -1).Draw(t, name)
		}
		keys := aws.Credentials{AccessKeyID: rapid.StringMatching(`[A-Z0-9]{16,20}`).Draw(t, "id"), SecretAccessKey: text("secret")}
		if rapid.Bool().Draw(t, "temporary") {
			keys.SessionToken = text("token")
		}
		host := rapid.SampledFrom([]string{broker, "localhost", "10.0.0.7", "::1"}).Draw(t, "host")
		region := rapid.SampledFrom([]string{"us-east-1", "cn-north-1", "us-gov-west-1"}).Draw(t, "region")
		l := fixed(given{keys: keys}, region)
		l.now = func() time.Time { return time.Unix(rapid.Int64Range(0, 1<<32).Draw(t, "now"), 0) }
		_, message, err := l.Start(at(host))
		require.NoError(t, err)
		fields, want := resign(t, message, keys.SecretAccessKey, region)
		require.Equal(t, want, fields["x-amz-signature"])
		require.Equal(t, keys.SessionToken, fields["x-amz-security-token"])
	})
}

// TestRegions: the configured one counts before that of the name, and that before the credentials' own.
func TestRegions(t *testing.T) {
	for _, c := range []struct{ configured, host, own, want string }{
		{"", broker, "", "eu-central-1"},
		{"", broker, "us-west-2", "eu-central-1"},
		{"ap-south-1", broker, "us-west-2", "ap-south-1"},
		{"", "kafka.example.com", "us-west-2", "us-west-2"},
	} {
		_, message, err := fixed(given{keys: aws.Credentials{AccessKeyID: "A", SecretAccessKey: "B"}, region: c.own}, c.configured).Start(at(c.host))
		require.NoError(t, err)
		require.Contains(t, string(message), fmt.Sprintf(`"A/20260314/%s/kafka-cluster/aws4_request"`, c.want))
	}
	_, _, err := fixed(given{keys: aws.Credentials{AccessKeyID: "A", SecretAccessKey: "B"}}, "").Start(at("kafka.example.com"))
	require.ErrorIs(t, err, ErrNoRegion)
	require.ErrorContains(t, err, "broker kafka.example.com")
	var secret *auth.SecretError
	require.ErrorAs(t, err, &secret, "the broker was not asked")
}

// TestRegionOfHost: the names that MSK gives its brokers, and others.
func TestRegionOfHost(t *testing.T) {
	for host, want := range map[string]string{
		broker: "eu-central-1",
		"b-2-public.orders.x1y2z3.c2.kafka.us-east-1.amazonaws.com": "us-east-1",
		"boot-abc123.c1.kafka-serverless.us-west-2.amazonaws.com":   "us-west-2",
		"b-1.orders.x1y2z3.c2.kafka.cn-north-1.amazonaws.com.cn":    "cn-north-1",
		"b-1.orders.x1y2z3.c2.kafka.us-gov-west-1.amazonaws.com":    "us-gov-west-1",
		"B-1.ORDERS.X1Y2Z3.C2.KAFKA.EU-CENTRAL-1.AMAZONAWS.COM":     "eu-central-1",
		"b-1.kafka.us-east-1.c2.kafka.eu-west-1.amazonaws.com":      "eu-west-1",
		"b-1.orders.x1y2z3.c2.kafka.eusc-de-east-1.amazonaws.eu":    "eusc-de-east-1",
		"kafka.example.com": "", "kafka": "", "": "", "10.0.0.1": "", "::1": "", "a.kafka.us-east-1": "", "kafka.us_east_1.amazonaws.com": "",
	} {
		require.Equal(t, want, regionOf(host), host)
	}
}

// TestSourcesFailure: why there are no credentials reaches the caller, marked as not the broker's doing.
func TestSourcesFailure(t *testing.T) {
	cause := errors.New("vault is sealed")
	_, _, err := fixed(given{err: cause}, "").Start(at(broker))
	var secret *auth.SecretError
	require.ErrorAs(t, err, &secret)
	require.ErrorIs(t, err, cause)
	_, _, err = fixed(given{}, "").Start(context.Background())
	require.ErrorContains(t, err, "sasl.Metadata")
}
