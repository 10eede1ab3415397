package managedapi

import (
	"net/http"
	"strings"

	"github.com/livygateway/livygateway/internal/api"
	"github.com/livygateway/livygateway/internal/gateway"
)

// computeBody is the body of CreateLivyCompute and UpdateLivyCompute.
type computeBody struct {
	Name                   *string    `json:"name"`
	AuthType               *string    `json:"authType"`
	LivyVersion            *string    `json:"livyVersion"`
	DisplayReleaseVersion  *string    `json:"displayReleaseVersion"`
	ReleaseVersion         *string    `json:"releaseVersion"`
	Fusion                 *bool      `json:"fusion"`
	QueueName              *string    `json:"queueName"`
	CPULimit               *string    `json:"cpuLimit"`
	MemoryLimit            *string    `json:"memoryLimit"`
	NetworkName            *string    `json:"networkName"`
	EnvironmentID          *string    `json:"environmentId"`
	EnablePublic           *bool      `json:"enablePublic"`
	LivyServerConf         *string    `json:"livyServerConf"`
	AutoStartConfiguration *autoStart `json:"autoStartConfiguration"`
	AutoStopConfiguration  *autoStop  `json:"autoStopConfiguration"`
}

type autoStart struct {
	Enable *bool `json:"enable"`
}

type autoStop struct {
	Enable             *bool `json:"enable,omitempty"`
	IdleTimeoutMinutes *int  `json:"idleTimeoutMinutes,omitempty"`
}

// serverConf is what livyServerConf holds, as JSON in a string.
type serverConf struct {
	SparkDefaults  *string `json:"sparkDefaultsConf,omitempty"`
	SparkBlacklist *string `json:"sparkBlackListConf,omitempty"`
	Livy           *string `json:"livyConf,omitempty"`
	LivyClient     *string `json:"livyClientConf,omitempty"`
}

// settings returns the body as a change of our settings. now are those of the gateway, nil for
// a new one.
func (c *call) settings(b *computeBody, now *gateway.Spec) (map[string]any, error) {
	if t := b.AuthType; t != nil && *t != "" && !strings.EqualFold(*t, "Token") {
		return nil, invalid("authType", *t, "must be Token; LDAP logins are set in livyConf")
	}
	set := make(map[string]any)
	text := func(name string, v *string) {
		if v != nil {
			set[name] = *v
		}
	}
	text("name", b.Name)
	text("queue", b.QueueName)
	text("network", b.NetworkName)
	text("environment", b.EnvironmentID)
	if v := b.LivyVersion; v != nil && *v != "" {
		set["livyVersion"] = *v
	}
	if b.EnablePublic != nil {
		set["public"] = *b.EnablePublic
	}
	if err := resources(set, b); err != nil {
		return nil, err
	}
	if err := c.engine(set, b); err != nil {
		return nil, err
	}
	if err := c.fusion(set, b.Fusion, now); err != nil {
		return nil, err
	}
	if err := conf(set, b.LivyServerConf); err != nil {
		return nil, err
	}
	if a := b.AutoStopConfiguration; a != nil {
		stop := make(map[string]any)
		if a.Enable != nil {
			stop["enabled"] = *a.Enable
		}
		if a.IdleTimeoutMinutes != nil {
			stop["minutes"] = *a.IdleTimeoutMinutes
		}
		set["autoStop"] = stop
	}
	return set, nil
}

func resources(set map[string]any, b *computeBody) error {
	if b.CPULimit != nil && *b.CPULimit != "" {
		n, err := cores(*b.CPULimit)
		if err != nil {
			return err
		}
		set["cpu"] = n
	}
	if b.MemoryLimit != nil && *b.MemoryLimit != "" {
		size, err := memory(*b.MemoryLimit)
		if err != nil {
			return err
		}
		set["memory"] = size
	}
	return nil
}

// engine sets the engine for a release version.
func (c *call) engine(set map[string]any, b *computeBody) error {
	for field, v := range map[string]*string{"releaseVersion": b.ReleaseVersion, "displayReleaseVersion": b.DisplayReleaseVersion} {
		if v == nil || *v == "" {
			continue
		}
		name, ok := c.engineOf(*v)
		if !ok {
			return invalid(field, *v, "must be one of "+strings.Join(c.releases(), "; "))
		}
		if have, twice := set["engine"]; twice && have != name {
			return invalid(field, *v, "displayReleaseVersion and releaseVersion must name the same engine")
		}
		set["engine"] = name
	}
	return nil
}

// engineOf returns the name of the engine that a release version stands for.
func (c *call) engineOf(version string) (string, bool) {
	for _, r := range c.Releases {
		if r.Version == version {
			return r.Engine, true
		}
	}
	for _, e := range c.Manager.Catalog().Engines {
		if version == e.Name || version == display(&e) {
			return e.Name, true
		}
	}
	return "", false
}

// releaseOf returns the release version to show for an engine.
func (c *call) releaseOf(engine string) string {
	for _, r := range c.Releases {
		if r.Engine == engine {
			return r.Version
		}
	}
	if e, ok := c.Manager.Catalog().Engine(engine); ok {
		return display(&e)
	}
	return engine
}

func (c *call) releases() []string {
	var all []string
	for _, e := range c.Manager.Catalog().Engines {
		all = append(all, c.releaseOf(e.Name))
	}
	return all
}

// display returns an engine in the form of a release version of the managed product.
func display(e *gateway.Engine) string {
	var parts []string
	if e.Spark != "" {
		parts = append(parts, "Spark "+e.Spark)
	}
	if e.Scala != "" {
		parts = append(parts, "Scala "+e.Scala)
	}
	if len(parts) == 0 {
		return e.Name
	}
	return e.Name + " (" + strings.Join(parts, ", ") + ")"
}

// fusion sets the acceleration profile: the first of the catalog, unless the gateway has one.
func (c *call) fusion(set map[string]any, on *bool, now *gateway.Spec) error {
	switch profiles := c.Manager.Catalog().Fusion; {
	case on == nil || *on && now != nil && now.Fusion != "":
	case !*on:
		set["fusion"] = ""
	case len(profiles) == 0:
		return invalid("fusion", "true", "the catalog of this gateway has no acceleration profile")
	default:
		set["fusion"] = profiles[0].Name
	}
	return nil
}

// conf sets the configuration files in livyServerConf.
func conf(set map[string]any, text *string) error {
	if text == nil || *text == "" {
		return nil
	}
	var files serverConf
	if err := decodeObject(strings.TrimSpace(*text), &files); err != nil {
		// The text is not shown: it may contain secrets.
		return refusef(http.StatusBadRequest, codeInvalid,
			"livyServerConf: must be a JSON object with the texts sparkDefaultsConf, sparkBlackListConf, livyConf and livyClientConf: %s", err)
	}
	for name, v := range map[string]*string{
		"sparkDefaults": files.SparkDefaults, "sparkBlacklist": files.SparkBlacklist,
		"livyConf": files.Livy, "livyClientConf": files.LivyClient,
	} {
		if v != nil {
			set[name] = *v
		}
	}
	return nil
}

func (c *call) createCompute() (any, error) {
	var b computeBody
	if err := c.decode(&b); err != nil {
		return nil, err
	}
	set, err := c.settings(&b, nil)
	if err != nil {
		return nil, err
	}
	if a := b.AutoStartConfiguration; a != nil && a.Enable != nil {
		set["start"] = *a.Enable
	}
	var g api.Gateway
	if err := c.do(http.MethodPost, "/gateways", set, &g); err != nil {
		return nil, err
	}
	return c.done(map[string]any{"livyComputeId": g.ID}), nil
}

func (c *call) updateCompute() (any, error) {
	var b computeBody
	if err := c.decode(&b); err != nil {
		return nil, err
	}
	if a := b.AutoStartConfiguration; a != nil && a.Enable != nil && *a.Enable {
		return nil, invalid("autoStartConfiguration.enable", "true", "starts a gateway when it is created; call StartLivyCompute")
	}
	var g api.Gateway
	if err := c.do(http.MethodGet, c.path(), nil, &g); err != nil {
		return nil, err
	}
	set, err := c.settings(&b, &g.Spec)
	if err != nil {
		return nil, err
	}
	return c.done(nil), c.do(http.MethodPatch, c.path(), set, nil)
}

// path returns the path of the gateway below the workspace.
func (c *call) path() string { return "/gateways/" + escape(c.compute) }

func (c *call) deleteCompute() (any, error) { return c.plain(http.MethodDelete, c.path()) }
func (c *call) startCompute() (any, error)  { return c.plain(http.MethodPost, c.path()+"/start") }
func (c *call) stopCompute() (any, error)   { return c.plain(http.MethodPost, c.path()+"/stop") }

// plain serves an operation without a body and without data.
func (c *call) plain(method, path string) (any, error) {
	if err := c.noBody(); err != nil {
		return nil, err
	}
	return c.done(nil), c.do(method, path, nil, nil)
}
