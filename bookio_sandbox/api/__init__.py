"""The API as the vendor documents it, and possible variants."""
