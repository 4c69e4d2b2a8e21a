"""Networks trained by others: features for critics and for evaluation. Their weights are read as data."""
