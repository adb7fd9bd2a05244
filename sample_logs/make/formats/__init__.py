"""Makes the samples of gateways' log formats that real software writes: see ``__main__``."""
