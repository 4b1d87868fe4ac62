package realkafka

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// ClientConfig is all that a client needs to come in through a listener, as plain values.
type ClientConfig struct {
	Bootstrap []string // host:port
	TLS       bool     // speak TLS; the brokers' certificate is valid for localhost and 127.0.0.1
	CA        string   // PEM file to trust; "" without TLS
	Cert, Key string   // PEM files of the client; "" unless the listener wants a certificate
	Keystore  string   // the same two in one PEM file, for Java

	Mechanism      string // SASL mechanism, or ""
	User, Password string // for PLAIN and SCRAM
	Token          string // for OAUTHBEARER; valid for TokenLife
	TokenFile      string // a file with the token and nothing else
}

// ClientConfig says how a user comes in through a listener. With MutualTLS a certificate is issued to the user, with
// OAUTHBEARER a token; for passwords the user must be one of Options.Users. The user is ignored where nobody asks.
func (c *Cluster) ClientConfig(listener, user string) (ClientConfig, error) {
	cfg := ClientConfig{Bootstrap: c.Bootstrap(listener)}
	if listener == Internal {
		return cfg, nil
	}
	i := slices.IndexFunc(c.opts.Listeners, func(l Listener) bool { return l.Name == listener })
	if i < 0 {
		return cfg, fmt.Errorf("%w: cluster %s has no listener %q", ErrOptions, c.opts.Name, listener)
	}
	l := c.opts.Listeners[i]
	if (l.TLS == MutualTLS || l.SASL != "") && !validUser(user) {
		return cfg, fmt.Errorf("%w: user %q: use letters, digits, dots and dashes", ErrOptions, user)
	}
	if err := c.identify(&cfg, l, user); err != nil {
		return cfg, err
	}
	return cfg, c.credentials(&cfg, l, user)
}

// identify fills in the TLS side.
func (c *Cluster) identify(cfg *ClientConfig, l Listener, user string) error {
	if l.TLS == NoTLS {
		return nil
	}
	cfg.TLS, cfg.CA = true, filepath.Join(c.dir, caPEM)
	if l.TLS != MutualTLS {
		return nil
	}
	id, err := c.authority.issue(user)
	cfg.Cert, cfg.Key, cfg.Keystore = id.Cert, id.Key, id.Both
	return err
}

// credentials fills in the SASL side.
func (c *Cluster) credentials(cfg *ClientConfig, l Listener, user string) (err error) {
	cfg.Mechanism = l.SASL
	switch {
	case l.SASL == OAuth:
		if cfg.Token, err = c.Token(user, time.Now().Add(TokenLife)); err != nil {
			return err
		}
		cfg.TokenFile = filepath.Join(c.dir, user+".token")
		return os.WriteFile(cfg.TokenFile, []byte(cfg.Token), 0o600)
	case l.passwords():
		i := slices.IndexFunc(c.opts.Users, func(u User) bool { return u.Name == user })
		if i < 0 {
			return fmt.Errorf("%w: cluster %s has no user %q with a password", ErrOptions, c.opts.Name, user)
		}
		cfg.User, cfg.Password = user, c.opts.Users[i].Password
	}
	return nil
}

// Properties is the configuration as a Java client.properties file, which Kafka's own tools take (with MutualTLS those of
// Source and later; the older ones read no key from a file that is not encrypted).
func (c ClientConfig) Properties() string {
	const modules = "org.apache.kafka.common.security."
	all := map[string]string{"security.protocol": Listener{TLS: tlsKind(c), SASL: c.Mechanism}.protocol()}
	if c.TLS {
		all["ssl.truststore.type"], all["ssl.truststore.location"] = "PEM", c.CA
	}
	if c.Keystore != "" {
		all["ssl.keystore.type"], all["ssl.keystore.location"] = "PEM", c.Keystore
	}
	switch c.Mechanism {
	case "":
		return render(all)
	case OAuth:
		all["sasl.jaas.config"] = modules + "oauthbearer.OAuthBearerLoginModule required;"
		all["sasl.login.callback.handler.class"] = modules + "oauthbearer.OAuthBearerLoginCallbackHandler"
		all["sasl.oauthbearer.token.endpoint.url"] = "file://" + c.TokenFile
	case Plain:
		all["sasl.jaas.config"] = fmt.Sprintf(`%splain.PlainLoginModule required username="%s" password="%s";`, modules, c.User, c.Password)
	default:
		all["sasl.jaas.config"] = fmt.Sprintf(`%sscram.ScramLoginModule required username="%s" password="%s";`, modules, c.User, c.Password)
	}
	all["sasl.mechanism"] = c.Mechanism
	return render(all)
}

func tlsKind(c ClientConfig) TLS {
	if c.TLS {
		return ServerTLS
	}
	return NoTLS
}
