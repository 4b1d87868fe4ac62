package preflight

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/portage-kafka/portage/cluster"
)

// The oldest versions of the two APIs that carry record batches of format 2
// (Kafka 0.11).
const (
	leastProduce = 3
	leastFetch   = 4
)

// apis: batches are copied as they are, so both sides must speak their format.
func apis(ctx context.Context, f *facts) (out []Finding, err error) {
	for _, c := range f.both() {
		brokers, _, err := c.Brokers(ctx)
		if err != nil {
			return out, err
		}
		for _, b := range brokers {
			offered, err := c.Versions(ctx, b.ID)
			if err != nil {
				return out, err
			}
			for _, api := range []struct {
				key   kmsg.Key
				least int16
			}{{kmsg.Produce, leastProduce}, {kmsg.Fetch, leastFetch}} {
				if most := offered[int16(api.key)].Max; most < api.least {
					out = append(out, Finding{
						Subject: c.Name(), Severity: Failure, Evidence: fmt.Sprintf("broker %d offers %s up to version %d, needed is %d", b.ID, api.key.Name(), most, api.least),
						Fix: "upgrade the cluster to Kafka 0.11 or later",
					})
				}
			}
		}
	}
	return out, nil
}

// versions: releases that are known to lose data in what a migration does.
func versions(ctx context.Context, f *facts) (out []Finding, err error) {
	for _, c := range f.both() {
		r, err := release(ctx, c)
		if err != nil {
			return out, err
		}
		if evidence, fix := hazard(r, c != f.Source); evidence != "" {
			out = append(out, Finding{Subject: c.Name(), Severity: Warning, Evidence: evidence, Fix: fix})
		}
	}
	return out, nil
}

// hazard says what is wrong with a release, and what helps: KAFKA-15653 and
// KAFKA-15552. The broker does not tell its patch release.
func hazard(release string, target bool) (evidence, fix string) {
	switch {
	case release == "3.6" && target:
		return "the brokers run Kafka 3.6; 3.6.0 verifies transactions wrongly with compressed batches", "make sure that it is 3.6.1 or later"
	case release == "3.5" || release == "3.6":
		return "the brokers run Kafka " + release + "; from 3.5.0 to 3.6.0 a migration from ZooKeeper to KRaft may hand out producer ids twice",
			"if this cluster was migrated from ZooKeeper, upgrade to 3.6.1 or later first"
	}
	return "", ""
}

// releases maps the highest metadata.version level that a broker supports to
// Kafka's release (MetadataVersion.java); the level does not show the patch
// release.
func releases(level int16) string {
	switch {
	case level >= 9 && level <= 11:
		return "3.5"
	case level >= 12 && level <= 14:
		return "3.6"
	}
	return ""
}

// release is the feature release of a KRaft cluster if it is one of those that
// matter here, else "".
func release(ctx context.Context, c *cluster.Client) (string, error) {
	req := kmsg.NewPtrApiVersionsRequest()
	req.ClientSoftwareName, req.ClientSoftwareVersion = "portage", "1"
	resp, err := cluster.Do[*kmsg.ApiVersionsResponse](ctx, c, req)
	if err != nil {
		return "", err
	}
	for _, feature := range resp.SupportedFeatures {
		if feature.Name == "metadata.version" {
			return releases(feature.MaxVersion), nil
		}
	}
	return "", nil
}
