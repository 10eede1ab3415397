package gateway

// The path of a gateway's endpoint has the form of the managed product: EndpointPrefix, the
// workspace, "/", EndpointMiddle, "/", and the name or id.
const (
	EndpointPrefix = "/api/v1/workspace/"
	EndpointMiddle = "livycompute"
)

// SparkUIPath is the prefix of Spark UI paths below a gateway's endpoint; the id of a record
// follows it.
const SparkUIPath = "/spark-ui/"

// SparkUILinkParameter is the query parameter with the signature of a link to a Spark UI.
const SparkUILinkParameter = "livy_ui"

// SparkUI returns the path of a record's Spark UI on a site that serves all gateways, without
// a trailing slash. It does not change when the gateway is renamed.
func (g *Gateway) SparkUI(recordID string) string {
	return EndpointPrefix + g.Workspace + "/" + EndpointMiddle + "/" + g.ID + SparkUIPath + recordID
}
