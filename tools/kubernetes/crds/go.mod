module slipway/tools/kubernetes/crds

go 1.26.0

require (
	github.com/cert-manager/cert-manager v1.20.0
	github.com/kedacore/keda/v2 v2.20.2
	sigs.k8s.io/gateway-api v1.6.1
	sigs.k8s.io/lws v0.8.0
)
