"""What end-to-end tests are made of: hosts in network namespaces, daemons, origins, registries."""
