// Package auth holds what a connection to a Kafka cluster needs to be trusted by both sides: TLS (own CA, client
// certificates) and SASL (PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER; AWS_MSK_IAM with package msk; any other by
// SASL.Login).
//
// Secrets are given by reference (file:, env:, command:) or literally, are resolved anew for every connection so that
// rotation needs no restart, and are redacted wherever a configuration is printed: String, %v, JSON, YAML, logs.
package auth
