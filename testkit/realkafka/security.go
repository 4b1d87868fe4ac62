package realkafka

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// TLS says how a listener is encrypted.
type TLS int

// Kinds of TLS of a listener.
const (
	NoTLS     TLS = iota
	ServerTLS     // the brokers show a certificate of the cluster's own authority
	MutualTLS     // so do the clients; their principal is User:<common name>
)

// SASL mechanisms of a listener. The principal is always User:<user name>.
const (
	Plain    = "PLAIN"
	Scram256 = "SCRAM-SHA-256"
	Scram512 = "SCRAM-SHA-512"
	OAuth    = "OAUTHBEARER" // tokens signed (RS256) by a key of the cluster's own, which the brokers read from a JWKS file
)

// Listener is one more way into a cluster, besides Internal.
type Listener struct {
	Name string // upper-case letters, digits and underscores: "MTLS"
	TLS  TLS
	SASL string // a mechanism, or "" for none; OAuth not with Oldest
}

// User can log in through listeners with SASL. A certificate or a token is made for any name that ClientConfig is asked for;
// a password only for those listed in Options.Users.
type User struct {
	Name, Password string
}

// validateSecurity says what is wrong with listeners and users.
func (o Options) validateSecurity() error {
	seen := []string{Internal, "CONTROLLER"}
	for i, l := range o.Listeners {
		if !regexp.MustCompile(`^[A-Z][A-Z0-9_]*$`).MatchString(l.Name) || slices.Contains(seen, l.Name) {
			return fmt.Errorf("%w: Listeners[%d].Name is %q: use upper-case letters that no other listener has", ErrOptions, i, l.Name)
		}
		seen = append(seen, l.Name)
		if !slices.Contains([]string{"", Plain, Scram256, Scram512, OAuth}, l.SASL) {
			return fmt.Errorf("%w: Listeners[%d].SASL is %q: use PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER", ErrOptions, i, l.SASL)
		}
		if l.SASL == OAuth && keepsZoo(o.Version) {
			return fmt.Errorf("%w: Listeners[%d].SASL is OAUTHBEARER and Version %s: brokers check signed tokens from 3.1 on", ErrOptions, i, o.Version)
		}
		if l.passwords() && len(o.Users) == 0 {
			return fmt.Errorf("%w: listener %s asks for passwords and Users is empty", ErrOptions, l.Name)
		}
	}
	for i, u := range o.Users {
		if !validUser(u.Name) || u.Password == "" || strings.ContainsAny(u.Password, "\"\\,[]=\n") {
			return fmt.Errorf("%w: Users[%d] (%q) needs a name of letters and digits, and a password without quotes, brackets, commas and equal signs",
				ErrOptions, i, u.Name)
		}
	}
	return nil
}

// validUser says whether a name fits into file names, distinguished names and JAAS lines as it is.
func validUser(name string) bool {
	return regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]*$`).MatchString(name)
}

func (l Listener) passwords() bool { return l.SASL != "" && l.SASL != OAuth }

// protocol is Kafka's name for the combination of TLS and SASL.
func (l Listener) protocol() string {
	switch {
	case l.SASL != "" && l.TLS != NoTLS:
		return "SASL_SSL"
	case l.SASL != "":
		return "SASL_PLAINTEXT"
	case l.TLS != NoTLS:
		return "SSL"
	}
	return "PLAINTEXT"
}

// secure are the settings of the listeners and of the authorizer.
func secure(o Options, dir string) map[string]string {
	all := map[string]string{}
	for _, l := range o.Listeners {
		prefix := "listener.name." + strings.ToLower(l.Name) + "."
		if l.TLS != NoTLS {
			all[prefix+"ssl.keystore.type"] = "PEM"
			all[prefix+"ssl.keystore.location"] = filepath.Join(dir, brokerPEM)
			all[prefix+"ssl.truststore.type"] = "PEM"
			all[prefix+"ssl.truststore.location"] = filepath.Join(dir, caPEM)
			all[prefix+"ssl.client.auth"] = map[TLS]string{ServerTLS: "none", MutualTLS: "required"}[l.TLS]
			all[prefix+"ssl.principal.mapping.rules"] = "RULE:^CN=([^,]+).*$/$1/,DEFAULT"
		}
		if l.SASL != "" {
			all[prefix+"sasl.enabled.mechanisms"] = l.SASL
			saslSettings(all, prefix+strings.ToLower(l.SASL)+".", l.SASL, o, dir)
		}
	}
	if o.ACLs {
		all["authorizer.class.name"] = authorizer(o.Version)
		all["super.users"] = "User:ANONYMOUS" // whoever comes through Internal: the brokers and this package
	}
	return all
}

// inlineKeys puts keys and certificates themselves into the settings of a version that reads only encrypted keys from files.
func inlineKeys(o Options, props map[string]string) error {
	for _, l := range o.Listeners {
		prefix := "listener.name." + strings.ToLower(l.Name) + ".ssl.keystore."
		file := props[prefix+"location"]
		if !keepsZoo(o.Version) || file == "" {
			continue
		}
		raw, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		key, chain, _ := strings.Cut(string(raw), "-----BEGIN CERTIFICATE-----")
		delete(props, prefix+"location")
		props[prefix+"key"], props[prefix+"certificate.chain"] = key, "-----BEGIN CERTIFICATE-----"+chain
	}
	return nil
}

// authorizer is the class that keeps ACLs where a version keeps everything else.
func authorizer(version string) string {
	if keepsZoo(version) {
		return "kafka.security.authorizer.AclAuthorizer"
	}
	return "org.apache.kafka.metadata.authorizer.StandardAuthorizer"
}

// saslSettings are those of one mechanism on one listener.
func saslSettings(all map[string]string, prefix, mechanism string, o Options, dir string) {
	const modules = "org.apache.kafka.common.security."
	switch mechanism {
	case Plain:
		jaas := modules + "plain.PlainLoginModule required"
		for _, u := range o.Users {
			jaas += fmt.Sprintf(` user_%s="%s"`, u.Name, u.Password)
		}
		all[prefix+"sasl.jaas.config"] = jaas + ";"
	case OAuth:
		all[prefix+"sasl.jaas.config"] = modules + "oauthbearer.OAuthBearerLoginModule required;"
		all[prefix+"sasl.server.callback.handler.class"] = modules + "oauthbearer.OAuthBearerValidatorCallbackHandler"
		all[prefix+"sasl.oauthbearer.jwks.endpoint.url"] = "file://" + filepath.Join(dir, jwksFile)
		all[prefix+"sasl.oauthbearer.expected.audience"] = audience
		all[prefix+"sasl.oauthbearer.expected.issuer"] = issuer
	default:
		all[prefix+"sasl.jaas.config"] = modules + "scram.ScramLoginModule required;"
	}
}

// scramMechanisms are those that some listener asks for.
func scramMechanisms(o Options) []string {
	return slices.DeleteFunc([]string{Scram256, Scram512}, func(mechanism string) bool {
		return !slices.ContainsFunc(o.Listeners, func(l Listener) bool { return l.SASL == mechanism })
	})
}

// scramArgs tell the formatting tool which SCRAM users the cluster is born with.
func scramArgs(o Options) (args []string) {
	for _, mechanism := range scramMechanisms(o) {
		for _, u := range o.Users {
			args = append(args, "--add-scram", fmt.Sprintf("%s=[name=%s,password=%s]", mechanism, u.Name, u.Password))
		}
	}
	return args
}

// scramCredentials are a user's SCRAM passwords as kafka.admin.ConfigCommand takes them.
func scramCredentials(o Options, u User) string {
	var all []string
	for _, mechanism := range scramMechanisms(o) {
		all = append(all, fmt.Sprintf("%s=[password=%s]", mechanism, u.Password))
	}
	return strings.Join(all, ",")
}

// allowJWKS are the JVM options without which Kafka reads no keys from a file: releases from 3.9.1 on ask for each URL, those
// from 4.1 on for each file.
func allowJWKS(o Options, dir string) []string {
	if !slices.ContainsFunc(o.Listeners, func(l Listener) bool { return l.SASL == OAuth }) {
		return nil
	}
	file := filepath.Join(dir, jwksFile)
	return []string{
		"-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls=file://" + file,
		"-Dorg.apache.kafka.sasl.oauthbearer.allowed.files=" + file,
	}
}
