package gateway_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/livygateway/livygateway/internal/gateway"
)

func TestWarehouseRules(t *testing.T) {
	c := testCatalog()
	c.Directories = append(c.Directories, gateway.Directory{Name: "tables", Type: "local", Source: "/srv/tables", Path: "/mnt/tables", Warehouse: true})
	for name, tt := range map[string]struct {
		warehouse   string
		directories []string
		field, rule string // an empty field: valid
	}{
		"none":                {"", nil, "", ""},
		"a directory":         {"tables", []string{"scratch"}, "", ""},
		"a metastore":         {"thrift://hms.internal:9083", nil, "", ""},
		"an IPv6 address":     {"thrift://[fd00::1]:9083", nil, "", ""},
		"two metastores":      {"thrift://a:9083,thrift://b:9083", nil, "", ""},
		"an unknown one":      {"x", nil, "warehouse", "with the option warehouse: tables"},
		"an ordinary one":     {"scratch", nil, "warehouse", "with the option warehouse: tables"},
		"mounted as well":     {"", []string{"tables"}, "directories", "must be one of the configured directories: scratch"},
		"another scheme":      {"jdbc://db:5432", nil, "warehouse", "thrift://HOST:PORT"},
		"no port":             {"thrift://hms", nil, "warehouse", "thrift://HOST:PORT"},
		"port 0":              {"thrift://hms:0", nil, "warehouse", "thrift://HOST:PORT"},
		"a large port":        {"thrift://hms:70000", nil, "warehouse", "thrift://HOST:PORT"},
		"a path":              {"thrift://hms:9083/x", nil, "warehouse", "thrift://HOST:PORT"},
		"a password":          {"thrift://hive:s3cret@hms:9083", nil, "warehouse", "thrift://HOST:PORT"},
		"a second without":    {"thrift://hms:9083,hms2", nil, "warehouse", "thrift://HOST:PORT"},
		"a setting of Spark":  {"thrift://${spark.x}:9083", nil, "warehouse", "thrift://HOST:PORT"},
		"a line of its own":   {"thrift://hms:9083\nspark.x y", nil, "warehouse", "thrift://HOST:PORT"},
		"an empty host":       {"thrift://:9083", nil, "warehouse", "thrift://HOST:PORT"},
		"a user without pass": {"thrift://hive@hms:9083", nil, "warehouse", "thrift://HOST:PORT"},
	} {
		s := gateway.Spec{Name: "etl", Warehouse: tt.warehouse, Directories: tt.directories}.WithDefaults(c)
		err := s.Validate(c)
		broken, _ := errors.AsType[*gateway.Error](err)
		switch {
		case tt.field == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case tt.field != "" && (broken == nil || broken.Field != tt.field || !strings.Contains(broken.Rule, tt.rule)):
			t.Errorf("%s: %v, want %s: %s", name, err, tt.field, tt.rule)
		case err != nil && strings.Contains(err.Error(), "s3cret"):
			t.Errorf("%s: the error shows the password: %v", name, err)
		}
	}
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
}

func TestWarehousesOfTheCatalog(t *testing.T) {
	tables := gateway.Directory{Name: "tables", Type: "local", Source: "/srv/tables", Path: "/mnt/tables", Warehouse: true}
	for name, tt := range map[string]struct {
		change func(*gateway.Directory)
		other  gateway.Directory
		want   string
	}{
		"valid":             {func(*gateway.Directory) {}, gateway.Directory{Source: "/srv/other", Path: "/mnt/other"}, ""},
		"on NFS":            {func(d *gateway.Directory) { d.Type, d.Source, d.VPC = "nas", "nas:/tables", "v" }, gateway.Directory{Source: "/a", Path: "/mnt/other"}, "needs type local"},
		"in a bucket":       {func(d *gateway.Directory) { d.Type = "oss" }, gateway.Directory{Source: "/a", Path: "/mnt/other"}, "needs type local"},
		"read-only":         {func(d *gateway.Directory) { d.ReadOnly = true }, gateway.Directory{Source: "/a", Path: "/mnt/other"}, "read_only"},
		"inside of another": {func(*gateway.Directory) {}, gateway.Directory{Source: "/srv", Path: "/mnt/other"}, "overlaps with directory other"},
		"another inside":    {func(*gateway.Directory) {}, gateway.Directory{Source: "/srv/tables/x", Path: "/mnt/other"}, "overlaps with directory other"},
		"the same path":     {func(*gateway.Directory) {}, gateway.Directory{Source: "/a", Path: "/mnt/tables"}, "overlaps with directory other"},
	} {
		d := tables
		tt.change(&d)
		tt.other.Name, tt.other.Type = "other", "local"
		err := (&gateway.Catalog{Directories: []gateway.Directory{tt.other, d}}).Validate()
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
}
