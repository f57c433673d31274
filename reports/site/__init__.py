"""The static site: one folder that opens from disk, without a server and without the network."""
