"""The static site: one folder that a browser opens from disk, without a server and without the network."""
