package grpccall

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
)

// dial makes a connection, which opens with the first call on it.
func (c *call) dial() (*grpc.ClientConn, error) {
	secured := insecure.NewCredentials()
	if c.config.TLS != nil {
		config, err := c.tls()
		if err != nil {
			return nil, err
		}
		secured = credentials.NewTLS(config)
	}
	return grpc.NewClient(c.config.Address,
		grpc.WithTransportCredentials(secured),
		grpc.WithMaxHeaderListSize(maxHeaders),
		grpc.WithUserAgent("clockd"),
		// How to call is up to the task, not to what DNS or the service says; retries are its policy's.
		grpc.WithDisableServiceConfig(),
		grpc.WithDisableRetry(),
	)
}

// tls reads the files.
func (c *call) tls() (*tls.Config, error) {
	spec := c.config.TLS
	config := &tls.Config{ServerName: spec.ServerName, MinVersion: tls.VersionTLS12}
	if spec.CAFile != "" {
		data, err := os.ReadFile(spec.CAFile)
		if err != nil {
			return nil, fmt.Errorf("tls.ca_file: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(data) {
			return nil, fmt.Errorf("tls.ca_file: %s has no certificate in PEM", spec.CAFile)
		}
	}
	if spec.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(spec.CertFile, spec.KeyFile)
		var at *fs.PathError
		switch {
		case errors.As(err, &at):
			return nil, fmt.Errorf("tls: %w", at)
		case err != nil:
			return nil, fmt.Errorf("tls: %s and %s: %w", spec.CertFile, spec.KeyFile, err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}
