package static

import (
	"io/fs"
	"os"

	"curlew.example/curlew/server/route"
	"curlew.example/curlew/server/site"
)

// A folder is where files are served from.
type folder interface {
	// open opens a regular file or a directory by its slash-separated name
	// below the folder, "." for the folder itself. Whatever else it finds
	// (devices, pipes, sockets) it refuses without waiting for it.
	open(name string) (fs.File, fs.FileInfo, error)
}

// A directory is one of the system. No name and no symbolic link leads out of
// it, not even one that changes meanwhile. It is opened anew for each request,
// so that one that was replaced as a whole is served from then on.
type directory struct {
	name  string
	route *site.Route // whose site has files that are not served
}

func (d directory) open(name string) (fs.File, fs.FileInfo, error) {
	root, err := os.OpenRoot(d.name)
	if err != nil {
		return nil, nil, err
	}
	defer root.Close()
	opened, err := root.OpenFile(name, os.O_RDONLY|openFlags, 0)
	if err != nil {
		return nil, nil, err
	}
	file, info, err := regular(opened)
	if err == nil && route.Private(d.route, root, name, info) {
		file.Close()
		return nil, nil, fs.ErrNotExist
	}
	return file, info, err
}

// A tree is any file system, of embedded files for example.
type tree struct{ fsys fs.FS }

func (f tree) open(name string) (fs.File, fs.FileInfo, error) {
	file, err := f.fsys.Open(name)
	if err != nil {
		return nil, nil, err
	}
	return regular(file)
}

func regular(file fs.File) (fs.File, fs.FileInfo, error) {
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() && !info.IsDir() {
		err = fs.ErrInvalid
	}
	if err != nil {
		file.Close()
		return nil, nil, err
	}
	return file, info, nil
}
