// Package monitoring names the types that custom resource definitions are generated from, so that go.mod keeps them.
package monitoring

import _ "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
