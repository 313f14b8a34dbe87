"""The weights that come with medsr, one safetensors file each, its SHA-256 and its card beside it."""
