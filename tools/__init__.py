"""Programs around the services: simulator, renderer, training, benchmarks."""
