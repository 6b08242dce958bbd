"""What Bookio has."""
