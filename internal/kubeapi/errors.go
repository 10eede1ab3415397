package kubeapi

import (
	"context"
	"errors"
	"net"
	"net/url"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/livygateway/livygateway/internal/gateway"
)

// away reports whether an error means that the API does not answer.
func away(err error) bool {
	_, network := errors.AsType[net.Error](err)
	_, connection := errors.AsType[*url.Error](err)
	return network || connection || apierrors.IsServerTimeout(err) || apierrors.IsServiceUnavailable(err) || apierrors.IsInternalError(err)
}

// CallError returns the error of a failed call, which did what doing tells.
func CallError(doing string, err error) error {
	switch {
	case errors.Is(err, context.Canceled):
		return err
	case away(err):
		return gateway.Wrap(gateway.KindUnavailable, "the Kubernetes API does not answer", err)
	case apierrors.IsForbidden(err) || apierrors.IsUnauthorized(err):
		return gateway.Wrap(gateway.KindUnavailable, doing+" is not allowed in Kubernetes; see caddy livy doctor", err)
	default:
		return gateway.Wrap(gateway.KindUnavailable, doing, err)
	}
}
