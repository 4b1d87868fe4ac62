package msk

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// chain is the AWS SDK's chain of credentials, walked anew for every call.
type chain struct {
	profile, role string
	http          *awshttp.BuildableClient // shared, so that calls to STS share connections
	now           func() time.Time
}

func newChain(profile, role string) *chain {
	return &chain{profile: profile, role: role, http: awshttp.NewBuildableClient(), now: time.Now}
}

// credentials is source.
func (c *chain) credentials(ctx context.Context, region string) (aws.Credentials, string, error) {
	options := []func(*config.LoadOptions) error{config.WithHTTPClient(c.http)}
	if region != "" {
		options = append(options, config.WithRegion(region))
	}
	if c.profile != "" {
		options = append(options, config.WithSharedConfigProfile(c.profile))
	}
	cfg, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return aws.Credentials{}, "", c.unloaded(err)
	}
	keys, err := c.retrieve(ctx, cfg.Credentials)
	if err != nil || c.role == "" {
		return keys, cfg.Region, err
	}
	if cfg.Region == "" {
		return aws.Credentials{}, "", ErrNoRegion // STS needs one as well
	}
	keys, err = c.retrieve(ctx, c.assume(cfg, keys))
	return keys, cfg.Region, err
}

// assume returns the provider of the role's credentials, which uses keys that were just fetched.
func (c *chain) assume(cfg aws.Config, keys aws.Credentials) aws.CredentialsProvider {
	cfg.Credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return keys, nil })
	return stscreds.NewAssumeRoleProvider(sts.NewFromConfig(cfg), c.role, func(o *stscreds.AssumeRoleOptions) {
		o.RoleSessionName = "portage"
	})
}

func (c *chain) retrieve(ctx context.Context, p aws.CredentialsProvider) (aws.Credentials, error) {
	keys, err := p.Retrieve(ctx)
	if err == nil && keys.CanExpire && !c.now().Before(keys.Expires) {
		err = fmt.Errorf("they expired at %s", keys.Expires.Format(time.RFC3339))
	}
	if err != nil {
		return aws.Credentials{}, c.explain(p, err)
	}
	return keys, nil
}

// unloaded explains why the configuration itself cannot be read.
func (c *chain) unloaded(err error) error {
	var missing config.SharedConfigProfileNotExistError
	if errors.As(err, &missing) {
		return &CredentialError{Source: fmt.Sprintf("profile %q", missing.Profile), Fix: "add it to ~/.aws/config or ~/.aws/credentials, or mend sasl.profile or AWS_PROFILE", Err: err}
	}
	return &CredentialError{Source: "the shared configuration", Fix: "mend ~/.aws/config and ~/.aws/credentials, or the AWS_… environment variables", Err: err}
}

// explain names where p would have got its credentials: from several sources if a role is assumed with those of another.
func (c *chain) explain(p aws.CredentialsProvider, err error) error {
	var names, fixes []string
	if from, ok := p.(aws.CredentialProviderSource); ok {
		for _, s := range from.ProviderSources() {
			if d, known := described(s); known && !slices.Contains(names, d.name) {
				names, fixes = append(names, d.name), append(fixes, d.fix)
			}
		}
	}
	if len(names) == 0 {
		names, fixes = []string{"the AWS SDK's chain"}, []string{"configure AWS credentials for this process"}
	}
	e := &CredentialError{Source: strings.Join(names, ", then "), Fix: strings.Join(fixes, "; or "), Err: err}
	if c.profile != "" {
		e.Source += fmt.Sprintf(" (profile %q)", c.profile)
	}
	return e
}

type description struct{ name, fix string }

// described says what a source is called and what to do when it fails.
func described(s aws.CredentialSource) (description, bool) {
	d, ok := map[aws.CredentialSource]description{
		aws.CredentialSourceEnvVars:              {"the environment", "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (and AWS_SESSION_TOKEN) anew"},
		aws.CredentialSourceProfile:              {"the shared configuration", "renew the keys in ~/.aws/credentials"},
		aws.CredentialSourceEnvVarsSTSWebIDToken: {"the web identity", fixWebIdentity},
		aws.CredentialSourceProfileSTSWebIDToken: {"the web identity", fixWebIdentity},
		aws.CredentialSourceSTSAssumeRole:        {"the role", "check role_arn, that the role trusts the identity named in the error, and that this identity may sts:AssumeRole"},
		aws.CredentialSourceHTTP:                 {"the container's endpoint", "check the task role (ECS) or the pod identity (EKS), and AWS_CONTAINER_CREDENTIALS_…"},
		aws.CredentialSourceProcess:              {"the credential process", "run the credential_process of the profile by hand, as this user"},
		aws.CredentialSourceSSO:                  {"IAM Identity Center", "log in with `aws sso login`, as this user"},
		aws.CredentialSourceProfileSSO:           {"IAM Identity Center", "log in with `aws sso login`, as this user"},
		aws.CredentialSourceSSOLegacy:            {"IAM Identity Center", "log in with `aws sso login`, as this user"},
		aws.CredentialSourceLogin:                {"the login session", "log in with `aws login`, as this user"},
		aws.CredentialSourceIMDS:                 {"the machine's instance metadata", "attach a role to this machine, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or sasl.profile"},
	}[s]
	return d, ok
}

const fixWebIdentity = "check the token file and the role (AWS_WEB_IDENTITY_TOKEN_FILE, AWS_ROLE_ARN; on EKS the annotation of the service account) and the role's trust policy"

// CredentialError says that there are no AWS credentials to log in with, so the broker was not asked.
type CredentialError struct {
	Source string // where they should have come from
	Fix    string // what to do about it
	Err    error  // the AWS SDK's own words
}

// Error is error.
func (e *CredentialError) Error() string {
	return fmt.Sprintf("AWS credentials from %s: %v: %s", e.Source, e.Err, e.Fix)
}

// Unwrap returns the cause.
func (e *CredentialError) Unwrap() error { return e.Err }
