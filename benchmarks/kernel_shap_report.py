def full(results): return ""
