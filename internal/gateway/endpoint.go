package gateway

// The path of a gateway's endpoint, in the managed product's shape:
// EndpointPrefix, the workspace, "/", EndpointMiddle, "/", and the name or id.
const (
	EndpointPrefix = "/api/v1/workspace/"
	EndpointMiddle = "livycompute"
)

// SparkUIPath begins the path of Spark UIs below a gateway's endpoint; the id of a
// record follows it.
const SparkUIPath = "/spark-ui/"

// SparkUILinkParameter is the query parameter with the signature of a link to a Spark UI.
const SparkUILinkParameter = "livy_ui"

// SparkUI is the path of a record's Spark UI where all gateways are served, without a
// slash at its end. It does not change when the gateway is renamed.
func (g *Gateway) SparkUI(recordID string) string {
	return EndpointPrefix + g.Workspace + "/" + EndpointMiddle + "/" + g.ID + SparkUIPath + recordID
}
