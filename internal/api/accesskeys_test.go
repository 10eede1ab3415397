package api_test

import (
	"strings"
	"testing"

	"github.com/livygateway/livygateway/internal/access"
	"github.com/livygateway/livygateway/internal/accesskeys"
	"github.com/livygateway/livygateway/internal/api"
	"github.com/livygateway/livygateway/internal/tokens"
)

// TestAccessKeys: an admin of a workspace reaches the access keys whose workspaces are all the
// admin's own.
func TestAccessKeys(t *testing.T) {
	c := newClient(t)
	site := c.site(tokens.SelfService{},
		access.Grant{Workspace: "*", Role: access.Admin, Users: []string{"root"}},
		access.Grant{Workspace: "lab", Role: access.Admin, Users: []string{"ann"}},
		access.Grant{Workspace: "default", Role: access.Operator, Users: []string{"ann"}},
	)
	const keys = "/v1/access-keys"
	create := func(user, workspaces string, status int) (key api.NewAccessKey) {
		t.Helper()
		site.as(user).do("POST", keys, `{"name":"k","role":"admin","workspaces":`+workspaces+`}`, status, &key)
		return key
	}
	both := create("root", `["lab","default"]`, 201)
	everywhere := create("root", `["*"]`, 201)
	hers := create("ann", `["lab"]`, 201)
	if hers.Secret == "" || hers.State != accesskeys.Active || hers.CreatedBy != "ann" {
		t.Errorf("created %+v", hers)
	}
	for _, workspaces := range []string{`["lab","default"]`, `["*"]`, `["default"]`} {
		create("ann", workspaces, 403)
	}
	for user, want := range map[string]int64{"ann": 1, "root": 3} {
		var list api.AccessKeyList
		if site.as(user).do("GET", keys, "", 200, &list); list.Total != want || int64(len(list.AccessKeys)) != want {
			t.Errorf("%s sees %+v", user, list)
		}
	}
	for _, id := range []string{both.ID, everywhere.ID, "lcak-none"} {
		site.as("ann").do("GET", keys+"/"+id, "", 404, nil)
		site.as("ann").do("POST", keys+"/"+id+"/disable", "", 404, nil)
		site.as("ann").do("DELETE", keys+"/"+id, "", 404, nil)
	}
	var key accesskeys.Key
	if site.as("ann").do("POST", keys+"/"+hers.ID+"/disable", "", 200, &key); key.State != accesskeys.Disabled {
		t.Errorf("disabled: %+v", key)
	}
	if site.as("ann").do("POST", keys+"/"+hers.ID+"/enable", "", 200, &key); key.State != accesskeys.Active {
		t.Errorf("enabled: %+v", key)
	}
	site.as("ann").do("DELETE", keys+"/"+hers.ID, "", 204, nil)
	site.as("root").do("GET", keys+"/"+hers.ID, "", 404, nil)

	var audit api.AuditList
	site.as("root").do("GET", "/v1/audit?action=access-key", "", 200, &audit)
	var actions []string
	for _, e := range audit.Entries {
		actions = append(actions, e.Action)
	}
	if got := strings.Join(actions, " "); got != "access-key.delete access-key.enable access-key.disable access-key.create access-key.create access-key.create" {
		t.Errorf("the audit has %s", got)
	}
	for _, body := range []string{`{"name":"k","role":"boss","workspaces":["lab"]}`, `{"name":"k","workspaces":["lab"]}`, `{"name":"k","role":"admin","workspaces":[]}`, `{"name":"k","role":"admin","workspaces":["lab"],"secret":"x"}`} {
		site.as("ann").do("POST", keys, body, 400, nil)
	}
}
