// Package integration holds the tests that put the real parts together: the
// built binary, real Redis, real Livy with real Spark in containers and as
// processes, and real clients. What a machine does not have is skipped by name
// (see internal/require).
//
// The machine is described by environment variables, each with a default:
//
//	LIVYGW_BINARY   the Caddy binary under test (bin/caddy, "make build")
//	LIVYGW_ENGINE   Livy and Spark for the process runtime (.run/engine, "make engine")
//	LIVYGW_IMAGE    Livy and Spark for the docker runtime ("make image")
//	LIVYGW_CLIENTS  real clients, a folder each ("make clients")
//	LIVYGW_YARN     a YARN on one machine ("make yarn")
//
// Everything a test starts is on a spare port of 127.0.0.1 and in a folder of
// its own, and is ended by its process id.
package integration
