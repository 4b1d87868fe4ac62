package cluster

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"

	"github.com/portage-kafka/portage/cluster/auth"
	"github.com/portage-kafka/portage/cluster/wire"
)

const metadataKey = 3

// The kinds of resource that a call can be about.
const (
	topicResource   = "topic"
	groupResource   = "group"
	clusterResource = "cluster"
)

// failure says what a call was about.
type failure struct {
	api       string
	broker    int32 // −1: any
	kind      string
	name      string
	partition int32 // counts with hasPart
	hasPart   bool
	iam       bool   // the rights are AWS IAM's
	message   string // the broker's
	detail    string // ours, instead of the usual hint for the code
}

func (f failure) resource() string {
	switch {
	case f.name == "":
		return ""
	case f.hasPart:
		return fmt.Sprintf("%s %q partition %d", f.kind, f.name, f.partition)
	}
	return fmt.Sprintf("%s %q", f.kind, f.name)
}

// refused makes the error for a code in a response.
func (c *Client) refused(code int16, f failure) error {
	hint := f.detail
	f.iam = c.cfg.SASL != nil && c.cfg.SASL.Name() == auth.MSKIAM
	if hint == "" {
		hint = hintForCode(code, f)
	}
	return &Error{
		Cluster: c.name, Broker: c.brokerName(f.broker), API: f.api, Resource: f.resource(),
		Code: code, Message: f.message, Hint: hint,
	}
}

// wrap makes the error for a call that got no response.
func (c *Client) wrap(err error, f failure) error {
	if err == nil {
		return nil
	}
	e := &Error{Cluster: c.name, Broker: c.brokerAsked(f.broker, err), API: f.api, Resource: f.resource(), Err: err}
	var login *wire.LoginError
	if errors.As(err, &login) && login.Code != 0 {
		e.API, e.Code, e.Message = "login", login.Code, login.Message
	}
	e.Hint, e.rotating = c.hintForFailure(err), c.rotating(err)
	return e
}

// rotating says that what a broker refuses was good when the client was opened, and is read anew for each connection: it
// is being replaced, on one side before the other. A broker that only hangs up in the middle of a login that was good
// before has stopped.
func (c *Client) rotating(err error) bool {
	var dial *wire.DialError
	var login *wire.LoginError
	switch {
	case !c.opened:
		return false
	case errors.As(err, &login) && login.Code == 0:
		return true
	case refusedCredentials(err):
		return c.cfg.SASL != nil && c.cfg.SASL.ByReference()
	case errors.As(err, &dial) && badCertificate(dial):
		return c.cfg.TLS != nil && c.cfg.TLS.ByReference()
	}
	return false
}

// brokerName shows a broker with its address; any broker by the bootstrap list.
func (c *Client) brokerName(id int32) string {
	if id < 0 {
		return c.wire.Bootstrap()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if b, ok := c.brokers[id]; ok {
		return fmt.Sprintf("%d (%s)", id, b.Address())
	}
	return fmt.Sprint(id)
}

// brokerAsked is brokerName, narrowed down to the one broker of the bootstrap list that err is about.
func (c *Client) brokerAsked(id int32, err error) string {
	var ex *wire.ExchangeError
	var dial *wire.DialError
	var seeds *wire.SeedError
	switch {
	case id >= 0, errors.As(err, &seeds):
	case errors.As(err, &ex):
		return ex.Address
	case errors.As(err, &dial):
		return dial.Address
	}
	return c.brokerName(id)
}

// refusedCredentials recognises the ways in which a broker says no to a login. Brokers before 1.0, and some others, only
// hang up.
func refusedCredentials(err error) bool {
	var refused *auth.RefusedError
	var login *wire.LoginError
	return errors.As(err, &login) && !timedOut(err) || errors.As(err, &refused)
}

func timedOut(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) || errors.Is(err, os.ErrDeadlineExceeded)
}

func (c *Client) hintForFailure(err error) string {
	var dial *wire.DialError
	var secret *auth.SecretError
	var version *wire.VersionError
	switch {
	case errors.As(err, &version) && !version.Offered && version.API == metadataKey:
		return "is this a controller's port? Use the brokers'"
	case errors.As(err, &secret):
		return c.hintForSecret(err)
	case refusedCredentials(err):
		return c.hintForLogin(err)
	case errors.As(err, &dial) && dial.Stage == "connect":
		return fmt.Sprintf("cannot reach %s: check the address, that the broker runs, and firewalls; if only the bootstrap address is reachable, check the brokers' advertised.listeners", dial.Address)
	case errors.Is(err, wire.ErrNotKafka):
		return "check the port and whether the listener uses TLS"
	case errors.As(err, &dial) && dial.Stage == "TLS handshake", remoteAlert(err):
		return hintForTLS(err)
	case timedOut(err):
		return "no answer in time: the broker is overloaded, stopped or cut off, or the timeout is too short"
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return c.hintForHangup()
	}
	return ""
}

// hintForSecret: a login of its own, and a token that is over, say better themselves what to do.
func (c *Client) hintForSecret(err error) string {
	var over *auth.ExpiredError
	if c.cfg.SASL != nil && c.cfg.SASL.Login != nil || errors.As(err, &over) {
		return ""
	}
	return "check the secret's reference in the sasl section"
}

// The codes of a refused login.
const (
	codeNoMechanism = 33
	codeNoSASL      = 34
)

func (c *Client) hintForLogin(err error) string {
	s := c.cfg.SASL
	var login *wire.LoginError
	switch errors.As(err, &login); {
	case s == nil: // impossible: there was a login
		return ""
	case login != nil && login.Code == codeNoMechanism:
		return fmt.Sprintf("this listener does not offer %s: check sasl.mechanism and the port", s.Name())
	case login != nil && login.Code == codeNoSASL:
		return "this listener does not use SASL: remove the sasl section or use another port"
	}
	switch s.Name() {
	case auth.OAuthBearer:
		return "the broker does not accept the token: check sasl.token, its expiry, audience and scope"
	case auth.MSKIAM:
		return "the broker does not accept the AWS identity: it needs kafka-cluster:Connect on the cluster; check sasl.region, sasl.profile and sasl.role_arn, that the keys have not expired, and this machine's clock"
	case auth.Plain, auth.Scram256, auth.Scram512:
		return fmt.Sprintf("wrong user name or password for %s user %q (sasl.username, sasl.password)", s.Name(), s.Username)
	}
	return ""
}

func hintForTLS(err error) string {
	var unknown x509.UnknownAuthorityError
	var host x509.HostnameError
	var expired x509.CertificateInvalidError
	var record tls.RecordHeaderError
	switch {
	case errors.As(err, &unknown):
		return "the broker's certificate is signed by an authority that is not trusted here: set tls.ca to its PEM file"
	case errors.As(err, &host):
		return "the broker's certificate is for another name: connect by a name in it, or set tls.server_name"
	case errors.As(err, &expired):
		return "the broker's certificate is not valid now"
	case errors.As(err, &record):
		return "this listener does not speak TLS: remove the tls section or use the TLS port"
	case remoteAlert(err):
		return "the broker ended the TLS session: it probably wants a client certificate that it trusts (tls.cert, tls.key)"
	case errors.Is(err, io.EOF):
		return "the listener hung up during the TLS handshake: does this port speak TLS?"
	}
	return ""
}

// hintForHangup: brokers close connections that do not speak what the listener expects.
func (c *Client) hintForHangup() string {
	switch {
	case c.cfg.TLS == nil && c.cfg.SASL == nil:
		return "the broker hung up: does this listener want TLS or SASL, or did the broker restart?"
	case c.cfg.TLS == nil:
		return "the broker hung up: does this listener want TLS, or did the broker restart?"
	case c.cfg.SASL == nil:
		return "the broker hung up: does this listener want SASL, or did the broker restart?"
	}
	return "the broker hung up: did it restart, or did the login expire?"
}

// badCertificate says that TLS failed for a reason that stays. A listener that hangs up may be a broker that stops.
func badCertificate(dial *wire.DialError) bool {
	return dial.Stage != "connect" && !timedOut(dial.Err) && !errors.Is(dial.Err, io.EOF) && hintForTLS(dial.Err) != ""
}

// remoteAlert recognises a TLS alert sent by the other side; crypto/tls has no type for it.
func remoteAlert(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "remote error"
}
