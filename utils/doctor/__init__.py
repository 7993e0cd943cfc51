"""Dataset checks: findings about files, labels, classes, duplicates and splits, and their page."""
