//go:build !unix

package wire

func (c *conn) watchQuiet() {}

// quiet reports false: here it cannot be told whether the server has closed the connection.
func (c *conn) quiet() bool { return false }
