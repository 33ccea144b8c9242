"""Every method in one comparison: trains what is missing, measures, and writes tables and figures."""
