"""Sluice beside its peers: the same question about the same trees, on the same machine, in turn."""
