"""Looking at data sets and results: inspect, compare, trace and rerun."""
