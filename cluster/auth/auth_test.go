package auth_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/portage-kafka/portage/cluster/auth"
	"github.com/portage-kafka/portage/cluster/auth/authtest"
	"github.com/segmentio/kafka-go/sasl"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// TestSecretsByReference: every kind of reference gives its secret, and what only looks like one is taken literally on request.
func TestSecretsByReference(t *testing.T) {
	t.Setenv("TEST_SECRET", "from-env")
	file := authtest.File(t, "secret", "from-file\r\n")
	for ref, want := range map[auth.Secret]string{
		"plain":                             "plain",
		"with:colon":                        "with:colon",
		auth.Secret("file:" + file):         "from-file",
		"env:TEST_SECRET":                   "from-env",
		"command:echo from command":         "from command",
		"literal:file:x":                    "file:x",
		auth.Literal("env:TEST_SECRET"):     "env:TEST_SECRET",
		auth.Literal("literal:x"):           "literal:x",
		auth.Literal("command:rm -rf /tmp"): "command:rm -rf /tmp",
		auth.Literal("plain"):               "plain",
	} {
		got, err := ref.Resolve(t.Context())
		require.NoError(t, err, "%s", string(ref))
		require.Equal(t, want, got)
	}
	require.NoError(t, os.WriteFile(file, []byte("rotated"), 0o600))
	got, err := auth.Secret("file:" + file).Resolve(t.Context())
	require.NoError(t, err)
	require.Equal(t, "rotated", got, "it is read anew")
}

// TestSecretsThatCannotBeRead: each failure names the reference, and a command ends with its context.
func TestSecretsThatCannotBeRead(t *testing.T) {
	for ref, want := range map[auth.Secret]string{
		"file:/no/such/file":    "/no/such/file",
		"env:NO_SUCH_VARIABLE":  "NO_SUCH_VARIABLE is not set",
		"command:":              "the command is empty",
		"command:false":         "exit status 1",
		"command:no-such-thing": "no-such-thing",
		"command:true":          "empty",
		"":                      "empty",
	} {
		_, err := ref.Resolve(t.Context())
		require.ErrorContains(t, err, want)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := auth.Secret("command:sleep 60").Resolve(ctx)
	require.Error(t, err, "a command ends with the context")
	ctx, cancel = context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	script := authtest.File(t, "token.sh", "sleep 20 & echo token; wait")
	begin := time.Now()
	_, err = auth.Secret("command:sh " + script).Resolve(ctx)
	require.Error(t, err)
	require.Less(t, time.Since(begin), 15*time.Second, "with all that it started, as far as we wait for it")
}

// TestSecretsAreRedactedEverywhere: no verb, encoding or structure shows a secret; reading one keeps it.
func TestSecretsAreRedactedEverywhere(t *testing.T) {
	const password = "hunter2"
	for _, secret := range []auth.Secret{password, auth.Secret("literal:" + password), auth.Secret("command:get --password " + password)} {
		s := auth.SASL{Mechanism: auth.Plain, Username: "me", Password: secret, Token: secret}
		text, err := json.Marshal(s)
		require.NoError(t, err)
		yml, err := yaml.Marshal(s)
		require.NoError(t, err)
		for _, shown := range []string{
			secret.String(), string(text), string(yml), fmt.Sprint(s), fmt.Sprintf("%+v", s), fmt.Sprintf("%#v", s), fmt.Sprintf("%s %q %x %d", secret, secret, secret, secret),
			fmt.Sprintf("%v", &s), fmt.Sprintf("%v", auth.TLS{Key: secret}), fmt.Sprintf("%#v", s.Client()),
		} {
			require.NotContains(t, shown, password)
			require.NotContains(t, shown, fmt.Sprintf("%x", password))
		}
	}
	require.Equal(t, "file:/run/x", auth.Secret("file:/run/x").String(), "a reference is no secret")
	require.Equal(t, "", auth.Secret("").String())
	require.True(t, auth.Secret("env:X").IsReference())
	require.False(t, auth.Secret("literal:X").IsReference())

	var s auth.SASL
	require.NoError(t, yaml.Unmarshal([]byte("mechanism: PLAIN\nusername: me\npassword: hunter2"), &s))
	got, err := s.Password.Resolve(t.Context())
	require.NoError(t, err)
	require.Equal(t, password, got, "reading a configuration keeps the secret")
}

// TestSASLValidate: each mistake names the field and the fix.
func TestSASLValidate(t *testing.T) {
	for want, s := range map[string]auth.SASL{
		"sasl.mechanism is missing":                  {},
		`"GSSAPI" is not supported`:                  {Mechanism: "GSSAPI"},
		"needs sasl.username":                        {Mechanism: auth.Plain, Password: "p"},
		"and sasl.password":                          {Mechanism: auth.Scram256, Username: "u"},
		"sasl.token does not belong":                 {Mechanism: auth.Plain, Username: "u", Password: "p", Token: "t"},
		"OAUTHBEARER needs sasl.token":               {Mechanism: auth.OAuthBearer},
		"not allowed":                                {Mechanism: auth.OAuthBearer, Token: "t", Extensions: map[string]string{"auth": "x"}},
		"sasl.username does not belong":              {Mechanism: auth.OAuthBearer, Token: "t", Username: "u"},
		"sasl.password does not belong":              {Mechanism: "aws-msk-iam", Password: "p"},
		"sasl.extensions does not belong":            {Mechanism: auth.MSKIAM, Extensions: map[string]string{"a": "b"}},
		"sasl.region does not belong":                {Mechanism: auth.Plain, Username: "u", Password: "p", Region: "eu-west-1"},
		"sasl.profile does not belong":               {Mechanism: auth.Plain, Username: "u", Password: "p", Profile: "x"},
		"sasl.role_arn does not belong":              {Mechanism: auth.Plain, Username: "u", Password: "p", RoleARN: "arn:aws:iam::1:role/x"},
		`sasl.role_arn "kafka" is no ARN`:            {Mechanism: auth.MSKIAM, RoleARN: "kafka"},
		"PLAIN and its login performs KERBEROS: set": {Mechanism: auth.Plain, Login: named("KERBEROS")},
	} {
		require.ErrorContains(t, s.Validate(), want)
	}
	for _, s := range []auth.SASL{
		{Mechanism: auth.Scram512, Username: "u", Password: "p"}, {Mechanism: "scram-sha-256", Username: "u", Password: "p"},
		{Mechanism: auth.MSKIAM, Region: "eu-west-1", Profile: "p", RoleARN: "arn:aws:iam::1:role/x"}, {Mechanism: "aws-msk-iam"},
		{Mechanism: "KERBEROS", Login: named("KERBEROS")}, {Mechanism: auth.Plain, Login: named(auth.Plain)},
	} {
		require.NoError(t, s.Validate(), "%v", s)
	}
}

// named is a login that some service brings along.
type named string

func (n named) Name() string { return string(n) }

func (named) Start(context.Context) (sasl.StateMachine, []byte, error) {
	return nil, []byte("of its own"), nil
}

// TestMechanismNames: brokers get their own spelling, whatever the configuration's.
func TestMechanismNames(t *testing.T) {
	for written, want := range map[string]string{"plain": auth.Plain, "Scram-SHA-512": auth.Scram512, "aws-msk-iam": auth.MSKIAM, "aws_msk_iam": auth.MSKIAM, "OAUTHBEARER": auth.OAuthBearer} {
		s := auth.SASL{Mechanism: written}
		require.Equal(t, want, s.Name())
		require.Equal(t, want, s.Client().Name())
	}
	_, first, err := (&auth.SASL{Mechanism: "KERBEROS", Login: named("KERBEROS")}).Client().Start(t.Context())
	require.NoError(t, err)
	require.Equal(t, "of its own", string(first))
}

func begin(t *testing.T, s auth.SASL) (sasl.StateMachine, string) {
	t.Helper()
	require.NoError(t, s.Validate())
	m := s.Client()
	require.Equal(t, s.Mechanism, m.Name())
	session, first, err := m.Start(t.Context())
	require.NoError(t, err)
	return session, string(first)
}

// TestMechanisms: the first messages on the wire.
func TestMechanisms(t *testing.T) {
	_, first := begin(t, auth.SASL{Mechanism: auth.Plain, Username: "me", Password: "pw"})
	require.Equal(t, "\x00me\x00pw", first)
	for _, m := range []string{auth.Scram256, auth.Scram512} {
		_, first = begin(t, auth.SASL{Mechanism: m, Username: "me", Password: "pw"})
		require.True(t, strings.HasPrefix(first, "n,,n=me,r="), first)
	}
	session, first := begin(t, auth.SASL{Mechanism: auth.OAuthBearer, Token: "abc", Extensions: map[string]string{"b": "2", "a": "1"}})
	require.Equal(t, "n,,\x01auth=Bearer abc\x01a=1\x01b=2\x01\x01", first)
	done, answer, err := session.Next(t.Context(), nil)
	require.NoError(t, err)
	require.True(t, done)
	require.Empty(t, answer)
	_, _, err = session.Next(t.Context(), []byte(`{"status":"invalid_token"}`))
	require.ErrorContains(t, err, "invalid_token")

	_, _, err = (&auth.SASL{Mechanism: auth.Plain, Username: "me", Password: "env:NO_SUCH_VARIABLE"}).Client().Start(t.Context())
	var unread *auth.SecretError
	require.ErrorAs(t, err, &unread)
}

// TestTokensAreReadForEveryConnection: a token that was replaced is sent next time.
func TestTokensAreReadForEveryConnection(t *testing.T) {
	file := authtest.File(t, "token", "first")
	m := (&auth.SASL{Mechanism: auth.OAuthBearer, Token: auth.Secret("file:" + file)}).Client()
	for _, token := range []string{"first", "second"} {
		require.NoError(t, os.WriteFile(file, []byte(token), 0o600))
		_, first, err := m.Start(t.Context())
		require.NoError(t, err)
		require.Contains(t, string(first), "Bearer "+token+"\x01")
	}
}

// TestTLSValidate: good combinations pass; mistakes in files and texts are named without repeating a key.
func TestTLSValidate(t *testing.T) {
	ca := authtest.NewAuthority(t)
	pair := ca.Issue(t, "client")
	other := ca.Issue(t, "other")
	both := authtest.File(t, "both.pem", pair.Key+pair.Cert)
	jks := authtest.File(t, "store.jks", "\xfe\xed\xfe\xed binary")
	encrypted := "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n"
	good := []auth.TLS{
		{}, {CA: ca.PEM}, {CA: authtest.File(t, "ca.pem", ca.PEM)}, {Insecure: true}, {CA: ca.PEM, AnyHost: true},
		{Cert: pair.Cert, Key: auth.Secret(pair.Key)}, {Cert: both},
		{Cert: authtest.File(t, "cert.pem", pair.Cert), Key: auth.Secret(authtest.File(t, "key.pem", pair.Key))},
		{Cert: pair.Cert, Key: auth.Secret("file:" + authtest.File(t, "key.pem", pair.Key))},
	}
	for _, c := range good {
		require.NoError(t, c.Validate())
	}
	for want, c := range map[string]auth.TLS{
		"no such file":                 {CA: "/no/such/ca.pem"},
		"no certificate in":            {CA: pair.Key},
		"is not PEM":                   {CA: jks},
		"tls.key is set without":       {Key: "key.pem"},
		"private key does not match":   {Cert: pair.Cert, Key: auth.Secret(other.Key)},
		"openssl pkcs8":                {Cert: pair.Cert, Key: auth.Secret(encrypted)},
		"put it into tls.key":          {Cert: pair.Cert + pair.Key},
		"tls.key: read secret env:NOT": {Cert: pair.Cert, Key: "env:NOT"},
		"rather than a key":            {Cert: pair.Cert},
	} {
		err := c.Validate()
		require.ErrorContains(t, err, want)
		require.NotContains(t, err.Error(), "BEGIN", "PEM text is not repeated")
	}
}

// TestTLSClient: names are verified unless told otherwise, and chains even then.
func TestTLSClient(t *testing.T) {
	cfg, err := (&auth.TLS{}).Client(t.Context(), "broker-1")
	require.NoError(t, err)
	require.Equal(t, "broker-1", cfg.ServerName)
	require.EqualValues(t, tls.VersionTLS12, cfg.MinVersion)
	require.False(t, cfg.InsecureSkipVerify, "verified unless told otherwise")
	cfg, err = (&auth.TLS{ServerName: "kafka.example"}).Client(t.Context(), "10.0.0.1")
	require.NoError(t, err)
	require.Equal(t, "kafka.example", cfg.ServerName)

	ca, stranger := authtest.NewAuthority(t), authtest.NewAuthority(t)
	any, err := (&auth.TLS{CA: ca.PEM, AnyHost: true}).Client(t.Context(), "broker-1")
	require.NoError(t, err)
	require.NoError(t, any.VerifyConnection(state(t, ca.Issue(t, "another-name"))))
	require.Error(t, any.VerifyConnection(state(t, stranger.Issue(t, "broker-1"))), "the chain still counts")
	require.Error(t, any.VerifyConnection(tls.ConnectionState{}))
}

func state(t *testing.T, p authtest.Pair) tls.ConnectionState {
	pair, err := tls.X509KeyPair([]byte(p.Cert), []byte(p.Key))
	require.NoError(t, err)
	return tls.ConnectionState{PeerCertificates: []*x509.Certificate{pair.Leaf}}
}

// TestCertificatesAreReadForEveryConnection: what replaces the files counts from the next connection on.
func TestCertificatesAreReadForEveryConnection(t *testing.T) {
	ca := authtest.NewAuthority(t)
	cert, key := authtest.File(t, "cert.pem", ""), authtest.File(t, "key.pem", "")
	c := auth.TLS{Cert: cert, Key: auth.Secret("file:" + key)}
	_, err := c.Client(t.Context(), "broker-1")
	require.ErrorContains(t, err, "is not PEM", "an empty file is an error in the end")
	_, err = c.Expires(t.Context())
	require.ErrorContains(t, err, "is not PEM")
	for days := 1; days <= 2; days++ {
		end := time.Now().AddDate(0, 0, days).Truncate(time.Second)
		pair := ca.IssueUntil(t, end, "client")
		require.NoError(t, os.WriteFile(cert, []byte(pair.Cert), 0o600))
		require.NoError(t, os.WriteFile(key, []byte(pair.Key), 0o600))
		cfg, err := c.Client(t.Context(), "broker-1")
		require.NoError(t, err)
		require.True(t, end.Equal(cfg.Certificates[0].Leaf.NotAfter))
		at, err := c.Expires(t.Context())
		require.NoError(t, err)
		require.True(t, end.Equal(at))
	}
	at, err := (&auth.TLS{}).Expires(t.Context())
	require.NoError(t, err)
	require.Zero(t, at, "nothing to expire")
}

// TestByReference: what may be replaced while portage runs, and what stays until it is started anew.
func TestByReference(t *testing.T) {
	pair := authtest.NewAuthority(t).Issue(t, "client")
	for _, c := range []auth.TLS{{CA: "/ca.pem"}, {Cert: "/both.pem"}, {Cert: pair.Cert, Key: "/key.pem"}, {Cert: pair.Cert, Key: "env:KEY"}} {
		require.True(t, c.ByReference(), "%v", c)
	}
	for _, c := range []auth.TLS{{}, {CA: pair.Cert}, {Cert: pair.Cert, Key: auth.Secret(pair.Key)}} {
		require.False(t, c.ByReference(), "%v", c)
	}
	for _, s := range []auth.SASL{{Mechanism: auth.Plain, Password: "file:/pw"}, {Mechanism: auth.OAuthBearer, Token: "command:token"}, {Mechanism: auth.MSKIAM, Login: named(auth.MSKIAM)}} {
		require.True(t, s.ByReference(), "%v", s)
	}
	for _, s := range []auth.SASL{{Mechanism: auth.Plain, Password: "pw"}, {Mechanism: auth.OAuthBearer, Token: "t"}, {Mechanism: auth.Plain, Password: "literal:env:X"}} {
		require.False(t, s.ByReference(), "%v", s)
	}
}
