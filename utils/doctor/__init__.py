"""Dataset checks: findings about files, labels, classes, duplicates and splits, and an HTML page of them."""
