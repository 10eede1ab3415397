package gateway

import (
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// metastoreURL reports whether Warehouse is the URL of a metastore, rather than the name of a
// directory.
func (s *Spec) metastoreURL() bool { return strings.Contains(s.Warehouse, "://") }

// Metastore returns the URL of the metastore that Warehouse names, or "".
func (s *Spec) Metastore() string {
	if !s.metastoreURL() {
		return ""
	}
	return s.Warehouse
}

// WarehouseDirectory returns the directory of the catalog that a gateway keeps its tables in.
func (c *Catalog) WarehouseDirectory(s *Spec) (Directory, bool) {
	if s.metastoreURL() {
		return Directory{}, false
	}
	return find(c.warehouses(), s.Warehouse)
}

// warehouses returns the directories that gateways can keep their tables in, mounted all others.
func (c *Catalog) warehouses() []Directory {
	return slices.DeleteFunc(slices.Clone(c.Directories), func(d Directory) bool { return !d.Warehouse })
}

func (c *Catalog) mounted() []Directory {
	return slices.DeleteFunc(slices.Clone(c.Directories), func(d Directory) bool { return d.Warehouse })
}

// validateWarehouse checks a directory of the catalog for tables. Their metastore is a database
// that needs a local file system's locks and writes, and no gateway may reach the tables of
// another one through a directory that it mounts.
func (c *Catalog) validateWarehouse(field string, d Directory) error {
	if !d.Warehouse {
		return nil
	}
	for _, other := range c.Directories {
		if other.Name != d.Name && (overlap(d.Source, other.Source) || overlap(d.Path, other.Path)) {
			return Invalid(field+": warehouse", "true",
				"overlaps with directory "+other.Name+", through which other gateways could reach the tables")
		}
	}
	switch {
	case d.Type != DirectoryLocal:
		return Invalid(field+": warehouse", "true",
			"needs type local: the metastore is a database, which is not safe on file systems of type "+d.Type)
	case d.ReadOnly:
		return Invalid(field+": warehouse", "true", "cannot be combined with read_only")
	}
	return nil
}

func (s *Spec) validateWarehouse(c *Catalog) error {
	const field = "warehouse"
	if s.Warehouse == "" {
		return nil
	}
	if s.metastoreURL() {
		for one := range strings.SplitSeq(s.Warehouse, ",") {
			if !validMetastore(one) {
				shown := s.Warehouse
				if strings.Contains(shown, "@") {
					shown = "" // it may contain a password
				}
				return Invalid(field, shown,
					"must be the name of a directory, or thrift://HOST:PORT of a metastore (several are separated by commas)")
			}
		}
		return nil
	}
	d, _ := c.WarehouseDirectory(s)
	for _, name := range s.Directories {
		if other, _ := c.Directory(name); overlap(d.Path, other.Path) {
			return Invalid(field, s.Warehouse,
				fmt.Sprintf("is at %s, which overlaps with directory %s at %s", d.Path, other.Name, other.Path))
		}
	}
	return nil
}

// validMetastore reports whether a URL is thrift://HOST:PORT and nothing more. It is put into
// jobs as it is, so that it must not contain a password.
func validMetastore(text string) bool {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "thrift" || text != "thrift://"+u.Host {
		return false
	}
	host, port, err := net.SplitHostPort(u.Host)
	n, numErr := strconv.Atoi(port)
	return err == nil && numErr == nil && host != "" && n > 0 && n < 1<<16 &&
		!strings.ContainsFunc(host, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune("%$,", r) })
}
