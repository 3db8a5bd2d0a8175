"""Workloads measured beside their peers, in one run: ``python -m benchmarks [--quick] [workload …]``."""
