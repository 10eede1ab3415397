package process

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"github.com/livygateway/livygateway/internal/gateway"
)

// makeWarehouse makes the directory of a gateway's tables, for the server's user alone. With
// a pool of users the last server may have run as another one.
func makeWarehouse(d gateway.Directory, cred *syscall.Credential) error {
	err := os.Mkdir(d.Path, 0o700)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return gateway.Wrap(gateway.KindInvalid, "making the warehouse in directory "+d.Name, err)
	}
	if cred == nil || os.Geteuid() != 0 {
		return nil
	}
	root, err := os.OpenRoot(d.Path) // a link that a job left there leads nowhere else
	if err != nil {
		return gateway.Wrap(gateway.KindInvalid, "opening the warehouse in directory "+d.Name, err)
	}
	defer root.Close()
	if info, err := root.Stat("."); err == nil && info.Sys().(*syscall.Stat_t).Uid == cred.Uid {
		return nil
	}
	// The top is last: if this is interrupted, the next start does it again.
	err = fs.WalkDir(root.FS(), ".", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || path == "." {
			return err
		}
		return ownIn(root, path, cred)
	})
	if err == nil {
		err = own(d.Path, cred)
	}
	if err != nil {
		return fmt.Errorf("giving the warehouse %s to the server's user: %w", d.Path, err)
	}
	return nil
}
