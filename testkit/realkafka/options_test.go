package realkafka

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestDefaultsAreValid(t *testing.T) {
	require.NoError(t, Options{}.Validate())
	o := Options{}.withDefaults()
	require.Equal(t, Source, o.Version)
	require.Equal(t, 1, o.Brokers)
	require.Equal(t, DefaultHeapMB, o.HeapMB)
	for _, v := range Pinned() {
		require.NoError(t, everyWay(v).Validate())
	}
}

func TestOptionsAreRefusedByName(t *testing.T) {
	listener := func(l Listener) Options { return Options{Listeners: []Listener{l}} }
	for want, o := range map[string]Options{
		"Brokers is 2": {Brokers: 2},
		`Version is "3.8.0": use one of [2.8.2 3.`:  {Version: "3.8.0"},
		"OAUTHBEARER and Version 2.8.2":             {Version: Oldest, Listeners: []Listener{{Name: "A", SASL: OAuth}}},
		"RebalanceDelay is -1s":                     {RebalanceDelay: -time.Second},
		"HeapMB is 64":                              {HeapMB: 64},
		`Name is "../x"`:                            {Name: "../x"},
		`Listeners[0].Name is "tls"`:                listener(Listener{Name: "tls"}),
		`Listeners[0].Name is "INTERNAL"`:           listener(Listener{Name: Internal}),
		`Listeners[0].Name is "CONTROLLER"`:         listener(Listener{Name: "CONTROLLER"}),
		`Listeners[1].Name is "A"`:                  {Listeners: []Listener{{Name: "A"}, {Name: "A"}}},
		`Listeners[0].SASL is "GSSAPI"`:             listener(Listener{Name: "A", SASL: "GSSAPI"}),
		"listener A asks for passwords and Users":   listener(Listener{Name: "A", SASL: Plain}),
		`Users[0] ("a b") needs a name of letters`:  {Users: []User{{"a b", "x"}}},
		`Users[0] ("a") needs a name of letters`:    {Users: []User{{"a", ""}}},
		`Users[1] ("b") needs a name of letters an`: {Users: []User{{"a", "x"}, {"b", `x"y`}}},
	} {
		err := o.Validate()
		require.ErrorIs(t, err, ErrOptions, want)
		require.ErrorContains(t, err, want)
	}
}

func twoPorts(o Options) []brokerPorts {
	p := brokerPorts{controller: 1, listeners: map[string]int{}}
	for i, name := range o.listenerNames() {
		p.listeners[name] = 2 + i
	}
	q := brokerPorts{controller: 101, listeners: map[string]int{}}
	for i, name := range o.listenerNames() {
		q.listeners[name] = 102 + i
	}
	return []brokerPorts{p, q}
}

func TestPropertiesOfOneBroker(t *testing.T) {
	o := Options{Listeners: []Listener{{Name: "MTLS", TLS: MutualTLS}}, RebalanceDelay: 3 * time.Second, Brokers: 3}.withDefaults()
	got := properties(o, "/d", 2, twoPorts(o))
	for k, v := range map[string]string{
		"node.id":                              "2",
		"controller.quorum.voters":             "1@127.0.0.1:1,2@127.0.0.1:101",
		"listeners":                            "INTERNAL://127.0.0.1:102,MTLS://127.0.0.1:103,CONTROLLER://127.0.0.1:101",
		"advertised.listeners":                 "INTERNAL://127.0.0.1:102,MTLS://127.0.0.1:103",
		"listener.security.protocol.map":       "INTERNAL:PLAINTEXT,MTLS:SSL,CONTROLLER:PLAINTEXT",
		"log.dirs":                             "/d/broker-2/data",
		"offsets.topic.replication.factor":     "3",
		"transaction.state.log.min.isr":        "2",
		"group.initial.rebalance.delay.ms":     "3000",
		"listener.name.mtls.ssl.client.auth":   "required",
		"listener.name.mtls.ssl.keystore.type": "PEM",
	} {
		require.Equal(t, v, got[k], k)
	}
	require.NotContains(t, got, "authorizer.class.name")
	o.Properties = map[string]string{"node.id": "7", "log.retention.ms": "5"}
	got = properties(o, "/d", 2, twoPorts(o))
	require.Equal(t, "7", got["node.id"], "what the caller asks for wins")
	require.Equal(t, "5", got["log.retention.ms"])
}

func TestPropertiesWithZooKeeper(t *testing.T) {
	o := Options{Version: Oldest, Listeners: []Listener{{Name: "TLS", TLS: ServerTLS}}, ACLs: true, Brokers: 3}.withDefaults()
	got := properties(o, "/d", 2, twoPorts(o))
	for k, v := range map[string]string{
		"broker.id":                      "2",
		"zookeeper.connect":              "127.0.0.1:1",
		"zookeeper.session.timeout.ms":   "6000",
		"listeners":                      "INTERNAL://127.0.0.1:102,TLS://127.0.0.1:103",
		"advertised.listeners":           "INTERNAL://127.0.0.1:102,TLS://127.0.0.1:103",
		"listener.security.protocol.map": "INTERNAL:PLAINTEXT,TLS:SSL",
		"log.dirs":                       "/d/broker-2/data",
		"authorizer.class.name":          "kafka.security.authorizer.AclAuthorizer",
	} {
		require.Equal(t, v, got[k], k)
	}
	for _, k := range []string{"process.roles", "node.id", "controller.quorum.voters"} {
		require.NotContains(t, got, k)
	}
}

func TestSecureSettings(t *testing.T) {
	got := secure(everyWay(Target), "/d")
	for k, v := range map[string]string{
		"listener.name.tls.ssl.client.auth":                                      "none",
		"listener.name.scram256.sasl.enabled.mechanisms":                         "SCRAM-SHA-256",
		"listener.name.oauth.oauthbearer.sasl.oauthbearer.jwks.endpoint.url":     "file:///d/jwks.json",
		"listener.name.scram512_tls.scram-sha-512.sasl.jaas.config":              "org.apache.kafka.common.security.scram.ScramLoginModule required;",
		"listener.name.oauth_tls.oauthbearer.sasl.oauthbearer.expected.audience": audience,
		"listener.name.oauth_tls.ssl.truststore.location":                        "/d/ca.pem",
		"authorizer.class.name":                                                  "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
		"listener.name.plain.plain.sasl.jaas.config":                             `org.apache.kafka.common.security.plain.PlainLoginModule required user_alice="alice-secret" user_bob="bob-secret";`,
		"listener.name.oauth_tls.oauthbearer.sasl.oauthbearer.expected.issuer":   issuer,
		"listener.name.mtls.ssl.principal.mapping.rules":                         "RULE:^CN=([^,]+).*$/$1/,DEFAULT",
		"listener.name.oauth.oauthbearer.sasl.server.callback.handler.class":     "org.apache.kafka.common.security.oauthbearer.OAuthBearerValidatorCallbackHandler",
		"listener.name.oauth.oauthbearer.sasl.jaas.config":                       "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required;",
		"listener.name.scram256.scram-sha-256.sasl.jaas.config":                  "org.apache.kafka.common.security.scram.ScramLoginModule required;",
		"listener.name.scram512_tls.ssl.keystore.location":                       "/d/broker.pem",
		"super.users": "User:ANONYMOUS",
	} {
		require.Equal(t, v, got[k], k)
	}
	require.Empty(t, secure(Options{}, "/d"))
}

func TestScramUsersAreBornWithTheCluster(t *testing.T) {
	o := Options{Users: []User{{"a", "x"}, {"b", "y"}}, Listeners: []Listener{{Name: "P", SASL: Plain}}}
	require.Empty(t, scramArgs(o))
	o.Listeners = append(o.Listeners, Listener{Name: "S", SASL: Scram512})
	require.Equal(t, []string{"--add-scram", "SCRAM-SHA-512=[name=a,password=x]", "--add-scram", "SCRAM-SHA-512=[name=b,password=y]"}, scramArgs(o))
	o.Listeners = append(o.Listeners, Listener{Name: "T", SASL: Scram256})
	require.Equal(t, "SCRAM-SHA-256=[password=y],SCRAM-SHA-512=[password=y]", scramCredentials(o, o.Users[1]))
	require.Empty(t, scramCredentials(Options{}, o.Users[1]))
}

func TestKeysFromAFileNeedPermission(t *testing.T) {
	require.Empty(t, allowJWKS(Options{}, "/d"))
	require.Equal(t, []string{
		"-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls=file:///d/jwks.json",
		"-Dorg.apache.kafka.sasl.oauthbearer.allowed.files=/d/jwks.json",
	}, allowJWKS(Options{Listeners: []Listener{{Name: "O", SASL: OAuth}}}, "/d"))
}

func TestProtocols(t *testing.T) {
	require.Equal(t, "PLAINTEXT", Listener{}.protocol())
	require.Equal(t, "SSL", Listener{TLS: MutualTLS}.protocol())
	require.Equal(t, "SASL_PLAINTEXT", Listener{SASL: Plain}.protocol())
	require.Equal(t, "SASL_SSL", Listener{SASL: OAuth, TLS: ServerTLS}.protocol())
}

func TestRenderEscapes(t *testing.T) {
	got := render(map[string]string{"b": `c:\d`, "a": " lead", "c": "two\nlines\tand tab\r", "d": "a=b:c #d"})
	require.Equal(t, strings.Join([]string{`a=\ lead`, `b=c:\\d`, `c=two\nlines\tand tab\r`, `d=a=b:c #d`, ""}, "\n"), got)
}

func TestClientProperties(t *testing.T) {
	cases := []struct {
		cfg  ClientConfig
		want []string
	}{
		{ClientConfig{}, []string{"security.protocol=PLAINTEXT"}},
		{ClientConfig{TLS: true, CA: "/ca", Keystore: "/ks"}, []string{
			"security.protocol=SSL", "ssl.keystore.location=/ks", "ssl.keystore.type=PEM", "ssl.truststore.location=/ca", "ssl.truststore.type=PEM"}},
		{ClientConfig{Mechanism: Plain, User: "a", Password: "x"}, []string{
			`sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required username="a" password="x";`,
			"sasl.mechanism=PLAIN", "security.protocol=SASL_PLAINTEXT"}},
		{ClientConfig{Mechanism: Scram512, User: "a", Password: "x", TLS: true, CA: "/ca"}, []string{
			`sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required username="a" password="x";`,
			"sasl.mechanism=SCRAM-SHA-512", "security.protocol=SASL_SSL", "ssl.truststore.location=/ca", "ssl.truststore.type=PEM"}},
		{ClientConfig{Mechanism: OAuth, TokenFile: "/t"}, []string{
			"sasl.jaas.config=org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required;",
			"sasl.login.callback.handler.class=org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginCallbackHandler",
			"sasl.mechanism=OAUTHBEARER", "sasl.oauthbearer.token.endpoint.url=file:///t", "security.protocol=SASL_PLAINTEXT"}},
	}
	for _, c := range cases {
		require.Equal(t, strings.Join(c.want, "\n")+"\n", c.cfg.Properties())
	}
}
