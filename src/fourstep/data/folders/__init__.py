"""Pictures in folders, decoded once and kept as bytes."""
