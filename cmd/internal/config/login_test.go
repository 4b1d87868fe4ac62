package config

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/portage-kafka/portage/cluster/auth"
	"github.com/portage-kafka/portage/cluster/auth/msk"
)

// TestMSK: both kinds of configuration log in to Amazon MSK by IAM; what cannot
// work is said before anything is dialled.
func TestMSK(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "msk.properties"), []byte("bootstrap.servers=b:9098\nsecurity.protocol=SASL_SSL\nsasl.mechanism=AWS_MSK_IAM\n"+
		"sasl.jaas.config=software.amazon.msk.auth.iam.IAMLoginModule required awsProfileName=\"kafka\";\n"+
		"sasl.client.callback.handler.class=software.amazon.msk.auth.iam.IAMClientCallbackHandler\n"), 0o600))
	c, err := Parse([]byte("control: new\nclusters:\n"+
		"  old: {bootstrap: [a:9098], tls: {}, sasl: {mechanism: aws-msk-iam, region: eu-west-1, role_arn: 'arn:aws:iam::1:role/x'}}\n"+
		"  new: {properties: msk.properties}\n"+
		"  none: {bootstrap: [c:1], sasl: {mechanism: PLAIN, username: u, password: p}}\n"), dir)
	require.NoError(t, err)
	for name, want := range map[string]auth.SASL{
		"old": {Mechanism: "aws-msk-iam", Region: "eu-west-1", RoleARN: "arn:aws:iam::1:role/x"}, "new": {Mechanism: auth.MSKIAM, Profile: "kafka"},
	} {
		s := *c.Clusters[name].SASL
		require.IsType(t, &msk.Login{}, s.Login)
		require.Equal(t, auth.MSKIAM, s.Client().Name())
		s.Login = nil
		require.Equal(t, want, s)
	}
	require.Nil(t, c.Clusters["none"].SASL.Login)
	_, err = Parse([]byte("control: old\nclusters: {old: {bootstrap: [a:9098], sasl: {mechanism: aws-msk-iam}}}\n"), dir)
	require.ErrorContains(t, err, "clusters.old: sasl.mechanism AWS_MSK_IAM needs TLS")
}
