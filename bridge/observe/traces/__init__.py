"""Traces by OpenTelemetry, where the owner asks for them; the extra `otel` is loaded for nobody else."""
