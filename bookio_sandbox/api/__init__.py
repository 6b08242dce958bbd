"""The API as the vendor documents it, and as it may differ."""
