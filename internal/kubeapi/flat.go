package kubeapi

import (
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/livygateway/livygateway/internal/gateway"
)

// Flat returns the current context of a kubeconfig, with the contents of the files that it names,
// so that it can be used elsewhere.
func Flat(kubeconfig string) (string, error) {
	config, err := loader(Access{Kubeconfig: kubeconfig}).RawConfig()
	if err == nil {
		err = api.MinifyConfig(&config)
	}
	if err == nil {
		err = api.FlattenConfig(&config)
	}
	var text []byte
	if err == nil {
		text, err = clientcmd.Write(config)
	}
	if err != nil {
		return "", gateway.Wrap(gateway.KindInvalid, "reading kubeconfig "+kubeconfig, err)
	}
	return string(text), nil
}
