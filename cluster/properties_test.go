package cluster_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/portage-kafka/portage/cluster"
	"github.com/portage-kafka/portage/cluster/auth"
	"github.com/segmentio/kafka-go/sasl"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kfake"
	"go.yaml.in/yaml/v3"
)

func properties(lines ...string) (cluster.Config, error) {
	return cluster.FromProperties(strings.NewReader(strings.Join(lines, "\n")))
}

const servers = "bootstrap.servers=a:9092"

// TestPropertiesOfAPlainCluster: comments, separators, continued lines and listener names are Java's.
func TestPropertiesOfAPlainCluster(t *testing.T) {
	cfg, err := properties("# comment", "! another", "", "bootstrap.servers = a:9092, b:9093 ,\\", "   PLAINTEXT://c:9094", "client.id:me", "request.timeout.ms 15000", "acks=all")
	require.NoError(t, err)
	require.Equal(t, cluster.Config{Bootstrap: []string{"a:9092", "b:9093", "c:9094"}, ClientID: "me", RequestTimeout: 15 * time.Second}, cfg)
	require.NoError(t, cfg.Validate())
}

// TestPropertiesWithLogin: users and passwords come out of login modules as they went in.
func TestPropertiesWithLogin(t *testing.T) {
	plain := `org.apache.kafka.common.security.plain.PlainLoginModule required username="alice" password="p\"w;=1";`
	scram := `org.apache.kafka.common.security.scram.ScramLoginModule required \
  username=bob \
  password='se cret' tokenauth=false ;`
	for _, c := range []struct {
		mechanism, jaas, user, password string
	}{
		{"PLAIN", strings.ReplaceAll(plain, `\`, `\\`), "alice", `p"w;=1`},
		{"SCRAM-SHA-256", scram, "bob", "se cret"},
		{"SCRAM-SHA-512", scram, "bob", "se cret"},
		{"PLAIN", strings.ReplaceAll(plain, `p\"w;=1`, "env:HOME"), "alice", "env:HOME"},
		{"PLAIN", strings.ReplaceAll(plain, `p\"w;=1`, `a\\tb\\101`), "alice", "a\tbA"},
		{"PLAIN", strings.ReplaceAll(plain, `p\"w;=1`, `\u00e9`), "alice", "é"},
	} {
		cfg, err := properties(servers, "security.protocol=SASL_SSL", "sasl.mechanism="+c.mechanism, "sasl.jaas.config="+c.jaas)
		require.NoError(t, err, c.jaas)
		require.Equal(t, &auth.TLS{}, cfg.TLS)
		require.Equal(t, c.mechanism, cfg.SASL.Mechanism)
		require.Equal(t, c.user, cfg.SASL.Username)
		got, err := cfg.SASL.Password.Resolve(t.Context())
		require.NoError(t, err)
		require.Equal(t, c.password, got, "a password in a Java file is never a reference")
		require.NoError(t, cfg.Validate())
	}
	cfg, err := properties(servers, "security.protocol=SASL_PLAINTEXT", "sasl.mechanism=OAUTHBEARER",
		"sasl.oauthbearer.token.endpoint.url=file:///run/token", `sasl.jaas.config=org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required extension_logicalCluster="lkc-1";`)
	require.NoError(t, err)
	require.Nil(t, cfg.TLS)
	require.Equal(t, &auth.SASL{Mechanism: "OAUTHBEARER", Token: "file:/run/token", Extensions: map[string]string{"logicalCluster": "lkc-1"}}, cfg.SASL)
}

// TestPropertiesOfMSK: what Java clients of Amazon MSK write for IAM.
func TestPropertiesOfMSK(t *testing.T) {
	iam := func(options string, lines ...string) (cluster.Config, error) {
		return properties(append(lines, servers, "security.protocol=SASL_SSL", "sasl.mechanism=AWS_MSK_IAM", "sasl.jaas.config=software.amazon.msk.auth.iam.IAMLoginModule required"+options+";")...)
	}
	for options, want := range map[string]auth.SASL{
		``: {Mechanism: auth.MSKIAM},
		` awsProfileName="kafka" awsDebugCreds=true awsMaxRetries="7" awsMaxBackOffTimeMs="500"`: {Mechanism: auth.MSKIAM, Profile: "kafka"},
		` awsRoleArn="arn:aws:iam::123456789012:role/kafka"`:                                     {Mechanism: auth.MSKIAM, RoleARN: "arn:aws:iam::123456789012:role/kafka"},
	} {
		cfg, err := iam(options, "sasl.client.callback.handler.class=software.amazon.msk.auth.iam.IAMClientCallbackHandler")
		require.NoError(t, err, options)
		require.Equal(t, &want, cfg.SASL)
		require.Equal(t, &auth.TLS{}, cfg.TLS)
	}
	for want, options := range map[string]string{
		"option awsRoleExternalId of IAMLoginModule is not supported": ` awsRoleArn="arn:aws:iam::1:role/x" awsRoleExternalId="hunter2"`,
		"keep one":         ` awsRoleArn="arn:aws:iam::1:role/x" awsProfileName=p`,
		`"kafka" is no AR`: ` awsRoleArn=kafka`,
	} {
		_, err := iam(options)
		require.ErrorContains(t, err, want)
		require.NotContains(t, err.Error(), "hunter2")
	}
	_, err := iam("", "sasl.client.callback.handler.class=MyHandler")
	require.ErrorContains(t, err, "MyHandler cannot be used outside Java")
	_, err = iam("", "sasl.login.callback.handler.class=MyLogin")
	require.ErrorContains(t, err, "MyLogin cannot be used outside Java")
}

// TestPropertiesWithTLS: PEM stores become files or texts of ours.
func TestPropertiesWithTLS(t *testing.T) {
	cfg, err := properties(servers, "security.protocol=SSL", "ssl.truststore.type=PEM", "ssl.truststore.location=/ca.pem",
		"ssl.keystore.type=PEM", "ssl.keystore.location=/client.pem", "ssl.endpoint.identification.algorithm=")
	require.NoError(t, err)
	require.Equal(t, &auth.TLS{CA: "/ca.pem", Cert: "/client.pem", AnyHost: true}, cfg.TLS)
	cfg, err = properties(servers, "security.protocol=SSL", "ssl.truststore.certificates=-----BEGIN CERTIFICATE-----\\nAA", "ssl.keystore.certificate.chain=CHAIN", "ssl.keystore.key=KEY")
	require.NoError(t, err)
	require.Equal(t, &auth.TLS{CA: "-----BEGIN CERTIFICATE-----\nAA", Cert: "CHAIN", Key: "KEY"}, cfg.TLS)
}

// TestPropertiesThatCannotBeHonoured: each setting that we cannot follow is refused with the way out, never ignored.
func TestPropertiesThatCannotBeHonoured(t *testing.T) {
	sasl := []string{servers, "security.protocol=SASL_SSL"}
	tls := []string{servers, "security.protocol=SSL"}
	for want, lines := range map[string][]string{
		"bootstrap.servers is missing":          {"acks=all"},
		"write host:port":                       {"bootstrap.servers=broker"},
		`security.protocol="HTTP" is unknown`:   {servers, "security.protocol=http"},
		"request.timeout.ms":                    {servers, "request.timeout.ms=soon"},
		"sasl.mechanism is missing":             sasl,
		`"GSSAPI" is not supported`:             append(sasl, "sasl.mechanism=GSSAPI", "sasl.jaas.config=a required;"),
		"sasl.jaas.config is missing":           append(sasl, "sasl.mechanism=PLAIN"),
		"does not serve sasl.mechanism=PLAIN":   append(sasl, "sasl.mechanism=PLAIN", "sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;"),
		"needs sasl.username":                   append(sasl, "sasl.mechanism=PLAIN", "sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required;"),
		"closing ';' is missing":                append(sasl, "sasl.mechanism=PLAIN", `sasl.jaas.config=a required x="y"`),
		"only one login module":                 append(sasl, "sasl.mechanism=PLAIN", `sasl.jaas.config=a required; b required;`),
		"closing quote":                         append(sasl, "sasl.mechanism=PLAIN", `sasl.jaas.config=a required password="hunter2;`),
		"must come required":                    append(sasl, "sasl.mechanism=PLAIN", `sasl.jaas.config=a username=b;`),
		"'=' is missing":                        append(sasl, "sasl.mechanism=PLAIN", `sasl.jaas.config=a required username;`),
		"MyHandler cannot be used outside Java": append(sasl, "sasl.mechanism=PLAIN", "sasl.client.callback.handler.class=MyHandler"),
		"MyLogin cannot be used outside Java":   append(sasl, "sasl.mechanism=PLAIN", "sasl.login.callback.handler.class=MyLogin"),
		"takes the token from a file":           append(sasl, "sasl.mechanism=OAUTHBEARER", "sasl.oauthbearer.token.endpoint.url=https://idp/token"),
		"does not serve sasl.mechanism=OAUTHB":  append(sasl, "sasl.mechanism=OAUTHBEARER", "sasl.jaas.config=a required;"),
		"keytool -importkeystore -srckeystore /trust.jks -destkeystore /trust.pem.p12": append(tls, "ssl.truststore.location=/trust.jks"),
		"ssl.truststore.type=PEM and ssl.truststore.location=/trust.pem":               append(tls, "ssl.truststore.type=jks", "ssl.truststore.location=/trust.jks"),
		"openssl pkcs12 -in /key.p12 -out /key.pem":                                    append(tls, "ssl.keystore.type=PKCS12", "ssl.keystore.location=/key.p12"),
		"ssl.keystore.type=BKS is not supported":                                       append(tls, "ssl.keystore.type=BKS", "ssl.keystore.location=/key"),
		"openssl pkcs8":                                                                append(tls, "ssl.key.password=hunter2"),
		"config.providers=vault: portage does not resolve":                             {servers, "config.providers=vault"},
		"MyFactory cannot be used outside":                                             append(tls, "ssl.engine.factory.class=MyFactory"),
		`line 2: malformed \u escape`:                                                  {"", `a=\u12`},
		`line 1: malformed \u escape: four`:                                            {`a\uzzzz=1`},
	} {
		_, err := properties(lines...)
		require.ErrorContains(t, err, want)
		require.NotContains(t, err.Error(), "hunter2")
	}
	_, err := cluster.FromProperties(failing{})
	require.ErrorContains(t, err, "read client properties")
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, strings.NewReader("").UnreadByte() }

// Several mistakes are reported at once.
func TestPropertiesReportEveryMistake(t *testing.T) {
	_, err := properties("security.protocol=SASL_SSL", "ssl.truststore.location=/trust.jks", "request.timeout.ms=-1")
	for _, want := range []string{"bootstrap.servers", "trust.jks", "sasl.mechanism", "request.timeout.ms"} {
		require.ErrorContains(t, err, want)
	}
}

// TestPropertiesSyntax: the corners of the format.
func TestPropertiesSyntax(t *testing.T) {
	for line, want := range map[string]string{
		`client.id=a=b:c`:                   "a=b:c",
		`client.id : x`:                     "x",
		`client.id   y z`:                   "y z",
		`client.id=back\\slash`:             `back\slash`,
		`client.id=\ttab`:                   "\ttab",
		`client\.id=escaped key`:            "escaped key",
		`client.id=trailing  `:              "trailing  ",
		"client.id=joined\\\n   up":         "joinedup",
		"client.id=not\\\\\njoined":         `not\`,
		"client.id=at the end\\":            "at the end",
		"client.id=first\rclient.id=second": "second",
		`client.id=\u0041\n\r\f`:            "A\n\r\f",
		"client.id":                         "",
	} {
		cfg, err := properties(servers, line)
		require.NoError(t, err, line)
		require.Equal(t, want, cfg.ClientID, line)
	}
}

// FuzzProperties: no file makes the reader fail in another way than by an error, and what it takes is valid.
func FuzzProperties(f *testing.F) {
	f.Add("bootstrap.servers=a:1\nsecurity.protocol=SASL_SSL\nsasl.mechanism=PLAIN\nsasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required username=\"a\" password='\\101';")
	f.Add("a\\\n b = \\u0041")
	f.Fuzz(func(t *testing.T, text string) {
		cfg, err := cluster.FromProperties(strings.NewReader(text))
		if err != nil {
			return
		}
		require.NotEmpty(t, cfg.Bootstrap)
		if cfg.SASL != nil {
			require.NoError(t, cfg.SASL.Validate())
		}
	})
}

// TestConfigValidate: every mistake is reported at once, by the name of its field.
func TestConfigValidate(t *testing.T) {
	require.NoError(t, cluster.Config{Bootstrap: []string{"a:1", "[::1]:9092"}}.Validate())
	err := cluster.Config{
		Bootstrap: []string{"a", ":1", "a:0", "a:http"}, DialTimeout: -1,
		TLS: &auth.TLS{CA: "/no/such/file"}, SASL: &auth.SASL{},
	}.Validate()
	for _, want := range []string{`"a"`, `":1"`, `"a:0"`, `"a:http"`, "dial_timeout", "tls.ca", "sasl.mechanism"} {
		require.ErrorContains(t, err, want)
	}
	require.ErrorContains(t, cluster.Config{}.Validate(), "bootstrap is empty")
	msk := cluster.Config{Bootstrap: []string{"a:9098"}, SASL: &auth.SASL{Mechanism: "aws-msk-iam"}}
	require.ErrorContains(t, msk.Validate(), "needs its login")
	msk.SASL.Login = mechanism(auth.MSKIAM)
	require.ErrorContains(t, msk.Validate(), "needs TLS")
	msk.TLS = &auth.TLS{}
	require.NoError(t, msk.Validate())
	_, err = cluster.Open(within(t), "a", cluster.Config{})
	require.ErrorContains(t, err, `cluster "a": configuration`)
}

// mechanism is a login that a program brings along.
type mechanism string

func (m mechanism) Name() string { return string(m) }

func (m mechanism) Start(context.Context) (sasl.StateMachine, []byte, error) {
	return nil, nil, &auth.SecretError{Err: errors.New("the vault is sealed: unseal it")}
}

// TestLoginOfItsOwn: a login that fails before the broker is asked tells in its own words what to do.
func TestLoginOfItsOwn(t *testing.T) {
	k := brokers(t, kfake.EnableSASL(), kfake.Superuser(auth.Plain, "u", "p"))
	cfg := config(k)
	cfg.SASL = &auth.SASL{Mechanism: auth.Plain, Login: mechanism(auth.Plain)}
	err := refused(t, cfg)
	require.ErrorContains(t, err, "unseal it")
	require.NotContains(t, err.Error(), "sasl section")
	require.NotErrorIs(t, err, cluster.ErrAuthentication)
	require.False(t, cluster.Uncertain(err))
	cfg.SASL = &auth.SASL{Mechanism: "KERBEROS", Login: mechanism("KERBEROS")}
	require.ErrorContains(t, refused(t, cfg), "this listener does not offer KERBEROS")
}

// TestConfigFromYAML: the names of the fields in files, and that passwords are not written back.
func TestConfigFromYAML(t *testing.T) {
	var cfg cluster.Config
	require.NoError(t, yaml.Unmarshal([]byte(`
bootstrap: [a:9092, b:9092]
client_id: me
request_timeout: 45s
tls: {ca: /ca.pem, server_name: kafka}
sasl: {mechanism: SCRAM-SHA-512, username: u, password: file:/run/pw}
`), &cfg))
	require.Equal(t, cluster.Config{
		Bootstrap: []string{"a:9092", "b:9092"}, ClientID: "me", RequestTimeout: 45 * time.Second,
		TLS:  &auth.TLS{CA: "/ca.pem", ServerName: "kafka"},
		SASL: &auth.SASL{Mechanism: "SCRAM-SHA-512", Username: "u", Password: "file:/run/pw"},
	}, cfg)
	out, err := yaml.Marshal(cfg)
	require.NoError(t, err)
	require.Contains(t, string(out), "file:/run/pw")
	cfg.SASL.Password = "hunter2"
	out, err = yaml.Marshal(cfg)
	require.NoError(t, err)
	require.NotContains(t, string(out), "hunter2")
}
