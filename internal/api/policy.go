package api

import (
	"encoding/json"
	"net/http"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy"
	"github.com/livygateway/livygateway/policies"
)

// Policy lists the rules that a gateway applies to every create request.
type Policy struct {
	// Rules are the rules in force, except the guards that apply to every gateway.
	Rules []policies.InForce `json:"rules"`
	// Notes are warnings, e.g. about a key that looks mistyped, or a rule that applies only
	// to requests that set its key.
	Notes []string `json:"notes,omitempty"`
}

// showPolicy serves GET .../policy.
func (c *call) showPolicy() error {
	g, err := c.gateway()
	if err != nil {
		return err
	}
	rules, notes, err := c.Manager.Rules(g)
	if err != nil {
		return err
	}
	return c.reply(http.StatusOK, Policy{Rules: rules, Notes: notes})
}

// Explanation describes what would happen to a create request.
type Explanation struct {
	// Body is the body that Livy would receive; null if the request would be refused.
	Body json.RawMessage `json:"body" jsonschema:"nullable"`
	// Refusal is the error that the client would get; null if the request would be accepted.
	Refusal *Problem `json:"refusal" jsonschema:"nullable"`
	// Report lists what would be ignored, forced, lowered and refused, and by which rule.
	Report policies.Report `json:"report"`
	// Resources are the resources of the job, as its record would show them.
	Resources *policies.Effective `json:"resources" jsonschema:"nullable"`
	// Notes are as in Policy.
	Notes []string `json:"notes,omitempty"`
}

func (c *call) explain() error {
	g, err := c.gateway()
	if err != nil {
		return err
	}
	body, err := c.body()
	if err != nil {
		return err
	}
	return c.replyExplanation(g, body)
}

// PolicyTrial is a create request with settings that are tried on it.
type PolicyTrial struct {
	// Settings are a merge patch of the gateway's settings, e.g. of policyRules.
	Settings json.RawMessage `json:"settings"`
	// Request is the body of a create request: any JSON. If it is not a create request, the
	// reply says so.
	Request AnyJSON `json:"request"`
}

// AnyJSON is JSON of any type, as it was sent.
type AnyJSON []byte

// UnmarshalJSON keeps the text.
func (j *AnyJSON) UnmarshalJSON(text []byte) error {
	*j = append((*j)[:0], text...)
	return nil
}

// MarshalJSON returns the text.
func (j AnyJSON) MarshalJSON() ([]byte, error) {
	return json.RawMessage(j).MarshalJSON()
}

// tryPolicy explains a create request as it would be with other settings.
func (c *call) tryPolicy() error {
	g, err := c.gateway()
	if err != nil {
		return err
	}
	var body PolicyTrial
	if err := c.read(&body); err != nil {
		return err
	}
	if g, err = c.Manager.Trial(g, body.Settings); err != nil {
		return err
	}
	return c.replyExplanation(g, body.Request)
}

func (c *call) replyExplanation(g *gateway.Gateway, body []byte) error {
	kind, err := c.wordQuery("kind", string(livy.KindSession), string(livy.KindBatch))
	if err != nil {
		return err
	}
	if len(body) == 0 {
		return gateway.Errorf(gateway.KindInvalid, "the request body is empty; expected a create request")
	}
	result, err := c.Manager.Explain(g, livy.Kind(kind), body)
	if err != nil && gateway.KindOf(err) != gateway.KindInvalid {
		return err
	}
	e := Explanation{Body: result.Body, Report: result.Report, Resources: &result.Effective}
	if err != nil {
		p := problem(err)
		e.Refusal, e.Resources = &p, nil
	}
	if _, e.Notes, err = c.Manager.Rules(g); err != nil {
		return err
	}
	return c.reply(http.StatusOK, e)
}
