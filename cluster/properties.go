package cluster

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/portage-kafka/portage/cluster/auth"
)

// FromProperties reads a Java client's configuration (client.properties): bootstrap.servers, security.protocol,
// sasl.mechanism, sasl.jaas.config, ssl.* with PEM stores, client.id and request.timeout.ms. Properties that do not
// concern the connection are ignored; security settings that portage cannot honour are errors, never ignored. The result
// is validated except for what needs files; with AWS_MSK_IAM it still lacks the login (auth.SASL.Login).
func FromProperties(r io.Reader) (Config, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxProperties))
	if err != nil {
		return Config{}, fmt.Errorf("read client properties: %w", err)
	}
	props, err := parseProperties(string(text))
	if err != nil {
		return Config{}, fmt.Errorf("client properties: %w", err)
	}
	cfg, err := convert(props)
	if err != nil {
		return Config{}, fmt.Errorf("client properties: %w", err)
	}
	return cfg, nil
}

const maxProperties = 1 << 20

type properties map[string]string

func convert(p properties) (Config, error) {
	cfg := Config{ClientID: p["client.id"]}
	var errs []error
	cfg.Bootstrap, errs = bootstrapOf(p)
	if providers := p["config.providers"]; providers != "" {
		errs = append(errs, fmt.Errorf("config.providers=%s: portage does not resolve ${…}: write the values themselves, or the cluster into portage's own configuration, with references such as file:PATH and env:NAME", providers))
	}
	if ms := p["request.timeout.ms"]; ms != "" {
		n, err := strconv.ParseInt(ms, 10, 32)
		if err != nil || n <= 0 {
			errs = append(errs, fmt.Errorf("request.timeout.ms=%q is not a positive number", ms))
		}
		cfg.RequestTimeout = time.Duration(n) * time.Millisecond
	}
	secure, login, err := protocolOf(p)
	errs = append(errs, err)
	if secure {
		cfg.TLS, err = tlsOf(p)
		errs = append(errs, err)
	}
	if login {
		cfg.SASL, err = saslOf(p)
		errs = append(errs, err)
	}
	return cfg, errors.Join(errs...)
}

func bootstrapOf(p properties) (bootstrap []string, errs []error) {
	for _, address := range strings.Split(p["bootstrap.servers"], ",") {
		if address = strings.TrimSpace(address); address != "" {
			address = stripListener(address)
			bootstrap = append(bootstrap, address)
			errs = append(errs, validateAddress(address))
		}
	}
	if len(bootstrap) == 0 {
		errs = append(errs, errors.New("bootstrap.servers is missing"))
	}
	return bootstrap, errs
}

// stripListener drops the listener name that Java allows before an address (SASL_SSL://host:9093).
func stripListener(address string) string {
	if _, rest, ok := strings.Cut(address, "://"); ok {
		return rest
	}
	return address
}

func protocolOf(p properties) (secure, login bool, err error) {
	switch protocol := strings.ToUpper(p["security.protocol"]); protocol {
	case "", "PLAINTEXT":
		return false, false, nil
	case "SSL":
		return true, false, nil
	case "SASL_PLAINTEXT":
		return false, true, nil
	case "SASL_SSL":
		return true, true, nil
	default:
		return false, false, fmt.Errorf("security.protocol=%q is unknown: use PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL", protocol)
	}
}

// tlsOf reads ssl.*: a truststore is our CA, a keystore our client certificate.
func tlsOf(p properties) (*auth.TLS, error) {
	t := &auth.TLS{CA: p["ssl.truststore.certificates"], Cert: p["ssl.keystore.certificate.chain"], Key: auth.Literal(p["ssl.keystore.key"])}
	var errs []error
	if location := p["ssl.truststore.location"]; location != "" && t.CA == "" {
		errs = append(errs, onlyPEM("truststore", p["ssl.truststore.type"], location))
		t.CA = location
	}
	if location := p["ssl.keystore.location"]; location != "" && t.Cert == "" {
		errs = append(errs, onlyPEM("keystore", p["ssl.keystore.type"], location))
		t.Cert = location
	}
	if p["ssl.key.password"] != "" {
		errs = append(errs, errors.New("ssl.key.password: portage reads unencrypted keys only: decrypt the key with `openssl pkcs8 -in KEY -out KEY.pem`, protect the file by its permissions and remove the property"))
	}
	if factory := p["ssl.engine.factory.class"]; factory != "" {
		errs = append(errs, fmt.Errorf("ssl.engine.factory.class=%s cannot be used outside Java", factory))
	}
	if algorithm, set := p["ssl.endpoint.identification.algorithm"]; set && strings.TrimSpace(algorithm) == "" {
		t.AnyHost = true
	}
	return t, errors.Join(errs...)
}

// onlyPEM refuses Java's own store formats with the way to convert them. Java's default type is JKS.
func onlyPEM(store, kind, location string) error {
	if strings.EqualFold(kind, "PEM") {
		return nil
	}
	pem := strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(location, ".jks"), ".p12"), ".pfx") + ".pem"
	use := fmt.Sprintf("then set ssl.%s.type=PEM and ssl.%s.location=%s", store, store, pem)
	switch strings.ToUpper(kind) {
	case "PKCS12":
		return fmt.Errorf("ssl.%s.location=%s is a PKCS12 store; convert it: `openssl pkcs12 -in %s -out %s -nodes`, %s", store, location, location, pem, use)
	case "", "JKS":
		return fmt.Errorf("ssl.%s.location=%s is a JKS store (the default of ssl.%s.type); convert it: `keytool -importkeystore -srckeystore %s -destkeystore %s.p12 -deststoretype PKCS12 && openssl pkcs12 -in %s.p12 -out %s -nodes`, %s",
			store, location, store, location, pem, pem, pem, use)
	}
	return fmt.Errorf("ssl.%s.type=%s is not supported: convert the store to PEM", store, kind)
}

// saslOf reads sasl.mechanism and the login module of sasl.jaas.config.
func saslOf(p properties) (*auth.SASL, error) {
	s := &auth.SASL{Mechanism: p["sasl.mechanism"]}
	if s.Mechanism == "" {
		return nil, errors.New("sasl.mechanism is missing (Java's default, GSSAPI, is not supported): use PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER or AWS_MSK_IAM")
	}
	if _, ok := loginModules[s.Mechanism]; !ok {
		return nil, s.Validate()
	}
	if err := refuseHandlers(p, s.Mechanism); err != nil {
		return nil, err
	}
	options, err := loginOptions(p, s.Mechanism)
	if err != nil {
		return nil, err
	}
	switch s.Mechanism {
	case auth.OAuthBearer:
		err = bearerOf(p, s, options)
	case auth.MSKIAM:
		err = mskOf(s, options)
	default:
		s.Username, s.Password = options["username"], auth.Literal(options["password"])
	}
	if err != nil {
		return nil, err
	}
	return s, s.Validate()
}

// refuseHandlers: classes of Java's own would do what we cannot know, but for the one that belongs to AWS_MSK_IAM.
func refuseHandlers(p properties, mechanism string) error {
	for _, property := range []string{"sasl.client.callback.handler.class", "sasl.login.callback.handler.class"} {
		handler := p[property]
		ours := mechanism == auth.MSKIAM && handler == mskHandler ||
			mechanism == auth.OAuthBearer && property == "sasl.login.callback.handler.class" // reads the token: see bearerOf
		if handler != "" && !ours {
			return fmt.Errorf("%s=%s cannot be used outside Java", property, handler)
		}
	}
	return nil
}

// loginOptions returns the options of the login module. OAUTHBEARER needs none.
func loginOptions(p properties, mechanism string) (map[string]string, error) {
	jaas := p["sasl.jaas.config"]
	if jaas == "" && mechanism == auth.OAuthBearer {
		return nil, nil
	}
	if jaas == "" {
		return nil, errors.New("sasl.jaas.config is missing: the login module with its options")
	}
	module, options, err := parseJAAS(jaas)
	if err != nil {
		return nil, fmt.Errorf("sasl.jaas.config: %w", err)
	}
	if module != loginModules[mechanism] {
		return nil, fmt.Errorf("sasl.jaas.config: login module %q does not serve sasl.mechanism=%s", module, mechanism)
	}
	return options, nil
}

const (
	scramModule = "org.apache.kafka.common.security.scram.ScramLoginModule"
	mskHandler  = "software.amazon.msk.auth.iam.IAMClientCallbackHandler"
)

// loginModules: which one serves a mechanism.
var loginModules = map[string]string{
	auth.Plain:       "org.apache.kafka.common.security.plain.PlainLoginModule",
	auth.Scram256:    scramModule,
	auth.Scram512:    scramModule,
	auth.OAuthBearer: "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule",
	auth.MSKIAM:      "software.amazon.msk.auth.iam.IAMLoginModule",
}

// mskOf reads the options of IAMLoginModule (github.com/aws/aws-msk-iam-auth). What it has for roles beyond their name, a
// profile of the shared AWS configuration has, too.
func mskOf(s *auth.SASL, options map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(options)) {
		switch name {
		case "awsProfileName":
			s.Profile = options[name]
		case "awsRoleArn":
			s.RoleARN = options[name]
		case "awsDebugCreds", "awsMaxRetries", "awsMaxBackOffTimeMs": // no matter of who logs in
		default:
			return fmt.Errorf("sasl.jaas.config: option %s of IAMLoginModule is not supported: put the role with role_arn, source_profile, external_id and role_session_name into a profile of ~/.aws/config, and name that by awsProfileName", name)
		}
	}
	if s.Profile != "" && s.RoleARN != "" {
		return errors.New("sasl.jaas.config: awsProfileName and awsRoleArn are both set, of which Java uses the first that works: keep one")
	}
	return nil
}

// bearerOf: a token in a file is the one form that Java and portage share (sasl.oauthbearer.token.endpoint.url=file:…).
func bearerOf(p properties, s *auth.SASL, options map[string]string) error {
	for name, value := range options {
		if extension, ok := strings.CutPrefix(name, "extension_"); ok {
			if s.Extensions == nil {
				s.Extensions = map[string]string{}
			}
			s.Extensions[extension] = value
		}
	}
	path, ok := strings.CutPrefix(p["sasl.oauthbearer.token.endpoint.url"], "file:")
	if !ok || path == "" {
		return errors.New("OAUTHBEARER: portage takes the token from a file or a command: set sasl.oauthbearer.token.endpoint.url=file:/path/to/token here, or sasl.token: command:… in portage's own configuration")
	}
	if strings.HasPrefix(path, "//") { // file:///path
		path = "/" + strings.TrimLeft(path, "/")
	}
	s.Token = auth.Secret("file:" + path)
	return nil
}
