package msk

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/portage-kafka/portage/cluster/auth"
	"github.com/segmentio/kafka-go/sasl"
)

const (
	service = "kafka-cluster"
	action  = "kafka-cluster:Connect"
	version = "2020_10_22"
	// life of a signature in seconds: that of AWS's own client.
	life = "900"
	// noBody is the SHA-256 of an empty body.
	noBody = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
)

// Login performs AWS_MSK_IAM. It is a sasl.Mechanism, safe for concurrent use.
type Login struct {
	region string
	source source
	now    func() time.Time
}

// source is where credentials come from. Region is that of the brokers, empty if neither the configuration nor their names
// tell it; then the source tells its own.
type source interface {
	credentials(ctx context.Context, region string) (keys aws.Credentials, itsRegion string, err error)
}

// New returns the login for a configuration with the mechanism AWS_MSK_IAM. It looks nothing up yet.
func New(s auth.SASL) *Login {
	return &Login{region: s.Region, source: newChain(s.Profile, s.RoleARN), now: time.Now}
}

// Name is sasl.Mechanism.
func (*Login) Name() string { return auth.MSKIAM }

// Start is sasl.Mechanism: it fetches credentials and signs. An error without the broker's word is an *auth.SecretError,
// with a *CredentialError or ErrNoRegion inside.
func (l *Login) Start(ctx context.Context) (sasl.StateMachine, []byte, error) {
	broker := sasl.MetadataFromContext(ctx)
	if broker == nil {
		return nil, nil, errors.New("AWS_MSK_IAM: the name of the broker is not known: the context lacks sasl.Metadata")
	}
	region := cmp.Or(l.region, regionOf(broker.Host))
	keys, itsRegion, err := l.source.credentials(ctx, region)
	if err != nil {
		return nil, nil, &auth.SecretError{Err: err}
	}
	if region = cmp.Or(region, itsRegion); region == "" {
		return nil, nil, &auth.SecretError{Err: fmt.Errorf("broker %s: %w", broker.Host, ErrNoRegion)}
	}
	message, err := sign(ctx, keys, region, broker.Host, l.now())
	return done{}, message, err
}

// ErrNoRegion says that nothing tells the AWS region of the brokers, which is part of every signature.
var ErrNoRegion = errors.New("the AWS region is not known: the host name holds none; set sasl.region, AWS_REGION or region in the profile")

// done ends the exchange after the broker's first answer: a refusal is no answer but an error code.
type done struct{}

// Next is sasl.StateMachine.
func (done) Next(context.Context, []byte) (bool, []byte, error) { return true, nil, nil }

// sign makes the message.
func sign(ctx context.Context, keys aws.Credentials, region, host string, now time.Time) ([]byte, error) {
	query := url.Values{"Action": {action}, "X-Amz-Expires": {life}}
	to := &url.URL{Scheme: "kafka", Host: host, Path: "/", RawQuery: query.Encode()}
	if strings.Contains(host, ":") { // IPv6
		to.Host = "[" + host + "]"
	}
	signed, _, err := v4.NewSigner().PresignHTTP(ctx, keys, &http.Request{Method: http.MethodGet, URL: to, Header: http.Header{}}, noBody, service, region, now)
	if err != nil {
		return nil, fmt.Errorf("sign the AWS_MSK_IAM login: %w", err)
	}
	at, err := url.Parse(signed)
	if err != nil {
		return nil, fmt.Errorf("read the signed AWS_MSK_IAM login: %w", err)
	}
	message := map[string]string{"version": version, "host": to.Host, "user-agent": "portage"}
	for name, values := range at.Query() {
		message[strings.ToLower(name)] = values[0]
	}
	return json.Marshal(message) // sorts the names
}

// regionOf finds the region in the name of an MSK broker: the label after kafka or kafka-serverless, as in
// b-1.orders.x1y2z3.c2.kafka.eu-central-1.amazonaws.com. It returns "" if there is none.
func regionOf(host string) string {
	labels := strings.Split(strings.ToLower(host), ".")
	for i := len(labels) - 2; i > 0; i-- {
		if (labels[i-1] == "kafka" || labels[i-1] == "kafka-serverless") && isRegion(labels[i]) {
			return labels[i]
		}
	}
	return ""
}

func isRegion(label string) bool {
	ok, _ := regexp.MatchString(`^[a-z]{2,4}(-[a-z]+)+-\d{1,2}$`, label)
	return ok
}
