package msk

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/portage-kafka/portage/cluster/auth"
	"github.com/stretchr/testify/require"
)

// home is an AWS set-up of the test's own: no variable of the machine that runs the test counts.
type home struct {
	t                   *testing.T
	config, credentials string // the two shared files
}

func newHome(t *testing.T) *home {
	dir := t.TempDir()
	h := &home{t: t, config: filepath.Join(dir, "config"), credentials: filepath.Join(dir, "credentials")}
	for _, line := range os.Environ() {
		if name, _, _ := strings.Cut(line, "="); strings.HasPrefix(name, "AWS_") {
			t.Setenv(name, "")
		}
	}
	t.Setenv("AWS_CONFIG_FILE", h.config)
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", h.credentials)
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	t.Setenv("AWS_MAX_ATTEMPTS", "1")
	h.write(h.config, "")
	h.write(h.credentials, "")
	return h
}

func (h *home) write(path, text string) {
	h.t.Helper()
	require.NoError(h.t, os.WriteFile(path, []byte(text), 0o600))
}

// key returns the access key id that the login signs with now.
func key(t *testing.T, l *Login) string {
	t.Helper()
	_, message, err := l.Start(at(broker))
	require.NoError(t, err)
	id, _, _ := strings.Cut(strings.SplitAfter(string(message), `"x-amz-credential":"`)[1], "/")
	return id
}

// TestKeysAreReadAnew: a running client signs with what environment and shared files say now.
func TestKeysAreReadAnew(t *testing.T) {
	h := newHome(t)
	l := New(auth.SASL{Mechanism: auth.MSKIAM})
	named := New(auth.SASL{Mechanism: auth.MSKIAM, Profile: "kafka"})
	for _, n := range []string{"1", "2"} {
		h.write(h.credentials, fmt.Sprintf("[default]\naws_access_key_id = FILE%s\naws_secret_access_key = S\n[kafka]\naws_access_key_id = NAMED%s\naws_secret_access_key = S\n", n, n))
		require.Equal(t, "FILE"+n, key(t, l))
		require.Equal(t, "NAMED"+n, key(t, named))
	}
	for _, id := range []string{"ENV1", "ENV2"} {
		t.Setenv("AWS_ACCESS_KEY_ID", id)
		t.Setenv("AWS_SECRET_ACCESS_KEY", "S")
		require.Equal(t, id, key(t, l), "the environment comes before the default profile")
		require.Equal(t, "NAMED2", key(t, named), "a profile that was asked for comes first")
	}
}

// TestProcessIsRunForEveryConnection: credentials that expire are asked for anew; expired ones are never signed with.
func TestProcessIsRunForEveryConnection(t *testing.T) {
	h := newHome(t)
	answer := filepath.Join(t.TempDir(), "answer.json")
	h.write(h.config, "[default]\ncredential_process = cat "+answer+"\n")
	l := New(auth.SASL{Mechanism: auth.MSKIAM})
	expires := time.Now().Add(time.Hour).UTC()
	for _, id := range []string{"P1", "P2"} {
		h.write(answer, fmt.Sprintf(`{"Version":1,"AccessKeyId":%q,"SecretAccessKey":"S","SessionToken":"T","Expiration":%q}`, id, expires.Format(time.RFC3339)))
		require.Equal(t, id, key(t, l))
	}
	l.source.(*chain).now = func() time.Time { return expires.Add(time.Second) }
	failed := failure(t, l)
	require.ErrorContains(t, failed, "they expired at "+expires.Format(time.RFC3339))
	require.Equal(t, "the credential process", failed.Source)
}

// tokens is a stand-in for AWS's token service.
func tokens(t *testing.T, answer func(form url.Values) (status int, body string)) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		require.NoError(t, r.ParseForm())
		form := r.PostForm
		form.Set("signature", r.Header.Get("Authorization"))
		status, body := answer(form)
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}))
	t.Cleanup(s.Close)
	t.Setenv("AWS_ENDPOINT_URL_STS", s.URL)
}

func assumed(id string) string {
	return fmt.Sprintf(`<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials><AccessKeyId>%s</AccessKeyId>`+
		`<SecretAccessKey>S</SecretAccessKey><SessionToken>T</SessionToken><Expiration>%s</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>`,
		id, time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
}

// TestRole: the role is assumed for every connection, with the credentials and in the region of the moment.
func TestRole(t *testing.T) {
	newHome(t)
	calls := 0
	tokens(t, func(form url.Values) (int, string) {
		calls++
		require.Equal(t, "arn:aws:iam::123456789012:role/kafka", form.Get("RoleArn"))
		require.Equal(t, "portage", form.Get("RoleSessionName"))
		require.Contains(t, form.Get("signature"), fmt.Sprintf("Credential=BASE%d/", calls))
		require.Contains(t, form.Get("signature"), "/eu-central-1/sts/")
		return 200, assumed(fmt.Sprintf("ROLE%d", calls))
	})
	l := New(auth.SASL{Mechanism: auth.MSKIAM, RoleARN: "arn:aws:iam::123456789012:role/kafka"})
	for n := 1; n <= 2; n++ {
		t.Setenv("AWS_ACCESS_KEY_ID", fmt.Sprintf("BASE%d", n))
		t.Setenv("AWS_SECRET_ACCESS_KEY", "S")
		require.Equal(t, fmt.Sprintf("ROLE%d", n), key(t, l))
	}
	_, _, err := l.Start(at("kafka.example.com"))
	require.ErrorIs(t, err, ErrNoRegion, "STS needs a region, too")
	require.Equal(t, 2, calls)
}

// TestRegionOfTheConfiguration: the SDK's own region serves brokers whose names hold none.
func TestRegionOfTheConfiguration(t *testing.T) {
	h := newHome(t)
	h.write(h.config, "[default]\nregion = us-west-2\naws_access_key_id = A\naws_secret_access_key = S\n")
	_, message, err := New(auth.SASL{Mechanism: auth.MSKIAM}).Start(at("kafka.example.com"))
	require.NoError(t, err)
	require.Contains(t, string(message), "/us-west-2/kafka-cluster/")
}

func failure(t *testing.T, l *Login) *CredentialError {
	t.Helper()
	_, _, err := l.Start(at(broker))
	var failed *CredentialError
	require.ErrorAs(t, err, &failed)
	var secret *auth.SecretError
	require.ErrorAs(t, err, &secret, "the broker was not asked")
	require.Error(t, failed.Unwrap(), "the SDK's own words")
	return failed
}

// TestFailuresNameSourceAndFix: for each source of the chain, an error that says which one it was and what to do.
func TestFailuresNameSourceAndFix(t *testing.T) {
	plain := auth.SASL{Mechanism: auth.MSKIAM}
	for name, c := range map[string]struct {
		config string
		env    map[string]string
		login  auth.SASL
		says   []string
	}{
		"nothing":      {login: plain, says: []string{"the machine's instance metadata", "set AWS_ACCESS_KEY_ID"}},
		"no profile":   {login: auth.SASL{Mechanism: auth.MSKIAM, Profile: "kafka"}, says: []string{`from profile "kafka"`, "mend sasl.profile"}},
		"env profile":  {login: plain, env: map[string]string{"AWS_PROFILE": "elsewhere"}, says: []string{`from profile "elsewhere"`, "AWS_PROFILE"}},
		"process":      {config: "[default]\ncredential_process = false\n", login: plain, says: []string{"the credential process", "by hand"}},
		"damaged":      {config: "[default]\nrole_arn = arn:aws:iam::1:role/x\ncredential_source = Vault\n", login: plain, says: []string{"the shared configuration", "mend ~/.aws/config", "credential_source"}},
		"role of file": {config: "[default]\nrole_arn = arn:aws:iam::1:role/x\ncredential_source = Ec2InstanceMetadata\n", login: plain, says: []string{"instance metadata, then the role", "or sasl.profile; or check role_arn"}},
		"sso":          {config: "[profile kafka]\nsso_session = s\nsso_account_id = 1\nsso_role_name = r\n[sso-session s]\nsso_region = us-east-1\nsso_start_url = https://x\n", login: auth.SASL{Mechanism: auth.MSKIAM, Profile: "kafka"}, says: []string{`IAM Identity Center (profile "kafka")`, "aws sso login"}},
		"web identity": {env: map[string]string{"AWS_WEB_IDENTITY_TOKEN_FILE": "/no/such/token", "AWS_ROLE_ARN": "arn:aws:iam::1:role/x"}, login: plain, says: []string{"the web identity", "/no/such/token", "trust policy"}},
		"container":    {env: map[string]string{"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1:1/creds"}, login: plain, says: []string{"the container's endpoint", "EKS"}},
		"role refused": {env: map[string]string{"AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "hunter2"}, login: auth.SASL{Mechanism: auth.MSKIAM, RoleARN: "arn:aws:iam::1:role/x"}, says: []string{"from the role", "AccessDenied", "user/alice is not authorized", "sts:AssumeRole"}},
		"base of role": {login: auth.SASL{Mechanism: auth.MSKIAM, RoleARN: "arn:aws:iam::1:role/x"}, says: []string{"instance metadata"}},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHome(t)
			h.write(h.config, c.config)
			tokens(t, func(url.Values) (int, string) {
				return 403, `<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>arn:aws:iam::1:user/alice is not authorized</Message></Error></ErrorResponse>`
			})
			for k, v := range c.env {
				t.Setenv(k, v)
			}
			failed := failure(t, New(c.login))
			for _, say := range c.says {
				require.ErrorContains(t, failed, say)
			}
			require.NotContains(t, failed.Error(), "hunter2")
		})
	}
}

// TestEverySourceIsDescribed: no source of the SDK that can fail while it is asked is left without a name and a fix.
func TestEverySourceIsDescribed(t *testing.T) {
	static := map[aws.CredentialSource]bool{ // never last in a chain of a configuration, or cannot fail
		aws.CredentialSourceUndefined: true, aws.CredentialSourceCode: true, aws.CredentialSourceSTSAssumeRoleSaml: true,
		aws.CredentialSourceSTSAssumeRoleWebID: true, aws.CredentialSourceSTSFederationToken: true, aws.CredentialSourceSTSSessionToken: true,
		aws.CredentialSourceProfileSourceProfile: true, aws.CredentialSourceProfileNamedProvider: true,
		aws.CredentialSourceProfileSSOLegacy: true, aws.CredentialSourceProfileProcess: true, aws.CredentialSourceProfileLogin: true,
	}
	for s := aws.CredentialSourceUndefined; s <= aws.CredentialSourceLogin; s++ {
		d, ok := described(s)
		require.NotEqual(t, static[s], ok, "%d", s)
		require.Equal(t, ok, d.name != "" && d.fix != "")
	}
}
