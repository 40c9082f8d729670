// Sends a few records to a server with slog-loki, which sends them with loki-client-go.
//
// Arguments: the server's address, user, password, tenant.
package main

import (
	"log/slog"
	"os"
	"time"

	"github.com/grafana/loki-client-go/loki"
	"github.com/prometheus/common/config"
	slogloki "github.com/samber/slog-loki/v3"
)

func main() {
	settings, err := loki.NewDefaultConfig(os.Args[1] + "/loki/api/v1/push")
	if err != nil {
		panic(err)
	}
	settings.Client.BasicAuth = &config.BasicAuth{Username: os.Args[2], Password: config.Secret(os.Args[3])}
	settings.TenantID = os.Args[4]
	settings.BatchWait = 100 * time.Millisecond
	client, err := loki.New(settings)
	if err != nil {
		panic(err)
	}
	logger := slog.New(slogloki.Option{Level: slog.LevelInfo, Client: client}.NewLokiHandler()).With("application", "shop")
	logger.Debug("not sent")
	logger.Info("cart opened", "area", "cart")
	logger.Error("two\nlines \"quoted\" ☃", "area", "pay", slog.Group("order", "id", 7))
	// Stop sends what waits.
	client.Stop()
}
