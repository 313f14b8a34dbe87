"""Floor 5: findings to text, JSON, CSV and pictures; numbers are computed elsewhere."""
