module lodur.test/clients/collector

go 1.25.0
