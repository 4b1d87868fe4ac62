package msk

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// presigned is a request signed by Signature Version 4 with query parameters; the signature covers all of it.
type presigned struct {
	host, path, body string
	query            map[string]string // all but X-Amz-Signature
	region, service  string
	date             string // X-Amz-Date
}

// signature computes what AWS's documentation says ("Authenticating Requests: Using Query Parameters"), without its SDK.
func (p presigned) signature(secret string) string {
	var pairs []string
	for _, k := range slices.Sorted(maps.Keys(p.query)) {
		pairs = append(pairs, escape(k)+"="+escape(p.query[k]))
	}
	canonical := strings.Join([]string{"GET", p.path, strings.Join(pairs, "&"), "host:" + p.host, "", "host", p.body}, "\n")
	scope := fmt.Sprintf("%s/%s/%s/aws4_request", p.date[:8], p.region, p.service)
	sum := sha256.Sum256([]byte(canonical))
	text := strings.Join([]string{"AWS4-HMAC-SHA256", p.date, scope, hex.EncodeToString(sum[:])}, "\n")
	key := []byte("AWS4" + secret)
	for _, part := range []string{p.date[:8], p.region, p.service, "aws4_request"} {
		key = mac(key, part)
	}
	return hex.EncodeToString(mac(key, text))
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

func escape(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

// TestOurSignatureIsThatOfOthers: the computation that the other tests trust gives the published signatures, that of
// Amazon S3's documentation and that of kafka-go's own AWS_MSK_IAM.
func TestOurSignatureIsThatOfOthers(t *testing.T) {
	s3 := presigned{
		host: "examplebucket.s3.amazonaws.com", path: "/test.txt", body: "UNSIGNED-PAYLOAD", region: "us-east-1", service: "s3", date: "20130524T000000Z",
		query: map[string]string{
			"X-Amz-Algorithm": "AWS4-HMAC-SHA256", "X-Amz-Credential": "AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request",
			"X-Amz-Date": "20130524T000000Z", "X-Amz-Expires": "86400", "X-Amz-SignedHeaders": "host",
		},
	}
	require.Equal(t, "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404", s3.signature("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"))
	msk := presigned{
		host: "localhost", path: "/", body: noBody, region: "us-east-1", service: "kafka-cluster", date: "20211014T130500Z",
		query: map[string]string{
			"Action": "kafka-cluster:Connect", "X-Amz-Algorithm": "AWS4-HMAC-SHA256", "X-Amz-Credential": "ACCESS_KEY/20211014/us-east-1/kafka-cluster/aws4_request",
			"X-Amz-Date": "20211014T130500Z", "X-Amz-Expires": "300", "X-Amz-SignedHeaders": "host",
		},
	}
	require.Equal(t, "6b8d25f9b45b9c7db9da855a49112d80379224153a27fd279c305a5b7940d1a7", msk.signature("SECRET_KEY"))
}
