"""From an estimator to a model that the gateway serves: `shardgate.export`, and the command
`python -m shardgate.exporter`."""
