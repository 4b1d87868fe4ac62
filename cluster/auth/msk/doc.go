// Package msk logs in to Amazon MSK with IAM access control (SASL mechanism AWS_MSK_IAM): a request to connect, signed
// with AWS credentials, is the password. It is a package of its own because of the AWS SDK, which no other part of portage
// needs; commands put it into the configurations that ask for it, services that want it do the same:
//
//	cfg.SASL = &auth.SASL{Mechanism: auth.MSKIAM}
//	cfg.SASL.Login = msk.New(*cfg.SASL)
//	cfg.TLS = &auth.TLS{} // MSK takes these logins over TLS only
//
// Credentials come from the usual chain of the AWS SDKs: environment, shared configuration (SASL.Profile), web identity
// (EKS), container (ECS, EKS), instance metadata (EC2); with SASL.RoleARN they then assume a role. All of it is looked up
// anew for every connection, as AWS's own clients do, so what has been rotated counts from the next connection on. That is
// one call to the source for each connection, and one to STS with a role.
//
// # The message
//
// The client sends one message, JSON with text values only, and the broker answers with one that says nothing of use. Its
// fields are those of a presigned URL (AWS Signature Version 4, query parameters) for
//
//	GET kafka://HOST/?Action=kafka-cluster:Connect
//
// with the service kafka-cluster, a life of 900 s and an empty body, plus version 2020_10_22 and a user agent. Source:
// github.com/aws/aws-msk-iam-auth, "Details".
package msk
