package gateway_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/livygateway/livygateway/internal/gateway"
)

func testCatalog() *gateway.Catalog {
	return &gateway.Catalog{
		Engines: []gateway.Engine{
			{Name: "spark-3.5", Spark: "3.5.8"}, {Name: "spark-3.4", Spark: "3.4.4"}, {Name: "old", Livy: "0.7.1"},
		},
		Queues:       []string{"root.etl"},
		Clusters:     []gateway.Cluster{{Name: "lake", Master: "yarn", DeployMode: "cluster"}},
		Environments: []gateway.Environment{{Name: "analytics", Dir: "/srv/env", PyFiles: []string{"lib.zip"}}},
		Networks:     []gateway.Network{{Name: "lake", VPC: "vpc-1"}, {Name: "other", VPC: "vpc-2"}},
		Directories: []gateway.Directory{
			{Name: "scratch", Type: "local", Source: "/srv/scratch", Path: "/mnt/scratch"},
			{Name: "inner", Type: "local", Source: "/srv/inner", Path: "/mnt/scratch/inner"},
			{Name: "bucket", Type: "oss", Source: "/srv/bucket", Path: "/mnt/bucket"},
			{Name: "warehouse", Type: "nas", Source: "nas:/export", Path: "/mnt/warehouse", VPC: "vpc-1"},
			{Name: "fast", Type: "cpfs", Source: "cpfs:/share", Path: "/mnt/fast", VPC: "vpc-1"},
			{Name: "faster", Type: "cpfs", Source: "cpfs:/share2", Path: "/mnt/faster", VPC: "vpc-1"},
		},
		Fusion: []gateway.Fusion{gateway.Comet()},
	}
}

func TestSpecDefaults(t *testing.T) {
	got := gateway.Spec{Name: "etl", AutoStop: gateway.AutoStop{Enabled: true}}.WithDefaults(testCatalog())
	if got.CPU != 1 || got.Memory != "4Gi" || got.Engine != "spark-3.5" || got.LivyVersion != "0.8.0" || got.AutoStop.Minutes != 45 || got.AutoStart.Wait() != 60 {
		t.Errorf("defaults: %+v", got)
	}
	if old := (gateway.Spec{Name: "etl", Engine: "old"}).WithDefaults(testCatalog()); old.LivyVersion != "0.7.1" {
		t.Errorf("an engine's own version: %q", old.LivyVersion)
	}
	if err := got.Validate(testCatalog()); err != nil {
		t.Error(err)
	}
}

func TestSpecRules(t *testing.T) {
	ten := 601
	for name, tt := range map[string]struct {
		change             func(*gateway.Spec)
		field, value, rule string // an empty field: valid
	}{
		"a name of 63":        {func(s *gateway.Spec) { s.Name = strings.Repeat("a", 63) }, "", "", ""},
		"a name of 64":        {func(s *gateway.Spec) { s.Name = strings.Repeat("a", 64) }, "name", strings.Repeat("a", 64), "1 to 63"},
		"no name":             {func(s *gateway.Spec) { s.Name = "" }, "name", "", "1 to 63"},
		"upper case":          {func(s *gateway.Spec) { s.Name = "ETL" }, "name", "ETL", "lowercase"},
		"hyphen at the end":   {func(s *gateway.Spec) { s.Name = "etl-" }, "name", "etl-", "ending with"},
		"4 cores":             {func(s *gateway.Spec) { s.CPU = 4 }, "", "", ""},
		"3 cores":             {func(s *gateway.Spec) { s.CPU = 3 }, "cpu", "3", "one of 1, 2, 4"},
		"16Gi":                {func(s *gateway.Spec) { s.Memory = "16Gi" }, "", "", ""},
		"32Gi":                {func(s *gateway.Spec) { s.Memory = "32Gi" }, "memory", "32Gi", "one of 4Gi, 8Gi, 16Gi"},
		"4g":                  {func(s *gateway.Spec) { s.Memory = "4g" }, "memory", "4g", "one of"},
		"the other engine":    {func(s *gateway.Spec) { s.Engine = "spark-3.4" }, "", "", ""},
		"an unknown engine":   {func(s *gateway.Spec) { s.Engine = "spark-9" }, "engine", "spark-9", "spark-3.5, spark-3.4, old"},
		"another Livy":        {func(s *gateway.Spec) { s.LivyVersion = "0.7.1" }, "livyVersion", "0.7.1", "must be 0.8.0"},
		"Comet":               {func(s *gateway.Spec) { s.Fusion = "comet" }, "", "", ""},
		"Comet on Spark 3.4":  {func(s *gateway.Spec) { s.Engine, s.Fusion = "spark-3.4", "comet" }, "fusion", "comet", "for Spark 3.5"},
		"unknown fusion":      {func(s *gateway.Spec) { s.Fusion = "warp" }, "fusion", "warp", "comet"},
		"a cluster":           {func(s *gateway.Spec) { s.Cluster = "lake" }, "", "", ""},
		"unknown cluster":     {func(s *gateway.Spec) { s.Cluster = "sea" }, "cluster", "sea", "lake"},
		"a queue":             {func(s *gateway.Spec) { s.Queue = "root.etl" }, "", "", ""},
		"a queue not offered": {func(s *gateway.Spec) { s.Queue = "root.ads" }, "queue", "root.ads", "root.etl"},
		"a bad queue":         {func(s *gateway.Spec) { s.Queue = "a b" }, "queue", "a b", "letters"},
		"a bad identity":      {func(s *gateway.Spec) { s.Identity = "a b" }, "identity", "a b", "user name"},
		"an environment":      {func(s *gateway.Spec) { s.Environment = "analytics" }, "", "", ""},
		"unknown environment": {func(s *gateway.Spec) { s.Environment = "x" }, "environment", "x", "analytics"},
		"unknown network":     {func(s *gateway.Spec) { s.Network = "x" }, "network", "x", "lake, other"},
		"two directories":     {func(s *gateway.Spec) { s.Directories = []string{"scratch", "bucket"} }, "", "", ""},
		"unknown directory":   {func(s *gateway.Spec) { s.Directories = []string{"x"} }, "directories", "x", "scratch, inner"},
		"one twice":           {func(s *gateway.Spec) { s.Directories = []string{"bucket", "bucket"} }, "directories", "bucket", "twice"},
		"one in the other":    {func(s *gateway.Spec) { s.Directories = []string{"scratch", "inner"} }, "directories", "inner", "overlaps"},
		"nas, same VPC":       {func(s *gateway.Spec) { s.Directories, s.Network = []string{"warehouse"}, "lake" }, "", "", ""},
		"nas, no network":     {func(s *gateway.Spec) { s.Directories = []string{"warehouse"} }, "directories", "warehouse", "needs a network"},
		"nas, other VPC":      {func(s *gateway.Spec) { s.Directories, s.Network = []string{"warehouse"}, "other" }, "directories", "warehouse", `"vpc-2"`},
		"cpfs, no network":    {func(s *gateway.Spec) { s.Directories = []string{"fast"} }, "directories", "fast", "needs a network"},
		"cpfs alone":          {func(s *gateway.Spec) { s.Directories, s.Network = []string{"fast", "faster"}, "lake" }, "", "", ""},
		"cpfs with oss":       {func(s *gateway.Spec) { s.Directories, s.Network = []string{"fast", "bucket"}, "lake" }, "directories", "bucket", "cannot be combined with other types"},
		"oss with cpfs":       {func(s *gateway.Spec) { s.Directories, s.Network = []string{"bucket", "fast"}, "lake" }, "directories", "fast", "cannot be combined with other types"},
		"mount nothing":       {func(s *gateway.Spec) { s.MountToExecutor = true }, "mountToExecutor", "true", "needs directories"},
		"auto-stop":           {func(s *gateway.Spec) { s.AutoStop = gateway.AutoStop{Enabled: true, Minutes: 1} }, "", "", ""},
		"auto-stop at once":   {func(s *gateway.Spec) { s.AutoStop = gateway.AutoStop{Enabled: true, Minutes: -1} }, "autoStop.minutes", "-1", "from 1 to"},
		"auto-stop too late":  {func(s *gateway.Spec) { s.AutoStop = gateway.AutoStop{Enabled: true, Minutes: 43201} }, "autoStop.minutes", "43201", "43200"},
		"a long wait":         {func(s *gateway.Spec) { s.AutoStart.WaitSeconds = &ten }, "autoStart.waitSeconds", "601", "0 to 600"},
	} {
		t.Run(name, func(t *testing.T) {
			spec := gateway.Spec{Name: "etl"}
			tt.change(&spec)
			// The name alone has no default.
			full := spec.WithDefaults(testCatalog())
			err := full.Validate(testCatalog())
			if tt.field == "" {
				if err != nil {
					t.Fatalf("refused: %v", err)
				}
				return
			}
			var e *gateway.Error
			if !errors.As(err, &e) || e.Kind != gateway.KindInvalid || e.Field != tt.field || e.Value != tt.value || !strings.Contains(e.Rule, tt.rule) {
				t.Errorf("error %#v; want %s, %q, %q", err, tt.field, tt.value, tt.rule)
			}
		})
	}
}

func TestOperatorsWidenResources(t *testing.T) {
	c := testCatalog()
	c.CPUs, c.Memories = []int{2, 8}, []string{"2Gi", "64Gi"}
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	s := gateway.Spec{Name: "etl"}.WithDefaults(c)
	if s.CPU != 2 || s.Memory != "2Gi" || s.MemoryBytes() != 2<<30 {
		t.Errorf("defaults %+v", s)
	}
	s.CPU, s.Memory = 8, "64Gi"
	if err := s.Validate(c); err != nil {
		t.Error(err)
	}
	s.CPU = 1
	if err := s.Validate(c); err == nil || !strings.Contains(err.Error(), "one of 2, 8") {
		t.Errorf("1 core: %v", err)
	}
}

func TestCatalogRules(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*gateway.Catalog)
		want   string
	}{
		"fine":             {func(*gateway.Catalog) {}, ""},
		"cores":            {func(c *gateway.Catalog) { c.CPUs = []int{0} }, "cpu: must be from 1"},
		"memory":           {func(c *gateway.Catalog) { c.Memories = []string{"4GB"} }, "memory: must be a whole number of GiB"},
		"signed memory":    {func(c *gateway.Catalog) { c.Memories = []string{"+4Gi"} }, "memory: must be"},
		"queue":            {func(c *gateway.Catalog) { c.Queues = []string{"a b"} }, "queue: must be"},
		"engine twice":     {func(c *gateway.Catalog) { c.Engines = append(c.Engines, c.Engines[0]) }, "engine: is defined twice"},
		"no name":          {func(c *gateway.Catalog) { c.Networks[0].Name = "" }, "network: must have a name"},
		"master":           {func(c *gateway.Catalog) { c.Clusters[0].Master = "mesos://x" }, "cluster lake: master"},
		"deploy mode":      {func(c *gateway.Catalog) { c.Clusters[0].DeployMode = "both" }, "deploy_mode"},
		"conf dir":         {func(c *gateway.Catalog) { c.Clusters[0].ConfDir = "etc" }, "conf_dir"},
		"file without dir": {func(c *gateway.Catalog) { c.Environments[0].Dir = "" }, "set dir for file names"},
		"archive's name":   {func(c *gateway.Catalog) { c.Environments[0].Archives = []string{"a.zip#../x"} }, "must have a directory name"},
		"archive unnamed":  {func(c *gateway.Catalog) { c.Environments[0].Archives = []string{"a.zip#"} }, "must have a directory name"},
		"file outside dir": {func(c *gateway.Catalog) { c.Environments[0].PyFiles = []string{"../x"} }, "below /srv/env"},
		"host network":     {func(c *gateway.Catalog) { c.Networks[0].DockerNetwork = "host" }, "docker_network"},
		"type":             {func(c *gateway.Catalog) { c.Directories[0].Type = "nfs" }, "local, oss, nas, cpfs"},
		"relative path":    {func(c *gateway.Catalog) { c.Directories[0].Path = "mnt" }, "path: must be a clean absolute path"},
		"over the engine":  {func(c *gateway.Catalog) { c.Directories[0].Path = "/opt/livy/jars" }, "engine does not use"},
		"over everything":  {func(c *gateway.Catalog) { c.Directories[0].Path = "/" }, "engine does not use"},
		"over opt":         {func(c *gateway.Catalog) { c.Directories[0].Path = "/opt" }, "engine does not use"},
		"comma":            {func(c *gateway.Catalog) { c.Directories[0].Source = "/a,b" }, "source"},
		"nas source":       {func(c *gateway.Catalog) { c.Directories[3].Source = "/export" }, "HOST:/EXPORT"},
		"nas vpc":          {func(c *gateway.Catalog) { c.Directories[3].VPC = "" }, "vpc"},
		"options of local": {func(c *gateway.Catalog) { c.Directories[0].Options = "rw" }, "nas and cpfs"},
	} {
		t.Run(name, func(t *testing.T) {
			c := testCatalog()
			tt.change(c)
			err := c.Validate()
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("%v; want %q", err, tt.want)
			}
		})
	}
}

func TestEnvironmentFilesAreFound(t *testing.T) {
	e := gateway.Environment{Dir: "/srv/env"}
	got := e.Resolve([]string{"lib.zip", "sub/venv.tar.gz#venv", "hdfs://nn/x.jar", "local:/opt/x.jar"})
	want := []string{"file:/srv/env/lib.zip", "file:/srv/env/sub/venv.tar.gz#venv", "hdfs://nn/x.jar", "local:/opt/x.jar"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestMissing(t *testing.T) {
	s := gateway.Spec{Engine: "spark-3.5", Environment: "gone", Directories: []string{"scratch", "lost"}, Queue: "not-in-the-list"}
	var got []string
	for _, e := range s.Missing(testCatalog()) {
		got = append(got, e.Field+" "+e.Value)
	}
	if !slices.Equal(got, []string{"environment gone", "directories lost"}) {
		t.Errorf("missing %q", got)
	}
}
