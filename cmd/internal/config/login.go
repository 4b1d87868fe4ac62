package config

import (
	"github.com/portage-kafka/portage/cluster/auth"
	"github.com/portage-kafka/portage/cluster/auth/msk"
)

// withLogin gives a configuration for Amazon MSK the login that package auth
// leaves to others, because it brings the AWS SDK.
func withLogin(s *auth.SASL) *auth.SASL {
	if s == nil || s.Name() != auth.MSKIAM {
		return s
	}
	with := *s
	with.Login = msk.New(with)
	return &with
}
