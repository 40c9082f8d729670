// A real S3 server for the tests: versitygw's S3 front over a directory, with one account and nothing else of it.
//
// The whole gateway also carries Azure, IAM and web parts that the tests never touch and that double its build time.
package main

import (
	"flag"
	"log"
	"os"

	"github.com/versity/versitygw/auth"
	"github.com/versity/versitygw/backend/meta"
	"github.com/versity/versitygw/backend/posix"
	"github.com/versity/versitygw/s3api"
	"github.com/versity/versitygw/s3api/middlewares"
)

const region = "us-east-1"

func main() {
	listen := flag.String("listen", "127.0.0.1:7070", "address to listen on")
	root := flag.String("root", "", "directory whose sub-directories are the buckets")
	sidecar := flag.String("sidecar", "", "directory for object metadata, where the file system has no extended attributes")
	flag.Parse()
	if err := serve(*listen, *root, *sidecar); err != nil {
		log.Fatal(err)
	}
}

func serve(listen, root, sidecar string) error {
	account := middlewares.RootUserConfig{Access: os.Getenv("ROOT_ACCESS_KEY"), Secret: os.Getenv("ROOT_SECRET_KEY")}
	var storer meta.MetadataStorer = meta.XattrMeta{}
	if sidecar != "" {
		kept, err := meta.NewSideCar(sidecar)
		if err != nil {
			return err
		}
		storer = kept
	}
	objects, err := posix.New(root, storer, posix.PosixOpts{SideCarDir: sidecar, Concurrency: 256})
	if err != nil {
		return err
	}
	users := auth.NewIAMServiceSingle(auth.Account{Access: account.Access, Secret: account.Secret, Role: auth.RoleAdmin})
	server, err := s3api.New(objects, account, region, users, nil, nil, nil, nil,
		s3api.WithQuiet(), s3api.WithHealth("/health"), s3api.WithKeepAlive(),
		s3api.WithConcurrencyLimiter(1024, 1024))
	if err != nil {
		return err
	}
	return server.ServeMultiPort([]string{listen})
}
